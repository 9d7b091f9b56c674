"""Ticks: what a sound feed gives, what a broken one leaves out, and a market that moves by them."""

import gzip
from decimal import Decimal
from pathlib import Path

import pytest

from exchanges.errors import BadFeed, VenueFileError
from exchanges.feeds import Feed, load, ticks
from exchanges.simulated import PricePath, Product, Session
from machines.words import ExitStyle, Instrument, Liquidity, OrderStatus, OrderType
from tests.exchanges.desk import ACCEPTED, BTC, BUY, COIN, SELL, SYMBOL, Desk, settings

HEADER = "ts_ms,price,qty,side\n"
QUOTES = "ts_ms,bid,bid_qty,ask,ask_qty\n"
NSE = Instrument(SYMBOL, Decimal("0.05"), Decimal(1), Decimal(1))
PER_RUNG: dict[str, object] = {
    "exits": ExitStyle.PER_RUNG,
    "product": Product.MIS,
    "session": Session.parse("09:15-15:30 Asia/Kolkata"),
    "instruments": {SYMBOL: NSE},
    "fees": {},
}


def feed(*lines: str, quotes: str = "") -> Feed:
    found = ((QUOTES + quotes).encode(), "quotes") if quotes else None
    return ticks.parse((HEADER + "\n".join(lines)).encode(), SYMBOL, "ticks", found)


def prices(found: Feed) -> list[tuple[int, str]]:
    return [(bar.close_ms, f"{bar.close:f}") for bar in found]


# -------------------------------------------------------------------------------- reading


def test_tick_when_read_then_is_a_bar_that_stands_still() -> None:
    found = feed("1000,100.5,7,", "1000,100,3,buy", "2500,101,,sell")
    assert [tuple(map(str, bar)) for bar in found] == [
        ("1000", "100.5", "100.5", "100.5", "100.5", "7"),
        ("1000", "100", "100", "100", "100", "3"),
        ("2500", "101", "101", "101", "101", "0"),
    ]
    assert found.ticks is not None
    assert (found.bar_ms, found.ticks.dropped, found.quoted) == (0, {}, False)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("1500,0,1,", ticks.NO_PRICE),
        ("1500,0.00,1,", ticks.NO_PRICE),
        ("1500,,1,", ticks.NO_PRICE),
        ("1500,NaN,1,", ticks.NO_PRICE),
        ("1500,null,1,", ticks.NO_PRICE),
        ("1500,-3,1,", ticks.NO_PRICE),
        ("999,99,1,", ticks.OUT_OF_ORDER),
        ("1000,100,1,", ticks.DUPLICATE),
    ],
)
def test_line_when_it_says_nothing_sound_then_is_left_out_and_counted(line: str, why: str) -> None:
    found = feed("1000,100,1,", line, "2000,101,1,")
    assert prices(found) == [(1000, "100"), (2000, "101")]
    assert found.ticks is not None
    assert found.ticks.dropped == {why: 1}


def test_line_when_the_same_price_comes_again_later_then_is_a_tick() -> None:
    found = feed("1000,100,1,", "1001,100,1,", "1001,100,2,")
    assert len(found) == 3


def test_silences_when_long_then_are_counted_and_still_trading_time() -> None:
    found = feed("0,100,1,", "10000,100,1,", "20001,100,1,", "582001,100,1,")
    assert found.ticks is not None
    assert (found.ticks.silences, found.ticks.longest_silence_ms) == (2, 562_000)
    assert [found.traded_ms(count) for count in range(5)] == [0, 0, 10_000, 20_001, 582_001]


def test_silence_when_a_night_then_no_trading_time_passes() -> None:
    found = feed("0,100,1,", "1000,100,1,", "90000000,100,1,", "90002000,100,1,")
    assert found.ticks is not None
    assert found.ticks.silences == 0
    assert found.traded_ms(4) == 3_000
    assert [found.when_traded_ms(ms) for ms in (0, 1, 1000, 1001, 3000, 3001)] == [
        *(0, 1000, 1000),
        *(90_002_000, 90_002_000),
        None,
    ]


