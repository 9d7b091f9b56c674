"""How fast the simulated market is (`make bench`): loading, idle bars, ten thousand positions.

Figures are printed and never asserted: another machine, or this one at another hour, has others.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from exchanges.feeds import file, walk
from machines.words import Key
from tests.exchanges.desk import BTC, BUY, SELL, SYMBOL, Desk, Slots, settings

CANDLES = "bybit_linear_BTCUSDT_1m_20250530_20250629.csv.gz"
POSITIONS = 10_000

pytestmark = pytest.mark.bench


def say(line: str) -> None:
    sys.stdout.write(f"\n{line}\n")


def best_of(times: int, act: Callable[[], object]) -> float:
    """Return the least processor time that `act` took: the least disturbed run."""
    taken: list[float] = []
    for _ in range(times):
        start = time.process_time()
        act()
        taken.append(time.process_time() - start)
    return min(taken)


def test_load_when_43200_rows_then_its_time_is_printed(shared_data: Path) -> None:
    seconds = best_of(7, lambda: file.read(shared_data / CANDLES, SYMBOL))
    say(f"load 43,200 rows: {seconds:.3f} s")


def test_idle_bars_when_an_order_waits_then_their_time_is_printed(shared_data: Path) -> None:
    feed = file.read(shared_data / CANDLES, SYMBOL)

    def scan() -> None:
        desk = Desk(feed, settings(instruments={SYMBOL: BTC}))
        desk.bar()
        desk.limit("far", BUY, 1, 1000)
        desk.limit("high", SELL, 1, 900_000)
        assert desk.venue.next_ms(None) == feed.times[-1]

    per_bar = best_of(7, scan) / len(feed) * 1_000_000
    say(f"idle bar: {per_bar:.3f} microseconds")


def test_bars_when_ten_thousand_positions_live_then_their_time_is_printed() -> None:
    feed = walk.walk(SYMBOL, BTC, 7)
    desk = Desk(feed, settings(instruments={SYMBOL: BTC}, slots=Slots.PER_LADDER))
    desk.bar()
    last = feed.close_px(0)
    start = time.process_time()
    for n in range(POSITIONS):
        desk.key = Key("paper", SYMBOL, f"{n}")
        desk.market(f"{n}-e", BUY, 1)
        desk.set_stop(last - 2000 - n // 4)
        for rung in range(4):
            desk.limit(f"{n}-t{rung}", SELL, 1, last + (rung + 1) * 3000 + n // 4)
    placed = time.process_time() - start
    desk.snapshot()
    start, cpu = desk.venue.state.played[SYMBOL], time.process_time()
    fills = -desk.venue.state.fills
    while desk.venue.next_bar_ms() is not None:
        desk.bar()
        desk.snapshot(10**15)
    cpu = time.process_time() - cpu
    fills += desk.venue.state.fills
    bars = len(feed) - start
    idle = best_of(5, lambda: desk.venue.next_ms(10**15))
    say(
        f"{POSITIONS} positions: {placed / POSITIONS / 6 * 1e6:.1f} microseconds per request; "
        f"{bars} bars and snapshots with {fills} fills in {cpu:.3f} s; idle {idle * 1e6:.1f}"
    )
    assert fills > 100
