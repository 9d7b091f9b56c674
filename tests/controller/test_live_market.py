"""Candles in real time: whole and fresh where they are fetched, told of where they are not."""

from __future__ import annotations

import signal
from collections.abc import Generator, Sequence
from decimal import Decimal
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from controller.clock import FeedClock, SystemClock
from controller.config import parse
from controller.live_market import RETRY_MS, SETTLE_MS, Ask, FetchedMarket, LiveMarket
from controller.rules.candles import ATR_CANDLE_MS, CANDLE_MS, CANDLES, Market, MarketData
from exchanges.bybit.public import PublicPrices
from exchanges.errors import VenueUnavailable
from exchanges.feeds import Bar
from exchanges.feeds.bars import DAY_MS, MINUTE_MS
from tests.controller.live_runs import running
from tests.controller.test_live_run import FIRST, Bybit
from tests.wire.bybit import desk
from tests.wire.bybit.faults import Wrong
from tests.wire.bybit.server import Loopback

BTC = "BTCUSDT"
KLINE, TICKERS = "/v5/market/kline", "/v5/market/tickers"
NOON_MS = 20_000 * DAY_MS + DAY_MS // 2
START_MS = NOON_MS + 100_000
"""Not at the end of any candle."""
PLANS = """
[[positions]]
name = "one"
account = "main"
symbol = "{symbol}"
side = "long"
entries = [ {{ price = "100", qty = "1" }} ]
stop = "-1%"
targets = ["1%", "2%", "3%", "4%"]
"""
BYBIT = """
[accounts.main]
venue = "bybit"
environment = "demo"
key = "env:KEY"
secret = "env:SECRET"
"""
KITE = """
[accounts.main]
venue = "zerodha"
key = "env:KEY"
secret = "env:SECRET"
access_token = "env:TOKEN"
product = "CNC"
"""


def market_of(account: str, symbol: str, more: str = "[rules]\n") -> LiveMarket:
    text = account + more + PLANS.format(symbol=symbol)
    config = parse(text, "live", Path(), {})
    return LiveMarket(config, config.accounts["main"], [symbol])


# ------------------------------------------------------------------------------ in virtual time


