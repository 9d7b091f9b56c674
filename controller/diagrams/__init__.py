"""The diagrams of the tables, generated: Mermaid, Graphviz and a Markdown page for review.

One arrow per row and source, guard and mutations on the arrow. `CHARTS` names what is drawn; a
further machine is one more line there. Knows nothing of what runs. Invariant: the files depend on
the tables and on nothing else, so equal tables give equal bytes.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from controller.diagrams.charts import COMMAND, Chart, chart
from controller.diagrams.dot import dot
from controller.diagrams.markdown import markdown
from controller.diagrams.mermaid import mermaid
from controller.diagrams.sentences import sentences
from machines import decision, dispatch, position
from machines.facts import PREDICATES
from machines.ladder import LIVE, State
from machines.rows import names

CHARTS: tuple[Chart, ...] = (
    chart(
        "position",
        "The life of a position",
        position.TABLE,
        State.NEW,
        ends=(State.CLOSED,),
        facts=PREDICATES,
        groups={
            "any live state": LIVE,
            "before TP1": names.ENTERING,
            "after TP1": names.AFTER_TP1,
        },
    ),
    chart(
        "dispatch",
        "The life of a request",
        dispatch.TABLE,
        dispatch.Dispatch.INTENDED,
        ends=dispatch.ENDED,
        facts=dispatch.PREDICATES,
        groups={"open": dispatch.OPEN},
    ),
    chart(
        "decision",
        "The life of a decision",
        decision.TABLE,
        decision.Standing.QUEUED,
        ends=decision.ENDED,
        facts=decision.PREDICATES,
        groups={"waiting": decision.WAITING},
    ),
)

FORMATS = {"mermaid": (".mmd", mermaid), "dot": (".dot", dot), "markdown": (".md", markdown)}
"""Format → suffix of its files and the function that writes it."""


SVG = "svg"
"""Pictures that Graphviz draws of the DOT files; its version decides their bytes, so none is kept
and none is checked."""
GRAPHVIZ = "dot"
"""Graphviz's command."""


class NoGraphviz(Exception):
    """There is nobody who could draw a picture, or he failed; the message says what to do."""


def draw(chart: Chart, fmt: str) -> str:
    """Return a chart in a format. *Raises*: ValueError for a format that is not in `FORMATS`."""
    if fmt not in FORMATS:
        raise ValueError(f"no diagram format {fmt!r}; there are {', '.join(FORMATS)}")
    return FORMATS[fmt][1](chart)


def render(fmt: str, name: str = "position") -> str:
    """Return the diagram of the machine called ``name``.

    *Raises*: ValueError for a format or a machine that is not there.
    """
    for known in CHARTS:
        if known.name == name:
            return draw(known, fmt)
    names = ", ".join(known.name for known in CHARTS)
    raise ValueError(f"no machine {name!r}; there are {names}")


def write(out_dir: Path, fmt: str | None = None) -> list[Path]:
    """Write the files of a format, or of all but `SVG`, and return their paths.

    *Raises*: ValueError for a format that there is not; NoGraphviz.
    """
    texts = _pictures() if fmt == SVG else _files(fmt)
    out_dir.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (out_dir / name).write_text(text, encoding="utf-8", newline="\n")
    return [out_dir / name for name in texts]


def check(out_dir: Path) -> list[str]:
    """Return a sentence for each file that is missing or differs from what would be written."""
    findings: list[str] = []
    for fmt in FORMATS:
        for name, text in _files(fmt).items():
            path = out_dir / name
            if not path.is_file():
                what = "is missing"
            elif path.read_bytes() != text.encode():
                what = "differs from its table"
            else:
                continue
            findings.append(f"{path} {what}: run `{COMMAND} --format {fmt}`.")
    return findings


def _files(fmt: str | None) -> dict[str, str]:
    formats = tuple(FORMATS) if fmt is None else (fmt,)
    texts: dict[str, str] = {}
    for one in formats:
        for known in CHARTS:
            text = draw(known, one)
            texts[known.name + FORMATS[one][0]] = text
        if one == "markdown":
            texts["README.md"] = sentences(CHARTS, (*FORMATS, SVG))
    return texts


def _pictures() -> dict[str, str]:
    command = shutil.which(GRAPHVIZ)
    if command is None:
        raise NoGraphviz(
            f"no picture: Graphviz's command `{GRAPHVIZ}` is not on the path. Install it (Debian, "
            f"Ubuntu: apt install graphviz), or draw what `{COMMAND} --format dot` writes elsewhere"
        )
    return {f"{known.name}.svg": _picture(command, draw(known, "dot")) for known in CHARTS}


def _picture(command: str, text: str) -> str:
    done = subprocess.run(  # noqa: S603 (what `which` found; it reads our own text)
        [command, "-Tsvg"],
        input=text,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        raise NoGraphviz(f"no picture: {command} failed: {done.stderr.strip()}")
    return done.stdout
