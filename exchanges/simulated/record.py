"""What a venue owes its file: each input that took effect, and counts, before anybody is told.

Without a file all of it is kept in memory only. Knows nothing of ports, requests or bars.
Invariant: once memory may be ahead of the file, nothing more is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from exchanges.errors import VenueFileError
from exchanges.simulated.checkpoint import Slicer
from exchanges.simulated.engine import Engine
from exchanges.simulated.venue_file import Entry, Input, VenueFile
from machines.words import Outcome, OutcomeKind, plain

CHECKPOINT_EVERY = 1_000
"""Inputs between two checkpoints: what a restart plays again at most, some 20 ms."""


class Record:
    """The record of one engine's account. *Raises*: VenueFileError from whatever writes."""

    def __init__(self, engine: Engine) -> None:
        self.file: VenueFile | None = None
        self._engine = engine
        self._failure: VenueFileError | None = None
        self._counters: dict[str, int] = {}
        self._fresh: dict[str, int] = {}
        """Counters that are not in the file yet."""
        self._slicer = Slicer(engine.account)
        self._since_slice = 0
        self._written_ms = engine.account.now_ms
        self._shown: set[int] = set()
        """Books that have changed since the last checkpoint and were shown since."""

    def begin(self, file: VenueFile) -> None:
        """Write into ``file`` from now on, which the engine stands at the end of."""
        self.file = file
        self._counters = file.counters()

    def replayed(self, entry: Entry, outcomes: Iterable[Outcome]) -> None:
        """See that an entry played again has ended as it did. *Raises*: VenueFileError."""
        accepted = all(outcome.kind is OutcomeKind.ACCEPTED for outcome in outcomes)
        if not accepted or self._summed() != entry.after:
            raise VenueFileError(
                f"venue {self._engine.settings.account}: entry {entry.seq} of its file ends "
                "differently when played again: it was written by another version; name another "
                "file"
            )
        self._since_slice += 1 + len(entry.inputs)
        self._written_ms = entry.at_ms

    def keep(self, inputs: Sequence[Input], *, moved: bool = False) -> None:
        """Write what has just taken effect; ``moved``: the market's move, even without inputs."""
        if self.file is None or not (inputs or moved):
            return
        self._since_slice += 1 + len(inputs)
        account, part = self._engine.account, None
        if self._since_slice >= CHECKPOINT_EVERY:
            part = self._slicer.cut(account, self._shown | self._engine.changed)
            self._since_slice = 0
            self._shown.clear()
        try:
            self.file.append(account.now_ms, inputs, self._summed(), self._fresh, part)
        except VenueFileError as error:
            self._failure = error
            raise
        self._written_ms = account.now_ms
        self._fresh.clear()

    def flush(self) -> None:
        """Write the counters that are not in the file yet."""
        if self.file is None or not self._fresh:
            return
        try:
            self.file.count(self._fresh)
        except VenueFileError as error:
            self._failure = error
            raise
        self._fresh.clear()

    def see(self) -> None:
        """Take note that what has changed so far is about to be shown, and forgotten as change."""
        self.check()
        if self.file is not None:
            self._shown |= self._engine.changed

    def check(self) -> None:
        """Refuse to go on where memory may be ahead of the file. *Raises*: VenueFileError."""
        if self._failure is not None:
            raise self._failure

    @property
    def counters(self) -> Mapping[str, int]:
        """Return what was counted."""
        return self._counters

    def remember(self, name: str, n: int) -> None:
        """Count something; it is written with the next entry, or by `flush`."""
        self._counters[name] = self._fresh[name] = n

    def close(self) -> None:
        """Write how far the market has come and let the file go; a second time does nothing."""
        if self.file is None:
            return
        try:
            if self._failure is None:  # which it is not once closed
                self.keep([], moved=self._engine.account.now_ms > self._written_ms)
                self.flush()
        finally:
            self.file.close()
            self._failure = self._failure or VenueFileError(f"{self.file.name}: is closed")

    def _summed(self) -> str:
        """Sum the state up: any other way here would differ in a fill, an order or the cash."""
        account = self._engine.account
        return f"{account.placed} {account.fills} {plain(account.cash)}"
