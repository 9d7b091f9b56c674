"""Kite behind the SDK: calls in threads, in their turn, with whatever token is alive.

Knows how to call and what a call's failure means; knows no orders. Invariants: a call that was
begun is awaited to its end, as a thread would go on to place the order after us; a dead token is
not tried twice; no exception that may hold a secret leaves.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import anyio
import anyio.to_thread
import msgspec

from exchanges.errors import VenueUnavailable
from exchanges.pacing import Lane, Pacer
from exchanges.secrets import Secret
from exchanges.zerodha import sdk, wire
from exchanges.zerodha.classify import Halt, Verdict, judge
from exchanges.zerodha.limits import DAY_MS, LIMITS, ORDERS_A_DAY, SECOND_MS, Kind, Waits
from machines.errors import InvalidSpec
from machines.words import Outcome, OutcomeKind

T = TypeVar("T")
_THREADS = 8
"""Calls at one time: more than ten a second are never let through."""
LOGIN = "the access token is dead: run `rungkeeper login zerodha`"


class AuthLost(VenueUnavailable):
    """The token is dead: resting orders live on, nothing is asked until somebody logs in."""


class NotPermitted(VenueUnavailable):
    """The account's plan does not include this read (quotes, on a personal app)."""


class TooSoon(VenueUnavailable):
    """Turned away unread: Kite has been asked too often in this second."""


class Sent(msgspec.Struct, frozen=True):
    """What came of a write. ``answer`` is the SDK's where it returned one."""

    verdict: Verdict
    answer: object = None


_ACCEPTED = Verdict(Outcome(OutcomeKind.ACCEPTED))


class Client:
    """One account's calls.

    ``fetch_token`` is asked at the start, and again after a token has died; ``sleep`` waits for a
    rate window. *Units*: seconds. *Raises*: InvalidSpec when there is no token at the start.
    """

    def __init__(
        self,
        key: Secret,
        fetch_token: Callable[[], Secret],
        root: str,
        now_ms: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._key = key
        self._fetch_token = fetch_token
        self._root = root
        self._now_ms = now_ms
        self._pacer = Pacer(LIMITS, Waits(now_ms, sleep))
        self._written: deque[int] = deque()
        """When each mutating request of the last 24 hours left."""
        self._threads = anyio.CapacityLimiter(_THREADS)
        self._token = fetch_token()
        self._dead: Secret | None = None
        self.calls = 0
        """Requests so far, reads included."""
        self._open()

    def _open(self) -> None:
        """Open sessions of their own for reads and writes: they wait differently long."""
        self._reads = sdk.open_session(self._key, self._token, self._root, sdk.READ_S)
        self._writes = sdk.open_session(self._key, self._token, self._root, sdk.WRITE_S)

    def close(self) -> None:
        """Close the connections."""
        sdk.close_session(self._reads)
        sdk.close_session(self._writes)

    @property
    def auth_lost(self) -> bool:
        """Tell whether a login is needed."""
        return self._dead is not None

    def _revive(self) -> None:
        """Take a token that somebody has brought since. *Raises*: AuthLost when nobody has."""
        if self._dead is None:
            return
        try:
            token = self._fetch_token()
        except InvalidSpec as error:
            raise AuthLost(f"{LOGIN} ({error})") from None
        if token == self._dead:
            raise AuthLost(LOGIN)
        # New sessions, as calls with the old token may still be in flight.
        self._token, self._dead = token, None
        self._open()

    def left_today(self) -> int:
        """Return how many order calls the last 24 hours leave of the day's."""
        day_ago_ms = self._now_ms() - DAY_MS
        while self._written and self._written[0] <= day_ago_ms:
            self._written.popleft()
        return ORDERS_A_DAY - len(self._written)

    async def read(
        self, call: Callable[[sdk.Session], object], shape: type[T], kind: Kind = Kind.OTHER
    ) -> T:
        """Make a read and understand it; one that came too soon is made again in its turn.

        *Raises*: AuthLost, NotPermitted, VenueUnavailable.
        """
        try:
            return await self._read(call, shape, kind)
        except TooSoon:  # what an earlier process has asked in this second counts, too
            return await self._read(call, shape, kind)

    async def _read(self, call: Callable[[sdk.Session], object], shape: type[T], kind: Kind) -> T:
        self._revive()
        await self._pacer.admit(Lane.BACKGROUND, kind)
        self._revive()  # it may have died while we waited
        token = self._token
        self.calls += 1
        try:
            answer = await anyio.to_thread.run_sync(
                partial(call, self._reads), limiter=self._threads
            )
        except sdk.faults() as error:
            verdict = judge(error)
            self._note(verdict.halt, kind, token)
            if verdict.halt is Halt.AUTH_LOST:
                raise AuthLost(LOGIN) from None
            if type(error).__name__ == "PermissionException":
                raise NotPermitted(self._hide(verdict.outcome.text)) from None
            kind_of = TooSoon if verdict.halt is Halt.SLOW else VenueUnavailable
            raise kind_of(self._hide(verdict.outcome.text)) from None
        return wire.read(answer, shape)

    async def write(self, call: Callable[[sdk.Session], object], lane: Lane) -> Sent:
        """Make a mutating request and say what is known after it; raises nothing of the SDK's."""
        try:
            self._revive()
            await self._pacer.admit(lane, Kind.ORDER)
            self._revive()
        except AuthLost as error:
            return Sent(Verdict(Outcome(OutcomeKind.BUSY, None, str(error)), Halt.AUTH_LOST))
        token = self._token
        self.calls += 1
        self._written.append(self._now_ms())
        try:
            answer = await anyio.to_thread.run_sync(
                partial(call, self._writes), limiter=self._threads
            )
        except sdk.faults() as error:
            verdict = judge(error)
            self._note(verdict.halt, Kind.ORDER, token)
            outcome = msgspec.structs.replace(
                verdict.outcome, text=self._hide(verdict.outcome.text)
            )
            return Sent(msgspec.structs.replace(verdict, outcome=outcome))
        return Sent(_ACCEPTED, answer)

    def _note(self, halt: Halt, kind: Kind, token: Secret) -> None:
        if halt is Halt.AUTH_LOST and token == self._token:
            self._dead = token
        elif halt is Halt.SLOW:
            self._pacer.shut(kind, self._now_ms() + SECOND_MS)

    def _hide(self, text: str) -> str:
        """Keep our own secrets out of a text that a server wrote."""
        for secret in (self._token, self._key):
            text = text.replace(secret.reveal(), str(secret))
        return text
