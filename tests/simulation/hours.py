"""A new position every so often on recorded prices, each watched at every request and every bar.

Where nothing is reduce-only, no more may ever be on sale than is held; nowhere may a position turn
over. What became of each target is counted from the journal and the recorded prices.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import anyio
import msgspec

from controller import app
from controller import journal as journals
from controller.accounts import build_accounts
from controller.config import parse
from controller.journal import Journal, Record
from exchanges.simulated import SimulatedVenue
from exchanges.simulated.state import Book
from machines.ladder import Ladder, State
from machines.words import ZERO, Direction, Mutation, Outcome

CONFIG = """
[controller]
poll = "{poll}"
{controller}
[accounts.paper]
venue = "simulated"
slots = "per-ladder"
{account}
[ladder]
{ladder}
{positions}
"""
POSITION = """
[[positions]]
name = "{side}"
account = "paper"
symbol = "{symbol}"
side = "{side}"
{plan}
repeat = "{every}"
"""


class Watched(SimulatedVenue):
    """A venue that looks at every position after every request and every move."""

    looks: int = 0
    known: int = 0
    at_work: tuple[Book, ...] = ()
    """Of the known books those that hold something or have an order; the others never will."""

    def apply(self, mutations: Sequence[Mutation]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for mutation in mutations:
            outcomes += super().apply([mutation])
            self.look()
        return outcomes

    def advance(self, now_ms: int) -> None:
        super().advance(now_ms)
        self.look()

    def look(self) -> None:
        self.looks += 1
        books = (*self.at_work, *self.state.books[self.known :])
        self.known = len(self.state.books)
        self.at_work = tuple(book for book in books if book.net_qty or book.live)
        for book in self.at_work:
            side = Direction(book.key.slot.partition("-")[0])
            held = book.net_qty * side.entry_side.sign
            assert held >= ZERO, f"{book.key.slot} holds {held}: it has turned over"
            orders = (each.order for each in book.live.values())
            on_sale = sum(
                (
                    order.leaves_qty
                    for order in orders
                    if order is not None and order.side is side.exit_side and not order.reduce_only
                ),
                ZERO,
            )
            assert on_sale <= held, f"{book.key.slot} holds {held} and sells {on_sale}"


class Told(msgspec.Struct, frozen=True):
    """What a run came to."""

    ladders: dict[str, Ladder]
    records: list[Record]
    cash: Decimal
    looks: int

    @property
    def states(self) -> Counter[State]:
        return Counter(ladder.state for ladder in self.ladders.values())

    @property
    def rows(self) -> Counter[str]:
        """Count rows by their labels."""
        return Counter(str(r.data["row"]) for r in self.records if r.kind == "transition")

    def booked(self) -> Decimal:
        """Sum what the journal's fills brought in and paid out, and their fees."""
        total = ZERO
        for record in self.records:
            if record.kind == "fill":
                data = {k: Decimal(str(record.data[k])) for k in ("price", "qty", "fee")}
                sign = -1 if record.data["side"] == "buy" else 1
                total += sign * data["price"] * data["qty"] - data["fee"]
        return total


def play(
    folder: Path,
    account: str,
    positions: str,
    ladder: str = "",
    controller: str = "",
    poll: str = "bar",
) -> Told:
    """Run to the feed's end and return what came of it."""
    written = CONFIG.format(
        poll=poll, controller=controller, account=account, ladder=ladder, positions=positions
    )
    config = parse(written, "hours.toml", folder, {})
    accounts = build_accounts(config)
    venue = accounts["paper"].venue
    assert isinstance(venue, SimulatedVenue)
    venue.__class__ = Watched
    assert isinstance(venue, Watched)
    journal = Journal(folder / "state.db")
    try:
        desks, _ = app.open_desks(config, accounts, journal)
        anyio.run(app.drive, config, desks)
        ladders = {
            saved.position: msgspec.json.decode(saved.state, type=Ladder)
            for saved in journal.latest()
        }
    finally:
        journal.close()
    return Told(ladders, list(journals.read(folder / "state.db")), venue.cash, venue.looks)


def first_lines(source: Path, target: Path, count: int) -> None:
    """Cut the first bars of a candle file."""
    with gzip.open(source, "rt") as lines, target.open("w") as cut:
        for _, line in zip(range(count + 1), lines, strict=False):
            cut.write(line)
