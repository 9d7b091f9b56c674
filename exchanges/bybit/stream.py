"""The private stream: it only wakes the poll. Silent, flapping or dead, nothing is lost.

pybit's WebSocket ends for ever on many occasions and tells nobody; a supervisor looks after it and
builds a new one. Knows no orders. Invariants: what a frame says is never believed, only that
there was one; every connection is a reason to look. *Source*: venues/bybit.md §2.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import cast

import anyio
import msgspec
from anyio import CancelScope, to_thread
from anyio.lowlevel import EventLoopToken, current_token
from pybit.unified_trading import WebSocket
from websocket import WebSocketException

from exchanges.bybit.settings import BybitSettings
from exchanges.threads import call_soon

TOPICS = ("execution", "order")
_PING_S, _PONG_S = 20, 10
_AUTH_S = 10
"""For how long a signed greeting holds; a slow line or a skewed clock eats of it."""
_ATTEMPTS = 2
"""pybit makes one fewer, at once; waiting between attempts is ours."""
_ENDS = {"Filled", "Cancelled", "PartiallyFilledCanceled", "Rejected", "Deactivated", "Triggered"}
"""Statuses worth a look. What we ask for ourselves is read anyway."""


class StreamState(enum.Enum):
    """How the stream stands."""

    CONNECTING = "connecting"
    UP = "up"
    DOWN = "down"


class StreamHealth(msgspec.Struct, frozen=True):
    """What there is to tell of the stream. *Units*: UTC ms."""

    state: StreamState = StreamState.CONNECTING
    since_ms: int = 0
    heard_ms: int = 0
    """When the last frame came."""
    connections: int = 0
    failures: int = 0
    """Sockets that died or never came about."""
    text: str = ""
    """Why it is down."""


class Patience(msgspec.Struct, frozen=True):
    """How long to wait for what. *Units*: seconds."""

    look_s: float = 1.0
    silence_s: float = 60.0
    """No frame, not even a pong, for so long: it is dead (§2.3)."""
    connect_s: float = 15.0
    back_off_s: tuple[float, ...] = (1.0, 2.0, 5.0, 15.0, 60.0)
    """Bybit takes 500 connections in 5 minutes (§2.3)."""


class _Socket(WebSocket):
    """pybit's socket at a place of ours, that tells when it opens and when it hears."""

    def __init__(self, url: str, settings: BybitSettings, heard: Callable[[bool], None]) -> None:
        self._place = url
        self._heard = heard
        self.given_up = False
        super().__init__(
            "private",
            testnet=False,
            api_key=settings.key.reveal(),
            api_secret=settings.secret.reveal(),
            ping_interval=_PING_S,
            ping_timeout=_PONG_S,
            retries=_ATTEMPTS,
            private_auth_expire=_AUTH_S,
        )

    def _connect(self, url: str) -> None:
        super()._connect(self._place)

    def is_connected(self) -> bool:
        """Tell whether the line stands. pybit's subscriptions would wait for it for ever."""
        if self.given_up or self.exited:
            raise WebSocketException("the socket has ended")
        return bool(super().is_connected())

    def _on_open(self) -> None:
        self._heard(True)

    def _on_message(self, message: str) -> None:
        self._heard(False)
        super()._on_message(message)