def test_quotes_when_given_then_stand_beside_the_trades_from_the_first_one_on() -> None:
    quotes = "900,99,1,101,1\n1000,99.5,1,100.5,1\n1500,100,1,102,1\n1600,103,1,102,1\n1700,0,1,1,1"
    found = feed("1000,100,7,", "2000,101,1,", quotes=quotes)
    assert prices(found) == [(1000, "100"), (1500, "100"), (2000, "101")]
    assert [found.quote_px(n) for n in range(3)] == [
        (Decimal("99.5"), Decimal("100.5")),
        *((100, 102), (100, 102)),
    ]
    assert [bar.volume for bar in found] == [7, 0, 1]
    assert found.ticks is not None
    assert found.ticks.dropped == {
        ticks.CROSSED: 1,
        ticks.NO_PRICE: 1,
        ticks.EARLY_QUOTE: 2,
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "line 1: header nothing: must be ts_ms,price,qty,side"),
        ("a,b\n", "line 1: header 'a,b': must be"),
        (HEADER, "holds no tick with a price"),
        (HEADER + "1000,0,1,\n", "holds no tick with a price"),
        (HEADER + "1000,100,1\n", "line 2: '1000,100,1' has 3 fields; must be 4"),
        (HEADER + "1000,abc,1,\n", "line 2: price 'abc': must be a number in plain decimal"),
        (HEADER + "1000,1e3,1,\n", "line 2: price '1e3': must be"),
        (HEADER + "1000,100,x,\n", "line 2: qty 'x': must be a number"),
        (HEADER + "1000,100,-1,\n", "line 2: qty '-1': must be 0 or above"),
        (HEADER + "10:00,100,1,\n", "line 2: ts_ms '10:00': must be UTC milliseconds"),
        (HEADER + "1000,100,1,\ny,0,1,\n", "line 3: ts_ms 'y'"),
    ],
)
def test_file_when_it_is_no_tick_file_then_the_error_says_where(text: str, says: str) -> None:
    with pytest.raises(BadFeed) as caught:
        ticks.parse(text.encode(), SYMBOL, "t.csv")
    assert f"t.csv: {says}" in str(caught.value)


def test_file_when_not_text_then_the_error_says_where() -> None:
    with pytest.raises(BadFeed, match=r"t\.csv: line 2: byte 0xff is not UTF-8"):
        ticks.parse(HEADER.encode() + b"\xff", SYMBOL, "t.csv")


def test_feed_when_configured_then_the_header_tells_ticks_from_candles(tmp_path: Path) -> None:
    plain = HEADER + "1000,100,1,\r\n2000,101,1,\r\n"
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(plain.encode()))
    (tmp_path / "q.csv").write_text(QUOTES + "1500,100,1,101,1\n")
    assert len(load("t.csv.gz", SYMBOL, COIN, tmp_path)) == 2
    both = load("t.csv.gz+q.csv", SYMBOL, COIN, tmp_path)
    assert (len(both), both.quoted) == (3, True)
    with pytest.raises(BadFeed, match="there is no such file"):
        load("t.csv.gz+none.csv", SYMBOL, COIN, tmp_path)


def test_summary_when_asked_for_then_says_what_was_left_out() -> None:
    found = feed("1000,100,1,", "1000,100,1,", "500,1,1,", "12500,100,1,")
    assert ticks.summary(found) == (
        "BTCUSDT: 2 ticks, left out: 1 duplicate, 1 out_of_order; "
        "1 silences over 10 s, the longest 11.5 s"
    )


# ----------------------------------------------------------------------------- the market


def test_market_when_it_moves_by_ticks_then_orders_fill_when_their_price_trades() -> None:
    desk = Desk(feed("1000,100,1,", "2000,98,1,", "2000,97,1,", "3000,99,1,"))
    desk.bar()
    desk.limit("a", BUY, 1, 98)
    desk.limit("b", BUY, 1, 97)
    assert desk.venue.next_ms(None) == 2000
    desk.venue.advance(2000)
    assert desk.trades == [("a", "98", "1"), ("b", "97", "1")]
    assert desk.fills[0].at_ms == 2000


def test_quote_when_ticks_are_silent_then_grows_old() -> None:
    desk = Desk(feed("1000,100,1,", "61000,101,1,"))
    desk.venue.advance(31_000)
    snapshot = desk.snapshot()
    assert (snapshot.as_of_ms, snapshot.quotes[SYMBOL].at_ms) == (31_000, 1000)
    assert snapshot.quotes[SYMBOL].trading_ms == 0
    desk.venue.advance(61_000)
    assert desk.snapshot().quotes[SYMBOL].trading_ms == 60_000


def test_order_when_the_bid_and_ask_are_known_then_trades_at_once_at_those() -> None:
    desk = Desk(feed("1000,100,1,", quotes="1000,99,1,101,1\n2000,100,1,100.5,1"))
    desk.bar()
    quote = desk.snapshot().quotes[SYMBOL]
    assert (quote.last, quote.bid, quote.ask) == (100, 99, 101)
    desk.market("in", BUY, 2)
    desk.market("out", SELL, 1)
    assert desk.trades == [("in", "101", "2"), ("out", "99", "1")]
    assert desk.limit("between", SELL, 1, 100) == ACCEPTED
    assert desk.status("between") is OrderStatus.OPEN
    desk.bar()
    assert desk.limit("through", SELL, 1, "99.5") == ACCEPTED
    assert desk.trades[-1] == ("through", "100", "1")
    assert desk.fills[-1].liquidity is Liquidity.TAKER


