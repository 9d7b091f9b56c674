"""A ladder as its keeper holds it, and what one round finds to be done. Data, and no behaviour."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from controller.journal import Draft
from machines.dispatch import Flight
from machines.ladder import Ladder, State
from machines.watch import Watch
from machines.words import Alias, Key, Quote, Snapshot, View


class Kept(msgspec.Struct):
    """A ladder as the keeper holds it."""

    ladder: Ladder
    view: View
    watch: Watch
    last_row: str = ""
    closing_row: str = ""
    """The label of the row that led to CLOSING."""
    parked: str = ""
    """Why it is not managed any more; empty while it is."""
    naked_told_ms: int | None = None
    """The span of unprotected time that a person has heard of."""
    loose_told: bool = False
    """A person has heard that the stop which rests is looser than declared."""


OnChange = Callable[[Kept, int], None]
"""Called when a ladder has taken a row, with UTC ms."""


def no_change(kept: Kept, now_ms: int) -> None:
    """Let a change pass unseen."""
    del kept, now_ms


class Work:
    """What one round has found to be written and sent."""

    def __init__(self, snapshot: Snapshot, now_ms: int) -> None:
        self.snapshot = snapshot
        self.now_ms = now_ms
        self.drafts: list[Draft] = []
        self.sends: list[tuple[Kept, Flight]] = []
        self.moved = False

    def quote(self, key: Key) -> Quote | None:
        """Return the price of a key's symbol."""
        return self.snapshot.quotes.get(key.symbol)

    def seen(self, kept: Kept) -> tuple[Ladder, Quote | None]:
        """Return a ladder and the price of its symbol."""
        return kept.ladder, self.quote(kept.ladder.terms.key)

    def view(self, key: Key) -> View:
        """Return what the venue holds for a key."""
        return self.snapshot.views.get(key) or View(key)


def is_open(kept: Kept) -> bool:
    """Tell whether a ladder is not closed."""
    return kept.ladder.state is not State.CLOSED


def adopted_orders(kept: Iterable[Kept]) -> Iterator[Alias]:
    """Yield what open ladders' adopted orders are called at the venue."""
    for each in kept:
        if is_open(each):
            yield from each.ladder.terms.adopted


def is_due(watched: Watch, quote: Quote | None, now_ms: int) -> bool:
    """Tell whether a ladder must be looked at although nothing at its venue has changed."""
    if watched.every_poll or (watched.at_ms is not None and watched.at_ms <= now_ms):
        return True
    if watched.touch is not None and watched.touch.by(quote):
        return True
    due = watched.trading_ms
    return due is not None and quote is not None and due <= quote.trading_ms
