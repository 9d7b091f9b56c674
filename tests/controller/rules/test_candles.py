"""Candles close when their time is over, ATR is Wilder's, and nothing knows the future."""

from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

from controller.rules.candles import ATR_PERIODS, CANDLES, FedMarket, MarketData
from exchanges.feeds import Bar, Feed, file, walk
from exchanges.feeds.bars import DAY_MS, MINUTE_MS
from machines.words import Instrument

COIN = Instrument("BTCUSDT", Decimal("0.1"), Decimal("0.001"), Decimal("0.001"))
START_MS = 20_000 * DAY_MS


def minute(n: int, *prices: int, volume: int = 1) -> Bar:
    """The n-th minute bar of a day, from open, high, low and close."""
    opened, high, low, close = map(Decimal, prices)
    return Bar(START_MS + n * MINUTE_MS, opened, high, low, close, Decimal(volume))


def test_candle_when_five_minutes_are_over_then_closes_whole() -> None:
    data = MarketData()
    for n, bar in enumerate(((10, 12, 9, 11), (11, 20, 11, 12), (12, 13, 5, 6), (6, 7, 6, 7)), 1):
        data.add_bar(minute(n, *bar, volume=n), MINUTE_MS)
    data.add_bar(minute(5, 7, 8, 7, 8, volume=5), MINUTE_MS)
    assert data.at(START_MS + 5 * MINUTE_MS - 1).candles == ()
    candle = minute(5, 10, 20, 5, 8, volume=15)
    assert data.at(START_MS + 5 * MINUTE_MS).candles == (candle,)
    assert data.at(START_MS + 6 * MINUTE_MS).candles == (candle,)


def test_candle_when_minutes_are_missing_then_closes_with_what_there_was() -> None:
    data = MarketData()
    data.add_bar(minute(2, 10, 10, 10, 10), MINUTE_MS)
    data.add_bar(minute(6, 11, 11, 11, 11), MINUTE_MS)  # tells that the first is over
    assert data.at(START_MS).candles == (minute(5, 10, 10, 10, 10),)
    data.add_bar(minute(21, 12, 12, 12, 12), MINUTE_MS)
    closed = [candle.close_ms - START_MS for candle in data.at(START_MS + 30 * MINUTE_MS).candles]
    assert closed == [5 * MINUTE_MS, 10 * MINUTE_MS, 25 * MINUTE_MS]


def test_bar_when_its_candle_has_closed_then_cannot_open_it_again() -> None:
    data = MarketData()
    data.add_bar(minute(1, 10, 10, 10, 10), MINUTE_MS)
    before = data.at(START_MS + 5 * MINUTE_MS)
    data.add_bar(minute(3, 99, 99, 99, 99), MINUTE_MS)
    assert data.at(START_MS + 10 * MINUTE_MS) == before


def test_bar_when_longer_than_a_candle_then_tells_nothing_of_it() -> None:
    data = MarketData()
    for n in range(15, 15 * 41, 15):
        data.add_bar(minute(n, 10, 11, 9, 10), 15 * MINUTE_MS)
    market = data.at(START_MS + DAY_MS)
    assert (market.candles, market.atr) == ((), 2)


def test_price_when_seen_at_a_boundary_then_belongs_to_the_next_candle() -> None:
    data = MarketData()
    for at_ms, price in ((0, 10), (299_999, 12), (300_000, 20), (600_000, 30)):
        data.add_price(START_MS + at_ms, Decimal(price))
    assert data.at(START_MS + 600_000).candles == (
        minute(5, 10, 12, 10, 12, volume=0),
        minute(10, 20, 20, 20, 20, volume=0),
    )