class Stream:
    """One account's stream. ``wake`` is called in the event loop, at once and often."""

    def __init__(
        self,
        settings: BybitSettings,
        wake: Callable[[], None],
        now_ms: Callable[[], int],
        patience: Patience | None = None,
    ) -> None:
        self.health = StreamHealth(since_ms=now_ms())
        self._settings = settings
        self._wake = wake
        self._now_ms = now_ms
        self._patience = patience or Patience()
        self._token: EventLoopToken | None = None

    async def run(self) -> None:
        """Keep a socket open until cancelled."""
        self._token = current_token()
        failed = 0
        while True:
            socket = await self._open()
            if socket is not None:
                try:
                    failed = 0 if await self._watch(socket) else failed
                finally:
                    await self._shut(socket)
            pauses = self._patience.back_off_s
            await anyio.sleep(pauses[min(failed, len(pauses) - 1)])
            failed += 1

    async def _open(self) -> _Socket | None:
        """Connect and subscribe, in a thread: pybit blocks, and may never return."""
        self._say(StreamState.CONNECTING)
        made: list[_Socket] = []
        given_up = False

        def connect() -> None:
            socket = _Socket(self._settings.private_stream, self._settings, self._heard)
            made.append(socket)
            if given_up:
                socket.exit()
                return
            for topic in TOPICS:
                socket.subscribe(topic, self._on_data)

        try:
            with anyio.fail_after(self._patience.connect_s):
                # Abandoned when it takes too long: nothing of it can do any harm later.
                await to_thread.run_sync(connect, abandon_on_cancel=True)
        except (TimeoutError, WebSocketException, OSError) as error:
            self._fail(f"no connection ({type(error).__name__})")
        else:
            return made[0]
        finally:
            given_up = True
        for socket in made:
            await self._shut(socket)
        return None

    async def _watch(self, socket: _Socket) -> bool:
        """Wait until the socket is dead; return whether it had ever been up for a while."""
        since_ms = self._now_ms()
        self._say(StreamState.UP)
        while True:
            await anyio.sleep(self._patience.look_s)
            now_ms = self._now_ms()
            silent_ms = now_ms - max(self.health.heard_ms, since_ms)
            if _dead(socket):
                self._fail("the socket ended")
            elif silent_ms > self._patience.silence_s * 1000:
                self._fail(f"nothing heard for {silent_ms // 1000} s")
            else:
                continue
            return now_ms - since_ms > self._patience.silence_s * 1000

    async def _shut(self, socket: _Socket) -> None:
        """Close a socket, whoever is being cancelled; it may have died in any way."""
        socket.given_up = True
        with CancelScope(shield=True), anyio.move_on_after(self._patience.connect_s):
            await to_thread.run_sync(_exit, socket, abandon_on_cancel=True)

    # --------------------------------------------------------- called in the socket's threads

    def _on_data(self, message: object) -> None:
        """Look whether a frame is worth a look at the account. Must not raise: pybit would die."""
        if _matters(message):
            self._call(self._wake)

    def _heard(self, opened: bool) -> None:
        self._call(self._note_open if opened else self._note_frame)

    def _call(self, what: Callable[[], None]) -> None:
        if self._token is not None:
            call_soon(self._token, what)

    # ---------------------------------------------------------------------- called in the loop

    def _note_open(self) -> None:
        # Nothing that was missed is sent again: every connection is a reason to look.
        health, now_ms = self.health, self._now_ms()
        connections = health.connections + 1
        self.health = msgspec.structs.replace(health, heard_ms=now_ms, connections=connections)
        self._wake()

    def _note_frame(self) -> None:
        self.health = msgspec.structs.replace(self.health, heard_ms=self._now_ms())

    def _say(self, state: StreamState, text: str = "") -> None:
        self.health = msgspec.structs.replace(
            self.health, state=state, since_ms=self._now_ms(), text=text
        )

    def _fail(self, text: str) -> None:
        self._say(StreamState.DOWN, text)
        failures = self.health.failures + 1
        self.health = msgspec.structs.replace(self.health, failures=failures)


def _matters(message: object) -> bool:
    """Tell whether a frame is about a fill or an order's end; in doubt it is."""
    if not isinstance(message, dict):
        return True
    frame = cast("dict[str, object]", message)
    rows = frame.get("data")
    if frame.get("topic") != "order" or not isinstance(rows, list):
        return True
    return any(
        not isinstance(row, dict) or cast("dict[str, object]", row).get("orderStatus") in _ENDS
        for row in cast("list[object]", rows)
    )


def _dead(socket: _Socket) -> bool:
    """Tell whether a socket will do nothing more by itself."""
    try:
        return not (socket.is_connected() or socket.attempting_connection)
    except WebSocketException:
        return True


def _exit(socket: _Socket) -> None:
    try:
        socket.exit()
    except (WebSocketException, OSError, AttributeError):
        return  # it had ended by itself
