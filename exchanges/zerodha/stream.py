"""Order updates through Kite's ticker: they only wake the poll. Silent or dead, nothing is lost.

The only place that loads Twisted, and only when it is run. The ticker sends no pings and so never
notices a half-open line: silence is watched here, as Kite beats every few seconds. Knows no
orders. Invariants: what a frame says is never believed; every connection is a reason to look; no
callback raises, which would cut the line. *Source*: the venue sheet §10.
"""

# The SDK and Twisted have no types that hold here: what leaves this file has.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import enum
import logging
from collections.abc import Callable
from importlib import import_module
from typing import Any

import anyio
import msgspec
from anyio.lowlevel import EventLoopToken, current_token

from exchanges.secrets import Secret
from exchanges.threads import call_soon
from exchanges.zerodha import sdk

LOOK_S = 1.0
SILENCE_S = 10.0
"""Kite beats every couple of seconds, trades or not."""
_TRIES = 50
"""Of the ticker's own, with up to a minute between them; then we build another."""
_CONNECT_S = 15


class StreamState(enum.StrEnum):
    """How the stream stands."""

    CONNECTING = "connecting"
    UP = "up"
    DOWN = "down"
    AUTH_LOST = "auth_lost"


class StreamHealth(msgspec.Struct, frozen=True):
    """What there is to tell of the stream. *Units*: UTC ms."""

    state: StreamState = StreamState.CONNECTING
    heard_ms: int = 0
    """When the last frame came, heartbeats included."""
    connections: int = 0
    failures: int = 0
    text: str = ""
    """Why it is down."""


class Stream:
    """One account's stream. ``wake`` is called in the event loop, at once and often."""

    def __init__(
        self,
        key: Secret,
        token: Callable[[], Secret],
        root: str | None,
        wake: Callable[[], None],
        now_ms: Callable[[], int],
    ) -> None:
        self.health = StreamHealth(heard_ms=now_ms())
        self._key = key
        self._token = token
        self._root = root
        self._wake = wake
        self._now_ms = now_ms
        self._loop: EventLoopToken | None = None
        self._used: Secret | None = None

    async def run(self) -> None:
        """Keep the ticker connected until cancelled."""
        self._loop = current_token()
        logging.getLogger("kiteconnect.ticker").setLevel(logging.CRITICAL)  # it reports our leaving
        while True:
            ticker = self._open()
            try:
                await self._watch(ticker)
            finally:
                _in_reactor(ticker.close, code=1000, reason="")
                _in_reactor(ticker.stop_retry)
            await self._await_login()

    def _open(self) -> Any:  # noqa: ANN401 - the SDK's border
        self._used = self._token()
        self._note(state=StreamState.CONNECTING, heard_ms=self._now_ms())
        module: Any = sdk.real_ticker()
        ticker = module.KiteTicker(
            self._key.reveal(),
            self._used.reveal(),
            root=self._root,
            reconnect_max_tries=_TRIES,
            connect_timeout=_CONNECT_S,
        )
        ticker.on_message = self._on_message
        ticker.on_order_update = self._on_order_update
        ticker.on_connect = self._on_connect
        ticker.on_error = ticker.on_close = self._on_end
        if _reactor().running:
            _in_reactor(ticker.connect, threaded=True)
        else:
            ticker.connect(threaded=True)
        return ticker

    async def _watch(self, ticker: Any) -> None:  # noqa: ANN401 - the SDK's border
        """Drop a silent line, which the ticker then builds anew; return when a login is needed."""
        while self.health.state is not StreamState.AUTH_LOST:
            await anyio.sleep(LOOK_S)
            silent_ms = self._now_ms() - self.health.heard_ms
            if self.health.state is StreamState.UP and silent_ms > SILENCE_S * 1_000:
                self._fail(f"nothing heard for {silent_ms // 1_000} s")
                if ticker.ws is not None:
                    _in_reactor(ticker.ws.dropConnection, abort=True)

    async def _await_login(self) -> None:
        # Whoever logs in writes a file: there is no event to wait for.
        while self._token() == self._used:  # noqa: ASYNC110 - see above
            await anyio.sleep(LOOK_S)

    # ------------------------------------------------------------- called in the reactor's thread

    def _on_message(self, _ws: object, _payload: object, _is_binary: object) -> None:
        self._call(self._heard)

    def _on_order_update(self, _ws: object, _data: object) -> None:
        self._call(self._wake)

    def _on_connect(self, _ws: object, _response: object) -> None:
        self._call(self._connected)

    def _on_end(self, _ws: object, _code: object, reason: object) -> None:
        self._call(lambda: self._ended(str(reason)))

    def _call(self, what: Callable[[], None]) -> None:
        if self._loop is not None:
            call_soon(self._loop, what)

    # ------------------------------------------------------------------------ called in the loop

    def _heard(self) -> None:
        self._note(heard_ms=self._now_ms())

    def _connected(self) -> None:
        # Nothing that was missed is sent again: every connection is a reason to look.
        self._note(
            state=StreamState.UP,
            heard_ms=self._now_ms(),
            connections=self.health.connections + 1,
            text="",
        )
        self._wake()

    def _ended(self, reason: str) -> None:
        if "403" in reason:
            # The ticker would try fifty times more with the same dead token.
            self._note(state=StreamState.AUTH_LOST, text="Kite refuses the token")
        elif self.health.state is StreamState.UP:
            self._fail("the line was cut")

    def _fail(self, text: str) -> None:
        self._note(state=StreamState.DOWN, failures=self.health.failures + 1, text=text)

    def _note(self, **changes: object) -> None:
        self.health = msgspec.structs.replace(self.health, **changes)


def _reactor() -> Any:  # noqa: ANN401 - Twisted's border
    return import_module("twisted.internet.reactor")


def _in_reactor(call: Callable[..., object], **arguments: object) -> None:
    """Let the reactor's own thread do it: nothing of Twisted may be called from another."""
    _reactor().callFromThread(call, **arguments)
