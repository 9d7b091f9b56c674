"""How many positions a symbol has, and what keeps them apart."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from exchanges.feeds import script
from exchanges.feeds.bars import UNITS
from exchanges.simulated import Oversell, Product, Session, SimulatedVenue
from exchanges.venue import FeedDriven, Venue
from machines.errors import InvalidSpec
from machines.words import Direction, ExitStyle, Fees, Key, Refusal
from tests.exchanges.desk import (
    ACCEPTED,
    ALREADY_DONE,
    BUY,
    COIN,
    SELL,
    SYMBOL,
    Desk,
    Slots,
    refused,
    settings,
)

CALM = "100 100 100 100\n"
PAIRS: dict[str, object] = {"exits": ExitStyle.PAIRS}


def test_venue_when_built_then_serves_both_ports() -> None:
    feed = script.parse(CALM, SYMBOL)
    venue = SimulatedVenue(settings(), {SYMBOL: feed})
    port: Venue = venue
    driven: FeedDriven = venue
    assert (port.account, driven.next_bar_ms()) == ("paper", feed.times[0])
    assert port.instruments == {SYMBOL: COIN}
    assert port.capabilities.reduce_only
    assert port.fees("unheard-of") == Fees()


@pytest.mark.parametrize(
    ("slots", "slot"), [(Slots.ONE_WAY, ""), (Slots.HEDGE, "short"), (Slots.PER_LADDER, "btc-1")]
)
def test_key_when_asked_for_then_names_the_slot_of_the_mode(slots: Slots, slot: str) -> None:
    venue = Desk(CALM, settings(slots=slots)).venue
    assert venue.key_for(SYMBOL, "btc-1", Direction.SHORT) == Key("paper", SYMBOL, slot)


@pytest.mark.parametrize("slots", [Slots.HEDGE, Slots.PER_LADDER])
def test_key_when_its_slot_does_not_fit_the_mode_then_is_invalid(slots: Slots) -> None:
    desk = Desk(CALM, settings(slots=slots))
    desk.bar()
    assert desk.limit("a", BUY, 1, 99) == refused(Refusal.INVALID)
    assert desk.text.startswith("slot ''")


def test_one_way_when_both_sides_trade_then_they_net() -> None:
    desk = Desk(CALM)
    desk.bar()
    desk.market("a", BUY, 3)
    desk.market("b", SELL, 1)
    assert desk.held == 2


def test_hedge_when_both_sides_are_held_then_each_has_its_own_stop() -> None:
    desk = Desk(CALM + "100 106 99 101\n101 101 94 95", settings(slots=Slots.HEDGE))
    long, short = (Key("paper", SYMBOL, side) for side in ("long", "short"))
    desk.bar()
    for desk.key, side, stop in ((long, BUY, 95), (short, SELL, 105)):
        assert desk.market(f"in-{side}", side, 2) == ACCEPTED
        assert desk.set_stop(stop) == ACCEPTED
    views = desk.snapshot().views
    assert (views[long].net_qty, views[short].net_qty) == (2, -2)
    desk.bar()
    views = desk.snapshot().views
    assert (views[long].net_qty, views[short].net_qty) == (2, 0)
    desk.bar()
    assert desk.snapshot().views[long].net_qty == 0


def test_hedge_when_an_order_would_open_the_other_side_then_must_be_reduce_only() -> None:
    desk = Desk(CALM, settings(slots=Slots.HEDGE), key=Key("paper", SYMBOL, "long"))
    desk.bar()
    desk.market("in", BUY, 2)
    assert desk.market("over", SELL, 5) == refused(Refusal.INVALID)
    assert desk.text == "order over: sell in slot 'long': must be reduce-only"
    assert desk.market("out", SELL, 5, reduce_only=True) == ACCEPTED
    assert desk.held == 0


def test_per_ladder_when_two_ladders_trade_one_symbol_then_neither_sees_the_other() -> None:
    desk = Desk(CALM + "100 101 95 96", settings(slots=Slots.PER_LADDER))
    one, two = (Key("paper", SYMBOL, name) for name in ("one", "two"))
    desk.bar()
    for desk.key, side in ((one, BUY), (two, SELL)):
        desk.market(f"{desk.key.slot}-in", side, 2)
    desk.key = one
    desk.set_stop(97)
    desk.key = two
    assert desk.limit("two-out", BUY, 2, 96, reduce_only=True) == ACCEPTED
    assert desk.cancel("one-in") == refused(Refusal.UNKNOWN_ORDER)
    assert desk.market("one-in", SELL, 1) == refused(Refusal.DUPLICATE_ID)
    desk.bar()
    views = desk.snapshot().views
    assert [fill.price for fill in views[one].fills] == [100, 97]
    assert [fill.price for fill in views[two].fills] == [100, 96]
    desk.key = one
    assert desk.cancel("one-in") == ALREADY_DONE


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"slippage": Decimal(1)}, "slippage 1: must be from 0 to below 1"),
        ({"slippage": Decimal("-0.1")}, "slippage -0.1: must be"),
        ({"fill_share": Decimal(0)}, "fill_share 0: must be above 0"),
        ({"fill_share": Decimal("1.1")}, "fill_share 1.1: must be above 0 and at most 1"),
        ({"session": Session(0, 60, "UTC")}, "session: exits 'pooled' trade at any hour"),
        (PAIRS | {"product": Product.MIS}, "exits 'pairs': product 'MIS' has no pairs"),
        (PAIRS | {"oversell": Oversell.SHORT}, "oversell 'short': product 'CNC' is never short"),
        (PAIRS | {"slots": Slots.HEDGE}, "slots 'hedge': product 'CNC' is never short"),
        ({"instruments": {}}, "instruments: must name at least one symbol"),
        ({"instruments": {"ETH": COIN}}, "ETH: has no feed"),
        ({"instruments": {SYMBOL: replace(COIN, tick=Decimal(0))}}, "tick 0: must be at least"),
        ({"instruments": {SYMBOL: replace(COIN, step=Decimal("NaN"))}}, "step NaN: must be"),
        ({"balance": Decimal("Infinity")}, "balance Infinity: must be a number"),
        ({"fees": {SYMBOL: Fees(Decimal("NaN"))}}, "fees of BTCUSDT: maker NaN: must be"),
    ],
)
def test_settings_when_they_cannot_trade_then_the_error_says_why(
    changes: dict[str, object], says: str
) -> None:
    with pytest.raises(InvalidSpec, match=f"account paper: .*{says}"):
        Desk(CALM, settings(**changes))


def test_settings_when_several_faults_then_all_are_named() -> None:
    given = PAIRS | {"oversell": Oversell.SHORT, "instruments": {"ETH": COIN}}
    with pytest.raises(InvalidSpec) as caught:
        Desk(CALM, settings(slippage=Decimal(2), **given))
    assert len(caught.value.faults) == 4


def test_grid_when_the_finest_then_prices_are_kept_exactly() -> None:
    fine = Decimal(1) / UNITS
    coin = replace(COIN, tick=fine, min_notional=Decimal(0))
    text = "1.0000000001 1.0000000002 0.9999999999 1.0000000001"
    desk = Desk(f"{text}\n{text}", settings(instruments={SYMBOL: coin}))
    desk.bar()
    desk.limit("a", BUY, 1, "0.9999999999")
    desk.limit("b", BUY, 1, "0.9999999998")
    desk.bar()
    assert desk.trades == [("a", "0.9999999999", "1")]
