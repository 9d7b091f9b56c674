"""The position table: every case is decided once, and no line of it could be otherwise unseen."""

from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from itertools import product

import msgspec
import pytest

from machines import recipes as do
from machines.decision import Reason
from machines.errors import BrokenTable, ForbiddenTransition
from machines.grammar import Cell, Guard, Ignored, Never, Row, Table, states_of
from machines.ladder import State
from machines.position import ROWS, TABLE
from machines.recipes import Instruction
from machines.words import Trigger
from tests.machines.equivalent import EQUIVALENT
from tests.machines.scenario import Run, corpus
from tests.machines.untraced import untraced
from tests.machines.variants import Altered, Recorder, Spot, Variant, matched, owner, variants


class Visit(msgspec.Struct, frozen=True):
    """How a scenario stood before the step in which it first comes to a spot of the table."""

    step: int
    run: Run


@cache
def visitors() -> Mapping[Spot, list[Visit]]:
    """Which scenarios come to each spot of the table."""
    found: dict[Spot, list[Visit]] = defaultdict(list)
    for script in corpus():
        recorder = Recorder()
        run = Run(script, recorder)
        come: set[Spot] = set()
        for number, step in enumerate(script.steps):
            visit = Visit(number, run.fork())
            run.play_step(step)
            for spot in recorder.spots - come:
                found[spot].append(visit)
            come |= recorder.spots
    return found


def survives(variant: Variant) -> bool:
    """Tell whether every scenario that comes to a changed spot passes all the same.

    Until it comes there nothing is different, so it goes on from there.
    """
    visits: dict[str, Visit] = {}
    for visit in (visit for spot in variant.changed for visit in visitors().get(spot, [])):
        name = visit.run.script.name
        if name not in visits or visit.step < visits[name].step:
            visits[name] = visit
    table = Altered(variant.changes)
    for visit in visits.values():
        try:
            visit.run.fork(table).play(visit.step)
        except AssertionError:
            return False
    return True


# ------------------------------------------------------------------------- every case, once


@pytest.mark.parametrize("trigger", Trigger)
def test_cells_when_laid_over_every_case_then_exactly_one_fits(trigger: Trigger) -> None:
    facts = TABLE.facts[trigger]
    for state, values in product(State, product((False, True), repeat=len(facts))):
        cell = owner((state, trigger, values))
        if isinstance(cell, Never):
            with pytest.raises(ForbiddenTransition, match="must never happen"):
                TABLE.choose(state, trigger, values)
        else:
            assert TABLE.choose(state, trigger, values) is cell


def test_pairs_when_listed_then_every_state_and_trigger_is_named() -> None:
    named = {(state, cell.trigger) for cell in TABLE.cells for state in states_of(cell)}
    assert named == set(product(State, Trigger))


def test_cells_when_nothing_is_to_be_done_then_they_say_why() -> None:
    for cell in TABLE.cells:
        said = cell.says if isinstance(cell, Row) else cell.reason
        assert len(said.split()) > 1 or said in set(Reason), cell


def test_closed_when_read_then_only_a_late_entry_leads_out_of_it() -> None:
    out = {(row.label, row.trigger) for row in ROWS if State.CLOSED in row.sources}
    assert out == {("E6", Trigger.ENTRY_FILLED)}


# ------------------------------------------------------------------------- what a table refuses

STATES = ("open", "shut")
FACTS = {"pushed": ("locked",), "looked": ()}


def row(label: str, source: str, guard: Guard | None = None) -> Row[Instruction]:
    return Row(label, (source,), "pushed", "shut", (do.SET_STOP,), "It is pushed.", guard or {})


SOUND: tuple[Cell[Instruction], ...] = (
    row("P1", "open"),
    row("P2", "shut", {"locked": False}),
    Ignored(("shut",), "pushed", "it is locked", {"locked": True}),
    Never(("open", "shut"), "looked", "nobody looks"),
)


def test_table_when_every_case_is_decided_once_then_is_built() -> None:
    table = Table(STATES, FACTS, SOUND)
    assert [cell.label for cell in table.rows] == ["P1", "P2"]
    assert table.cells_at("shut", "pushed") == SOUND[1:3]
    assert table.fire("open", table.rows[0]) == "shut"


@pytest.mark.parametrize(
    ("cells", "fault"),
    [
        (SOUND[1:], "no cell at ('open', 'pushed', (False,))"),
        ((*SOUND[:2], *SOUND[3:]), "no cell at ('shut', 'pushed', (True,))"),
        ((*SOUND, Ignored(("open",), "pushed", "twice")), "two cells at ('open', 'pushed'"),
        ((*SOUND, Ignored(("ajar",), "pushed", "no such")), "unknown state ajar"),
        ((*SOUND, Ignored(("open",), "kicked", "no such")), "unknown trigger kicked"),
        ((*SOUND, row("P3", "open", {"oiled": True})), "oiled is no fact of it"),
        ((*SOUND, row("P1", "open")), "two rows are named P1:open:pushed[]"),
    ],
)
def test_table_when_a_case_is_missing_or_decided_twice_then_is_refused(
    cells: tuple[Cell[Instruction], ...], fault: str
) -> None:
    with pytest.raises(BrokenTable) as caught:
        Table(STATES, FACTS, cells)
    assert fault in str(caught.value)


def test_table_when_several_things_are_wrong_then_names_them_all() -> None:
    cells = (Ignored(("ajar",), "pushed", "no such"), Ignored(("open",), "kicked", "no such"))
    with pytest.raises(BrokenTable) as caught:
        Table(STATES, FACTS, cells)
    assert "unknown state ajar" in str(caught.value)
    assert "unknown trigger kicked" in str(caught.value)


def test_row_when_fired_from_a_state_it_does_not_leave_then_is_forbidden() -> None:
    e1 = ROWS[0]
    with pytest.raises(ForbiddenTransition, match="does not lead from CLOSED"):
        TABLE.fire(State.CLOSED, e1)


# ---------------------------------------------------------------------- every line is needed


@pytest.mark.parametrize("number", range(len(ROWS)), ids=lambda n: f"{n}-{ROWS[n].label}")
def test_row_when_left_from_each_state_then_a_scenario_takes_it(number: int) -> None:
    taken = {
        state: [v for spot in matched(ROWS[number], state) for v in visitors().get(spot, [])]
        for state in ROWS[number].sources
    }
    assert [state for state, scripts in taken.items() if not scripts] == []


@pytest.mark.parametrize("number", range(len(ROWS)), ids=lambda n: f"{n}-{ROWS[n].label}")
@untraced
def test_row_when_altered_then_a_scenario_fails_or_the_reason_is_listed(number: int) -> None:
    for state in ROWS[number].sources:
        for variant in variants(ROWS[number], state):
            if not variant.changed:
                continue
            listed = [one.reason for one in EQUIVALENT if one.matches(variant.name)]
            assert survives(variant) is bool(listed), variant.name
            assert len(listed) <= 1, variant.name


def test_equivalents_when_listed_then_each_names_a_variant() -> None:
    names = [v.name for row in ROWS for state in row.sources for v in variants(row, state)]
    assert [one.names for one in EQUIVALENT if not any(map(one.matches, names))] == []
