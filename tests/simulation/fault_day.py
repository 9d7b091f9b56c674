"""A day of twenty ladders behind a bad line, with a judge who sees both sides after each step.

The judge reads the venue's true books and the keeper's ladders; it never looks at what was meant.
What it holds is listed in `HELD`.
"""

from __future__ import annotations

import gzip
from collections import Counter
from decimal import Decimal
from pathlib import Path

import anyio

from controller import app, journal
from controller.accounts import Account, build_accounts, with_book
from controller.config import Config, parse
from controller.journal import Journal, Record
from controller.keeper import Keeper, Kept
from exchanges.adopted import AdoptedVenue
from exchanges.simulated import FaultyVenue
from exchanges.simulated.state import Book
from machines.invariants import violations
from machines.ladder import LIVE, Ladder, State, parse_order_id
from machines.watch import Watch
from machines.words import ZERO, Direction, Order, Role

HELD = (
    "S1 no order of ours at the venue without a durable intent of its client order id",
    "S2 at most one unresolved request a slot",
    "S3 one venue order per client order id, one intent per placed id",
    "S4 our orders never turn the position round",
    "S6 entry fills and live entries stay within the plan",
    "S7 the declared stop moves only toward profit (anchor = start)",
    "S8 at rest, all that is held has a stop at the venue and the rungs sum to it",
    "S10 an execution is counted once; books equal the venue's position at rest",
    "S13 a closed ladder holds nothing and nothing of it rests",
    "S17 whatever happened, every ladder comes to rest: nothing is halted or parked",
    "S19 no request was refused for its tick, step or minimum",
)
DAY_BARS = 1_440
REST_POLLS = 30
REST_POLL_MS = 5_000
SYMBOL = """
[[positions]]
name = "{name}"
account = "paper"
symbol = "BTCUSDT"
side = "{side}"
entries = [ {{ price = "{a}", qty = "0.33" }}, {{ price = "{b}", qty = "0.33" }} ]
stop = "{stop}"
targets = [{targets}]
repeat = "when-flat"
"""
CONFIG = """
[controller]
state = "day.db"
poll = "12s"
[accounts.paper]
venue = "simulated"
slots = "per-ladder"
feed = {{ BTCUSDT = "{feed}" }}
fees = {{ maker = "0.0002", taker = "0.00055" }}
instruments.BTCUSDT = {{ tick = "0.1", step = "0.001", min_qty = "0.001", min_notional = "5" }}
seed = {seed}
faults = {{ {faults} }}
[ladder]
be_gap = "0%"
entry_ttl = "2h"
"""


def day_config(folder: Path, candles: Path, seed: int, faults: str, ladders: int = 20) -> Config:
    """Twenty plans on one day, half of them short, that open anew whenever they are flat."""
    return parse(day_text(folder, candles, seed, faults, ladders), "day", folder, {})


def day_text(
    folder: Path, candles: Path, seed: int, faults: str, ladders: int = 20, bars: int = DAY_BARS
) -> str:
    """Write the configuration of such a day, or of its first bars."""
    with gzip.open(candles, "rt") as rows:
        day = [next(rows) for _ in range(1 + bars)]
    (folder / "day.csv").write_text("".join(day))
    text = CONFIG.format(seed=seed, faults=faults, feed=folder / "day.csv")
    for k in range(ladders):
        sign = "-" if k % 2 else ""
        unsign = "" if k % 2 else "-"
        wide = Decimal("0.02") * (k % 5)
        near = [Decimal("0.20") + wide + Decimal("0.1") * n for n in range(4)]
        text += SYMBOL.format(
            name=f"l{k:02d}",
            side="short" if k % 2 else "long",
            a=f"{unsign}0.05%",
            b=f"{unsign}{Decimal('0.10') + wide}%",
            stop=f"{unsign}{Decimal('0.45') + wide}%",
            targets=", ".join(f'"{sign}{px}%"' for px in near),
        )
    return text


