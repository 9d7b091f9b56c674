"""The grammar of a table: rows, ignored cells, never cells; their proof; the firing of a row.

The only file that imports `transitions`: it keeps the structure and the legality, while the row
itself is chosen here, over a finite tuple of boolean facts, and fired by its own name without a
guard (DESIGN §5: with two true guards `transitions` silently takes the first). Knows no particular
table. Invariant, proved when a table is built: every (state, trigger, facts) meets exactly one
cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Generic, TypeVar

import msgspec
from transitions import Machine, MachineError

from machines.errors import BrokenTable, ForbiddenTransition

Guard = Mapping[str, bool]
I = TypeVar("I")  # noqa: E741 (an instruction, as in the docstrings)
"""What a recipe is made of; the grammar never looks inside."""


class Row(msgspec.Struct, Generic[I], frozen=True):
    """One line of a table: what is declared when something happens in a state.

    ``target`` None means the row leads back to where it came from. ``guard`` names the facts that
    must be so; facts it does not name may be either way.
    """

    label: str
    sources: tuple[str, ...]
    trigger: str
    target: str | None
    recipe: tuple[I, ...]
    says: str
    guard: Guard = {}
    alert: bool = False
    """A person should hear of it."""

    @property
    def name(self) -> str:
        """Name the row uniquely within its table; ``label`` is SPEC's name for it."""
        facts = "&".join(f"{'' if so else '!'}{fact}" for fact, so in self.guard.items())
        return f"{self.label}:{'|'.join(self.sources)}:{self.trigger}[{facts}]"


class Ignored(msgspec.Struct, frozen=True):
    """Cells in which an event is counted but changes neither state nor declaration."""

    states: tuple[str, ...]
    trigger: str
    reason: str
    guard: Guard = {}


class Never(msgspec.Struct, frozen=True):
    """Cells that cannot be reached; reaching one stops that ladder."""

    states: tuple[str, ...]
    trigger: str
    reason: str
    guard: Guard = {}


Cell = Row[I] | Ignored | Never


class Cursor:
    """The model that `transitions` moves: one attribute, thrown away after the step."""

    __slots__ = ("state",)

    def __init__(self, state: str) -> None:
        self.state = state


def states_of(cell: Cell[I]) -> tuple[str, ...]:
    """Return the states a cell speaks of."""
    return cell.sources if isinstance(cell, Row) else cell.states


class Table(Generic[I]):
    """A checked table of rows.

    *Raises*: BrokenTable at construction, naming every hole, overlap and unknown word.
    """

    def __init__(
        self,
        states: Sequence[str],
        facts: Mapping[str, tuple[str, ...]],
        cells: Sequence[Cell[I]],
    ) -> None:
        self.states = tuple(states)
        self.facts = dict(facts)
        self.cells = tuple(cells)
        faults, self._index = _compile(self.states, self.facts, self.cells)
        if faults:
            raise BrokenTable("\n".join(faults))
        self._machine = _machine(self.states, self.rows)
        self._names = {id(row): row.name for row in self.rows}
        self._fired: dict[tuple[str, str], str] = {}

    @property
    def rows(self) -> tuple[Row[I], ...]:
        """Return the rows in the order they are written."""
        return tuple(cell for cell in self.cells if isinstance(cell, Row))

    def choose(self, state: str, trigger: str, facts: tuple[bool, ...]) -> Row[I] | Ignored:
        """Return the one cell that fits.

        *Shape*: ``facts`` in the order of ``self.facts[trigger]``. *Raises*: ForbiddenTransition
        at a *never* cell.
        """
        cell = self._index[state, trigger, facts]
        if isinstance(cell, Never):
            known = dict(zip(self.facts[trigger], facts, strict=True))
            raise ForbiddenTransition(
                f"{trigger} in {state} must never happen ({cell.reason}); facts {known}"
            )
        return cell

    def cells_at(self, state: str, trigger: str) -> tuple[Cell[I], ...]:
        """Return every cell written for a (state, trigger) pair, in order."""
        return tuple(c for c in self.cells if c.trigger == trigger and state in states_of(c))

    def fire(self, state: str, row: Row[I]) -> str:
        """Take ``row`` from ``state`` and return the state it leads to.

        `transitions` is asked once for each pair; the structure never changes after that.
        *Raises*: ForbiddenTransition if the structure does not allow it.
        """
        name = self._names.get(id(row)) or row.name
        known = self._fired.get((state, name))
        if known is not None:
            return known
        cursor = Cursor(state)
        try:
            self._machine.events[name].trigger(cursor)
        except MachineError as error:
            raise ForbiddenTransition(f"row {name} does not lead from {state}") from error
        self._fired[state, name] = cursor.state
        return cursor.state


def _machine(states: Sequence[str], rows: Sequence[Row[I]]) -> Machine:
    """Build the one shared machine: no model, no automatic triggers, one event a row."""
    machine = Machine(
        model=None,
        states=[str(state) for state in states],
        initial=None,
        auto_transitions=False,
        send_event=True,
        queued=False,
    )
    for row in rows:
        target = "=" if row.target is None else str(row.target)
        machine.add_transition(row.name, [str(source) for source in row.sources], target)
    return machine


def _compile(
    states: Sequence[str], facts: Mapping[str, tuple[str, ...]], cells: Sequence[Cell[I]]
) -> tuple[list[str], dict[tuple[str, str, tuple[bool, ...]], Cell[I]]]:
    """Lay every cell over every combination of facts; return the faults and the index."""
    index: dict[tuple[str, str, tuple[bool, ...]], Cell[I]] = {}
    faults = _unknown_words(states, facts, cells)
    if faults:
        return faults, index
    for cell in cells:
        names = facts[cell.trigger]
        for values in product((False, True), repeat=len(names)):
            if any(values[names.index(fact)] is not so for fact, so in cell.guard.items()):
                continue
            for state in states_of(cell):
                spot = (str(state), str(cell.trigger), values)
                if spot in index:
                    faults.append(f"two cells at {spot}: {cell} and {index[spot]}")
                index[spot] = cell
    for state, (trigger, names) in product(states, facts.items()):
        for values in product((False, True), repeat=len(names)):
            if (str(state), str(trigger), values) not in index:
                faults.append(f"no cell at {(str(state), str(trigger), values)} of {names}")
    return faults, index


def _unknown_words(
    states: Sequence[str], facts: Mapping[str, tuple[str, ...]], cells: Sequence[Cell[I]]
) -> list[str]:
    faults: list[str] = []
    known = {str(trigger): names for trigger, names in facts.items()}
    for cell in cells:
        names = known.get(str(cell.trigger))
        if names is None:
            faults.append(f"unknown trigger {cell.trigger}")
            continue
        faults += [f"{cell}: {f} is no fact of it" for f in cell.guard if f not in names]
        faults += [f"{cell}: unknown state {s}" for s in states_of(cell) if s not in states]
    seen: set[str] = set()
    for cell in cells:
        if isinstance(cell, Row):
            if cell.name in seen:
                faults.append(f"two rows are named {cell.name}")
            seen.add(cell.name)
    return faults
