"""What a venue without reduce-only should hold for a declared ladder, table by table."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from machines import carriers
from machines.ladder import order_id
from machines.words import CancelOrder, OrderType, PlacePair, Role
from tests.machines.rung_book import RungBook
from tests.machines.scenario import Run
from tests.machines.script import Step, parse

PLAN = """
long 0.5 @ 104000, 0.5 @ 103500
stop 101500
targets 105000, 106000, 107000, 108000
{}
> opened at 104500
"""


def opened(header: str = "per-rung exits") -> Run:
    run = Run(parse("lower", PLAN.format(header)))
    see(run, "opened at 104500")
    return run


def see(run: Run, *happens: str) -> list[str]:
    return run.play_step(Step(0, happens, ()))


def test_stops_when_entries_keep_filling_then_what_is_new_joins_one_that_rests() -> None:
    run = opened()
    see(run, "12s later", "market 103900", "fill entry 1 0.2")
    told = [see(run, "1s later", "fill entry 1 0.1") for _ in range(3)]
    assert [line[1:] for line in told] == [
        [f"  amend stop 1 to {qty} @ 101500"] for qty in ("0.27", "0.37", "0.47")
    ]
    assert see(run, "4s later") == ["nothing"]
    assert see(run, "1s later") == [
        "  amend stop 1 to 0.425 @ 101500 (repair)",
    ]
    assert see(run, "1s later") == [
        f"  amend stop {n} to 0.025 @ 101500 (repair)" for n in (2, 3, 4)
    ]


def test_stops_when_an_entry_fills_in_many_slices_then_each_keeps_changes_for_its_target() -> None:
    run = opened()
    see(run, "12s later", "market 103900", "fill entry 1 0.1")
    for _ in range(30):
        see(run, "1s later", "fill entry 1 0.01")
        assert isinstance(run.book, RungBook)
        assert run.book.on_sale() == run.book.held
    ladder = run.ladder
    assert ladder is not None
    assert ladder.stop is not None
    spent = [order.carrier.amended for order in (*ladder.rungs, ladder.stop)]
    assert max(spent) == 10
    see(run, "5s later")  # entries are quiet: it is shared
    while see(run, "1s later") != ["nothing"]:
        pass
    assert see(run, "1s later", "market 105000")[0].startswith("R1 ")


def test_stops_when_a_rung_must_be_split_off_then_it_waits_for_the_shrinking() -> None:
    run = opened("instrument tick 0.1, step 0.01, min 0.01, notional 5\nper-rung exits")
    told = see(run, "12s later", "market 103900", "fill entry 1 0.19", "end entry 2 cancelled")
    assert told[-1] == "  place stop 1 0.19 @ 101500"
    assert see(run, "1s later", "fill entry 1 0.01")[1:] == ["  amend stop 1 to 0.2 @ 101500"]
    assert see(run, "5s later") == ["  amend stop 1 to 0.17 @ 101500 (repair)"]
    assert see(run, "1s later") == [f"  place stop {n} 0.01 @ 101500 (repair)" for n in (2, 3, 4)]


def test_limit_of_a_stop_when_placed_then_lies_half_a_percent_beyond_its_trigger() -> None:
    run = opened()
    see(run, "12s later", "market 103400", "fill entry 1")
    order = run.book.order(Role.STOP_LOSS, 1)
    assert (order.type, order.price) == (OrderType.STOP_LIMIT, Decimal("100992.5"))


def test_pair_when_placed_then_its_target_leg_is_the_touched_rungs_limit() -> None:
    run = opened("touch_slack 5\npairs of exits")
    see(run, "12s later", "market 103400", "fill entry 1")
    placed = [m for polled in run.polls for m in polled.done.mutations if m.role != "entry"]
    assert all(isinstance(mutation, PlacePair) for mutation in placed)
    legs = [m.target for m in placed if isinstance(m, PlacePair)]
    assert [(leg.trigger_px, leg.price) for leg in legs] == [
        (Decimal(px), Decimal(px) - Decimal("0.5")) for px in (105000, 106000, 107000, 108000)
    ]


def test_pair_when_a_leg_would_be_too_near_then_the_rung_is_a_stop_that_is_converted() -> None:
    run = opened("pairs of exits")
    see(run, "12s later", "market 104900", "fill entry 1")
    kinds = [run.book.order(Role.STOP_LOSS, n).type for n in (1, 2, 3, 4)]
    assert kinds == [OrderType.STOP_LIMIT, *[OrderType.PAIR] * 3]
    assert see(run, "60s later", "market 105000")[1:] == ["  amend tp 1 to 0.425 @ 104999.8"]


def test_pair_when_a_leg_is_too_near_to_be_changed_then_its_move_waits() -> None:
    run = opened("pairs of exits")
    see(run, "12s later", "market 103400", "fill entry 1", "end entry 2 cancelled")
    told = see(run, "60s later", "market 105900", "fill tp 1")
    assert told[1:] == [f"  amend stop {n} to 0.025 @ 104000" for n in (3, 4)]
    assert see(run, "1s later") == ["nothing"]
    assert see(run, "1s later", "market 105700") == ["  amend stop 2 to 0.025 @ 104000 (repair)"]


@pytest.mark.parametrize(("amended", "rows"), [(19, ["R1"]), (20, ["R1"])])
def test_amendments_when_only_the_reserve_is_left_then_no_target_takes_them(
    amended: int, rows: list[str]
) -> None:
    run = opened()
    see(run, "12s later", "market 103400", "fill entry 1", "fill entry 2")
    ladder = run.ladder
    assert ladder is not None
    rungs = [replace(r, carrier=replace(r.carrier, amended=amended)) for r in ladder.rungs]
    run.ladder = replace(ladder, rungs=tuple(rungs))
    told = see(run, "1s later", "market 105000")
    assert [line.split()[0] for line in told[:1]] == rows
    assert len(told) == (2 if amended == 19 else 1)
    # Break-even and exits may use what is left.
    told = see(run, "1s later", "market 104000", "fill stop 4")
    assert [line for line in told if "as exit" in line] == [
        f"  amend tp {n} as exit to {qty} at market"
        for n, qty in ((1, "0.85"), (2, "0.05"), (3, "0.05"))
    ]


def test_stops_when_one_may_be_changed_no_more_then_all_that_is_held_stays_covered() -> None:
    """A rung filled in many slices has spent its order's changes before it is shared."""
    run = opened()
    see(run, "12s later", "market 103900", "fill entry 1 0.2")
    ladder = run.ladder
    assert ladder is not None
    first = ladder.rungs[0]
    spent = replace(first, carrier=replace(first.carrier, amended=20))
    run.ladder = replace(ladder, rungs=(spent, *ladder.rungs[1:]))
    told = see(run, "1s later", "fill entry 1 0.3")
    assert told[1:] == ["  amend stop 2 to 0.31 @ 101500"]
    shared = [see(run, f"{s}s later") for s in (5, 1, 1)]
    assert shared == [
        ["  amend stop 2 to 0.025 @ 101500 (repair)"],
        [
            "  place stop 0.255 @ 101500 (repair)",
            "  amend stop 3 to 0.025 @ 101500 (repair)",
            "  amend stop 4 to 0.025 @ 101500 (repair)",
        ],
        ["nothing"],
    ]
    live = [order.leaves_qty for order in run.book.view().orders if order.trigger_px is not None]
    assert sum(live) == run.ladder.held


