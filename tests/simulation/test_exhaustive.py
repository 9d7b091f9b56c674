"""Every interleaving of a small ladder at a tiny venue, through the real tables and core.

What is explored in each test run is explored whole: there is no state of these setups that has not
been looked at. A violation prints the shortest way to it.
"""

import pytest

from machines.words import Direction
from tests.simulation import laws
from tests.simulation.model import Model, Rules
from tests.simulation.search import Found, Search
from tests.simulation.tiny import Setup

SHORT = Direction.SHORT
PERSONS = ("cancel", "tighten", "close")
EXPLORED = (
    (Setup("one-entry", entries=(1,), faults=1, crashes=1, reads=1, elapses=1), 60_000),
    (
        Setup(
            "one-entry-short-conditional",
            SHORT, False, entries=(1,), faults=1, crashes=1, reads=1, elapses=1,
        ),
        80_000,
    ),
    (Setup("one-entry-and-a-person", entries=(1,), faults=1, outside=1, acts=PERSONS), 7_000),
    (Setup("two-entries-and-a-fault", entries=(1, 1), faults=1), 25_000),
    (Setup("two-rungs-and-a-fault", SHORT, False, entries=(2,), faults=1), 45_000),
)  # fmt: skip
"""What every test run explores, and the states that it has at least."""
PROVED = (
    Setup("two-entries-and-a-crash", entries=(1, 1), crashes=1, reads=1, elapses=1),
    Setup("two-entries-and-a-late-read", SHORT, False, entries=(1, 1), faults=1, reads=1),
    Setup("two-entries-kept", entries=(1, 1), faults=1, elapses=1, keep=True),
    Setup("two-entries-and-a-person", entries=(1, 1), faults=1, outside=1, acts=PERSONS),
    Setup("two-rungs-a-crash-and-a-move", SHORT, False, entries=(2,), crashes=1, moves=1),
    Setup(
        "one-entry-and-an-act-of-the-venue",
        SHORT, False, entries=(1,), faults=1, crashes=1, moves=1, outside=1, elapses=1,
    ),
    Setup(
        "one-entry-and-a-person-conditional",
        position_stop=False, entries=(1,), faults=1, crashes=1, outside=1, elapses=1, acts=PERSONS,
    ),
    Setup("one-entry-two-faults", entries=(1,), faults=2, crashes=1, reads=1, moves=1),
)  # fmt: skip
"""What only the long proofs explore."""

TWO_ENTRIES = Setup("two-entries", entries=(1, 1), faults=1, crashes=1, reads=1, elapses=1)
CONDITIONAL = Setup("conditional", position_stop=False, entries=(1, 1), reads=1)


def search(setup: Setup, rules: Rules | None = None) -> Found:
    return Search(Model(setup, rules or Rules())).run()


def harm(setup: Setup, rules: Rules, *law: str) -> Found:
    """Look only for what breaks one of these laws: the harm done, not the rule that was broken."""
    others = tuple(name for name in laws.AT_ANY_TIME if name not in law)
    return Search(Model(setup, rules, others), rests=False).run()


def explore(setup: Setup) -> Found:
    found = search(setup)
    assert found.trace == (), found
    assert found.complete, found
    return found


def test_explored_when_counted_then_are_two_hundred_thousand_states() -> None:
    assert sum(least for _, least in EXPLORED) >= 200_000


@pytest.mark.parametrize(
    ("setup", "least"), [pytest.param(*each, id=each[0].name) for each in EXPLORED]
)
def test_ladder_when_everything_interleaves_then_every_law_holds(setup: Setup, least: int) -> None:
    found = explore(setup)
    assert found.states >= least, found


@pytest.mark.prove
@pytest.mark.parametrize("setup", PROVED, ids=lambda setup: setup.name)
def test_ladder_when_more_interleaves_then_every_law_holds(setup: Setup) -> None:
    explore(setup)


# ------------------------------------------------------------------------ bugs seeded on purpose


def test_no_window_when_seeded_then_a_request_is_forgotten() -> None:
    found = search(TWO_ENTRIES, Rules(window_ms=0))
    *_, lost, poll, wrong = found.trace
    assert "lost on the way: unsure" in lost, found
    assert "a poll" in poll, found
    assert "forgotten while it may still arrive" in wrong, found
    assert len(found.trace) <= 6, found


def test_no_window_when_seeded_then_a_closed_ladder_gets_an_order() -> None:
    found = harm(TWO_ENTRIES, Rules(window_ms=0), "closed_is_over")
    *_, arrives, wrong = found.trace
    assert "late, place entry" in arrives, found
    assert "arrives: accepted" in arrives, found
    assert wrong.endswith("closed while an order of ours rests"), found


def test_stale_read_when_accepted_then_the_stop_is_placed_twice() -> None:
    found = harm(CONDITIONAL, Rules(accepts_stale=True), "one_order_an_intent")
    *_, told, placed, wrong = found.trace
    assert "the read held back is told" in told, found
    assert "place stop (s1g2) 1 @ 90 is sent: accepted" in placed, found
    assert wrong.endswith("2 live stops for the same quantity"), found
    assert len(found.trace) <= 12, found


def test_random_name_when_a_retry_has_one_then_an_entry_is_placed_twice() -> None:
    found = harm(TWO_ENTRIES, Rules(fresh_names=True), "entries_within_plan")
    *_, placed, wrong = found.trace
    assert "place entry" in placed, found
    assert "is sent: accepted" in placed, found
    assert wrong.endswith("3 may be entered, 2 is planned"), found


def test_intent_when_a_restart_does_not_know_it_then_a_request_is_forgotten() -> None:
    found = search(TWO_ENTRIES, Rules(forgets=True))
    *_, lost, dies, wrong = found.trace
    assert "lost on the way: unsure" in lost, found
    assert "dies and is started again" in dies, found
    assert "forgotten while it may still arrive" in wrong, found