def test_venue_when_the_quotes_differ_then_is_another_feed(tmp_path: Path) -> None:
    one, other = (feed("1,100,1,", quotes=f"1,{bid},1,101,1") for bid in (99, 98))
    Desk(one, path=tmp_path / "venue.db").venue.close()
    with pytest.raises(VenueFileError, match="the feed of BTCUSDT had 1 bars"):
        Desk(other, path=tmp_path / "venue.db")


# ------------------------------------------------------------------------- recorded sessions


@pytest.mark.parametrize(
    ("name", "count", "dropped", "silences", "longest_ms"),
    [
        ("nse_KOTAKBANK_ltp_ticks_20210420", 16_797, {ticks.DUPLICATE: 3}, 0, 8_000),
        ("nse_TATASTEEL_ltp_ticks_20210520", 20_432, {}, 0, 5_000),
        ("nse_TATASTEEL_ltp_ticks_20210511", 17_260, {}, 100, 562_000),
    ],
)
def test_session_when_recorded_then_what_it_lacks_is_counted(
    shared_data: Path,
    name: str,
    count: int,
    dropped: dict[str, int],
    silences: int,
    longest_ms: int,
) -> None:
    found = load(f"{name}.csv.gz", SYMBOL, NSE, shared_data)
    assert found.ticks is not None
    assert (len(found), found.ticks.dropped) == (count, dropped)
    assert (found.ticks.silences, found.ticks.longest_silence_ms) == (silences, longest_ms)


def test_trades_when_recorded_with_quotes_then_every_one_is_within_them(shared_data: Path) -> None:
    names = (f"binance_usdm_BTCUSDT_{kind}_20240808.csv.gz" for kind in ("trades", "bbo"))
    found = load("+".join(names), SYMBOL, BTC, shared_data)
    assert found.ticks is not None
    assert found.ticks.dropped.keys() <= {ticks.DUPLICATE, ticks.EARLY_QUOTE}
    assert len(found) + sum(found.ticks.dropped.values()) == 21_313 + 66_089
    for n in range(0, len(found), 97):
        bid, ask = found.quote_px(n)
        assert bid is not None
        assert ask is not None
        assert bid < ask


@pytest.mark.parametrize(("day", "touched"), [("20210520", "r1"), ("20210511", "r1 r2 r3 r4")])
def test_rungs_when_a_recorded_session_passes_then_each_is_converted_or_stopped(
    shared_data: Path, day: str, touched: str
) -> None:
    """Four exits rest as stop-limits; each whose target trades is converted in place."""
    found = load(f"nse_TATASTEEL_ltp_ticks_{day}.csv.gz", SYMBOL, NSE, shared_data)
    desk = Desk(found, settings(**PER_RUNG, path=PricePath.OHLC))
    desk.bar()
    last = desk.snapshot().quotes[SYMBOL].last
    assert desk.market("in", BUY, 100) == ACCEPTED
    step = last // 200 // NSE.tick * NSE.tick
    targets = {f"r{n}": last + n * step for n in (1, 2, 3, 4)}
    for (name, _), qty in zip(targets.items(), (85, 5, 5, 5), strict=True):
        assert desk.stop_limit(name, SELL, qty, last - 4 * step, last - 5 * step) == ACCEPTED
    converted: set[str] = set()
    while desk.venue.next_bar_ms() is not None:
        desk.bar()
        quote = desk.snapshot(10**15).quotes[SYMBOL]
        for name, target in targets.items():
            waits = name in desk.venue.state.books[0].live
            if quote.last >= target and waits and quote.in_session:
                slack = target - 2 * NSE.tick
                assert desk.amend(name, desk.order(name).qty, slack, kind=OrderType.LIMIT) == (
                    ACCEPTED
                )
                converted.add(name)
    assert converted == set(touched.split())
    for name, target in targets.items():
        order = desk.order(name)
        sold = [fill.price for fill in desk.fills if fill.client_order_id == name]
        if name in converted:
            assert (order.type, order.status) == (OrderType.LIMIT, OrderStatus.FILLED)
            assert sold[0] >= target - 2 * NSE.tick
        else:
            assert (order.type, order.status) == (OrderType.STOP_LIMIT, OrderStatus.FILLED)
            assert last - 5 * step <= sold[0] <= last - 4 * step
    assert desk.held == 0
