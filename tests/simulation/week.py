"""A week of recorded prices, a hundred ladders, and thresholds so near that every rule fires often.

Shares are kept per rung and carried overnight; the perpetual is pooled, long and short, and
mirrored at half. Each account is watched at every request and every move of its market
(`hours.Watched`); the controller's own invariants are on.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import anyio
import msgspec

from controller import app
from controller import journal as journals
from controller.accounts import build_accounts
from controller.config import load
from controller.journal import Journal, Record
from controller.keeper import Keeper
from controller.kept import Kept
from exchanges.simulated import FaultyVenue, SimulatedVenue
from machines.decision import ENDED, Decision, Kind, Standing
from tests.simulation.hours import Watched

SHARES = {"KOTAKBANK": "40", "TATASTEEL": "93", "WIPRO": "60"}
"""How many of each a ladder buys."""
SESSIONS = ("2024-05-30", "2024-05-31", "2024-06-03", "2024-06-04", "2024-06-05", "2024-06-06",
            "2024-06-07")  # fmt: skip
"""A week in which votes were counted; two sessions before it tell the rules what is usual."""
DAYS = tuple(f"2025-04-{day:02}" for day in range(5, 14))
"""A week in which tariffs were announced, for the perpetual; two days before."""
BEFORE = 2
HEAD = """
[controller]
state = "week.db"
poll = "bar"
[accounts.nse]
venue = "simulated"
slots = "per-ladder"
exits = "per-rung"
product = "CNC"
session = "09:15-15:30 Asia/Kolkata"
fees = {{ maker = "0.0003", taker = "0.0003" }}
balance = "100000000"
[accounts.nse.feed]
{feeds}
{instruments}
{pooled}[rules.PARTIAL_PROFIT_BOOKING_50]
profit = "0.5%"
age = "30m"
[rules.PARTIAL_PROFIT_BOOKING_75]
profit = "1%"
[rules.POSITION_SCALING_MOMENTUM]
profit = "0.1%"
change = "0.2%"
volume = "1.2"
[rules.STOP_LOSS_ADJUSTMENT]
profit = "0.6%"
lock = "0.1%"
[rules.TIME_BASED_TIGHTENING]
age = "1h"
every = "30m"
[rules.VOLATILITY_ADJUSTMENT]
ratio = "1.02"
atr = "3"
sessions = 2
[rules.TRAILING_STOP]
profit = "0.7%"
behind = "percent"
distance = "0.6%"
[rules.FULL_EXIT]
max_age = "150m"
[ladder]
be_gap = "0%"
when_busy = "queue"
"""
POOLED = """[accounts.{name}]
venue = "simulated"
slots = "per-ladder"
fees = {{ maker = "0.0002", taker = "0.00055" }}
balance = "100000000"
feed = {{ BTCUSDT = "BTCUSDT.csv" }}
instruments.BTCUSDT = {{ tick = "0.1", step = "0.001", min_qty = "0.001", min_notional = "5" }}
"""
MIRROR = "@second"
MIRRORED = """mirrors = [ { account = "second", ratio = "0.5" } ]
"""
INSTRUMENT = """[accounts.nse.instruments.{symbol}]
tick = "0.05"
step = "1"
min_qty = "1"
min_notional = "0"
"""
PLAN = """
[[positions]]
name = "{name}"
account = "{account}"
symbol = "{symbol}"
side = "{side}"
entries = [ {{ price = "{near}", qty = "{first}" }}, {{ price = "market", qty = "{second}" }} ]
stop = "{stop}"
targets = [{targets}]
shares = ["0.4", "0.2", "0.2", "0.2"]
rules = {rules}
not_before = "{at}"
"""
CHOSEN = (
    "true",
    '["STOP_LOSS_ADJUSTMENT", "PARTIAL_PROFIT_BOOKING_50", "FULL_EXIT"]',
    '["VOLATILITY_ADJUSTMENT", "POSITION_SCALING_MOMENTUM", "PARTIAL_PROFIT_BOOKING_75"]',
    '["TIME_BASED_TIGHTENING", "STOP_LOSS_ADJUSTMENT", "FULL_EXIT"]',
)
"""Whoever asks for the tightest stop is heard: so that each rule is, some look after few."""
BAD_LINE = """
[accounts.{account}.faults]
outage = ["{away}"]
script = ["{idle} {engine}"]
"""
AWAY = {
    "nse": ("2024-06-04T05:30:00Z..2024-06-04T06:30:01Z",
            "2024-06-05T04:30:00Z..2024-06-05T05:20:01Z"),
    "crypto": ("2025-04-09T17:00:00Z..2025-04-09T18:00:01Z",
               "2025-04-08T14:00:00Z..2025-04-08T14:50:01Z"),
}  # fmt: skip
"""An hour without an answer; ten cycles in which nothing can be done."""


def write(folder: Path, data: Path, ladders: int, sessions: int = 5, engine: str = "") -> Path:
    """Write the week's configuration and its feeds; fewer ``sessions`` are a shorter week.

    ``engine``: each venue is away for an hour, and for ten cycles, a bar each, nothing can be done,
    as every read fails (``failed_read``) or every request is turned away (``busy``).
    """
    folder.mkdir(parents=True, exist_ok=True)
    days, nights = SESSIONS[: BEFORE + sessions], DAYS[: BEFORE + sessions + 2]
    for symbol in SHARES:
        cut(data / f"nse_{symbol}_5m_20230703_20240628.csv.gz", folder / f"{symbol}.csv", days)
    perpetual = data / "bybit_linear_BTCUSDT_5m_20250403_20250702.csv.gz"
    cut(perpetual, folder / "BTCUSDT.csv", nights)
    text = HEAD.format(
        feeds="\n".join(f'{symbol} = "{symbol}.csv"' for symbol in SHARES),
        instruments="".join(INSTRUMENT.format(symbol=symbol) for symbol in SHARES),
        pooled="".join(POOLED.format(name=name) for name in ("crypto", "second")),
    )
    if engine:
        for account, (away, idle) in AWAY.items():
            text += BAD_LINE.format(account=account, away=away, idle=idle, engine=engine)
    path = folder / "week.toml"
    path.write_text(text + "".join(plans(ladders, days[BEFORE:], nights[BEFORE:])))
    return path


def cut(source: Path, target: Path, days: tuple[str, ...]) -> None:
    """Cut some days out of a candle file."""
    with gzip.open(source, "rt") as lines, target.open("w") as kept:
        kept.write(next(lines))
        kept.writelines(line for line in lines if line.startswith(days))


def plans(ladders: int, days: tuple[str, ...], nights: tuple[str, ...]) -> Iterator[str]:
    """Write the ladders: a quarter of them on each symbol, one after the other through the week."""
    symbols = [*SHARES, "BTCUSDT"]
    for n in range(ladders):
        symbol, turn = symbols[n % 4], n // 4
        perpetual = symbol == "BTCUSDT"
        sign = -1 if perpetual and turn % 2 else 1
        side = "long" if sign > 0 else "short"
        on = nights if perpetual else days
        day = on[turn % len(on)]
        hour = turn * 5 % 22 if perpetual else 4 + turn % 4
        qty = ("0.200", "0.400") if perpetual else (str(int(SHARES[symbol]) // 3), SHARES[symbol])
        far = [1.6, 2.4, 3.2, 4.0] if turn % 3 else [0.8, 1.4, 2.0, 2.6]
        plan = PLAN.format(
            name=f"{side}-{symbol.lower()[:5]}-{turn:02}",
            account="crypto" if perpetual else "nse",
            symbol=symbol,
            side=side,
            near=f"{-0.2 * sign:.1f}%",
            first=qty[0],
            second=qty[1],
            stop=f"{-1.8 * sign:.1f}%",
            targets=", ".join(f'"{sign * each:.1f}%"' for each in far),
            rules=CHOSEN[turn % len(CHOSEN)],
            at=f"{day}T{hour:02}:{turn * 7 % 60 // 5 * 5:02}:00Z",
        )
        yield plan + MIRRORED if perpetual else plan


def watched(venue: SimulatedVenue | FaultyVenue) -> Watched:
    """Let a venue look at every position after every request and every move."""
    inner = venue.inner if isinstance(venue, FaultyVenue) else venue
    inner.__class__ = Watched
    assert isinstance(inner, Watched)
    return inner


class Lived(msgspec.Struct, frozen=True):
    """What a week came to."""

    records: list[Record]
    decisions: list[Decision]
    keepers: dict[str, Keeper]
    looks: int

    @property
    def kept(self) -> dict[str, Kept]:
        """Return every ladder by name."""
        return {name: k for keeper in self.keepers.values() for name, k in keeper.kept.items()}

    @property
    def fired(self) -> Counter[str]:
        """Count the decisions that were taken, by rule; a mirror's only follow them."""
        taken = (one.order for one in self.decisions if one.sent_ms is not None)
        return Counter(order.by for order in taken if MIRROR not in order.ladder)

    @property
    def endings(self) -> Counter[str]:
        """Count how decisions ended, in words."""
        return Counter(f"{one.standing} {one.reason}".split(":")[0] for one in self.decisions)


