"""A plan meets the market: every fault by name, the ladder it opens, and its preview."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from machines.errors import InvalidSpec
from machines.ladder import State, break_even_px, ladder_prefix, order_id, parse_order_id
from machines.lower.pooled import lower
from machines.planning import Setting, accept, check, fill_up, open_ladder, refuse_at_start
from machines.preview import preview
from machines.spec import (
    Anchor,
    BreakEven,
    EntrySpec,
    LadderSpec,
    Price,
    WhenBehind,
)
from machines.words import (
    ZERO,
    Capabilities,
    Direction,
    Fees,
    Fill,
    Instrument,
    Key,
    Liquidity,
    Quote,
    Role,
    Side,
    View,
)

ONE = Decimal(1)

BTC = Instrument("BTCUSDT", Decimal("0.1"), Decimal("0.001"), Decimal("0.001"), Decimal(5))
FEES = Fees(Decimal("0.0002"), Decimal("0.00055"))
BYBIT = Setting(BTC, FEES, Capabilities(be_slippage=Decimal("0.0005")))
START = Decimal(104_200)
KEY = Key("paper", "BTCUSDT")


def px(*words: str) -> tuple[Price, ...]:
    return tuple(
        Price(Decimal(w[:-1]) / 100, percent=True) if w.endswith("%") else Price(Decimal(w))
        for w in words
    )


def entry(price: str | None, qty: str) -> EntrySpec:
    return EntrySpec(None if price is None else px(price)[0], Decimal(qty))


LONG = LadderSpec(
    name="btc-1",
    ladder="btc-1",
    account="paper",
    symbol="BTCUSDT",
    side=Direction.LONG,
    entries=(entry("104000", "0.33"), entry("103500", "0.33"), entry(None, "0.34")),
    stop=px("101500")[0],
    targets=px("105000", "106000", "107000", "108000"),
)
SHORT = replace(
    LONG,
    side=Direction.SHORT,
    entries=(entry("104400", "0.33"), entry("104900", "0.33"), entry(None, "0.34")),
    stop=px("106900")[0],
    targets=px("103400", "102400", "101400", "100400"),
)
AVERAGE = {"anchor": Anchor.AVERAGE, "stop": px("-1.5%")[0], "targets": px("1%", "2%", "3%", "4%")}


def quote(last: str, bid: str | None = None, ask: str | None = None) -> Quote:
    touch = {"bid": bid and Decimal(bid), "ask": ask and Decimal(ask)}
    return Quote("BTCUSDT", Decimal(last), 0, 0, **touch)  # pyright: ignore[reportArgumentType]  # Decimal or None


# ------------------------------------------------------------------------------------------ faults


@pytest.mark.parametrize("spec", [LONG, SHORT, replace(LONG, **AVERAGE)])
def test_plan_when_sound_then_has_no_fault(spec: LadderSpec) -> None:
    assert check(spec, START, BYBIT) == []


@pytest.mark.parametrize(
    ("spec", "changes", "faults"),
    [
        (
            LONG,
            {"entries": (entry("0", "0.33"), entry("104000", "0.0005"), entry("104000", "0"))},
            [
                "entries[1].price = 0: must be above zero",
                "entries[2].qty = 0.0005: must be a multiple of the step 0.001",
                "entries[2].qty = 0.0005: must be at least 0.001 at 104000.0",
                "entries[3].qty = 0: must be at least 0.001 at 104000.0",
                "stop = 101500: is 101500.0, inside the entries; a long's stop lies below all of "
                "them (0.0)",
            ],
        ),
        (
            LONG,
            {"targets": px("104100", "106000", "105500", "108000")},
            [
                "targets[1] = 104100: is 104100.0, on the wrong side; a long's targets lie above "
                "its entries (104200)",
                "targets[3] = 105500: is 105500.0, out of order; must lie above targets[2] "
                "(106000.0)",
            ],
        ),
        (
            SHORT,
            {"targets": px("104300", "102400", "101400", "100400"), "stop": px("104800")[0]},
            [
                "targets[1] = 104300: is 104300.0, on the wrong side; a short's targets lie below "
                "its entries (104200)",
                "stop = 104800: is 104800.0, inside the entries; a short's stop lies above all of "
                "them (104900.0)",
            ],
        ),
        (LONG, {"stop": px("-100%")[0]}, ["stop = -100%: must be above zero"]),
        (
            LONG,
            AVERAGE | {"stop": px("-0.5%")[0]},
            [
                "stop = -0.5%: is 103679.000, inside the entries; a long's stop lies below all "
                "of them (103500.0)"
            ],
        ),
        (
            LONG,
            AVERAGE | {"targets": px("-1%", "2%", "3%", "4%")},
            [
                "targets[1] = -1%: is 102864.0, on the wrong side; a long's targets lie above "
                "its entries (104200)"
            ],
        ),
        (
            LONG,
            {"targets": px("104250", "106000", "107000", "108000")},
            [
                "targets[1] = 104250: 104250.0 lies 0.197% beyond break-even (104045.4); at least "
                'be_gap = 0.200% is needed, or when_break_even_is_behind = "keep"'
            ],
        ),
    ],
)
def test_plan_when_wrong_then_every_fault_is_named(
    spec: LadderSpec, changes: dict[str, object], faults: list[str]
) -> None:
    assert check(replace(spec, **changes), START, BYBIT) == faults


def test_plan_when_tp1_is_near_break_even_then_keep_allows_it() -> None:
    spec = replace(LONG, targets=px("104250", "106000", "107000", "108000"))
    keep = replace(spec, when_break_even_is_behind=WhenBehind.KEEP)
    assert check(keep, START, BYBIT) == []


def test_whole_trade_when_tp1_banks_enough_to_loosen_the_stop_then_is_refused() -> None:
    tight = replace(LONG, stop=px("103400")[0], break_even=BreakEven.WHOLE_TRADE)
    found = check(tight, START, BYBIT)
    assert len(found) == 1
    assert found[0].startswith('break_even = "whole-trade": 9')
    assert found[0].endswith("lies beyond the stop 103400.0, so TP1 would loosen it")
    assert check(replace(tight, shares=px_shares("0.1", "0.3", "0.3", "0.3")), START, BYBIT) == []


def test_whole_trade_when_tp1_takes_all_then_nothing_is_left_to_loosen() -> None:
    entries = (entry("104000", "0.005"),)
    tiny = replace(LONG, entries=entries, break_even=BreakEven.WHOLE_TRADE)
    assert check(tiny, START, BYBIT) == []


def test_whole_trade_when_short_then_is_counted_the_other_way() -> None:
    tight = replace(SHORT, stop=px("105000")[0], break_even=BreakEven.WHOLE_TRADE)
    assert "so TP1 would loosen it" in check(tight, START, BYBIT)[0]


def px_shares(*words: str) -> tuple[Decimal, ...]:
    return tuple(map(Decimal, words))


@pytest.mark.parametrize(
    ("spec", "now", "fault"),
    [
        (LONG, quote("104200"), None),
        (LONG, quote("104200", bid="101500.1"), None),
        (LONG, quote("104200", bid="101500"), "stop = 101500: the market (101500) is already bey"),
        (LONG, quote("104200", bid="104999.9"), None),
        (LONG, quote("104200", bid="105000"), "targets[1] = 105000: the market (105000) is alre"),
        (SHORT, quote("104200", ask="106900"), "stop = 106900: the market (106900) is already be"),
        (SHORT, quote("104200", ask="103400"), "targets[1] = 103400: the market (103400) is alre"),
        (LONG, quote("105500"), "targets[1] = 105000: is 105000.0, on the wrong side"),
    ],
)
def test_plan_when_the_market_is_already_there_then_is_refused(
    spec: LadderSpec, now: Quote, fault: str | None
) -> None:
    found = refuse_at_start(spec, now, BYBIT)
    assert [one[: len(fault or "")] for one in found] == ([] if fault is None else [fault])


# -------------------------------------------------------------------------------------- the ladder


def test_plan_when_foreign_quantity_is_held_then_only_a_stop_of_the_position_refuses() -> None:
    view = View(KEY, ONE, ONE)
    told = refuse_at_start(LONG, quote("104200"), BYBIT, view)
    assert [line.split(";")[0] for line in told] == [
        "BTCUSDT holds 1 that is not ours, and the stop belongs to the whole position"
    ]
    conditional = replace(BYBIT, capabilities=replace(BYBIT.capabilities, position_stop=False))
    assert refuse_at_start(LONG, quote("104200"), conditional, view) == []
    assert refuse_at_start(LONG, quote("104200"), BYBIT, View(KEY)) == []


def test_plan_when_short_where_shares_are_owned_then_is_refused() -> None:
    owned = replace(BYBIT, capabilities=replace(BYBIT.capabilities, shorts=False))
    assert check(SHORT, START, owned) == ["side = short: what this account holds is never short"]
    assert check(LONG, START, owned) == []


def test_plan_when_intraday_positions_end_then_is_refused() -> None:
    early = replace(quote("104200"), at_ms=99, square_off_ms=100)
    assert refuse_at_start(LONG, early, BYBIT) == []
    told = refuse_at_start(LONG, replace(early, at_ms=100), BYBIT)
    assert told == ["BTCUSDT: too late to enter: intraday positions end now"]


def test_ladder_when_opened_then_waits_for_its_acceptance() -> None:
    fill = Fill("f1", "", Side.BUY, ONE, ONE, ZERO, Liquidity.MAKER, 0)
    view = View(KEY, ONE, ONE, fills=(fill,))
    ladder = open_ladder(LONG, BYBIT, KEY, quote("104200"), 7, view)
    assert ladder.foreign_qty == ONE
    assert ladder.state is State.NEW
    assert [e.price for e in ladder.entries] == [Decimal(104_000), Decimal(103_500), None]
    assert [r.qty for r in ladder.rungs] == [ZERO] * 4
    assert ladder.seen_fills == ("f1",)
    assert ladder.terms.be_slippage == Decimal("0.0005")
    own = replace(LONG, be_slippage=ZERO)
    assert open_ladder(own, BYBIT, KEY, quote("104200"), 7).terms.be_slippage == ZERO
    accepted = accept(ladder, quote("104200"), 7)
    assert accepted.state is State.PENDING_LIMITS
    assert accepted.entries_work
    assert accepted.average_fill == accepted.avg_px == ZERO


def test_stop_when_nothing_has_filled_then_entries_carry_the_plans() -> None:
    attaching = replace(BYBIT, capabilities=replace(BYBIT.capabilities, attached_stop=True))
    ladder = accept(open_ladder(LONG, attaching, KEY, quote("104200"), 0), quote("104200"), 0)
    wanted = lower(ladder, attaching.capabilities)
    carried = [order.attached_stop_px for order in wanted.orders]
    assert carried == [Decimal(101_500)] * 3


def test_order_ids_when_read_back_then_name_the_order_and_others_do_not() -> None:
    ladder = open_ladder(LONG, BYBIT, KEY, quote("104200"), 7)
    terms = ladder.terms
    assert terms.prefix == ladder_prefix("paper", "btc-1", 7)
    assert parse_order_id(terms, order_id(terms, ladder.rungs[2])) == (Role.TAKE_PROFIT, 3, 1)
    for other in ("web-1", f"{terms.prefix}q1g1", f"{terms.prefix}e1", f"{terms.prefix}exg1", ""):
        assert parse_order_id(terms, other) is None


def test_entries_when_filled_up_in_part_then_the_rest_waits() -> None:
    opened = open_ladder(LONG, BYBIT, KEY, quote("104200"), 0)
    prices = [Decimal(104_000), Decimal(103_500), Decimal(104_200)]
    ladder = fill_up(opened, prices, BYBIT, Decimal("0.33"))
    assert ladder.state is State.PARTIALLY_FILLED
    assert ladder.held == Decimal("0.33")
    full = fill_up(opened, prices, BYBIT, Decimal(1))
    assert full.state is State.FULLY_FILLED
    assert break_even_px(full) == Decimal("104045.4")


# -------------------------------------------------------------------------------------- the preview


def test_preview_when_shown_then_is_what_will_be_declared() -> None:
    shown = preview(LONG, START, BYBIT, Decimal("0.66"))
    assert [(e.n, e.price, e.qty) for e in shown.entries] == [
        (1, Decimal(104_000), Decimal("0.33")),
        (2, Decimal(103_500), Decimal("0.33")),
        (3, Decimal(104_200), Decimal("0.34")),
    ]
    assert (shown.at_full.stop.trigger_px, shown.at_full.stop.qty) == (101_500, 1)
    assert [str(r.qty) for r in shown.at_full.rungs] == ["0.850", "0.050", "0.050", "0.050"]
    assert shown.at_filled is not None
    assert [str(r.qty) for r in shown.at_filled.rungs] == ["0.561", "0.033", "0.033", "0.033"]
    assert shown.at_filled.avg_px == Decimal(103_750)
    assert shown.break_even == shown.at_full.break_even == Decimal("104045.4")
    assert (shown.folded, shown.warnings) == ((), ())


def test_preview_when_rungs_fold_then_says_which() -> None:
    spec = replace(LONG, entries=(entry("104000", "0.005"),))
    shown = preview(spec, START, BYBIT)
    assert shown.at_filled is None
    assert shown.folded == (2, 3, 4)
    assert shown.warnings == ("TP2, TP3, TP4 too small to rest: folded into a neighbour",)


def test_preview_when_no_rung_can_rest_then_says_stop_only() -> None:
    coarse = replace(BYBIT, instrument=replace(BTC, min_qty=Decimal("0.01")))
    spec = replace(LONG, entries=(entry("104000", "0.01"),))
    shown = preview(spec, START, coarse, Decimal("0.009"))
    assert shown.warnings == (
        "TP2, TP3, TP4 too small to rest: folded into a neighbour",
        "at 0.009 filled no rung is large enough: stop only",
    )
    # A short's targets are worth less than its entry.
    worth = replace(BYBIT, instrument=replace(BTC, min_notional=Decimal("104.4")))
    least = replace(SHORT, entries=(entry("104400", "0.001"),))
    assert preview(least, START, worth).warnings == ("no rung is large enough to rest: stop only",)


@pytest.mark.parametrize("filled", ["0", "1.001", "0.0005"])
def test_preview_when_the_filled_quantity_is_impossible_then_is_refused(filled: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        preview(replace(LONG, stop=px("104000")[0]), START, BYBIT, Decimal(filled))
    assert [fault.split(":")[1].split()[0] for fault in caught.value.faults] == ["stop", "--filled"]
    assert "multiple of the step 0.001" in str(caught.value)
