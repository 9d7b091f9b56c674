"""The line to Bybit: one call at a time through pacing and a thread, and what its failures mean.

Knows no orders. Invariants: a call that has left is waited for, whoever has lost interest; while
the key is refused only reads go out; while the address is banned nothing does.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

from anyio import CapacityLimiter, to_thread

from exchanges.bybit import classify
from exchanges.bybit.classify import Op, Trouble, Verdict
from exchanges.bybit.sdk import (
    CONNECTIONS,
    Answer,
    FailedRequestError,
    InvalidRequestError,
    Sdk,
    said,
)
from machines.errors import RungkeeperError
from machines.words import OutcomeKind

BAN_MS = 600_000
"""Source: §5; a breach of the address's limit wants ten quiet minutes."""


class Lane(enum.Enum):
    """How urgent a request is; pacing keeps a share of each window for the first."""

    URGENT = "urgent"
    NORMAL = "normal"
    READ = "read"


class Pacer(Protocol):
    """Lets requests through no faster than the venue takes them.

    A bucket is what the venue counts together: one of pybit's methods.
    """

    async def admit(self, lane: Lane, bucket: str, cost: int) -> None:
        """Wait until a request that costs this much may leave."""
        ...

    def heard(self, bucket: str, headers: Mapping[str, str], *, limited: bool) -> None:
        """Learn that a request is over, and from its answer's headers, if any came.

        *Source*: ``X-Bapi-Limit``, ``X-Bapi-Limit-Status``, ``X-Bapi-Limit-Reset-Timestamp``.
        """
        ...


class Unpaced:
    """Lets everything through: the venue's own limits answer."""

    async def admit(self, lane: Lane, bucket: str, cost: int) -> None:
        """Let it through."""

    def heard(self, bucket: str, headers: Mapping[str, str], *, limited: bool) -> None:
        """Forget it."""


class Failed(RungkeeperError):
    """A call did not succeed; ``verdict`` says what is known."""

    def __init__(self, verdict: Verdict, text: str) -> None:
        self.verdict = verdict
        super().__init__(text)


class Line:
    """One account's way to its venue."""

    def __init__(self, sdk: Sdk, now_ms: Callable[[], int], pacer: Pacer) -> None:
        self._sdk = sdk
        self._now_ms = now_ms
        self._pacer = pacer
        self._limiter = CapacityLimiter(CONNECTIONS)
        self._banned_until_ms = 0
        self.key_trouble = ""
        """Why the key is refused; empty while it is not."""
        self.calls: dict[str, int] = {}
        """How often each method was called."""

    async def ask(
        self,
        method: str,
        params: Mapping[str, object],
        *,
        op: Op | None = None,
        lane: Lane = Lane.READ,
        cost: int = 1,
    ) -> object:
        """Call once and return the body. ``op`` None: a read. *Raises*: Failed."""
        self._refuse_to_send(op)
        await self._pacer.admit(lane, method, cost)
        self.calls[method] = self.calls.get(method, 0) + 1
        try:
            body, headers = await self._in_thread(partial(self._sdk.call, method, params))
        except classify.FAILURES as error:
            raise self._failed(method, op, error) from None
        self._pacer.heard(method, headers, limited=False)
        if op is None:
            self.key_trouble = ""
        return body

    async def _in_thread(self, call: Callable[[], Answer]) -> Answer:
        # Not abandoned: a request that has left must be known to be over before anything else.
        return await to_thread.run_sync(call, limiter=self._limiter, abandon_on_cancel=False)

    def _refuse_to_send(self, op: Op | None) -> None:
        if self._now_ms() < self._banned_until_ms:
            verdict = Verdict(OutcomeKind.BUSY, None, Trouble.BANNED)
            raise Failed(verdict, "Bybit has shut this address out; waiting ten minutes")
        if op is not None and self.key_trouble:
            raise Failed(Verdict(OutcomeKind.BUSY, None, Trouble.KEY), self.key_trouble)

    def _failed(self, method: str, op: Op | None, error: classify.Failure) -> Failed:
        verdict, text = classify.failure(op, error)
        if verdict.trouble is Trouble.KEY:
            self.key_trouble = text
        elif verdict.trouble is Trouble.BANNED:
            self._banned_until_ms = self._now_ms() + BAN_MS
        headers: Mapping[str, str] = {}
        if isinstance(error, FailedRequestError | InvalidRequestError):
            _, _, headers = said(error)
        self._pacer.heard(method, headers, limited=verdict.trouble is Trouble.LIMITED)
        return Failed(verdict, text)

    def close(self) -> None:
        """Let the connections go."""
        self._sdk.close()
