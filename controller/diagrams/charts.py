"""What a diagram shows, read off a table: lines, edges and the words of their labels.

Turns a `machines.grammar.Table` into plain words, so that the writers of Mermaid, DOT and Markdown
share one reading of it. Knows no particular table and no file format. Invariant: the edges of a
chart, with their groups expanded, are exactly the (row, source) pairs of its table, in its order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

import msgspec

from machines.grammar import Row, Table

COMMAND = "rungkeeper diagram"
"""What a person types to write the files anew."""

HOW_TO_READ = "label · what happened [when] / what is declared, in order"
NOTHING = "–"

COLOURS = {
    "E": "#1f5fa8", "T": "#1b7a3d", "S": "#b3261e", "C": "#5f5f5f",
    "P": "#7a4b00", "M": "#6a1b9a", "H": "#b3261e", "R": "#1b7a3d", "B": "#a35200",
}  # fmt: skip
"""Entries blue, targets green, stops and halts red, closing grey, persons brown, foreign purple,
decisions orange."""

FAMILIES = {
    "E": "Entries", "T": "Targets", "S": "Stops", "C": "Closing",
    "P": "What a person does at the venue", "M": "Quantity that is not ours",
    "H": "Halted: a person must look", "B": "Decisions",
    "R": "Where nothing is reduce-only: a rung has one order, its stop and its target in turn",
    "D": "", "Q": "",
}  # fmt: skip
"""What the rows of a letter are about; nothing where they are the whole machine."""

UNTAKEN: frozenset[tuple[str, str]] = frozenset()
"""Names of rows, each with a state it leaves, that no scenario has taken; a test keeps it so."""


class Step(Protocol):
    """What a diagram asks of one instruction of a recipe."""

    @property
    def name(self) -> str:
        """Name it as the table does."""
        ...

    @property
    def says(self) -> str:
        """Say it as a trader would."""
        ...


S = TypeVar("S", bound=Step)


class Line(msgspec.Struct, frozen=True):
    """One row of a table in words. ``target`` None leads back to where the row came from."""

    name: str
    label: str
    sources: tuple[str, ...]
    trigger: str
    guard: str
    target: str | None
    does: tuple[str, ...]
    says: str
    alert: bool

    @property
    def head(self) -> str:
        """Return the label and what happened."""
        return f"{self.label} · {self.trigger}"

    @property
    def action(self) -> str:
        """Return the mutations in order."""
        return ("; ".join(self.does) or NOTHING) + (" (alert)" if self.alert else "")

    @property
    def family(self) -> str:
        """Return the letter of its label: entries, targets, stops, closing."""
        return self.label[:1]


class Empty(msgspec.Struct, frozen=True):
    """A cell that is no row: ``kind`` is *ignored* or *never*."""

    kind: str
    reason: str
    guard: str


class Group(msgspec.Struct, frozen=True):
    """States that rows speak of together; drawn as a frame with a node that stands for any one."""

    name: str
    states: tuple[str, ...]


class Edge(msgspec.Struct, frozen=True):
    """One arrow: ``source`` is a state or the name of a group."""

    line: Line
    source: str
    taken: bool = True
    """A scenario takes it; if none does, it is drawn dashed."""


class Chart(msgspec.Struct, frozen=True):
    """A table in words, ready to be drawn. ``cells`` holds what each (state, trigger) meets."""

    name: str
    title: str
    start: str
    ends: tuple[str, ...]
    states: tuple[str, ...]
    triggers: tuple[str, ...]
    lines: tuple[Line, ...]
    cells: dict[tuple[str, str], tuple[Line | Empty, ...]]
    facts: dict[str, str]
    instructions: dict[str, str]
    groups: tuple[Group, ...]
    untaken: frozenset[tuple[str, str]] = UNTAKEN
    """Names of rows, each with a source, that no scenario takes."""

    @property
    def header(self) -> str:
        """Return the sentence every generated file begins with."""
        return f"Written by `{COMMAND}` from machines/{self.name}.py; edit that, not this."

    @property
    def edges(self) -> tuple[Edge, ...]:
        """Return the arrows in the order of the rows; of a row those that are taken come first."""
        found: list[Edge] = []
        for line in self.lines:
            dashed = tuple(s for s in line.sources if (line.name, s) in self.untaken)
            solid = tuple(s for s in line.sources if s not in dashed)
            found += [Edge(line, source) for source in grouped(self, solid)]
            found += [Edge(line, source, taken=False) for source in grouped(self, dashed)]
        return tuple(found)

    @property
    def idle(self) -> tuple[str, ...]:
        """Return the states that no row leaves or reaches yet."""
        reached = {line.target for line in self.lines}.union(*(x.sources for x in self.lines))
        return tuple(state for state in self.states if state not in reached)

    def members(self, source: str) -> tuple[str, ...]:
        """Return the states that the source of an edge stands for."""
        return next((g.states for g in self.groups if g.name == source), (source,))


def chart(
    name: str,
    title: str,
    table: Table[S],
    start: str,
    *,
    ends: tuple[str, ...] = (),
    facts: Mapping[str, Callable[..., bool]] | None = None,
    groups: Mapping[str, tuple[str, ...]] | None = None,
    untaken: frozenset[tuple[str, str]] = UNTAKEN,
) -> Chart:
    """Read a table.

    ``start`` is drawn as the dot, ``ends`` as double circles; ``facts`` are the predicates whose
    docstrings explain the guards. ``groups`` names states that rows speak of together; what is
    ``untaken`` is drawn dashed.
    """
    known = {fact: _sentence(read) for fact, read in (facts or {}).items()}
    triggers = tuple(str(trigger) for trigger in table.facts)
    states = tuple(str(state) for state in table.states)
    return Chart(
        name=name,
        title=title,
        start=str(start),
        ends=tuple(str(state) for state in ends),
        states=states,
        triggers=triggers,
        lines=tuple(_line(row) for row in table.rows),
        cells={(s, t): _cells(table, s, t) for t in triggers for s in states},
        facts={fact: known.get(fact, "") for fact in _asked(table)},
        instructions={step.name: step.says for row in table.rows for step in row.recipe},
        groups=tuple(Group(n, tuple(map(str, group))) for n, group in (groups or {}).items()),
        untaken=untaken,
    )


def grouped(chart: Chart, states: tuple[str, ...]) -> tuple[str, ...]:
    """Name states by the largest groups that fit whole, the rest one by one."""
    named: list[str] = []
    rest = list(states)
    for group in sorted(chart.groups, key=lambda g: -len(g.states)):
        if set(group.states) <= set(rest):
            named.append(group.name)
            rest = [state for state in rest if state not in group.states]
    return (*named, *rest)


def inside(chart: Chart, outer: Group | None) -> tuple[tuple[Group, ...], tuple[str, ...]]:
    """Return the groups and the states that lie directly in a frame (None: in no frame)."""
    room = set(chart.states if outer is None else outer.states)
    within = [g for g in chart.groups if g is not outer and set(g.states) <= room]
    groups = tuple(
        g for g in within if not any(o is not g and set(g.states) < set(o.states) for o in within)
    )
    taken = {state for group in groups for state in group.states}
    return groups, tuple(s for s in chart.states if s in room and s not in taken)


def wrapped(text: str, width: int = 36) -> list[str]:
    """Break a text into lines at spaces; a guard or a mutation is never cut."""
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def spoken(line: Line) -> list[str]:
    """Return the lines of an edge's label: what happened, the guard, the mutations."""
    guard = wrapped(f"[{line.guard}]") if line.guard else []
    return [line.head, *guard, *wrapped(f"/ {line.action}")]


def _line(row: Row[S]) -> Line:
    return Line(
        name=row.name,
        label=row.label,
        sources=tuple(str(source) for source in row.sources),
        trigger=str(row.trigger),
        guard=_guard(row.guard),
        target=None if row.target is None else str(row.target),
        does=tuple(step.says for step in row.recipe),
        says=row.says,
        alert=row.alert,
    )


def _guard(guard: Mapping[str, bool]) -> str:
    return ", ".join(fact if so else f"not {fact}" for fact, so in guard.items())


def _cells(table: Table[S], state: str, trigger: str) -> tuple[Line | Empty, ...]:
    found: list[Line | Empty] = []
    for cell in table.cells_at(state, trigger):
        if isinstance(cell, Row):
            found.append(_line(cell))
        else:
            kind = type(cell).__name__.lower()
            found.append(Empty(kind, cell.reason, _guard(cell.guard)))
    return tuple(found)


def _asked(table: Table[S]) -> list[str]:
    """List the facts that guards of the table ask for, in the order of its triggers."""
    return list(dict.fromkeys(fact for names in table.facts.values() for fact in names))


def _sentence(read: Callable[..., bool]) -> str:
    return " ".join((read.__doc__ or "").split("\n\n")[0].split())
