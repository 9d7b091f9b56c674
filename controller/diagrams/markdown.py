"""Write a chart as a page: the diagram, its legends, its rows, and every cell of its table.

Knows no particular table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from controller.diagrams.charts import (
    HOW_TO_READ,
    NOTHING,
    Chart,
    Empty,
    Line,
    grouped,
)
from controller.diagrams.mermaid import mermaid

_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def markdown(chart: Chart) -> str:
    """Write the chart as a Markdown page."""
    parts = [
        f"<!-- {chart.header} -->",
        f"# {chart.title}",
        f"Every arrow reads: {HOW_TO_READ}. An arrow that ends at ↩ leads back to the state it "
        f"came from; the dot is `{chart.start}`. {_dashes(chart)} The same drawing for Graphviz: "
        f"[{chart.name}.dot]({chart.name}.dot); its rows as sentences: [README.md](README.md).",
        f"```mermaid\n{mermaid(chart)}```",
        *_legend(chart),
        "## Rows",
        _rows(chart),
        "## Every state, every trigger",
        *_grid(chart),
    ]
    return "\n\n".join(parts) + "\n"


def _dashes(chart: Chart) -> str:
    if not chart.untaken:
        return "A scenario takes every arrow."
    return "An arrow that no scenario takes yet is dashed."


def _legend(chart: Chart) -> list[str]:
    parts = ["## Legend"]
    if chart.groups:
        groups = ([g.name, ", ".join(map(_code, g.states))] for g in chart.groups)
        parts += ["States that rows speak of together:", _table(("words", "states"), groups)]
    if chart.facts:
        facts = ([_code(fact), says] for fact, says in chart.facts.items())
        parts += [
            "Guards. Each fact is judged after the event has been counted:",
            _table(("fact", "true when"), facts),
        ]
    steps = ([_code(name), says] for name, says in chart.instructions.items())
    parts += ["What a row can declare:", _table(("instruction", "what it does"), steps)]
    return parts


def _rows(chart: Chart) -> str:
    head = ("row", "from", "trigger", "guard", "to", "mutations, in order", "when")
    return _table(head, (_row(chart, line) for line in chart.lines))


def _row(chart: Chart, line: Line) -> list[str]:
    named = {group.name for group in chart.groups}
    sources = (s if s in named else _code(s) for s in grouped(chart, line.sources))
    steps = "; ".join(line.does) or NOTHING
    return [
        line.label,
        ", ".join(sources),
        _code(line.trigger),
        line.guard or NOTHING,
        "itself" if line.target is None else _code(line.target),
        f"{steps} **(alert)**" if line.alert else steps,
        line.says,
    ]


def _grid(chart: Chart) -> list[str]:
    """Name every cell; a trigger that meets one and the same reason everywhere is only listed."""
    alike: dict[Empty, list[str]] = {}
    open_triggers: list[str] = []
    for trigger in chart.triggers:
        met = {cell for state in chart.states for cell in chart.cells[state, trigger]}
        only = next(iter(met)) if len(met) == 1 else None
        if isinstance(only, Empty):
            alike.setdefault(only, []).append(trigger)
        else:
            open_triggers.append(trigger)
    notes: dict[tuple[str, str], list[str]] = {}
    body = [
        [_code(t), *(_cell(chart.cells[s, t], s, t, notes) for s in chart.states)]
        for t in open_triggers
    ]
    parts = [_table(("trigger", *map(_code, chart.states)), body)]
    parts.append("\n".join(_note(n, key, notes[key]) for n, key in enumerate(notes, start=1)))
    parts += [
        f"In every state {cell.kind} ({cell.reason}): {', '.join(map(_code, triggers))}."
        for cell, triggers in alike.items()
    ]
    return parts


def _cell(
    cells: Sequence[Line | Empty],
    state: str,
    trigger: str,
    notes: dict[tuple[str, str], list[str]],
) -> str:
    words: list[str] = []
    for cell in cells:
        if isinstance(cell, Line):
            words.append(cell.label)
            continue
        where = notes.setdefault((cell.kind, cell.reason), [])
        if cell.guard:
            where.append(f"{_code(trigger)} in {_code(state)} when {cell.guard}")
        number = list(notes).index((cell.kind, cell.reason)) + 1
        words.append(f"{cell.kind}{str(number).translate(_RAISED)}")
    return ", ".join(dict.fromkeys(words))


def _note(number: int, key: tuple[str, str], where: Sequence[str]) -> str:
    kind, reason = key
    places = f": {'; '.join(where)}" if where else ""
    return f"{number}. *{kind}*: {reason}{places}"


def _table(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(c.replace('|', '&#124;') for c in row)} |" for row in rows)


def _code(word: str) -> str:
    return f"`{word}`"