class Teller:
    """Tells candles whose volume is the number of the candle; stops the run after so many asks."""

    def __init__(self, clock: FeedClock, most: int, fails: range = range(0)) -> None:
        self.clock = clock
        self.asked: list[tuple[int, int, int]] = []
        """How long after noon, the length, and where from: after noon, in lengths."""
        self.told: list[str] = []
        self._most = most
        self._fails = fails
        self._scope: anyio.CancelScope | None = None

    async def ask(self, symbol: str, length_ms: int, since_ms: int) -> Sequence[Bar]:
        await anyio.lowlevel.checkpoint()
        assert symbol == BTC
        now_ms = self.clock.now_ms()
        self.asked.append((now_ms - NOON_MS, length_ms, (since_ms - NOON_MS) // length_ms))
        if self._scope is not None and len(self.asked) >= self._most:
            self._scope.cancel()
        if len(self.asked) in self._fails:
            raise VenueUnavailable("nobody answers")
        ends = range(since_ms + length_ms, now_ms + 1, length_ms)
        return [bar(at_ms, volume=at_ms // length_ms) for at_ms in ends]

    async def run(self, market: LiveMarket) -> None:
        with anyio.CancelScope() as self._scope:
            await market.fill(self.ask, self.clock, self.told.append)


def bar(close_ms: int, volume: int = 1) -> Bar:
    px = Decimal(100)
    return Bar(close_ms, px, px + 1, px - 1, px, Decimal(volume))


def filled(most: int, fails: range = range(0)) -> tuple[Teller, LiveMarket]:
    market, teller = market_of(BYBIT, BTC), Teller(FeedClock(START_MS), most, fails)
    anyio.run(teller.run, market)
    return teller, market


def test_candles_when_started_then_those_that_count_and_then_each_as_it_closes() -> None:
    teller, market = filled(most=8)
    first, after = START_MS - NOON_MS, [n * CANDLE_MS + SETTLE_MS for n in range(1, 6)]
    quarter = 20 * 96 + 14 + 48
    assert teller.asked == [
        (first, CANDLE_MS, -20),
        (first, ATR_CANDLE_MS, -quarter),
        (after[0], CANDLE_MS, 0),
        (after[1], CANDLE_MS, 1),
        (after[2], CANDLE_MS, 2),
        (after[2], ATR_CANDLE_MS, 0),
        (after[3], CANDLE_MS, 3),
        (after[4], CANDLE_MS, 4),
    ]
    seen = market.seen[BTC].at(NOON_MS + after[4])
    newest = NOON_MS // CANDLE_MS + 5
    assert [int(each.volume) for each in seen.candles] == [*range(newest - 19, newest + 1)]
    assert (seen.atr, seen.usual_atr) == (2, 2)
    assert teller.told == []


def test_candles_when_nobody_answers_then_rules_see_nothing_old_and_it_is_told_once() -> None:
    teller, market = filled(most=100, fails=range(3, 101))
    assert teller.told == ["no candles, rules that need them are silent: nobody answers"]
    assert teller.asked[3][0] - teller.asked[2][0] == RETRY_MS
    seen = market.seen[BTC]
    assert len(seen.at(START_MS).candles) == CANDLES
    hour_ms = START_MS + 60 * MINUTE_MS
    assert seen.at(hour_ms) == Market()
    late_ms = NOON_MS + 2 * CANDLE_MS + 1
    assert (seen.at(late_ms).candles, seen.at(late_ms).atr) == ((), 2)


def test_candles_when_they_are_back_then_it_is_told_and_none_is_missing() -> None:
    teller, market = filled(most=40, fails=range(3, 30))
    assert [text.partition(",")[0] for text in teller.told] == ["no candles", "candles are back"]
    closes = [each.close_ms for each in market.seen[BTC].at(teller.clock.now_ms()).candles]
    assert closes == [closes[0] + n * CANDLE_MS for n in range(CANDLES)]


# ------------------------------------------------------------------------- at a loopback Bybit


@pytest.fixture
def venue() -> Generator[Loopback]:
    opened = Loopback(desk.rules(), desk.PRICES)
    yield opened
    opened.close()


@pytest.fixture
def ask(venue: Loopback) -> Generator[Ask]:
    prices = PublicPrices.open(venue.url, SystemClock())
    yield prices.bars
    prices.close()


def test_candles_when_bybit_tells_them_then_all_of_twenty_days_a_thousand_at_a_time(
    venue: Loopback, ask: Ask
) -> None:
    now_ms = venue.exchange.now_ms()
    since_ms = now_ms // DAY_MS * DAY_MS - 21 * DAY_MS
    bars = anyio.run(ask, BTC, ATR_CANDLE_MS, since_ms)
    closes = [each.close_ms for each in bars]
    assert closes == [*range(since_ms + ATR_CANDLE_MS, closes[-1] + 1, ATR_CANDLE_MS)]
    assert now_ms - ATR_CANDLE_MS < closes[-1] <= venue.exchange.now_ms()
    assert venue.asked(KLINE) == 3


def test_candles_when_bybit_tells_them_then_with_what_was_traded(venue: Loopback) -> None:
    venue.exchange.move(BTC, "104000", "105000")
    ahead = SystemClock(wall=lambda: venue.exchange.now_ms() + CANDLE_MS)
    prices = PublicPrices.open(venue.url, ahead)
    *_, before, last = anyio.run(prices.bars, BTC, CANDLE_MS, venue.exchange.now_ms() - DAY_MS)
    prices.close()
    assert before.volume + last.volume == 3, "one each, with the price that it opened at"
    assert max(before.high, last.high) == 105000


def test_market_when_bybit_tells_its_candles_then_rules_see_all_they_need(
    venue: Loopback, ask: Ask
) -> None:
    market, now_ms = FetchedMarket(), venue.exchange.now_ms()
    anyio.run(market.fetch, BTC, ask, now_ms)
    seen = market.at(now_ms)
    assert len(seen.candles) == CANDLES
    assert now_ms - seen.candles[-1].close_ms < CANDLE_MS
    assert (seen.atr, seen.usual_atr) == (0, 0), "the price has stood still"


@pytest.mark.parametrize(("rules", "least"), [("", 0), ("[rules]\n", 3)])
def test_run_when_there_are_rules_then_candles_are_asked_for_and_else_not(
    tmp_path: Path, rules: str, least: int
) -> None:
    street = Bybit(tmp_path)
    street.config.write_text(street.config.read_text() + rules)
    with running(street, signal.SIGTERM):
        street.until(lambda: street.rungs() == FIRST)
        street.until(lambda: street.venue.asked(KLINE) >= least)
        polls = street.venue.asked(TICKERS) + 2
        street.until(lambda: street.venue.asked(TICKERS) >= polls)
    # Of 15 minutes there are between 1 934 and 2 030, as the day goes on.
    assert least <= street.venue.asked(KLINE) <= 2 * least
    street.stream.close()
    street.venue.close()


def test_candles_when_bybit_tells_nonsense_then_it_is_unavailable(
    venue: Loopback, ask: Ask
) -> None:
    venue.faults.rates = {Wrong.HTML_502: 1.0}
    with pytest.raises(VenueUnavailable, match="candles of BTCUSDT: "):
        anyio.run(ask, BTC, CANDLE_MS, venue.exchange.now_ms() - DAY_MS)


# ------------------------------------------------------------------------------------ at Kite


def test_market_when_it_is_kites_then_it_is_made_of_quotes_and_what_is_silent_is_told() -> None:
    market = market_of(KITE, "NSE:INFY")
    assert isinstance(market.seen["NSE:INFY"], MarketData)
    assert market.lacks.startswith("VOLATILITY_ADJUSTMENT is silent until 20 sessions")


@pytest.mark.parametrize("more", ["", "[rules.VOLATILITY_ADJUSTMENT]\nenabled = false\n"])
def test_market_when_no_rule_needs_what_kite_lacks_then_nobody_is_told(more: str) -> None:
    assert market_of(KITE, "NSE:INFY", more).lacks == ""
