"""What holds on every walk where nothing is reduce-only (RELIABILITY S4, S5).

That no more is ever on sale than is held is asserted by the book, at every request.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machines.grammar import Row
from machines.ladder import Ladder, State, parse_order_id
from machines.words import ZERO, ExitStyle
from tests.machines.rung_walk import RungWalk
from tests.machines.untraced import untraced

SEEDS = st.integers(0, 2**32)
STYLES = pytest.mark.parametrize("exits", [ExitStyle.PER_RUNG, ExitStyle.PAIRS])


def wrong(ladder: Ladder, walk: RungWalk) -> list[str]:
    """Name what a ladder must never show after a poll."""
    book = walk.run.book
    found = {
        "the position never turns over": book.held >= ZERO,
        "what is held is what the venue shows": ladder.held == book.held,
        "no exit for more than is held": ladder.exiting <= ladder.held,
    }
    if ladder.state is State.CLOSED:
        found["closed: nothing of ours rests"] = ladder.held == ZERO and not any(
            order.status.live and parse_order_id(ladder.terms, order.client_order_id)
            for order in book.view().orders
        )
    return [what for what, holds in found.items() if not holds]


@STYLES
@untraced
@settings(max_examples=400)
@given(seed=SEEDS)
def test_walk_without_reduce_only_when_anything_happens_then_nothing_turns_over(
    exits: ExitStyle, seed: int
) -> None:
    walk = RungWalk(seed, exits)
    for polled in walk.polls():
        assert wrong(polled.done.ladder, walk) == [], walk


@STYLES
@untraced
@settings(max_examples=150)
@given(seed=SEEDS)
def test_walk_without_reduce_only_when_the_venue_comes_to_rest_then_so_does_the_ladder(
    exits: ExitStyle, seed: int
) -> None:
    walk = RungWalk(seed, exits)
    for _ in walk.polls():
        pass
    done = walk.settle().done
    assert done.mutations == (), walk
    assert not any(isinstance(taken.cell, Row) for taken in done.taken), walk
    assert walk.run.book.on_sale() == walk.run.book.held, walk
