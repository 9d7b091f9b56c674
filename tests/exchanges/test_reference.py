"""The reference job, played by hand against the venue: 130 fills on which three engines agree.

The ladder here is a few lines without tables; what is tested is the matching engine.
"""

import gzip
import json
from collections import Counter
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

from exchanges.feeds import file
from machines.words import ZERO
from tests.exchanges.desk import BTC, BUY, SELL, SYMBOL, Desk, PricePath, settings

CANDLES = "bybit_linear_BTCUSDT_1m_20250530_20250629.csv.gz"
TENTH = Decimal("0.1")
STEP = Decimal("0.001")
SHARES = (Decimal("0.85"), Decimal("0.05"), Decimal("0.05"), Decimal("0.05"))
LIFE_MS = 240 * 60_000


def nearest(price: Decimal) -> Decimal:
    return (price / TENTH).to_integral_value(ROUND_HALF_EVEN) * TENTH


class Job:
    """One long ladder at a time, begun again at the close that sees it flat."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.round = 0
        self.seen = 0
        self.found: Counter[tuple[int, str, str, Decimal, Decimal]] = Counter()
        self.names: set[str] = set()

    def live(self, role: str) -> list[str]:
        orders = self.desk.view.orders if self.round else ()
        return [o.client_order_id for o in orders if o.status.live and role in o.client_order_id]

    def begin(self, now_ms: int) -> None:
        self.round += 1
        self.began_ms = now_ms
        self.bought = self.cost = ZERO
        self.hit = False
        last = self.desk.snapshot().quotes[SYMBOL].last
        for n in (1, 2, 3):
            price = last * (1000 - n) / 1000 // TENTH * TENTH
            self.desk.limit(f"{self.round}-entry-{n}", BUY, "0.1", price)

    def act(self, now_ms: int) -> None:
        desk = self.desk
        if self.round == 0:
            self.begin(now_ms)
            return
        view = desk.view
        fresh, self.seen = view.fills[self.seen :], len(view.fills)
        entered = False
        for fill in fresh:
            role = (fill.client_order_id or "-sl").split("-")[1]
            self.found[fill.at_ms, role, fill.side.value, fill.price, fill.qty] += 1
            if role == "entry":
                self.bought += fill.qty
                self.cost += fill.price * fill.qty
                entered = True
            self.hit |= role == "tp"
        if fresh and view.net_qty == 0:
            self.clear()
        elif self.hit and fresh:
            for name in self.live("entry"):
                desk.cancel(name)
            desk.set_stop(nearest(self.cost / self.bought))
        elif entered:
            self.protect(view.net_qty)
        elif not view.net_qty and now_ms - self.began_ms >= LIFE_MS:
            self.clear()
        if desk.view.net_qty == 0 and not self.live("-"):
            self.begin(now_ms)

    def clear(self) -> None:
        for name in self.live("-"):
            self.desk.cancel(name)

    def protect(self, held: Decimal) -> None:
        average = self.cost / self.bought
        self.desk.set_stop(nearest(average * Decimal("0.985")))
        for n, share in enumerate(SHARES, start=1):
            name, price = f"{self.round}-tp-{n}", nearest(average * (100 + n) / 100)
            qty = held * share // STEP * STEP
            if name in self.live("tp"):
                self.desk.amend(name, qty, price)
            else:
                self.desk.limit(name, SELL, qty, price, reduce_only=True)


def reference(path: Path) -> Counter[tuple[int, str, str, Decimal, Decimal]]:
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    return Counter(
        (
            file.utc_ms(row["ts"]),
            row["role"],
            row["side"],
            Decimal(row["price"]),
            Decimal(row["qty"]),
        )
        for row in map(json.loads, lines)
    )


def test_reference_job_when_played_then_the_130_fills_are_these(shared_data: Path) -> None:
    feed = file.read(shared_data / CANDLES, SYMBOL)
    desk = Desk(feed, settings(instruments={SYMBOL: BTC}, path=PricePath.OHLC, fees={}))
    job = Job(desk)
    now_ms = desk.venue.next_bar_ms()
    while now_ms is not None:
        desk.venue.advance(now_ms)
        job.act(now_ms)
        deadline = job.began_ms + LIFE_MS if not desk.view.net_qty else None
        now_ms = desk.venue.next_ms(deadline)
    expected = reference(shared_data / "reference" / "BTCUSDT-1m.fills.jsonl.gz")
    assert sum(expected.values()) == 130
    assert job.found == expected
    assert desk.venue.equity() - Decimal(100_000) == Decimal("-242.0865")
