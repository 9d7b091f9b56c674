"""What holds on every walk, whatever the venue does (RELIABILITY §2.2, as a ladder sees it)."""

from hypothesis import given, settings
from hypothesis import strategies as st

from machines.grammar import Row
from machines.ladder import LIVE, Ladder, State, parse_order_id
from machines.spec import Anchor
from machines.words import ZERO
from tests.machines.scenario import Polled
from tests.machines.untraced import untraced
from tests.machines.walk import Walk

SEEDS = st.integers(0, 2**32)


def wrong(ladder: Ladder, walk: Walk) -> list[str]:
    """Name what a ladder must never show after a poll."""
    step = ladder.terms.instrument.step
    stop = ladder.stop
    found = {
        "what is held is what the venue shows": ladder.held == walk.run.book.held,
        "no exit for more than is held": ladder.exiting <= ladder.held,
        "everything is in whole steps": all(
            order.qty % step == 0 for order in (*ladder.entries, *ladder.rungs, *ladder.exits)
        ),
        "entered and working within the plan": ladder.entered_qty
        + sum((entry.qty for entry in ladder.entries if entry.working), ZERO)
        <= ladder.terms.spec.planned_qty,
    }
    if ladder.state in LIVE:
        found |= {
            "live: something is held": ladder.held > ZERO,
            "live: a stop for all but what is being sold": stop is not None
            and ladder.to_share <= stop.qty <= ladder.held,
            "live: rungs for all of it, or none": ladder.rungs_qty in (ladder.to_share, ZERO),
        }
    else:
        found["not live: no rung is wanted"] = ladder.rungs_qty == ZERO
    if ladder.state is State.CLOSED:
        found["closed: nothing of ours rests"] = ladder.held == ZERO and not any(
            order.status.live and parse_order_id(ladder.terms, order.client_order_id)
            for order in walk.run.book.view().orders
        )
    return [what for what, holds in found.items() if not holds]


def loosened(polled: Polled) -> bool:
    """Tell whether the declared stop moved against profit: only an average may do that."""
    before, after = polled.before.stop, polled.done.ladder.stop
    if before is None or after is None or before.trigger_px is None or after.trigger_px is None:
        return False
    follows = polled.before.terms.spec.anchor is Anchor.AVERAGE and not polled.before.break_even
    away = polled.before.direction.beyond(before.trigger_px, after.trigger_px)
    return away and not follows


@untraced
@settings(max_examples=500)
@given(seed=SEEDS)
def test_walk_when_anything_happens_then_the_invariants_hold(seed: int) -> None:
    walk = Walk(seed)
    for polled in walk.polls():
        assert wrong(polled.done.ladder, walk) == [], walk
        assert not loosened(polled), walk


@untraced
@settings(max_examples=150)
@given(seed=SEEDS)
def test_walk_when_the_venue_comes_to_rest_then_so_does_the_ladder(seed: int) -> None:
    walk = Walk(seed)
    for _ in walk.polls():
        pass
    done = walk.settle().done
    assert done.mutations == (), walk
    assert not any(isinstance(taken.cell, Row) for taken in done.taken), walk


@untraced
@settings(max_examples=150)
@given(seed=SEEDS)
def test_walk_when_taken_twice_then_is_the_same(seed: int) -> None:
    once, again = Walk(seed), Walk(seed)
    for polled, twin in zip(once.polls(), again.polls(), strict=True):
        assert polled == twin, once
