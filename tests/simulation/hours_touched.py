"""What became of every target on a recorded tape: touched, converted, filled, fallen back, missed.

Touched is what the tape says, read without the controller: while the position lived, a trade was at
or beyond the target. What was asked for comes from the journal. A target that was touched and not
hit has a reason, or is called unexplained.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path

import msgspec

from controller.journal import Record
from exchanges.feeds.bars import Feed
from exchanges.simulated.settings import MAX_AMENDMENTS
from machines.carriers import MAX_CONVERSIONS
from machines.ladder import DeclaredOrder, Ladder, Standing, State, order_id
from machines.lower.per_rung import RESERVED
from machines.touch import HOUR_MS
from tests.simulation.hours import POSITION, Told, play

ACCOUNT = """
exits = "per-rung"
product = "NRML"
session = "09:15-15:30 Asia/Kolkata"
balance = "0"
feed = {{ {symbol} = "{tape}" }}
instruments.{symbol} = {{ tick = "0.05", step = "1", min_qty = "1" }}
fees = {{ maker = "0.0003", taker = "0.0003" }}
fill_share = "{share}"
"""
LONG = """
entries = [ { price = "market", qty = "60" }, { price = "-0.1%", qty = "40" } ]
stop = "-0.6%"
targets = ["0.25%", "0.4%", "0.55%", "0.7%"]
"""
SHORT = """
entries = [ { price = "market", qty = "60" }, { price = "0.1%", qty = "40" } ]
stop = "0.6%"
targets = ["-0.25%", "-0.4%", "-0.55%", "-0.7%"]
"""
LADDER = """
entry_ttl = "30m"
be_slippage = "0"
be_gap = "0.05%"
"""

BETWEEN = "between looks"
"""No look showed a price at the target: the trades there came and went between two."""
LEFT = "left unfilled"
"""It became a limit, did not fill, and the price was not seen there again."""
PAUSED = "three an hour"
"""It had become a limit three times within the hour, and stayed a stop."""
SPENT = "changes spent"
"""Its order may be changed no more: what is left is kept for break-even and for the exit."""
UNEXPLAINED = "unexplained"


class Session(msgspec.Struct, frozen=True):
    """One way to play one recorded session of a share."""

    symbol: str
    day: str
    poll_s: int = 1
    share: str = "1"
    every: str = "5m"

    @property
    def tape(self) -> str:
        """Return the name of the recorded file."""
        return f"nse_{self.symbol}_ltp_ticks_{self.day}.csv.gz"


class Counted(msgspec.Struct):
    """What was counted of one session."""

    positions: int = 0
    targets: int = 0
    """Of positions that held anything."""
    touched: int = 0
    hit: int = 0
    converted: int = 0
    fell_back: int = 0
    missed: Counter[str] = msgspec.field(default_factory=Counter[str])
    """Touched and not hit, by reason."""


class Tape:
    """A feed's trades, for asking when a price was reached."""

    def __init__(self, feed: Feed) -> None:
        self._times = feed.times
        self._prices = [feed.close_px(k) for k in range(len(feed))]

    def touches(self, ladder: Ladder, price: Decimal, since_ms: int, until_ms: int) -> list[int]:
        """Return when trades were at or beyond a target, after one time and up to another."""
        span = range(bisect_right(self._times, since_ms), bisect_right(self._times, until_ms))
        return [self._times[k] for k in span if not ladder.direction.beyond(price, self._prices[k])]

    def looks_at(
        self, ladder: Ladder, price: Decimal, touches: list[int], poll_s: int
    ) -> list[int]:
        """Return those touches that a look saw: what it shows is the last trade of its instant."""
        found: list[int] = []
        for at_ms in touches:
            shown = self._prices[bisect_right(self._times, at_ms) - 1]
            looked = (at_ms - self._times[0]) % (poll_s * 1_000) == 0
            if looked and not ladder.direction.beyond(price, shown):
                found.append(at_ms)
        return found


def run(folder: Path, data: Path, session: Session) -> Told:
    """Play a session: long and short, a new position of each every so often."""
    positions = "".join(
        POSITION.format(side=side, symbol=session.symbol, plan=plan, every=session.every)
        for side, plan in (("long", LONG), ("short", SHORT))
    )
    account = ACCOUNT.format(symbol=session.symbol, tape=data / session.tape, share=session.share)
    return play(folder, account, positions, LADDER, 'at_end = "exit"', poll=f"{session.poll_s}s")


def count(told: Told, feed: Feed, poll_s: int) -> Counted:
    """Say what became of each target of each position."""
    by_ladder: dict[str, list[Record]] = defaultdict(list)
    for record in told.records:
        by_ladder[record.position].append(record)
    tape = Tape(feed)
    found = Counted(len(told.ladders))
    found.converted = sum(_at_target(record) for record in told.records)
    found.fell_back = told.rows["R2"]
    for name, ladder in told.ladders.items():
        records = by_ladder[name]
        entered = [r.at_ms for r in records if r.kind == "fill" and r.data["role"] == "entry"]
        if not entered:
            continue
        closing = [r.at_ms for r in records if r.data.get("to") == State.CLOSING]
        for rung in ladder.rungs:
            assert rung.price is not None
            touches = tape.touches(ladder, rung.price, min(entered), min(closing))
            hit = rung.standing is Standing.HIT
            assert touches or not hit, f"{name}: target {rung.n} is hit and was never touched"
            found.targets += 1
            found.touched += bool(touches)
            found.hit += hit
            if touches and not hit:
                seen = tape.looks_at(ladder, rung.price, touches, poll_s)
                found.missed[_why(ladder, rung, records, seen)] += 1
    return found


def _at_target(record: Record) -> bool:
    """Tell whether a record asks for a rung's stop to become a limit."""
    data = record.data
    asked = record.kind == "intent" and data["op"] == "amend"
    return asked and (data["role"], data["type"]) == ("take_profit", "limit")


def _why(ladder: Ladder, rung: DeclaredOrder, records: list[Record], seen: list[int]) -> str:
    """Say why a target that was touched has not been hit."""
    if not seen:
        return BETWEEN
    asked = [r for r in records if r.kind == "intent" and r.data["op"] == "amend"]
    mine = order_id(ladder.terms, rung)
    if sum(r.data["client_order_id"] == mine for r in asked) >= MAX_AMENDMENTS - RESERVED:
        return SPENT
    limits = [r.at_ms for r in asked if _at_target(r) and r.data["rung"] == rung.n]
    before = [at for at in limits if at < seen[-1] and seen[-1] - at < HOUR_MS]
    if len(before) >= MAX_CONVERSIONS:
        return PAUSED
    return LEFT if limits else UNEXPLAINED
