"""Every table that differs from the one we have in one place: what scenarios must tell apart.

For each row and each state it leaves: the row is deleted, its target is changed to every other
state, each condition of its guard is dropped or negated, each instruction of its recipe is dropped
or swapped for every other that edits orders of the same roles, and its alert is flipped. An
altered row takes every cell that it now matches, whatever stood there.
"""

from collections.abc import Iterator
from functools import cache
from itertools import product

import msgspec
from msgspec.structs import replace

from machines import recipes
from machines.errors import ForbiddenTransition
from machines.grammar import Cell, Ignored, Never, Row, Table, states_of
from machines.ladder import State
from machines.position import TABLE
from machines.recipes import Instruction

Spot = tuple[str, str, tuple[bool, ...]]
"""A state, a trigger and the facts that decide it."""

INSTRUCTIONS = tuple(one for one in vars(recipes).values() if isinstance(one, Instruction))
"""What may be swapped in. Those of `machines.adopt` speak of what a person did: in no other row."""


def matched(row: Cell[Instruction], state: str) -> list[Spot]:
    """The spots of one state that a cell's guard lets in, counted without the grammar."""
    names = TABLE.facts[row.trigger]
    return [
        (state, row.trigger, facts)
        for facts in product((False, True), repeat=len(names))
        if all(facts[names.index(fact)] is so for fact, so in row.guard.items())
    ]


@cache
def owner(spot: Spot) -> Cell[Instruction]:
    """The one cell of the table at a spot, found by looking at all of them."""
    state, trigger, _ = spot
    found = [
        cell
        for cell in TABLE.cells
        if cell.trigger == trigger and state in states_of(cell) and spot in matched(cell, state)
    ]
    assert len(found) == 1, f"{spot}: {found}"
    return found[0]


class Altered(Table[Instruction]):
    """The table with other cells at some spots, unchecked. None is a hole."""

    def __init__(self, changes: dict[Spot, Row[Instruction] | None]) -> None:
        self.changes = changes

    def choose(
        self, state: str, trigger: str, facts: tuple[bool, ...]
    ) -> Row[Instruction] | Ignored:
        spot = (state, trigger, facts)
        if spot not in self.changes:
            return TABLE.choose(state, trigger, facts)
        cell = self.changes[spot]
        if cell is None:
            raise ForbiddenTransition(f"no cell at {spot}")
        return cell

    def fire(self, state: str, row: Row[Instruction]) -> str:
        return state if row.target is None else row.target


class Recorder(Table[Instruction]):
    """The table as it is, noting every spot that is asked for."""

    def __init__(self) -> None:
        self.spots: set[Spot] = set()

    def choose(
        self, state: str, trigger: str, facts: tuple[bool, ...]
    ) -> Row[Instruction] | Ignored:
        self.spots.add((state, trigger, facts))
        return TABLE.choose(state, trigger, facts)

    def fire(self, state: str, row: Row[Instruction]) -> str:
        return TABLE.fire(state, row)


class Variant(msgspec.Struct, frozen=True):
    """One alteration of one row in one state. ``name`` says which, and is how it is listed."""

    name: str
    changes: dict[Spot, Row[Instruction] | None]

    @property
    def changed(self) -> list[Spot]:
        """The spots that can be reached and at which this does not do what the table does."""
        return [
            spot
            for spot, cell in self.changes.items()
            if cell is None
            or (not isinstance(owner(spot), Never) and does(cell) != does(owner(spot)))
        ]


def does(cell: Cell[Instruction]) -> object:
    """What a cell does, without the guard that let it: rows that do the same are the same."""
    if isinstance(cell, Row):
        return cell.label, cell.target, cell.recipe, cell.alert
    return type(cell)


def _swap(row: Row[Instruction], at: int, new: tuple[Instruction, ...]) -> Row[Instruction]:
    return replace(row, recipe=(*row.recipe[:at], *new, *row.recipe[at + 1 :]))


def _targets(row: Row[Instruction], state: str) -> Iterator[tuple[str, Row[Instruction]]]:
    for target in State:
        if target != (row.target or state):
            yield f"to {target}", replace(row, target=target)


def _recipes(row: Row[Instruction]) -> Iterator[tuple[str, Row[Instruction]]]:
    for at, one in enumerate(row.recipe):
        yield f"without {one.name}", _swap(row, at, ())
        for other in INSTRUCTIONS:
            if other.roles == one.roles and other.edit is not one.edit:
                yield f"{other.name} for {one.name}", _swap(row, at, (other,))


def _guards(
    row: Row[Instruction], state: str
) -> Iterator[tuple[str, dict[Spot, Row[Instruction] | None]]]:
    here = matched(row, state)
    for fact, so in row.guard.items():
        rest = {other: value for other, value in row.guard.items() if other != fact}
        loose = replace(row, guard=rest)
        yield f"whatever {fact}", dict.fromkeys(matched(loose, state), row)
        turned = replace(row, guard=rest | {fact: not so})
        yield f"{fact} negated", dict.fromkeys(here) | dict.fromkeys(matched(turned, state), row)


def variants(row: Row[Instruction], state: str) -> Iterator[Variant]:
    """Return every variant of a row in one of the states it leaves."""
    here = matched(row, state)
    edge = f"{row.label} {state} {row.trigger} {_guard_told(row)}".rstrip()

    def variant(what: str, changes: dict[Spot, Row[Instruction] | None]) -> Variant:
        return Variant(f"{edge}: {what}", changes)

    yield variant("deleted", dict.fromkeys(here))
    yield variant("alert", dict.fromkeys(here, replace(row, alert=not row.alert)))
    for what, altered in (*_targets(row, state), *_recipes(row)):
        yield variant(what, dict.fromkeys(here, altered))
    for what, changes in _guards(row, state):
        yield variant(what, changes)


def _guard_told(row: Row[Instruction]) -> str:
    return "&".join(fact if so else f"!{fact}" for fact, so in row.guard.items())
