"""What a Bybit account is told, and where its requests may go.

Knows nothing of files or of the controller's configuration. Invariant: a signed request leaves
for a host of Bybit's over TLS, or for this machine, and for no other place.
"""

from __future__ import annotations

import enum
from ipaddress import ip_address
from urllib.parse import urlsplit

import msgspec

from exchanges.secrets import Secret
from machines.errors import InvalidSpec


class Environment(enum.StrEnum):
    """Which Bybit. Each has keys of its own."""

    MAINNET = "mainnet"
    TESTNET = "testnet"
    DEMO = "demo"


class StopStyle(enum.StrEnum):
    """What a stop is made of."""

    POSITION = "position"
    """The position's own stop: it follows the size by itself and may ride on the entries."""
    CONDITIONAL = "conditional"
    """A reduce-only conditional order of a size."""


_DOMAINS = ("bybit.com", "bytick.com", "bybit.kz")
"""Source: venues/bybit.md §1.1; hosts are ``api….DOMAIN`` and ``stream….DOMAIN``."""
_SUFFIX = {
    Environment.MAINNET: "",
    Environment.TESTNET: "-testnet",
    Environment.DEMO: "-demo",
}


class BybitSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a Bybit account is made of. ``url`` and ``stream_url`` None: the venue's own."""

    account: str
    key: Secret
    secret: Secret
    environment: Environment = Environment.MAINNET
    url: str | None = None
    stream_url: str | None = None
    stop_style: StopStyle = StopStyle.POSITION
    symbols: tuple[str, ...] = ()
    """Whose prices are wanted whether or not anything of ours is there."""
    allow_transfers: bool = False
    """Take a key that may move money out: a person's word, by name."""

    @property
    def http(self) -> str:
        """Return where requests go."""
        return self.url or f"https://api{_SUFFIX[self.environment]}.bybit.com"

    @property
    def private_stream(self) -> str:
        """Return where the private stream is."""
        if self.stream_url is not None:
            return self.stream_url
        return f"wss://stream{_SUFFIX[self.environment]}.bybit.com/v5/private"


def check(settings: BybitSettings) -> None:
    """Refuse settings under which nothing may be sent. *Raises*: InvalidSpec with every fault."""
    where = f"account {settings.account}"
    environment = settings.environment
    faults = [
        *(f"{where}: url: {fault}" for fault in url_faults(environment, settings.http)),
        *(
            f"{where}: stream_url: {fault}"
            for fault in stream_faults(environment, settings.private_stream)
        ),
    ]
    if faults:
        raise InvalidSpec(faults)


def url_faults(environment: Environment, url: str) -> list[str]:
    """Say why requests of an environment may not go to ``url``; empty when they may."""
    return _faults(environment, url, "https", "api")


def stream_faults(environment: Environment, url: str) -> list[str]:
    """Say why the private stream of an environment may not be at ``url``; empty when it may."""
    faults = _faults(environment, url, "wss", "stream")
    if not url.endswith("/private"):
        faults.append(f"{url!r} must end in /private")
    return faults


def _faults(environment: Environment, url: str, scheme: str, service: str) -> list[str]:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        return [f"{url!r}: {error}"]
    if parts.username or parts.password or parts.query or parts.fragment:
        return ["holds more than scheme, host, port and path"]  # and is not repeated: a secret?
    if parts.hostname and scheme == "https" and parts.path:
        return [f"{url!r} must end after the host and port"]
    if is_loopback(host):
        if parts.scheme in (scheme, scheme.removesuffix("s")):
            return []
        return [f"{url!r} must begin with {scheme.removesuffix('s')}://"]
    wanted = service + _SUFFIX[environment]
    if parts.scheme != scheme:
        return [f"{url!r} must begin with {scheme}:// (http:// and ws:// on this machine only)"]
    name, _, domain = host.partition(".")
    if domain not in _DOMAINS:
        return [f"{host!r} is neither Bybit's nor this machine"]
    if name != wanted:
        return [f"{host!r} is not {environment.value}: that is {wanted}.{domain}"]
    return []


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine, by number or as ``localhost``."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_loopback_url(url: str | None) -> bool:
    """Tell whether an address that was found sound is on this machine; None is the venue's own."""
    return url is not None and is_loopback(urlsplit(url).hostname or "")
