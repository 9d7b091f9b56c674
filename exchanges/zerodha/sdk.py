"""The one door to kiteconnect: it is imported without its ticker, and made the way we need it.

The package imports Twisted only for the ticker and installs a reactor with it; a stand-in module
keeps both away (half the memory, a third of the time) until `real_ticker` is called. *Source*:
the venue sheet §1 and §2.
"""

# ruff: noqa: D102 - the methods are the SDK's and documented there
# The SDK has no types: what leaves this file has.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, Protocol, cast

from exchanges.secrets import Secret

_TICKER = "kiteconnect.ticker"
CONNECT_S = 3.05
"""A little above a multiple of TCP's three seconds to send again."""
READ_S = 7.0
WRITE_S = 15.0
"""An order that had timed out at 7 s was placed at 8 s."""
_POOL = 32


class Session(Protocol):
    """The SDK's client, as far as we call it. *Source*: kiteconnect 5.2.2."""

    access_token: str | None

    def set_access_token(self, access_token: str) -> None: ...
    def generate_session(self, request_token: str, api_secret: str) -> dict[str, object]: ...
    def login_url(self) -> str: ...
    def profile(self) -> object: ...
    def margins(self) -> object: ...
    def orders(self) -> object: ...
    def order_history(self, order_id: str) -> object: ...
    def trades(self) -> object: ...
    def positions(self) -> object: ...
    def holdings(self) -> object: ...
    def quote(self, *instruments: str) -> object: ...
    def instruments(self, exchange: str) -> object: ...
    def place_order(self, **fields: object) -> object: ...
    def modify_order(self, **fields: object) -> object: ...
    def cancel_order(self, variety: str, order_id: str) -> object: ...
    def get_gtts(self) -> object: ...
    def place_gtt(self, **fields: object) -> object: ...
    def modify_gtt(self, **fields: object) -> object: ...
    def delete_gtt(self, trigger_id: int) -> object: ...


def open_session(key: Secret, token: Secret | None, root: str | None, read_s: float) -> Session:
    """Make a client that neither retries, nor follows redirects, nor looks at the environment.

    *Source*: a redirect would turn a POST into a GET, a proxy or a ``.netrc`` would see or
    replace the token.
    """
    module: Any = _package()
    revealed = None if token is None else token.reveal()
    client: Any = module.KiteConnect(
        key.reveal(), access_token=revealed, root=root, timeout=(CONNECT_S, read_s)
    )
    http: Any = client.reqsession
    http.trust_env = False
    http.max_redirects = 0
    adapter: Any = import_module("requests.adapters").HTTPAdapter
    for scheme in ("http://", "https://"):
        http.mount(scheme, adapter(pool_maxsize=_POOL, max_retries=0))
    return cast("Session", client)


def close_session(session: Session) -> None:
    """Close the client's connections."""
    cast("Any", session).reqsession.close()


def real_ticker() -> ModuleType:
    """Import the true ticker, and Twisted with it."""
    package = _package()
    if not hasattr(sys.modules[_TICKER], "KiteTickerClientFactory"):
        del sys.modules[_TICKER]
        package.KiteTicker = import_module(_TICKER).KiteTicker
    return sys.modules[_TICKER]


def _package() -> Any:  # noqa: ANN401 - the SDK's border
    if "kiteconnect" not in sys.modules and _TICKER not in sys.modules:
        stand_in = ModuleType(_TICKER)
        stand_in.KiteTicker = _NoTicker  # pyright: ignore[reportAttributeAccessIssue] - as the package expects
        sys.modules[_TICKER] = stand_in
    return import_module("kiteconnect")


class _NoTicker:
    """Stands where the ticker would be."""

    def __init__(self, *_: object, **__: object) -> None:
        raise RuntimeError("the ticker is not loaded in this process")


def exceptions() -> ModuleType:
    """Return the SDK's exceptions."""
    _package()
    return import_module("kiteconnect.exceptions")


@cache
def faults() -> tuple[type[Exception], ...]:
    """Return all that a call can raise: the SDK's, its transport's, and what odd bodies leak.

    *Source*: the venue sheet §3.
    """
    kite: Any = exceptions()
    transport: Any = import_module("urllib3.exceptions")
    return (
        kite.KiteException,
        transport.HTTPError,
        OSError,  # requests' own are of it
        AssertionError,
        AttributeError,
        LookupError,
        NameError,
        TypeError,
        ValueError,
    )
