"""Orders that rest already, read as one ladder: roles, quantities, and what is refused by name."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from exchanges.adopted import renamed
from machines import core
from machines.adoption import Adoption, Wish, infer
from machines.errors import InvalidSpec
from machines.ladder import State
from machines.planning import Setting
from machines.words import (
    AmendOrder,
    Capabilities,
    Direction,
    ExitStyle,
    Fill,
    Liquidity,
    Mutation,
    Order,
    OrderStatus,
    OrderType,
    PositionStop,
    Role,
    SetStop,
    Side,
    View,
)
from tests.machines.resting import QUOTE, RUNGS, SETTING, WISH, applied, order, view

CONDITIONAL = replace(SETTING, capabilities=Capabilities(position_stop=False))
STOP = "sell stop 0.66 @ 101500 reduce"


def adopt(shown: View, setting: Setting = SETTING, wish: Wish = WISH) -> Adoption:
    return infer(shown, QUOTE, setting, wish, 0)


def planned(shown: View, setting: Setting = SETTING, wish: Wish = WISH) -> list[Mutation]:
    ladder = adopt(shown, setting, wish).ladder
    seen = renamed(shown, {alias.theirs: alias for alias in ladder.terms.adopted})
    return list(core.advance(ladder, seen, QUOTE, 0, setting.capabilities).mutations)


def faults(shown: View, setting: Setting = SETTING, wish: Wish = WISH) -> list[str]:
    with pytest.raises(InvalidSpec) as caught:
        adopt(shown, setting, wish)
    return caught.value.faults


def test_adoption_when_all_rests_as_a_ladder_would_then_changes_nothing() -> None:
    shown = view("0.66", *RUNGS, "buy limit 0.34 @ 103000", stop="101500")
    ladder = adopt(shown).ladder
    assert planned(shown) == []
    assert ladder.state is State.PARTIALLY_FILLED
    assert ladder.direction is Direction.LONG
    assert [rung.price for rung in ladder.rungs] == [105_000, 106_000, 107_000, 108_000]
    assert ladder.stop is not None
    assert (ladder.stop.trigger_px, ladder.stop.qty) == (101_500, Decimal("0.66"))
    assert [(entry.qty, entry.filled_qty) for entry in ladder.entries] == [
        (0, Decimal("0.66")),
        (Decimal("0.34"), 0),
    ]
    assert ladder.terms.spec.rules is False
    assert ladder.avg_px == Decimal(103_900)


def test_adoption_when_orders_have_ended_or_bear_no_name_then_only_what_rests_counts() -> None:
    ended = order("buy limit 0.5 @ 99000", status=OrderStatus.CANCELLED)
    nameless = order(RUNGS[0], cid="@77")
    ladder = adopt(view("0.66", ended, nameless, *RUNGS[1:], stop="101500")).ladder
    assert planned(view("0.66", ended, nameless, *RUNGS[1:], stop="101500")) == []
    assert [alias.theirs for alias in ladder.terms.adopted if alias.order is not None] == ["@77"]
    assert not [entry for entry in ladder.entries if entry.working]


def test_adoption_when_quantities_do_not_fit_then_amends_them_and_no_price() -> None:
    shown = view("0.66", *(r.replace("0.561", "0.850") for r in RUNGS), stop="101500")
    (amend,) = planned(shown)
    assert isinstance(amend, AmendOrder)
    assert (amend.role, amend.n, amend.qty) == (Role.TAKE_PROFIT, 1, Decimal("0.561"))
    assert amend.price == 105_000


def test_adoption_when_the_stop_is_an_order_then_it_is_amended_to_all_that_is_held() -> None:
    shown = view("0.66", *RUNGS, STOP.replace("0.66", "0.5"))
    (amend,) = planned(shown, CONDITIONAL)
    assert isinstance(amend, AmendOrder)
    assert (amend.role, amend.qty, amend.trigger_px) == (
        Role.STOP_LOSS,
        Decimal("0.66"),
        Decimal(101_500),
    )


def test_adoption_when_a_short_is_held_then_rungs_are_nearest_first_below() -> None:
    lines = ("buy limit 0.5 @ 101000 reduce", "buy limit 0.5 @ 103000 reduce")
    shown = view("-1", *lines, "sell limit 0.2 @ 105000", stop="107000")
    ladder = adopt(shown).ladder
    assert ladder.direction is Direction.SHORT
    assert [rung.price for rung in ladder.rungs] == [103_000, 101_000]
    assert ladder.entries[1].price == 105_000


@pytest.mark.parametrize(
    ("stop", "state", "quantities"),
    [
        ("103950", State.STOP_AT_BREAK_EVEN, ["0", "0.033", "0.033", "0.033"]),
        ("101500", State.FULLY_FILLED, ["0.089", "0.005", "0.005"]),
    ],
)
def test_adoption_when_rungs_are_missing_then_the_stop_tells_which(
    stop: str, state: State, quantities: list[str]
) -> None:
    adoption = adopt(view("0.099", *RUNGS[1:], stop=stop))
    assert adoption.ladder.state is state
    assert [str(rung.qty) for rung in adoption.ladder.rungs] == quantities
    assert len(adoption.notes) == 1
    assert "3 of 4 rungs rest" in adoption.notes[0]


def test_adoption_when_told_what_was_hit_then_does_not_infer_it() -> None:
    shown = view("0.099", *RUNGS[1:], stop="101500")
    adoption = adopt(shown, wish=replace(WISH, hit=1))
    assert adoption.ladder.state is State.STOP_AT_BREAK_EVEN
    assert adoption.notes == ()
    # Break-even is not imposed on a stop that a person has set.
    assert not any(isinstance(each, SetStop) for each in planned(shown, wish=replace(WISH, hit=1)))


def test_adoption_when_a_rung_has_sold_in_part_then_that_counts_as_sold() -> None:
    part = order(RUNGS[0], filled_qty=Decimal("0.300"))
    fill = Fill(
        *("f1", part.client_order_id, Side.SELL, Decimal(105_000), Decimal("0.300")),
        *(Decimal(0), Liquidity.MAKER, 0),
    )
    shown = replace(view("0.36", part, *RUNGS[1:], stop="101500"), fills=(fill,))
    ladder = adopt(shown).ladder
    assert [str(rung.qty) for rung in ladder.rungs] == ["0.261", "0.033", "0.033", "0.033"]
    assert planned(shown) == []
    seen = renamed(shown, {alias.theirs: alias for alias in ladder.terms.adopted})
    rung = next(o for o in seen.orders if o.client_order_id == ladder.terms.adopted[0].ours)
    assert (rung.qty, rung.filled_qty, seen.fills) == (Decimal("0.261"), 0, ())


def test_adoption_when_no_stop_rests_then_one_is_placed_where_the_person_says() -> None:
    shown = view("0.66", *RUNGS)
    assert faults(shown) == ["no stop rests: set one at the venue, or name its price with --stop"]
    wish = replace(WISH, stop_px=Decimal(101_500))
    assert planned(shown, wish=wish) == [
        SetStop(shown.key, Decimal(101_500), Decimal("0.66")),
    ]
    assert faults(shown, wish=replace(WISH, stop_px=Decimal("101500.05"))) == [
        "--stop 101500.05: off the tick 0.1"
    ]


def test_adoption_when_no_rung_rests_then_is_stop_only() -> None:
    shown = view("0.66", stop="101500")
    assert planned(shown) == []
    assert adopt(shown).ladder.rungs == ()


REFUSED = [
    (view("0"), "BTCUSDT: nothing is held and nothing rests there"),
    (view("0", "buy limit 1 @ 100000"), "BTCUSDT: nothing is held, 1 orders rest"),
    (view("1", STOP, stop="101500"), "2 stops rest, a ladder has one: sell stop_market 0.66 @"),
    (view("1", "sell limit 1 @ 105000", stop="101500"), "is not reduce-only, so it could open"),
    (view("1", "buy limit 1 @ 100000 reduce", stop="101500"), "is reduce-only, but would add"),
    (view("1", "buy stop 1 @ 105000", stop="101500"), "only limits can be adopted as entries"),
    (view("1", "sell market 1 @ 1 reduce", stop="101500"), "is neither a rung (a limit) nor a"),
    (view("1", STOP), "the stop rests as sell stop_market 0.66 @ 101500"),
    (
        view("1", *RUNGS, "sell limit 0.1 @ 109000 reduce", stop="101500"),
        "5 rungs rest, shares name 4",
    ),
    (
        view("1", order(RUNGS[0], status=OrderStatus.UNKNOWN), stop="101500"),
        "is unknown; wait until it has ended",
    ),
    (
        view("1", replace(order(RUNGS[0]), client_order_id=""), stop="101500"),
        "was placed without a client order id",
    ),
]


@pytest.mark.parametrize(("shown", "said"), REFUSED, ids=[said for _, said in REFUSED])
def test_adoption_when_it_is_no_ladder_then_says_why(shown: View, said: str) -> None:
    (fault,) = faults(shown)
    assert said in fault


def test_adoption_when_more_is_wrong_then_says_all_of_it() -> None:
    shown = view("1", "sell limit 1 @ 105000", "buy stop 1 @ 105000")
    found = faults(shown, wish=replace(WISH, hit=2))
    assert len(found) == 4
    assert found[-1].endswith("entries end with the first rung that is hit; cancel it")


def test_adoption_when_exits_do_not_pool_then_is_refused() -> None:
    per_rung = replace(SETTING, capabilities=Capabilities(exits=ExitStyle.PER_RUNG))
    (fault,) = faults(view("0.66", *RUNGS, stop="101500"), per_rung)
    assert "only pooled exits" in fault


def test_adoption_when_a_stop_rests_then_takes_no_other_price() -> None:
    wish = replace(WISH, stop_px=Decimal(101_000))
    (fault,) = faults(view("0.66", *RUNGS, stop="101500"), wish=wish)
    assert fault.startswith("a stop rests already: the position's own @ 101500")


@st.composite
def ladders(draw: st.DrawFn) -> tuple[View, Setting]:
    long = draw(st.booleans())
    step = Decimal("0.001")
    sizes = st.integers(1, 900).map(lambda n: n * step)
    rungs = draw(st.lists(sizes, max_size=4))
    entries = draw(st.lists(sizes, max_size=3))
    out, into = (Side.SELL, Side.BUY) if long else (Side.BUY, Side.SELL)
    orders: list[Order] = []
    for k, qty in enumerate(rungs):
        px = Decimal(104_100 + 100 * k if long else 103_900 - 100 * k)
        orders.append(_limit(f"r{k}", out, qty, px, reduce_only=True))
    for k, qty in enumerate(entries):
        px = Decimal(103_900 - 50 * k if long else 104_100 + 50 * k)
        orders.append(_limit(f"e{k}", into, qty, px, reduce_only=False))
    held = draw(sizes) * (1 if long else -1)
    stop = Decimal(101_000 if long else 107_000)
    own = draw(st.booleans())
    if not own:
        stop_qty = draw(sizes)
        stopper = _limit("s", out, stop_qty, stop, reduce_only=True)
        orders.append(replace(stopper, type=OrderType.STOP_MARKET, price=None, trigger_px=stop))
    shown = View(
        *(view("1").key, held, Decimal(104_000), tuple(draw(st.permutations(orders)))),
        stop=PositionStop(stop) if own else None,
    )
    return shown, SETTING if own else CONDITIONAL


def _limit(cid: str, side: Side, qty: Decimal, px: Decimal, *, reduce_only: bool) -> Order:
    return Order(
        *(cid, f"v{cid}", side, OrderType.LIMIT, qty, Decimal(0), OrderStatus.OPEN, px),
        reduce_only=reduce_only,
    )


@given(ladders())
def test_adoption_when_applied_then_keeps_every_price_and_is_done_at_once(
    given_: tuple[View, Setting],
) -> None:
    shown, setting = given_
    ladder = adopt(shown, setting).ladder
    seen = renamed(shown, {alias.theirs: alias for alias in ladder.terms.adopted})
    done = core.advance(ladder, seen, QUOTE, 0, setting.capabilities)
    resting = {each.client_order_id: each for each in seen.orders}
    for mutation in done.mutations:
        if isinstance(mutation, AmendOrder):
            before = resting[mutation.client_order_id]
            assert (mutation.price, mutation.trigger_px) == (before.price, before.trigger_px)
        else:  # a rung too small a part of what is held goes
            assert not isinstance(mutation, SetStop)
            assert mutation.role is Role.TAKE_PROFIT
    after = applied(seen, done.mutations)
    again = core.advance(replace(done.ladder, flights=()), after, QUOTE, 1, setting.capabilities)
    assert again.mutations == ()
    if ladder.rungs:
        leaves = sum(o.leaves_qty for o in after.orders if o.reduce_only and o.trigger_px is None)
        assert leaves == ladder.held
