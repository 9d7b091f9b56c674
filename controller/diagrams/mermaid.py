"""Draw a chart in Mermaid's language: one arrow per row and source, left to right.

Why a flowchart with the words in a box on the arrow: a state diagram of Mermaid cuts a label at
`;` and at `:`, and every diagram of it lays the loops at one state over each other, and the arrows
of a frame too, so that only the last can be read; labels of neighbouring arrows overlap. Boxes
never do. A row of several states leaves a dashed box that stands for any of them. A row that leads
back is a line with two heads. Knows no particular table.
"""

from __future__ import annotations

from controller.diagrams.charts import COLOURS, HOW_TO_READ, Chart, Edge, spoken

_SETTINGS = (
    '%%{init: {"themeVariables": {"fontSize": "12px"}, '
    '"flowchart": {"wrappingWidth": 400, "nodeSpacing": 12, "rankSpacing": 40}}}%%'
)
"""Wide enough that Mermaid breaks no line which we have broken already."""

_CLASSES = """\
  classDef state fill:#fff8e1,stroke:#333,font-weight:bold,font-size:14px
  classDef start fill:#000,stroke:#000
  classDef any fill:#fff,stroke:#333,stroke-dasharray:5 5,font-style:italic
"""


def mermaid(chart: Chart) -> str:
    """Write the chart as a Mermaid flowchart."""
    lines = [
        _SETTINGS,
        f"%% {chart.header}",
        f"%% {chart.title}: {HOW_TO_READ}; ↩ leads back to where the line came from",
        "flowchart LR",
        *_nodes(chart),
    ]
    boxes: dict[str, list[str]] = {}
    links: dict[str, list[int]] = {}
    dashed: list[int] = []
    drawn = 0
    for number, edge in enumerate(chart.edges, start=1):
        family = edge.line.family if edge.line.family in COLOURS else "other"
        boxes.setdefault(family, []).append(f"row{number}")
        count = 1 if edge.line.target is None else 2
        links.setdefault(family, []).extend(range(drawn, drawn + count))
        dashed += [] if edge.taken else range(drawn, drawn + count)
        drawn += count
        lines += [f"  %% {edge.line.label}: {edge.line.says}", _edge(edge, number)]
    for family, names in boxes.items():
        colour = COLOURS.get(family, "#000")
        lines += [
            f"  classDef {family} fill:#fff,stroke:{colour},color:{colour},text-align:left",
            f"  class {','.join(names)} {family}",
            f"  linkStyle {','.join(map(str, links[family]))} stroke:{colour}",
        ]
    if dashed:
        lines.append(f"  linkStyle {','.join(map(str, dashed))} stroke-dasharray:5 5")
    return "\n".join(lines) + "\n"


def _nodes(chart: Chart) -> list[str]:
    """Draw the states in their order, then a box for each group."""
    words = {g.name: f"{g.name}:<br>" + " or<br>".join(g.states) for g in chart.groups}
    return [
        *(f"  {_id(state)}{_shape(chart, state)}" for state in chart.states),
        *(f'  {_id(name)}["{text}"]:::any' for name, text in words.items()),
        _CLASSES.rstrip(),
    ]


def _shape(chart: Chart, state: str) -> str:
    if state == chart.start:
        return '((" ")):::start'
    if state in chart.ends:
        return f'((("{state}"))):::state'
    if state in chart.idle:
        return f'(["{state}<br>(no row yet)"]):::any'
    return f'(["{state}"]):::state'


def _edge(edge: Edge, number: int) -> str:
    words = "<br>".join(_text(part) for part in spoken(edge.line))
    if edge.line.target is None:
        return f'  {_id(edge.source)} <--> row{number}["{words} ↩"]'
    return f'  {_id(edge.source)} --- row{number}["{words}"] --> {_id(edge.line.target)}'


def _id(name: str) -> str:
    """Make a name that Mermaid cannot take for a word of its own (such as `end`)."""
    return "s_" + "".join(c if c.isalnum() else "_" for c in name)


def _text(words: str) -> str:
    """Write the signs that Mermaid would read as its own by their numbers."""
    return "".join(f"#{ord(sign)};" if sign in '#&<>";`' else sign for sign in words)