def spend(run: Run, amended: int) -> None:
    """Let every rung's order have been changed so often."""
    ladder = run.ladder
    assert ladder is not None
    rungs = [replace(r, carrier=replace(r.carrier, amended=amended)) for r in ladder.rungs]
    run.ladder = replace(ladder, rungs=tuple(rungs))


def test_booking_when_only_the_reserve_is_left_then_it_takes_of_it() -> None:
    run = opened()
    see(run, "12s later", "market 103400", "fill entry 1", "fill entry 2")
    spend(run, 20)
    told = see(run, "1s later", "decide book 50%")
    assert told[1:] == [
        f"  amend stop {n} to {qty} @ 101500"
        for n, qty in ((1, "0.425"), (2, "0.025"), (3, "0.025"), (4, "0.025"))
    ]
    assert see(run, "1s later", "nothing") == ["  place exit 1 0.5 at market (repair)"]


def test_amendments_when_turned_away_unread_then_are_not_counted() -> None:
    run = opened()
    see(run, "12s later", "market 103400", "fill entry 1", "fill entry 2")
    told = see(run, "1s later", "decide stop 102000", "busy amend")
    assert len(told) == 5
    assert run.ladder is not None
    assert [rung.carrier.amended for rung in run.ladder.rungs] == [0, 1, 1, 1]  # one is busy
    assert see(run, "1s later") == ["  amend stop 1 to 0.85 @ 102000 (repair, try 2)"]
    assert [rung.carrier.amended for rung in run.ladder.rungs] == [1, 1, 1, 1]


def test_request_when_about_an_order_of_others_then_none_of_ours_is_changed() -> None:
    run = opened()
    assert run.ladder is not None
    key = run.ladder.terms.key
    assert carriers.owner_of(run.ladder, CancelOrder(key, "theirs", Role.ENTRY, 1)) is None
    ours = order_id(run.ladder.terms, run.ladder.entries[1])
    cancel = CancelOrder(key, ours, Role.ENTRY, 2)
    assert carriers.owner_of(run.ladder, cancel) == run.ladder.entries[1]
