"""What a Zerodha account is made of, and where it may be reached."""

from __future__ import annotations

import enum
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from exchanges.zerodha.instruments import EXCHANGES, Product
from machines.errors import InvalidSpec

ROOT = "https://api.kite.trade"
_HOSTS = ("api.kite.trade",)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Scheme(enum.StrEnum):
    """How exits rest (SPEC §9)."""

    A = "A"
    """One two-leg GTT per rung."""
    B = "B"
    """One SL order per rung, converted in place."""
    C = "C"
    """One SL order for all, made smaller before a rung is sold: where Kite refuses conversions."""


class ZerodhaSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One account at Zerodha. *Shape*: ``symbols`` as plans write them, ``NSE:INFY`` or ``INFY``.

    ``memory`` is the file that outlives us with what Kite does not remember for us; without one
    GTTs are not recognised after a restart.
    """

    account: str
    symbols: tuple[str, ...]
    product: Product = Product.MIS
    exchange: str = "NSE"
    scheme: Scheme = Scheme.B
    url: str = ROOT
    calendar: Path | None = None
    memory: Path | None = None


def check(settings: ZerodhaSettings) -> None:
    """Refuse settings that cannot trade, naming every fault. *Raises*: InvalidSpec."""
    where = f"account {settings.account}"
    faults: list[str] = []
    if settings.exchange not in EXCHANGES:
        listed = ", ".join(EXCHANGES)
        faults.append(f"{where}: exchange {settings.exchange!r}: must be one of {listed}")
    if settings.scheme is Scheme.A and settings.product is Product.MIS:
        faults.append(f"{where}: scheme 'A': GTTs do not exist for MIS: must be 'B' or 'C'")
    if not settings.symbols:
        faults.append(f"{where}: no position names a symbol")
    fault = url_fault(settings.url)
    if fault:
        faults.append(f"{where}: url {settings.url!r}: {fault}")
    if faults:
        raise InvalidSpec(faults)


def url_fault(url: str) -> str:
    """Say why orders may not go to ``url``; empty when they may.

    Only Kite's own host, encrypted, or this machine: an address that somebody slipped into a
    configuration would get the token.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        return f"is no address: {error}"
    if parts.username is not None or parts.path not in ("", "/") or parts.query or parts.fragment:
        return "must be a scheme and a host, nothing more: Kite's client drops a path"
    if parts.scheme in ("http", "https") and host in _LOOPBACK:
        return ""
    if parts.scheme == "https" and host in _HOSTS and port in (None, 443):
        return ""
    return f"must be {ROOT} or on this machine (http://127.0.0.1:PORT)"


def stream_fault(url: str) -> str:
    """Say why order updates may not be listened to at ``url``; empty when they may.

    It carries the token: this machine only, as Kite's own address needs no configuration.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        return f"is no address: {error}"
    if parts.scheme == "ws" and host in _LOOPBACK and port is not None and not parts.query:
        return ""
    return "must be on this machine (ws://127.0.0.1:PORT), or left out for Kite's own"
