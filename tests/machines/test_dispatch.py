"""The dispatch table: every case is decided once, and every line of it is needed."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import product

import pytest
from msgspec.structs import replace

from machines import dispatch
from machines.dispatch import (
    ENDED,
    FACTS,
    MAX_TRIES,
    OPEN,
    ROWS,
    TABLE,
    Dispatch,
    Flight,
    FlightEdit,
    Step,
    Turn,
    take,
)
from machines.errors import ForbiddenTransition
from machines.flights import slot_of
from machines.grammar import Ignored, Never, Row, Table, states_of
from machines.words import (
    Capabilities,
    Key,
    Mutation,
    OrderType,
    PlaceOrder,
    Role,
    SetStop,
    Side,
)

KEY = Key("paper", "BTCUSDT")
WINDOW_MS = Capabilities().window_ms
STOP = SetStop(KEY, Decimal(100), Decimal(1))
RUNG = PlaceOrder(
    KEY, "prefixt1g1", Role.TAKE_PROFIT, 1, Side.SELL, OrderType.LIMIT, Decimal(1), Decimal(110)
)

Spot = tuple[str, str, tuple[bool, ...]]


def facts_of(step: Step) -> Iterator[dict[str, bool]]:
    for values in product((False, True), repeat=len(FACTS[step])):
        yield dict(zip(FACTS[step], values, strict=True))


def fits(guard: Mapping[str, bool], facts: Mapping[str, bool]) -> bool:
    return all(facts[name] is so for name, so in guard.items())


# ------------------------------------------------------------------------- every case, once


@pytest.mark.parametrize("step", Step)
def test_cells_when_laid_over_every_case_then_exactly_one_fits(step: Step) -> None:
    for state, facts in product(Dispatch, facts_of(step)):
        found = [
            cell
            for cell in TABLE.cells
            if cell.trigger == step and state in states_of(cell) and fits(cell.guard, facts)
        ]
        assert len(found) == 1, (state, step, facts)
        if isinstance(found[0], Never):
            with pytest.raises(ForbiddenTransition):
                TABLE.choose(state, step, tuple(facts.values()))
        else:
            assert TABLE.choose(state, step, tuple(facts.values())) is found[0]


def test_states_when_ended_then_nothing_leads_out_of_them() -> None:
    assert {state for row in ROWS for state in row.sources} == set(OPEN)
    assert set(OPEN) | set(ENDED) == set(Dispatch)


# ---------------------------------------------------------------------- every line is needed

Lived = tuple[Step, int, bool]
"""What happens to a request, when, and whether it is still wanted."""
NEVER_ANSWERED: tuple[Lived, ...] = tuple(
    (step, at_ms, True)
    for n in range(MAX_TRIES)
    for step, at_ms in (
        *((Step.SENT, 10_000 * n), (Step.UNSURE, 10_000 * n)),
        (Step.WINDOW_READ, 10_000 * n + 7_000),
    )
)
UNANSWERED = (
    *("D1 SENT try 1", "D4 UNKNOWN try 1 until 7000", "D7 INTENDED try 2 until 7000"),
    *("D1 SENT try 2 until 7000", "D4 UNKNOWN try 2 until 17000", "D7 INTENDED try 3 until 17000"),
    *("D1 SENT try 3 until 17000", "D4 UNKNOWN try 3 until 27000", "D7 INTENDED try 4 until 27000"),
    *("D1 SENT try 4 until 27000", "D4 UNKNOWN try 4 until 37000", "D7 INTENDED try 5 until 37000"),
    *("D1 SENT try 5 until 37000", "D4 UNKNOWN try 5 until 47000", "D7 INTENDED try 6 until 47000"),
    *("D1 SENT try 6 until 47000", "D4 UNKNOWN try 6 until 57000"),
)
ALWAYS_BUSY: tuple[Lived, ...] = tuple(
    (step, at_ms, True)
    for n in range(MAX_TRIES)
    for step, at_ms in ((Step.SENT, 0), (Step.BUSY, 0), (Step.WAIT_OVER, 30_000))
)
TURNED_AWAY = (
    *("D1 SENT try 1", "D5 BACKOFF try 1 until 1000", "D8 INTENDED try 2 until 1000"),
    *("D1 SENT try 2 until 1000", "D5 BACKOFF try 2 until 2000", "D8 INTENDED try 3 until 2000"),
    *("D1 SENT try 3 until 2000", "D5 BACKOFF try 3 until 4000", "D8 INTENDED try 4 until 4000"),
    *("D1 SENT try 4 until 4000", "D5 BACKOFF try 4 until 8000", "D8 INTENDED try 5 until 8000"),
    *("D1 SENT try 5 until 8000", "D5 BACKOFF try 5 until 16000", "D8 INTENDED try 6 until 16000"),
    *("D1 SENT try 6 until 16000", "D5 BACKOFF try 6 until 30000"),
)
LIVES: dict[str, tuple[Mutation, tuple[Lived, ...], tuple[str, ...]]] = {
    "it is taken": (
        RUNG,
        ((Step.SENT, 0, True), (Step.ACCEPTED, 5, True)),
        ("D1 SENT try 1", "D2 DONE try 1"),
    ),
    "it is refused": (
        RUNG,
        ((Step.SENT, 0, True), (Step.REFUSED, 5, True)),
        ("D1 SENT try 1", "D3 REFUSED try 1"),
    ),
    "nobody says so, and it is seen": (
        RUNG,
        ((Step.SENT, 0, True), (Step.UNSURE, 5, True), (Step.SHOWN, 6, True)),
        ("D1 SENT try 1", "D4 UNKNOWN try 1 until 7005", "D9 DONE try 1 until 7005"),
    ),
    "nobody says so, and it is not wanted any more": (
        RUNG,
        ((Step.SENT, 0, True), (Step.UNSURE, 5, True), (Step.WINDOW_READ, 7_005, False)),
        ("D1 SENT try 1", "D4 UNKNOWN try 1 until 7005", "D7 DONE try 1 until 7005"),
    ),
    "nobody ever says so": (
        RUNG,
        NEVER_ANSWERED,
        (*UNANSWERED, "D7 GAVE_UP try 6 until 117000 (alert)"),
    ),
    "nobody ever says so, and then it is not wanted any more": (
        RUNG,
        (*NEVER_ANSWERED[:-1], (Step.WINDOW_READ, 57_000, False)),
        (*UNANSWERED, "D7 DONE try 6 until 57000"),
    ),
    "it is turned away, and not wanted any more": (
        RUNG,
        ((Step.SENT, 0, True), (Step.BUSY, 0, True), (Step.WAIT_OVER, 1_000, False)),
        ("D1 SENT try 1", "D5 BACKOFF try 1 until 1000", "D8 DONE try 1 until 1000"),
    ),
    "it is turned away time and again": (
        RUNG,
        ALWAYS_BUSY,
        (*TURNED_AWAY, "D8 GAVE_UP try 6 until 90000 (alert)"),
    ),
    "it is turned away time and again, and then not wanted any more": (
        RUNG,
        (*ALWAYS_BUSY[:-1], (Step.WAIT_OVER, 30_000, False)),
        (*TURNED_AWAY, "D8 DONE try 6 until 30000"),
    ),
    "a stop is turned away": (
        STOP,
        (
            *((Step.SENT, 0, True), (Step.BUSY, 0, True), (Step.WAIT_OVER, 1_000, True)),
            *((Step.SENT, 1_000, True), (Step.BUSY, 1_000, True)),
        ),
        (
            *("D1 SENT try 1", "D5 BACKOFF try 1 until 1000", "D8 INTENDED try 2 until 1000"),
            *("D1 SENT try 2 until 1000", "D5 BACKOFF try 2 until 2000"),
        ),
    ),
    "we die before it is sent": (
        RUNG,
        ((Step.RESTARTED, 3, True),),
        ("D6 UNKNOWN try 1 until 7003",),
    ),
    "we die before the answer": (
        RUNG,
        ((Step.SENT, 0, True), (Step.RESTARTED, 3, True)),
        ("D1 SENT try 1", "D6 UNKNOWN try 1 until 7003"),
    ),
    "we die while nobody knows": (
        RUNG,
        ((Step.SENT, 0, True), (Step.UNSURE, 0, True), (Step.RESTARTED, 3, True)),
        ("D1 SENT try 1", "D4 UNKNOWN try 1 until 7000", "D6 UNKNOWN try 1 until 7003"),
    ),
    "we die while it waits": (
        RUNG,
        ((Step.SENT, 0, True), (Step.BUSY, 0, True), (Step.RESTARTED, 3, True)),
        ("D1 SENT try 1", "D5 BACKOFF try 1 until 1000", "ignored BACKOFF try 1 until 1000"),
    ),
}


class Altered(Table[FlightEdit]):
    """The table with other rows at some spots, unchecked. None is a hole."""

    def __init__(self, changes: Mapping[Spot, Row[FlightEdit] | None]) -> None:
        self.changes = changes

    def choose(
        self, state: str, trigger: str, facts: tuple[bool, ...]
    ) -> Row[FlightEdit] | Ignored:
        spot = (state, trigger, facts)
        if spot not in self.changes:
            return TABLE.choose(state, trigger, facts)
        cell = self.changes[spot]
        if cell is None:
            raise ForbiddenTransition(f"no cell at {spot}")
        return cell

    def fire(self, state: str, row: Row[FlightEdit]) -> str:
        return state if row.target is None else row.target


def told(name: str, table: Table[FlightEdit] = TABLE) -> tuple[str, ...]:
    """Live a life and tell it, up to what must never happen."""
    mutation, steps, _ = LIVES[name]
    flight = Flight("intent", slot_of(mutation), mutation)
    lines: list[str] = []
    for step, now_ms, wanted in steps:
        try:
            flight, cell = take(flight, step, Turn(now_ms, WINDOW_MS, wanted), table)
        except ForbiddenTransition:
            return (*lines, "never")
        until = f" until {flight.until_ms}" if flight.until_ms else ""
        label = cell.label if isinstance(cell, Row) else "ignored"
        alert = " (alert)" if isinstance(cell, Row) and cell.alert else ""
        lines.append(f"{label} {flight.state} try {flight.tries}{until}{alert}")
    return tuple(lines)


@pytest.mark.parametrize("name", LIVES)
def test_request_when_it_lives_then_goes_exactly_this_way(name: str) -> None:
    assert told(name) == LIVES[name][2]


EDITS = tuple(one for one in vars(dispatch).values() if isinstance(one, FlightEdit))


def variants(
    row: Row[FlightEdit], state: str
) -> Iterator[tuple[str, dict[Spot, Row[FlightEdit] | None]]]:
    """Yield every table that differs in one place of one row, as in `tests.machines.variants`."""
    names = FACTS[row.trigger]

    def spots(guard: Mapping[str, bool]) -> list[Spot]:
        return [
            (state, row.trigger, tuple(facts.values()))
            for facts in facts_of(Step(row.trigger))
            if fits(guard, facts)
        ]

    here = spots(row.guard)
    yield "deleted", dict.fromkeys(here)
    yield "alert", dict.fromkeys(here, replace(row, alert=not row.alert))
    for target in Dispatch:
        if target != row.target:
            yield f"to {target}", dict.fromkeys(here, replace(row, target=target))
    for recipe in ((), *((one,) for one in EDITS)):
        if recipe != row.recipe:
            told_as = ", ".join(one.name for one in recipe) or "nothing"
            yield f"does {told_as}", dict.fromkeys(here, replace(row, recipe=recipe))
    for fact in row.guard:
        assert fact in names
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
