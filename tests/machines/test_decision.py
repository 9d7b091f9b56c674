"""A decision's table: every case is decided once, every line is needed, every life has one end."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import product

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from machines import decision as machine
from machines.decision import (
    ENDED,
    FACTS,
    MAX_BACKOFF_MS,
    MAX_RETRIES,
    ROWS,
    TABLE,
    Decision,
    Edit,
    Happening,
    Kind,
    Order,
    Standing,
    Turn,
    take,
)
from machines.errors import ForbiddenTransition
from machines.grammar import Ignored, Never, Row, Table, states_of

Spot = tuple[str, str, tuple[bool, ...]]
H = Happening
HALF = Order(id="d1", ladder="btc-1", kind=Kind.BOOK, by="person", fraction=Decimal("0.5"))
EXIT = Order(id="d2", ladder="btc-1", kind=Kind.EXIT, by="FULL_EXIT")


def facts_of(happening: Happening) -> Iterator[dict[str, bool]]:
    for values in product((False, True), repeat=len(FACTS[happening])):
        yield dict(zip(FACTS[happening], values, strict=True))


def fits(guard: Mapping[str, bool], facts: Mapping[str, bool]) -> bool:
    return all(facts[name] is so for name, so in guard.items())


def test_decision_when_made_then_bears_the_id_that_it_was_given() -> None:
    assert Decision(order=HALF, made_ms=0).id == "d1"


# ------------------------------------------------------------------------- every case, once


@pytest.mark.parametrize("happening", Happening)
def test_cells_when_laid_over_every_case_then_exactly_one_fits(happening: Happening) -> None:
    for standing, facts in product(Standing, facts_of(happening)):
        found = [
            cell
            for cell in TABLE.cells
            if cell.trigger == happening and standing in states_of(cell) and fits(cell.guard, facts)
        ]
        assert len(found) == 1, (standing, happening, facts)
        if isinstance(found[0], Never):
            with pytest.raises(ForbiddenTransition):
                TABLE.choose(standing, happening, tuple(facts.values()))
        else:
            assert TABLE.choose(standing, happening, tuple(facts.values())) is found[0]


def test_standings_when_ended_then_nothing_leads_out_of_them() -> None:
    assert {state for row in ROWS for state in row.sources} == set(Standing) - set(ENDED)
    assert {row.target for row in ROWS if row.target in ENDED} == set(ENDED)


# ---------------------------------------------------------------------- every line is needed


class Lived(msgspec.Struct, frozen=True):
    """What happens to a decision, when, with what word, and what its orders have filled by then."""

    what: Happening
    at_ms: int = 0
    word: str = ""
    failed: bool = False
    filled: str = "0"


def staying_away() -> tuple[tuple[Lived, ...], tuple[str, ...]]:
    """It waits longer each time, and not for ever."""
    steps, told, at_ms = list[Lived](), list[str](), 0
    for tried in range(1, MAX_RETRIES + 1):
        steps.append(Lived(H.AWAY, at_ms))
        at_ms += min(1_000 * 2 ** (tried - 1), 600_000)
        told.append(f"Q5 FALLBACK_RETRY try {tried} due {at_ms}")
    steps += [Lived(H.AWAY, at_ms - 1), Lived(H.AWAY, at_ms)]
    told += [
        f"ignored FALLBACK_RETRY try {MAX_RETRIES} due {at_ms}",
        f"Q5 REFUSED (gave_up) try {MAX_RETRIES} due {at_ms} ended {at_ms} (alert)",
    ]
    return tuple(steps), tuple(told)


def away_at_each_turn() -> tuple[tuple[Lived, ...], tuple[str, ...]]:
    """The venue is back each time, and away again before it was asked."""
    steps, told, at_ms, due_ms = list[Lived](), list[str](), 0, 0
    for tried in range(1, MAX_RETRIES + 1):
        due_ms = at_ms + min(1_000 * 2 ** (tried - 1), 600_000)
        steps += [Lived(H.AWAY, at_ms), Lived(H.WAIT_OVER, at_ms + 1)]
        told += [
            f"Q5 FALLBACK_RETRY try {tried} due {due_ms}",
            f"Q6 QUEUED try {tried} due {due_ms}",
        ]
        at_ms += 2
    steps.append(Lived(H.AWAY, at_ms))
    told.append(f"Q5 REFUSED (gave_up) try {MAX_RETRIES} due {due_ms} ended {at_ms} (alert)")
    return tuple(steps), tuple(told)


TAKEN, AWAY = Lived(H.TAKEN, 5), Lived(H.AWAY, 1_000)
LIVES: dict[str, tuple[Order, tuple[Lived, ...], tuple[str, ...]]] = {
    "it is done": (
        HALF,
        (TAKEN, Lived(H.SETTLED, 9, "not said", filled="50")),
        ("Q1 EXECUTING sent 5", "Q7 DONE sent 5 ended 9"),
    ),
    "it is done in part": (
        HALF,
        (TAKEN, Lived(H.SETTLED, 9, "gave_up", filled="20")),
        ("Q1 EXECUTING sent 5", "Q7 DONE (gave_up) partial sent 5 ended 9"),
    ),
    "nothing of it is filled": (
        HALF,
        (TAKEN, Lived(H.SETTLED, 9, "gave_up")),
        ("Q1 EXECUTING sent 5", "Q7 REFUSED (gave_up) partial sent 5 ended 9"),
    ),
    "what fills nothing is done": (
        EXIT,
        (TAKEN, Lived(H.SETTLED, 9, "not said")),
        ("Q1 EXECUTING sent 5", "Q7 DONE sent 5 ended 9"),
    ),
    "what fills nothing comes to nothing": (
        EXIT,
        (TAKEN, Lived(H.SETTLED, 9, "behind_market", failed=True)),
        ("Q1 EXECUTING sent 5", "Q7 REFUSED (behind_market) sent 5 ended 9"),
    ),
    "it is refused": (HALF, (Lived(H.REFUSED, 5, "stale"),), ("Q2 REFUSED (stale) ended 5",)),
    "it expires": (HALF, (Lived(H.EXPIRED, 5),), ("Q3 EXPIRED ended 5",)),
    "it is overtaken": (
        HALF,
        (Lived(H.OVERTAKEN, 5, "d9"),),
        ("Q4 SUPERSEDED (d9) ended 5",),
    ),
    "it is overtaken under way": (
        HALF,
        (TAKEN, Lived(H.OVERTAKEN, 9, "d9")),
        ("Q1 EXECUTING sent 5", "Q8 SUPERSEDED (d9) sent 5 ended 9"),
    ),
    "under way it is not hurried": (
        HALF,
        (TAKEN, Lived(H.EXPIRED, 9), Lived(H.AWAY, 9), Lived(H.RESTARTED, 9)),
        ("Q1 EXECUTING sent 5", *("ignored EXECUTING sent 5",) * 3),
    ),
    "we start again": (HALF, (Lived(H.RESTARTED, 5),), ("ignored QUEUED",)),
    "the venue is away, then back": (
        HALF,
        (AWAY, Lived(H.RESTARTED, 1_001), Lived(H.AWAY, 1_999), Lived(H.WAIT_OVER, 2_000)),
        (
            "Q5 FALLBACK_RETRY try 1 due 2000",
            *("ignored FALLBACK_RETRY try 1 due 2000",) * 2,
            "Q6 QUEUED try 1 due 2000",
        ),
    ),
    "the venue is away, and it is refused": (
        HALF,
        (AWAY, Lived(H.REFUSED, 1_500, "closed")),
        ("Q5 FALLBACK_RETRY try 1 due 2000", "Q2 REFUSED (closed) try 1 due 2000 ended 1500"),
    ),
    "the venue is away, and it expires": (
        HALF,
        (AWAY, Lived(H.EXPIRED, 1_500)),
        ("Q5 FALLBACK_RETRY try 1 due 2000", "Q3 EXPIRED try 1 due 2000 ended 1500"),
    ),
    "the venue is away, and it is overtaken": (
        HALF,
        (AWAY, Lived(H.OVERTAKEN, 1_500, "d9")),
        ("Q5 FALLBACK_RETRY try 1 due 2000", "Q4 SUPERSEDED (d9) try 1 due 2000 ended 1500"),
    ),
    "the venue stays away": (HALF, *staying_away()),
    "the venue is away whenever its turn comes": (HALF, *away_at_each_turn()),
}
"""Every kind of life: the steps, and what is told of each."""


class Altered(Table[Edit]):
    """The table with other rows at some spots, unchecked. None is a hole."""

    def __init__(self, changes: Mapping[Spot, Row[Edit] | None]) -> None:
        self.changes = changes

    def choose(self, state: str, trigger: str, facts: tuple[bool, ...]) -> Row[Edit] | Ignored:
        spot = (state, trigger, facts)
        if spot not in self.changes:
            return TABLE.choose(state, trigger, facts)
        cell = self.changes[spot]
        if cell is None:
            raise ForbiddenTransition(f"no cell at {spot}")
        return cell

    def fire(self, state: str, row: Row[Edit]) -> str:
        return state if row.target is None else row.target


def told(name: str, table: Table[Edit] = TABLE) -> tuple[str, ...]:
    """Live a life and tell it, up to what must never happen."""
    order, steps, _ = LIVES[name]
    asked = Decimal(100) / 2 if order.kind is Kind.BOOK else Decimal(0)
    decision = Decision(order=order, asked_qty=asked)
    lines: list[str] = []
    for step in steps:
        decision = replace(decision, filled_qty=Decimal(step.filled))
        try:
            turn = Turn(step.at_ms, step.word, step.failed)
            decision, cell = take(decision, step.what, turn, table)
        except ForbiddenTransition:
            return (*lines, "never")
        lines.append(line(decision, cell))
    return tuple(lines)


def line(decision: Decision, cell: Row[Edit] | Ignored) -> str:
    """Tell what a decision has come to."""
    words = [cell.label if isinstance(cell, Row) else "ignored", decision.standing.value]
    words += [f"({decision.reason})"] if decision.reason else []
    words += ["partial"] if decision.partial else []
    words += [f"try {decision.retries} due {decision.due_ms}"] if decision.retries else []
    words += [] if decision.sent_ms is None else [f"sent {decision.sent_ms}"]
    words += [] if decision.ended_ms is None else [f"ended {decision.ended_ms}"]
    words += ["(alert)"] if isinstance(cell, Row) and cell.alert else []
    return " ".join(words)


@pytest.mark.parametrize("name", LIVES)
def test_decision_when_it_lives_then_goes_exactly_this_way(name: str) -> None:
    assert told(name) == LIVES[name][2]


def test_backoff_when_the_venue_is_away_for_an_hour_then_is_not_given_up() -> None:
    waited_ms = sum(min(1_000 * 2**n, MAX_BACKOFF_MS) for n in range(MAX_RETRIES))
    assert waited_ms > 3_600_000


EDITS = tuple(one for one in vars(machine).values() if isinstance(one, Edit))


def variants(row: Row[Edit], state: str) -> Iterator[tuple[str, dict[Spot, Row[Edit] | None]]]:
    """Yield every table that differs in one place of one row, as in `tests.machines.variants`."""

    def spots(guard: Mapping[str, bool]) -> list[Spot]:
        return [
            (state, row.trigger, tuple(facts.values()))
            for facts in facts_of(Happening(row.trigger))
            if fits(guard, facts)
        ]

    here = spots(row.guard)
    yield "deleted", dict.fromkeys(here)
    yield "alert", dict.fromkeys(here, replace(row, alert=not row.alert))
    for target in Standing:
        if target != (row.target or state):
            yield f"to {target}", dict.fromkeys(here, replace(row, target=target))
    for recipe in ((), *((one,) for one in EDITS)):
        if recipe != row.recipe:
            said = ", ".join(one.name for one in recipe) or "nothing"
            yield f"does {said}", dict.fromkeys(here, replace(row, recipe=recipe))
    for fact in row.guard:
        rest = {name: so for name, so in row.guard.items() if name != fact}
        yield f"whatever {fact}", dict.fromkeys(spots(rest), row)


@pytest.mark.parametrize("number", range(len(ROWS)), ids=lambda n: f"{n}-{ROWS[n].label}")
def test_row_when_altered_then_a_life_goes_another_way(number: int) -> None:
    row = ROWS[number]
    for state in row.sources:
        for what, changes in variants(row, state):
            table = Altered(changes)
            same = all(told(name, table) == life[2] for name, life in LIVES.items())
            assert not same, f"{row.name} in {state}: {what}"


# --------------------------------------------------------------------------------- one ending


@given(
    st.lists(
        st.tuples(st.sampled_from(Happening), st.integers(0, 700_000), st.booleans()), max_size=80
    )
)
def test_decision_when_anything_happens_in_any_order_then_ends_at_most_once(
    steps: list[tuple[Happening, int, bool]],
) -> None:
    decision, endings, at_ms = Decision(order=HALF), 0, 0
    for what, later_ms, failed in steps:
        at_ms += later_ms
        before = decision
        try:
            decision, cell = take(decision, what, Turn(at_ms, "word", failed))
        except ForbiddenTransition:
            assert decision is before
            continue
        if isinstance(cell, Ignored):
            assert decision is before
        endings += decision.ended
        assert not before.ended
        assert decision.retries <= MAX_RETRIES
    assert endings <= 1
    if not decision.ended:
        assert decision.reason == ""
        assert decision.ended_ms is None
