"""Draw a chart in Graphviz's language: one arrow per row and source, left to right.

A row that leads back to where it came from is a loop; where there is more than one, Graphviz
would draw their lines through each other's words, so each ends in a mark of its own (↩) instead.
Knows no particular table.
"""

from __future__ import annotations

from controller.diagrams.charts import COLOURS, HOW_TO_READ, Chart, Edge, Group, inside, spoken

MOST_LOOPS = 1
"""With more, the outer loops run through the words of the inner ones."""

_SETTINGS = """\
  rankdir=LR; nodesep=0.35; ranksep=0.6; fontname="Helvetica"; fontsize=22; labelloc=t;
  node [fontname="Helvetica-Bold", fontsize=15, shape=box, style="rounded,filled",
        fillcolor="#fff8e1", margin="0.25,0.15"];
  edge [fontname="Helvetica", fontsize=12, arrowsize=0.8];"""


def dot(chart: Chart) -> str:
    """Write the chart as a Graphviz digraph."""
    lines = [
        f"// {chart.header}",
        f"digraph {chart.name} {{",
        f"  label={_quoted(f'{chart.title}: {HOW_TO_READ}; ↩ back to where it came from')};",
        _SETTINGS,
        *_frame(chart, None, "  "),
        *(line for n, edge in enumerate(chart.edges, 1) for line in _edge(chart, edge, n)),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _frame(chart: Chart, outer: Group | None, pad: str) -> list[str]:
    """Draw what lies directly in a frame; each group is a frame with a node for any of its own."""
    groups, states = inside(chart, outer)
    lines: list[str] = []
    for group in groups:
        lines.append(f"{pad}subgraph {_quoted(f'cluster {group.name}')} {{")
        lines.append(f'{pad}  label=""; style="rounded,dashed"; color="#9e9e9e";')
        words = "\\n".join((f"{group.name}:", *_either(group)))
        lines.append(
            f"{pad}  {_quoted(group.name)} [label={_quoted(words)}, style=dashed, "
            'fontname="Helvetica-Oblique", fontsize=13];'
        )
        lines += _frame(chart, group, f"{pad}  ")
        lines.append(f"{pad}}}")
    return lines + [f"{pad}{_quoted(state)}{_shape(chart, state)};" for state in states]


def _either(group: Group) -> list[str]:
    *most, last = group.states
    return [*(f"{state}," for state in most[:-1]), *most[-1:], f"or {last}"]


def _shape(chart: Chart, state: str) -> str:
    if state == chart.start:
        return f' [label="", xlabel={_quoted(state)}, shape=circle, width=0.3, fillcolor=black]'
    if state in chart.ends:
        return " [shape=doublecircle]"
    if state in chart.idle:
        return f' [label={_quoted(state + chr(92) + "n(no row yet)")}, style="rounded,dashed"]'
    return ""


def _edge(chart: Chart, edge: Edge, number: int) -> list[str]:
    line = edge.line
    colour = COLOURS.get(line.family, "#000000")
    head, *rest = spoken(line)
    words = [_bold(head, line.label), *map(_text, rest)]
    label = "".join(f'{word}<br align="left"/>' for word in words)
    dashes = "" if edge.taken else " style=dashed,"
    mark: list[str] = []
    target = line.target
    if target is None and _loops(chart, edge.source) <= MOST_LOOPS:
        target = edge.source
    elif target is None:
        target = f"back{number}"
        mark = [
            f'  {target} [label="↩", shape=circle, margin=0, width=0.3, fontsize=12, '
            f'style="", color="{colour}", fontcolor="{colour}"];'
        ]
    return [
        *mark,
        f"  {_quoted(edge.source)} -> {_quoted(target)} [",
        f'    color="{colour}", fontcolor="{colour}", labeltooltip={_quoted(line.says)},{dashes}',
        f"    label=<{label}>];",
    ]


def _loops(chart: Chart, source: str) -> int:
    return sum(e.source == source and e.line.target is None for e in chart.edges)


def _bold(head: str, label: str) -> str:
    return f"<b>{_text(label)}</b>{_text(head.removeprefix(label))}"


def _text(words: str) -> str:
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _quoted(words: str) -> str:
    return '"' + words.replace('"', '\\"') + '"'
