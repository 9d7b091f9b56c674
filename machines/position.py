"""THE position table: what is declared when something happens to a position (SPEC §3).

Its rows stand in `machines.rows`, a file for each part of a position's life; here they become one
checked table. `step` is the only way a ladder changes state: *all events go through here*. Knows
nothing of orders at a venue; `machines.lower` and `machines.plan` compute those from the
declaration.

Legend of a row. sources → target when guard: recipe. A guard names booleans of `FACTS`; target None
leads back to the source.
"""

from __future__ import annotations

from machines.facts import FACTS, evaluate
from machines.grammar import Cell, Ignored, Row, Table
from machines.ladder import Ladder, State, replace
from machines.recipes import Instruction, Moment
from machines.rows.decisions import DECISION_ROWS
from machines.rows.empty import IGNORED, NEVER
from machines.rows.entries import ENTRY_ROWS
from machines.rows.outside import HALTED_ROWS, OUTSIDE_ROWS, PERSON_ROWS
from machines.rows.per_rung import PER_RUNG_ROWS
from machines.rows.refusals import REFUSALS
from machines.rows.stops import CLOSING_ROWS, STOP_ROWS
from machines.rows.targets import TARGET_ROWS
from machines.words import Trigger

R = Row[Instruction]

ROWS: tuple[R, ...] = (
    *ENTRY_ROWS,
    *TARGET_ROWS,
    *STOP_ROWS,
    *CLOSING_ROWS,
    *PERSON_ROWS,
    *OUTSIDE_ROWS,
    *HALTED_ROWS,
    *DECISION_ROWS,
    *PER_RUNG_ROWS,
)
CELLS: tuple[Cell[Instruction], ...] = (*ROWS, *IGNORED, *REFUSALS, *NEVER)

TABLE: Table[Instruction] = Table(
    tuple(State), {trigger: FACTS[trigger] for trigger in Trigger}, CELLS
)


def step(
    ladder: Ladder, moment: Moment, table: Table[Instruction] = TABLE
) -> tuple[Ladder, R | Ignored]:
    """Take the one row that fits the event, whose facts ``ladder`` has already counted.

    *Raises*: ForbiddenTransition at a *never* cell; the ladder passed in is untouched.
    """
    cell = table.choose(ladder.state, moment.event.trigger, evaluate(ladder, moment))
    if isinstance(cell, Ignored):
        return ladder, cell
    state = State(table.fire(ladder.state, cell))
    for instruction in cell.recipe:
        ladder = instruction.edit(ladder, moment)
    return replace(ladder, state=state, version=ladder.version + 1), cell
