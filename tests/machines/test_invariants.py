"""What must hold of a ladder: each invariant is broken once, by hand, and named."""

import re
from collections.abc import Callable
from decimal import Decimal

import pytest
from msgspec.structs import replace

from machines import core
from machines.dispatch import Flight
from machines.errors import BrokenInvariant
from machines.invariants import hold, violations
from machines.ladder import Ladder, Standing, State
from machines.words import (
    ZERO,
    CancelOrder,
    Event,
    Order,
    OrderStatus,
    OrderType,
    Role,
    Side,
    Trigger,
)
from tests.machines.scenario import SCENARIOS, Run
from tests.machines.script import Step, read

ONE = Decimal(1)


def kept(*more: str) -> Run:
    """Play until two entries have filled and four rungs rest."""
    run = Run(read(SCENARIOS / "every_target_is_hit.ladder"))
    for step in run.script.steps[:3]:
        run.play_step(step)
    for words in more:
        run.play_step(Step(0, (words,), ()))
    return run


def ladder_of(run: Run) -> Ladder:
    assert run.ladder is not None
    return run.ladder


def rung(ladder: Ladder, **change: object) -> Ladder:
    first, *others = ladder.rungs
    return replace(ladder, rungs=(replace(first, **change), *others))


def twins(ladder: Ladder) -> Ladder:
    cancel = CancelOrder(ladder.terms.key, "x", Role.ENTRY, 1)
    return replace(ladder, flights=(Flight("a", "entry1", cancel), Flight("b", "entry1", cancel)))


BREAKS: dict[str, Callable[[Ladder], Ladder]] = {
    "S4 held is -1": lambda ladder: replace(ladder, held=-ONE),
    "take_profit 1 declares -1": lambda ladder: rung(ladder, qty=-ONE),
    "rung 1 is hit and declares 1": lambda ladder: rung(ladder, qty=ONE, standing=Standing.HIT),
    "S2 two requests in flight in one slot: entry1, entry1": twins,
    "S8 live and nothing is held": lambda ladder: replace(ladder, held=ZERO),
    "stop and exits declare 0": lambda ladder: replace(ladder, stop=None),
    "S5 rungs declare": lambda ladder: rung(ladder, qty=ladder.held + ONE),
    "S19 rungs declare": lambda ladder: rung(ladder, qty=ZERO),
    "S6 an entry works": lambda ladder: replace(
        ladder,
        state=State.CLOSING,
        entries=tuple(replace(entry, standing=Standing.WORKING) for entry in ladder.entries),
    ),
    "TP1 was hit and break-even is not fixed": lambda ladder: replace(ladder, state=State.TP1_HIT),
    "in PENDING_LIMITS: 1.00 held": lambda ladder: replace(ladder, state=State.PENDING_LIMITS),
    "S13 an order is declared after the end": lambda ladder: replace(ladder, state=State.CLOSED),
}


@pytest.mark.parametrize("what", BREAKS)
def test_invariant_when_broken_then_is_named(what: str) -> None:
    sound = ladder_of(kept())
    assert hold(sound) is sound
    with pytest.raises(BrokenInvariant, match=re.escape(what)):
        hold(BREAKS[what](sound))


def test_rungs_when_a_person_must_look_then_may_be_more_than_what_is_held() -> None:
    ladder = rung(ladder_of(kept()), qty=ONE + ONE)
    told = list(violations(replace(ladder, state=State.PARTIALLY_FILLED, hands_off=True)))
    assert not any(line.startswith("S5") for line in told)


def test_fault_when_a_ladder_is_halted_for_it_then_the_reason_is_kept() -> None:
    ladder = ladder_of(kept())
    halt = Event(Trigger.BOOKS_DISAGREED, 7, reason="failed: it broke")
    after, taken = core.take_one(ladder, halt, None)
    assert (after.state, after.reason) == (State.HALTED, "failed: it broke")
    assert (taken.before, taken.after) == (State.FULLY_FILLED, State.HALTED)


def test_order_when_of_ours_and_not_declared_then_goes_and_another_s_is_left_alone() -> None:
    run = kept()
    for cid in (f"{ladder_of(run).terms.prefix}x9g1", "somebody-else"):
        run.book.orders[cid] = Order(
            *(cid, "v", Side.SELL, OrderType.LIMIT, ONE, ZERO, OrderStatus.OPEN, Decimal(200_000))
        )
    run.play_step(Step(0, ("nothing",), ()))
    assert run.book.orders["somebody-else"].status is OrderStatus.OPEN
    sent = run.polls[-1].done.mutations
    assert [(type(m), m.role, m.n) for m in sent] == [(CancelOrder, Role.EXIT, 9)]
