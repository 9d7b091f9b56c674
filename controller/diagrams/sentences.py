"""Write charts as sentences, a row each, for somebody who trades and does not read tables.

Knows no particular table.
"""

from __future__ import annotations

from collections.abc import Sequence

from controller.diagrams.charts import COMMAND, FAMILIES, Chart, Line, grouped

_INTRO = f"""\
<!-- Written by `{COMMAND}`; do not edit. -->
# What is done, and when: every row as a sentence

Drawn from the tables of `machines/`; a test keeps this page and the drawings equal to them. Read a
line so: **its label**, the states that it is for → the state that it leads to; what has happened;
*then* what is declared, in this order. What is sent follows from what is declared: the difference
to what rests at the venue. Where it says *alert*, a person is told as well. What stands in no line
is ignored, or cannot be; each drawing's page names every case. What the states mean stands in the
[README](../README.md#the-life-of-a-position)."""


def sentences(charts: Sequence[Chart], formats: Sequence[str]) -> str:
    """Write every row of every chart as a sentence of one page."""
    parts = [_INTRO, _drawings(charts, formats)]
    for chart in charts:
        parts += [f"## {chart.title}", _words(chart), *_rows(chart)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _drawings(charts: Sequence[Chart], formats: Sequence[str]) -> str:
    lines = [
        "| machine | drawn | Mermaid | Graphviz |",
        "| --- | --- | --- | --- |",
        *(
            f"| {c.title} | [{c.name}.md]({c.name}.md) | [{c.name}.mmd]({c.name}.mmd) "
            f"| [{c.name}.dot]({c.name}.dot) |"
            for c in charts
        ),
        "",
        f"`{COMMAND} --format {'|'.join(formats)}` writes them anew; `svg` needs Graphviz.",
    ]
    return "\n".join(lines)


def _words(chart: Chart) -> str:
    """Say what the names of groups of states stand for."""
    said = (f"*{g.name}* is {_either([f'`{s}`' for s in g.states])}" for g in chart.groups)
    text = "; ".join(said)
    return f"{text[:1]}{text[1:]}." if text else ""


def _rows(chart: Chart) -> list[str]:
    parts: list[str] = []
    family = ""
    lines: list[str] = []
    for line in chart.lines:
        if line.family != family:
            parts.append("\n".join(lines))
            lines, family = [], line.family
            title = FAMILIES.get(family, "")
            parts.append(f"### {title}" if title else "")
        lines.append(_row(chart, line))
    return [*parts, "\n".join(lines)]


def _row(chart: Chart, line: Line) -> str:
    named = {group.name for group in chart.groups}
    sources = [s if s in named else f"`{s}`" for s in grouped(chart, line.sources)]
    source = "the start" if line.sources == (chart.start,) else _either(sources)
    target = "stays there" if line.target is None else f"→ `{line.target}`"
    then = f" *Then* {'; '.join(line.does)}." if line.does else ""
    alert = " *Alert.*" if line.alert else ""
    return f"- **{line.label}**, {source} {target}: {line.says}{then}{alert}"


def _either(words: Sequence[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last
