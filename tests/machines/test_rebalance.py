"""The conservative rebalancer: quantities only, and none that does not fit."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from exchanges.adopted import renamed
from machines.adoption import infer
from machines.ladder import Ladder, State
from machines.observe import scene
from machines.planning import Setting
from machines.rebalance import Rebalance, rebalance
from machines.words import (
    AmendOrder,
    Capabilities,
    ExitStyle,
    Fill,
    Liquidity,
    Order,
    OrderStatus,
    OrderType,
    Role,
    Side,
    View,
)
from tests.machines.resting import QUOTE, RUNGS, SETTING, WISH, applied, order, view

CONDITIONAL = replace(SETTING, capabilities=Capabilities(position_stop=False))
STOP = "sell stop 0.66 @ 101500 reduce"


def adopted(shown: View, setting: Setting = SETTING) -> tuple[Ladder, View]:
    ladder = infer(shown, QUOTE, setting, WISH, 0).ladder
    return ladder, renamed(shown, {alias.theirs: alias for alias in ladder.terms.adopted})


def balance(ladder: Ladder, shown: View) -> Rebalance:
    return rebalance(ladder, scene(shown, QUOTE, 0, Capabilities()))


def quantities(done: Rebalance) -> list[tuple[Role, int, str]]:
    return [(amend.role, amend.n, str(amend.qty)) for amend in done.amendments]


def filled(shown: View, n: int) -> View:
    """Let rung ``n`` fill at the venue."""
    rungs = sorted(
        (each for each in shown.orders if each.reduce_only and each.type is OrderType.LIMIT),
        key=lambda each: each.price or 0,
    )
    rung = rungs[n - 1]
    assert rung.price is not None
    fill = Fill(
        *(f"f{n}", rung.client_order_id, Side.SELL, rung.price, rung.qty, Decimal(0)),
        *(Liquidity.MAKER, 1),
    )
    done = replace(rung, filled_qty=rung.qty, status=OrderStatus.FILLED)
    orders = tuple(done if each is rung else each for each in shown.orders)
    return replace(
        shown, net_qty=shown.net_qty - rung.qty, orders=orders, fills=(*shown.fills, fill)
    )


def test_rebalance_when_all_fits_then_does_nothing() -> None:
    assert balance(*adopted(view("0.66", *RUNGS, stop="101500"))) == Rebalance()


def test_rebalance_when_a_rung_was_hit_then_it_stays_gone_and_the_stop_follows() -> None:
    ladder, shown = adopted(view("0.66", *RUNGS, STOP), CONDITIONAL)
    done = balance(ladder, filled(shown, 1))
    assert quantities(done) == [(Role.STOP_LOSS, 1, "0.099")]


def test_rebalance_when_somebody_bought_more_then_shares_it_too() -> None:
    ladder, shown = adopted(view("0.66", *RUNGS, STOP), CONDITIONAL)
    done = balance(ladder, replace(shown, net_qty=Decimal(1)))
    assert quantities(done) == [
        (Role.STOP_LOSS, 1, "1"),
        (Role.TAKE_PROFIT, 1, "0.850"),
        (Role.TAKE_PROFIT, 2, "0.050"),
        (Role.TAKE_PROFIT, 3, "0.050"),
        (Role.TAKE_PROFIT, 4, "0.050"),
    ]


def test_rebalance_when_an_entry_has_filled_since_then_shares_it_too() -> None:
    ladder, shown = adopted(view("0.66", *RUNGS, "buy limit 0.34 @ 103000", stop="101500"))
    (entry,) = (each for each in shown.orders if each.side is Side.BUY)
    assert entry.price is not None
    fill = Fill(
        *("e", entry.client_order_id, Side.BUY, entry.price, entry.qty, Decimal(0)),
        *(Liquidity.MAKER, 1),
    )
    done = replace(entry, filled_qty=entry.qty, status=OrderStatus.FILLED)
    orders = tuple(done if each is entry else each for each in shown.orders)
    shown = replace(shown, net_qty=Decimal(1), orders=orders, fills=(*shown.fills, fill))
    assert quantities(balance(ladder, shown)) == [
        (Role.TAKE_PROFIT, 1, "0.850"),
        *((Role.TAKE_PROFIT, n, "0.050") for n in (2, 3, 4)),
    ]


def test_rebalance_when_somebody_bought_after_the_first_rung_then_shares_by_what_is_left() -> None:
    ladder, shown = adopted(view("0.66", *RUNGS, stop="101500"))
    shown = filled(shown, 1)
    done = balance(ladder, replace(shown, net_qty=shown.net_qty + Decimal("0.3")))
    assert quantities(done) == [(Role.TAKE_PROFIT, n, "0.133") for n in (2, 3, 4)]


def test_rebalance_when_a_rung_is_too_small_then_it_rests_and_the_others_share_the_rest() -> None:
    ladder, shown = adopted(view("0.66", *RUNGS, stop="101500"))
    done = balance(ladder, replace(shown, net_qty=Decimal("0.110")))
    assert quantities(done) == [
        (Role.TAKE_PROFIT, 1, "0.094"),
        (Role.TAKE_PROFIT, 2, "0.006"),
        (Role.TAKE_PROFIT, 3, "0.005"),
        (Role.TAKE_PROFIT, 4, "0.005"),
    ]
    done = balance(ladder, replace(shown, net_qty=Decimal("0.005")))
    assert quantities(done) == []
    assert done.notes == (
        "TP2 (0.033), TP3 (0.033), TP4 (0.033) would be too small a part of what is held: left "
        "as they rest",
    )


def test_rebalance_when_flat_or_let_go_or_halted_then_does_nothing() -> None:
    ladder, shown = adopted(view("0.66", *RUNGS, stop="101500"))
    less = replace(shown, net_qty=Decimal("0.5"))
    assert balance(ladder, replace(shown, net_qty=Decimal(0))) == Rebalance()
    assert balance(ladder, replace(shown, net_qty=Decimal(-1))) == Rebalance()
    assert balance(replace(ladder, released=True), less) == Rebalance()
    assert balance(replace(ladder, state=State.HALTED), less).notes == (
        "is halted: a person must look",
    )


@pytest.mark.parametrize(
    ("leaving", "said"),
    [
        (order(STOP, status=OrderStatus.TRIGGERED), "has triggered"),
        (replace(order("sell market 0.1 @ 1 reduce"), price=None), "sells at market"),
    ],
)
def test_rebalance_when_an_exit_is_under_way_then_leaves_all_alone(
    leaving: Order, said: str
) -> None:
    ladder, shown = adopted(view("0.66", *RUNGS, stop="101500"))
    shown = replace(shown, net_qty=Decimal("0.5"), orders=(*shown.orders, leaving))
    done = balance(ladder, shown)
    assert done.amendments == ()
    assert said in done.notes[0]


def test_rebalance_when_exits_do_not_pool_then_what_shrinks_goes_first() -> None:
    ladder, shown = adopted(view("0.66", *RUNGS, stop="101500"))
    ladder = replace(ladder, terms=replace(ladder.terms, exits=ExitStyle.PER_RUNG))
    orders = tuple(
        replace(each, qty=qty)
        for each, qty in zip(
            shown.orders, map(Decimal, ("0.3", "0.3", "0.03", "0.03")), strict=True
        )
    )
    done = balance(ladder, replace(shown, orders=orders))
    assert quantities(done) == [
        (Role.TAKE_PROFIT, 2, "0.033"),
        (Role.TAKE_PROFIT, 1, "0.561"),
        (Role.TAKE_PROFIT, 3, "0.033"),
        (Role.TAKE_PROFIT, 4, "0.033"),
    ]


steps = st.integers(1, 2_000).map(lambda n: n * Decimal("0.001"))


@given(
    st.lists(steps, min_size=1, max_size=4), steps, steps, st.booleans(), st.sets(st.integers(1, 4))
)
def test_rebalance_when_anything_rests_then_changes_quantities_alone_and_is_done_at_once(
    rungs: list[Decimal], held: Decimal, now_held: Decimal, own: bool, hit: set[int]
) -> None:
    lines = [f"sell limit {qty} @ {105_000 + 1_000 * k} reduce" for k, qty in enumerate(rungs)]
    first = view(str(held), *lines, *([] if own else [STOP]), stop="101500" if own else None)
    ladder, shown = adopted(first, SETTING if own else CONDITIONAL)
    for n in hit:
        if n <= len(rungs):
            shown = filled(shown, n)
    shown = replace(shown, net_qty=now_held)
    done = balance(ladder, shown)
    resting = {each.client_order_id: each for each in shown.orders if each.status.live}
    for amend in done.amendments:
        before = resting[amend.client_order_id]
        asked = (amend.type, amend.price, amend.trigger_px)
        assert isinstance(amend, AmendOrder)
        assert asked == (before.type, before.price, before.trigger_px)
        assert amend.qty > before.filled_qty
        assert amend.qty != before.qty
    after = applied(shown, done.amendments)
    assert len(after.orders) == len(shown.orders)
    assert balance(ladder, after).amendments == ()
    live = [each for each in after.orders if each.status.live]
    if live and not done.notes:
        open_ = sum(each.leaves_qty for each in live if each.trigger_px is None)
        assert open_ in (0, now_held)
    assert all(each.leaves_qty == now_held for each in live if each.trigger_px is not None)