def live(path: Path) -> Lived:
    """Run a week in this process, to the end of its feeds."""
    config = load(path)
    accounts = build_accounts(config)
    venues = [watched(account.venue) for account in accounts.values()]
    journal = Journal(config.controller.state)
    failed: list[str] = []
    try:
        desks, _ = app.open_desks(config, accounts, journal)
        anyio.run(app.drive, config, desks, lambda *said: failed.append(str(said)))
        assert failed == []
    finally:
        journal.close()
    return Lived(
        list(journals.read(config.controller.state)),
        decisions_in(config.controller.state),
        {name: desk.keeper for name, desk in desks.items()},
        sum(venue.looks for venue in venues),
    )


def decisions_in(state: Path) -> list[Decision]:
    """Read every decision of a journal."""
    rows = journals.read_decisions(state)
    return [msgspec.json.decode(row.state, type=Decision) for row in rows]


def check(records: list[Record], decisions: list[Decision]) -> None:
    """Nothing that was decided is lost, done twice, or ended twice."""
    steps = [(str(r.data["id"]), r.data["state"]) for r in records if r.kind == "decision"]
    named = {one.id for one in decisions}
    assert named == {name for name, _ in steps}
    endings = Counter(name for name, state in steps if Standing(str(state)) in ENDED)
    assert set(endings.values()) <= {1}
    taken = Counter(name for name, state in steps if state == Standing.EXECUTING)
    assert set(taken.values()) <= {1}
    for one in decisions:
        assert one.ended == (one.id in endings)
        if one.order.kind in (Kind.BOOK, Kind.SCALE_IN):
            assert one.filled_qty <= one.asked_qty, f"{one.id} did more than was asked"
