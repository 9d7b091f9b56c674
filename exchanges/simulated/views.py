"""Books as a snapshot shows them; the same object for as long as nothing changed.

Knows nothing of matching. A view keeps what has ended since the time last asked for and no more,
so showing a book costs what happened lately, not all that ever happened.
"""

from __future__ import annotations

from exchanges.simulated.state import Book
from machines.words import Fill, Key, Order, PositionStop, View

_ALL = -(1 << 62)


class Views:
    """The views of one account, made anew only where something changed."""

    __slots__ = ("_latest", "_since", "_views")

    def __init__(self) -> None:
        self._views: dict[Key, View] = {}
        self._since: list[int] = []
        """From when on each view is whole, by slot."""
        self._latest = _ALL

    def show(self, books: list[Book], changed: set[int], since_ms: int) -> dict[Key, View]:
        """Return every book's view, whole from ``since_ms`` on, and clear ``changed``."""
        while len(self._since) < len(books):
            changed.add(len(self._since))
            self._since.append(_ALL)
        stale = changed
        if since_ms < self._latest:  # asked farther back than some view was made for
            stale = changed | {n for n, since in enumerate(self._since) if since > since_ms}
        if stale:
            # A snapshot that was handed out keeps the dictionary it was given.
            self._views = dict(self._views)
            for slot in sorted(stale):
                view, self._since[slot] = _view(books[slot], since_ms)
                self._views[view.key] = view
            changed.clear()
            self._latest = max(self._since)
        return self._views


def _view(book: Book, since_ms: int) -> tuple[View, int]:
    fills: list[Fill] = []
    for fill in reversed(book.fills):
        if fill.at_ms < since_ms:
            break
        fills.append(fill)
    orders: list[Order] = []
    for ended in reversed(book.ended):
        if ended.at_ms < since_ms:
            break
        orders.append(ended.order)
    whole = len(fills) == len(book.fills) and len(orders) == len(book.ended)
    fills.reverse()
    orders.reverse()
    orders += [working.order for working in book.live.values() if working.order is not None]
    view = View(
        key=book.key,
        net_qty=book.net_qty,
        avg_px=book.avg_px,
        orders=tuple(orders),
        fills=tuple(fills),
        stop=None if book.stop is None else PositionStop(book.stop.px, book.stop.by_person),
    )
    return view, _ALL if whole else since_ms