def test_price_when_the_days_volume_comes_with_it_then_candles_have_what_was_traded() -> None:
    data, px = MarketData(), Decimal(10)
    seen = ((0, 500), (100_000, 530), (299_999, 530), (300_000, 540), (500_000, 7), (600_000, 7))
    for at_ms, volume in seen:  # the day's count begins anew before the last but one
        data.add_price(START_MS + at_ms, px, Decimal(volume))
    volumes = [int(candle.volume) for candle in data.at(START_MS + 600_000).candles]
    assert volumes == [30, 10 + 7]


def wilder(candles: list[Bar]) -> list[Decimal]:
    """Every ATR there is, as the textbook has it: ranges first, then the averages."""
    ranges = [candles[0].high - candles[0].low]
    for before, candle in pairwise(candles):
        ranges.append(max(candle.high, before.close) - min(candle.low, before.close))
    found = [sum(ranges[:ATR_PERIODS], Decimal(0)) / ATR_PERIODS]
    for each in ranges[ATR_PERIODS:]:
        found.append((found[-1] * 13 + each) / 14)
    return found


def fifteens(feed: Feed) -> list[Bar]:
    """Candles of 15 minutes from a feed of minutes without gaps."""
    bars = list(feed)
    groups = [bars[n : n + 15] for n in range(0, len(bars) - 14, 15)]
    return [
        Bar(
            group[-1].close_ms,
            group[0].open,
            max(bar.high for bar in group),
            min(bar.low for bar in group),
            group[-1].close,
            sum((bar.volume for bar in group), Decimal(0)),
        )
        for group in groups
    ]


def test_atr_when_compared_is_the_textbooks() -> None:
    feed = walk.walk("BTCUSDT", COIN, 7, bars=15 * 40)
    expected = wilder(fifteens(feed))
    market = FedMarket(feed)
    for n in range(1, 41):
        found = market.at(feed.times[15 * n - 1]).atr
        assert found == (None if n < ATR_PERIODS else expected[n - ATR_PERIODS])


def test_usual_atr_when_sessions_are_whole_is_their_median_without_today() -> None:
    feed = walk.walk("BTCUSDT", COIN, 7, bars=5 * 1440)
    atrs, candles = wilder(fifteens(feed)), fifteens(feed)
    by_day: dict[int, list[Decimal]] = {}
    for candle, atr in zip(candles[ATR_PERIODS - 1 :], atrs, strict=True):
        by_day.setdefault((candle.close_ms - 1) // DAY_MS, []).append(atr)
    days = [by_day[day] for day in sorted(by_day)]
    market = FedMarket(feed, sessions=2)
    for day in range(1, 6):
        noon_ms = feed.times[0] - MINUTE_MS + day * DAY_MS - DAY_MS // 2
        expected = None if day < 3 else median(days[day - 3] + days[day - 2])
        assert market.at(noon_ms).usual_atr == expected


@pytest.mark.parametrize("step_min", [5, 7, 60])
def test_market_when_read_anew_after_a_restart_is_the_same(step_min: int) -> None:
    feed = walk.walk("BTCUSDT", COIN, 3, bars=500)
    kept = FedMarket(feed)
    for n in range(0, 500, step_min):
        now_ms = feed.times[n] + 12_345
        market = kept.at(now_ms)
        assert market == FedMarket(feed).at(now_ms)
        assert len(market.candles) <= CANDLES
        assert all(candle.close_ms <= now_ms for candle in market.candles)


def test_recorded_shares_when_read_then_have_candles_only_of_sessions(shared_data: Path) -> None:
    feed = file.read(shared_data / "nse_KOTAKBANK_5m_20230703_20240628.csv.gz", "KOTAKBANK")
    market = FedMarket(feed).at(feed.times[-1])
    assert market.candles == tuple(feed[n] for n in range(len(feed) - CANDLES, len(feed)))
    assert market.atr is not None
    assert market.usual_atr is not None
    # A quarter of an hour of this share moves some tenths of a percent.
    for atr in (market.atr, market.usual_atr):
        assert Decimal("0.001") < atr / market.candles[-1].close < Decimal("0.01")
