"""The async door to a journal, for controllers in real time: one thread, many appends to a commit.

There a commit may not hold up the loop, and many tasks append at once. The thread commits what they
have asked for, as much as waits, in the order of asking; each caller goes on after the commit that
holds its drafts. A simulation waits for nobody and appends to the journal itself. Invariants: what
was asked for is committed or refused even when the caller is cancelled meanwhile; after a failure
every caller hears of it, now and later. Knows nothing of what is appended. *Source*: RELIABILITY
§3.1.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from types import TracebackType

import anyio
from anyio import from_thread
from anyio.lowlevel import EventLoopToken, current_token

from controller.journal import Draft, Journal, JournalError

MOST_DRAFTS = 256
"""At most so many in one commit: more adds to the wait and nothing to the rate (§3.1)."""
_ENDED = "the journal's writer has ended; nothing more is sent"


class _Asked:
    """Drafts that a task waits for."""

    def __init__(self, drafts: Sequence[Draft]) -> None:
        self.drafts = drafts
        self.done = anyio.Event()
        self.fault = ""


class Writer:
    """Commits in a thread of its own, for as long as it is entered; the journal is its alone."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._waiting: deque[_Asked] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self._ended = anyio.Event()
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._token: EventLoopToken | None = None

    async def __aenter__(self) -> Writer:
        """Begin to take drafts."""
        self._token = current_token()
        self._thread.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Commit what still waits, and end."""
        self._close()
        with anyio.CancelScope(shield=True):
            await self._ended.wait()
        self._thread.join()  # the last thing it does is to set the event

    async def append(self, drafts: Sequence[Draft]) -> None:
        """Make every draft durable, all or none. *Raises*: JournalError.

        Once asked for it is waited for: a caller that is cancelled hears of it at its next wait.
        """
        if not drafts:
            return
        asked = _Asked(drafts)
        with self._wake:
            if self._closing:
                raise JournalError(_ENDED)
            self._waiting.append(asked)
            self._wake.notify()
        with anyio.CancelScope(shield=True):
            await asked.done.wait()
        if asked.fault:
            raise JournalError(asked.fault)

    # --------------------------------------------------------------------------- in the thread

    def _work(self) -> None:
        try:
            while batch := self._next():
                self._commit(batch)
        finally:  # at its end, or struck by a fault of ours: nobody may wait for ever
            self._close()
            left = list(self._waiting)
            self._answer(left, _ENDED)
            from_thread.run_sync(self._ended.set, token=self._token)

    def _next(self) -> list[_Asked]:
        """Wait for work and return what fits into one commit; nothing when all is done."""
        with self._wake:
            self._wake.wait_for(lambda: self._waiting or self._closing)
            batch: list[_Asked] = []
            room = MOST_DRAFTS
            while self._waiting and (not batch or len(self._waiting[0].drafts) <= room):
                batch.append(self._waiting.popleft())
                room -= len(batch[-1].drafts)
            return batch

    def _commit(self, batch: list[_Asked]) -> None:
        fault = _ENDED
        try:
            self._journal.append([draft for asked in batch for draft in asked.drafts])
            fault = ""
        except JournalError as error:
            fault = str(error)
        finally:
            self._answer(batch, fault)

    def _answer(self, batch: list[_Asked], fault: str) -> None:
        def wake() -> None:
            for asked in batch:
                asked.fault = fault
                asked.done.set()

        from_thread.run_sync(wake, token=self._token)

    def _close(self) -> None:
        with self._wake:
            self._closing = True
            self._wake.notify()
