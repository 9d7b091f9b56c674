"""A simulated account in slices: what changed since the last slice, and all slices together.

History only grows, so a slice holds new ends and fills and, of each book that changed, the few
figures that are not history: writing one costs what happened since, not all that ever happened.
Knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from exchanges.simulated.state import Account, Book, Ended, Taken, Working
from machines.words import Fill, Key, Order


class BookSlice(msgspec.Struct, frozen=True):
    """One book: its figures now, and the ends and fills that came since the last slice."""

    slot: int
    key: Key
    net_qty: Decimal
    avg_px: Decimal
    cash: Decimal
    fees: Decimal
    live: list[Working]
    stop: Working | None
    ended: list[Ended]
    fills: list[Fill]


class Slice(msgspec.Struct, frozen=True):
    """The account's figures now, and the books that changed since the last slice."""

    cash: Decimal
    now_ms: int
    played: dict[str, int]
    placed: int
    fills: int
    books: list[BookSlice]
    taken: dict[str, Taken] = {}


class Slicer:
    """Cuts one account's slices. ``account`` as it stood at the last one, if there was one."""

    __slots__ = ("_known",)

    def __init__(self, account: Account | None = None) -> None:
        books = [] if account is None else account.books
        self._known = [(len(book.ended), len(book.fills)) for book in books]

    def cut(self, account: Account, changed: Iterable[int]) -> Slice:
        """Return what is new. *Shape*: ``changed`` names every book that is not as it was."""
        known = self._known
        known += [(0, 0)] * (len(account.books) - len(known))
        books: list[BookSlice] = []
        for slot in sorted(changed):
            book = account.books[slot]
            ended, fills = known[slot]
            known[slot] = len(book.ended), len(book.fills)
            books.append(
                BookSlice(
                    slot,
                    book.key,
                    book.net_qty,
                    book.avg_px,
                    book.cash,
                    book.fees,
                    list(book.live.values()),
                    book.stop,
                    book.ended[ended:],
                    book.fills[fills:],
                )
            )
        return Slice(
            *(account.cash, account.now_ms, account.played, account.placed, account.fills),
            *(books, account.taken),
        )


def join(slices: Iterable[Slice]) -> Account | None:
    """Put an account together from all its slices, oldest first; None without any."""
    books: list[Book] = []
    last: Slice | None = None
    for last in slices:
        for part in last.books:
            if part.slot == len(books):
                books.append(Book(part.key))
            book = books[part.slot]
            book.net_qty, book.avg_px = part.net_qty, part.avg_px
            book.cash, book.fees = part.cash, part.fees
            book.live = {_order(working).client_order_id: working for working in part.live}
            book.stop = part.stop
            book.ended += part.ended
            book.fills += part.fills
    if last is None:
        return None
    return Account(
        *(last.cash, last.now_ms, last.played, last.placed, last.fills),
        *(books, _ids(books), last.taken),
    )


def _ids(books: list[Book]) -> dict[str, int]:
    """Find every client order id, in the order in which the orders were accepted."""
    found: list[tuple[int, str, int]] = []
    for slot, book in enumerate(books):
        orders = [ended.order for ended in book.ended]
        orders += [_order(working) for working in book.live.values()]
        found += [
            (int(order.venue_order_id.rpartition("-o")[2]), order.client_order_id, slot)
            for order in orders
        ]
    return {name: slot for _, name, slot in sorted(found)}


def _order(working: Working) -> Order:
    assert working.order is not None, "only a position's own stop has no order"
    return working.order