class Judge:
    """Looks at both sides after every step and keeps what is wrong."""

    def __init__(self, account: Account) -> None:
        self.account = account
        venue = account.venue
        assert isinstance(venue, FaultyVenue)
        self.venue = venue
        self.wrong: list[str] = []
        self.steps = 0
        self.stops: dict[str, Decimal] = {}

    def look(self, keeper: Keeper, now_ms: int) -> None:
        """Judge every open ladder of a keeper."""
        self.steps += 1
        for kept in keeper.open:
            for fault in self._faults(kept, informed=not keeper.reading.missed):
                self.wrong.append(f"{now_ms} {kept.ladder.terms.spec.name}: {fault}")
        assert len(self.wrong) < 20, "too much is wrong to go on"

    def _faults(self, kept: Kept, *, informed: bool) -> list[str]:
        ladder = kept.ladder
        book = self._book(ladder)
        faults = list(violations(ladder))
        if kept.parked:
            faults.append(f"S17 parked: {kept.parked}")
        if ladder.state is State.HALTED:
            faults.append(f"S17 halted: {ladder.reason}")
        sign = 1 if ladder.direction is Direction.LONG else -1
        held = book.net_qty * sign
        if held < ZERO:
            faults.append(f"S4 the position is {book.net_qty}")
        entries = [o for o in orders_of(book, ladder) if is_role(ladder, o, Role.ENTRY)]
        live = sum((o.leaves_qty for o in entries), ZERO)
        if ladder.entered_qty + live > ladder.terms.spec.planned_qty:
            faults.append(f"S6 {ladder.entered_qty} entered and {live} live")
        faults += self._stop_faults(ladder)
        if not informed or kept.watch != Watch() or ladder.flights:
            return faults
        return faults + self._at_rest(ladder, book, held)

    def _stop_faults(self, ladder: Ladder) -> list[str]:
        if ladder.stop is None or ladder.stop.trigger_px is None:
            return []
        name, now = ladder.terms.spec.name, ladder.stop.trigger_px
        before = self.stops.setdefault(name, now)
        self.stops[name] = now
        looser = ladder.direction.beyond(before, now)
        return [f"S7 the stop went from {before} to {now}"] if looser else []

    def _at_rest(self, ladder: Ladder, book: Book, held: Decimal) -> list[str]:
        faults: list[str] = []
        if held != ladder.held:
            faults.append(f"S10 the books hold {ladder.held}, the venue {held}")
        if ladder.state in LIVE:
            if book.stop is None:
                faults.append("S8 no stop rests")
            rungs = [o for o in orders_of(book, ladder) if is_role(ladder, o, Role.TAKE_PROFIT)]
            total = sum((o.leaves_qty for o in rungs), ZERO)
            if total not in (held, ZERO):
                faults.append(f"S8 rungs of {total} rest for {held} held")
        return faults

    def _book(self, ladder: Ladder) -> Book:
        for book in self.venue.inner.state.books:
            if book.key == ladder.terms.key:
                return book
        return Book(ladder.terms.key)


def orders_of(book: Book, ladder: Ladder) -> list[Order]:
    """Return the ladder's live orders as the venue has them."""
    return [
        w.order
        for w in book.live.values()
        if w.order is not None and w.order.client_order_id.startswith(ladder.terms.prefix)
    ]


def is_role(ladder: Ladder, order: Order, role: Role) -> bool:
    """Tell whether an order is one of a role of this ladder."""
    slot = parse_order_id(ladder.terms, order.client_order_id)
    return slot is not None and slot[0] is role


class JudgedKeeper(Keeper):
    """A keeper that is looked at after each step."""

    judge: Judge

    async def settle(self, now_ms: int) -> None:
        await super().settle(now_ms)
        self.judge.look(self, now_ms)


async def come_to_rest(judge: Judge, keeper: Keeper) -> None:
    """Let the line be good again and the market stand still: everything must settle."""
    keeper.venue = AdoptedVenue(judge.venue.inner)
    now_ms = judge.venue.now_ms
    for _ in range(REST_POLLS):
        now_ms += REST_POLL_MS
        judge.venue.advance(now_ms)
        await keeper.settle(now_ms)


def run_day(config: Config, *, on_file: bool = False) -> tuple[Judge, Keeper, list[Record]]:
    """Run a day with the judge beside it; ``on_file`` from where a venue's file was left."""
    accounts = build_accounts(config)
    if on_file:
        accounts = {name: with_book(account) for name, account in accounts.items()}
    book = Journal(config.controller.state)
    desks, _ = app.open_desks(config, accounts, book)
    judge = Judge(accounts["paper"])
    keeper = desks["paper"].keeper
    keeper.__class__ = JudgedKeeper
    assert isinstance(keeper, JudgedKeeper)
    keeper.judge = judge
    try:
        anyio.run(app.drive, config, desks, lambda *said: judge.wrong.append(str(said)))
        anyio.run(come_to_rest, judge, keeper)
    finally:
        book.close()
        accounts["paper"].venue.close()
    return judge, keeper, list(journal.read(config.controller.state))


def doubled(records: list[Record]) -> list[str]:
    """Return the client order ids that more than one intent placed."""
    intents = {
        (str(r.data["client_order_id"]), str(r.data["intent"]))
        for r in records
        if r.kind == "intent" and r.data["op"] == "place"
    }
    times = Counter(cid for cid, _ in intents)
    return [cid for cid, n in times.items() if n > 1]
