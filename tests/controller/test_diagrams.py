"""The diagrams are the tables: each row on an arrow, each cell named, each change visible."""

import html
import re
from collections import Counter
from itertools import product
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest
from typer.testing import CliRunner

from controller import cli, diagrams
from controller.diagrams import charts
from machines import decision, dispatch, position
from machines import recipes as do
from machines.facts import PREDICATES
from machines.grammar import Row, Table
from machines.ladder import LIVE, State
from machines.words import Trigger
from tests.machines import test_decision, test_dispatch
from tests.machines.scenario import Run, corpus

DRAWN = Path(__file__).resolve().parents[2] / "diagrams"
CHART = diagrams.CHARTS[0]
I = TypeVar("I")  # noqa: E741 (an instruction, as in machines.grammar)
Arrow = tuple[str, str, str]
"""Source, target and words of an arrow; the target of a row that leads back is its source."""


def redrawn(cells: tuple[position.R, ...]) -> charts.Chart:
    """The position's chart with other rows; whether they are still a table does not matter."""
    table = object.__new__(Table)
    table.states, table.facts = position.TABLE.states, position.TABLE.facts
    empty = (cell for cell in position.TABLE.cells if not isinstance(cell, Row))
    table.cells = (*cells, *empty)
    groups = {group.name: group.states for group in CHART.groups}
    return charts.chart(
        "position", CHART.title, table, State.NEW, ends=CHART.ends, facts=PREDICATES, groups=groups
    )


def expected() -> Counter[Arrow]:
    """Every arrow of the table, one by one, in words made without the renderer."""
    arrows: Counter[Arrow] = Counter()
    for row in position.ROWS:
        facts = ", ".join(fact if so else f"not {fact}" for fact, so in row.guard.items())
        steps = "; ".join(step.says for step in row.recipe) or "–"
        words = f"{row.label} · {row.trigger}{f' [{facts}]' if facts else ''} / {steps}"
        for source in row.sources:
            said = f"{words} (alert)" if row.alert else words
            arrows[str(source), str(row.target or source), said] += 1
    return arrows


def expanded(arrows: list[Arrow]) -> Counter[Arrow]:
    return Counter(
        (state, state if target == source else target, words)
        for source, target, words in arrows
        for state in CHART.members(source)
    )


def dot_arrows() -> list[Arrow]:
    found = re.findall(
        r'^  "([^"]+)" -> "([^"]+)" \[\n.*\n    label=<(.*)>\];$', diagrams.render("dot"), re.M
    )
    return [
        (source, source if target.startswith("back") else target, plain(label))
        for source, target, label in found
    ]


def mermaid_arrows() -> list[Arrow]:
    names = {re.sub(r"\W", "_", n): n for n in (*State, *(group.name for group in CHART.groups))}
    found = re.findall(
        r'^  s_(\w+) <?--[->] row\d+\["([^"]*)"\](?: --> s_(\w+))?$',
        diagrams.render("mermaid"),
        re.M,
    )
    return [
        (names[source], names[target or source], plain(label).removesuffix(" ↩"))
        for source, label, target in found
    ]


def plain(label: str) -> str:
    text = re.sub(r"#(\d+);", lambda code: chr(int(code[1])), label)
    text = re.sub(r"<br[^>]*>", " ", text)
    return " ".join(html.unescape(re.sub(r"</?b>", "", text)).split())


def test_files_when_generated_then_equal_those_in_the_repository() -> None:
    assert diagrams.check(DRAWN) == []


def test_files_when_changed_or_missing_then_each_is_named(tmp_path: Path) -> None:
    written = diagrams.write(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(p.name for p in written)
    (tmp_path / "position.dot").write_text("digraph {}")
    (tmp_path / "README.md").unlink()
    findings = diagrams.check(tmp_path)
    assert len(findings) == 2
    assert any("position.dot differs" in finding for finding in findings)
    assert any("README.md is missing" in finding for finding in findings)


@pytest.mark.parametrize("fmt", diagrams.FORMATS)
def test_files_when_one_format_is_asked_for_then_only_it_is_written(
    fmt: str, tmp_path: Path
) -> None:
    written = diagrams.write(tmp_path, fmt)
    assert {path.suffix for path in written} == {diagrams.FORMATS[fmt][0]}
    assert (tmp_path / f"position{diagrams.FORMATS[fmt][0]}") in written


@pytest.mark.parametrize("fmt", diagrams.FORMATS)
def test_text_when_drawn_then_says_the_command_that_makes_it(fmt: str) -> None:
    assert "`rungkeeper diagram`" in "".join(diagrams.render(fmt).splitlines()[:2])


def test_render_when_the_name_is_unknown_then_says_what_there_is() -> None:
    with pytest.raises(ValueError, match="mermaid, dot, markdown"):
        diagrams.render("png")
    with pytest.raises(ValueError, match="there are position"):
        diagrams.render("dot", "nothing")


def test_dot_when_read_back_then_every_row_and_source_is_on_an_arrow() -> None:
    assert expanded(dot_arrows()) == expected()


def test_mermaid_when_read_back_then_every_row_and_source_is_on_an_arrow() -> None:
    assert expanded(mermaid_arrows()) == expected()


def test_mermaid_when_read_then_no_sign_that_cuts_a_label_is_left() -> None:
    for label in re.findall(r'\["([^"]*)"\]', diagrams.render("mermaid")):
        left = re.sub(r"#\d+;|<br>", "", label)
        assert not set(left) & set('";#<>`'), label


def test_mermaid_when_read_then_each_colour_is_given_to_links_that_exist() -> None:
    text = diagrams.render("mermaid")
    links = sum(1 if line.target is None else 2 for line in (e.line for e in CHART.edges))
    styled = [int(n) for some in re.findall(r"linkStyle ([\d,]+)", text) for n in some.split(",")]
    assert sorted(styled) == list(range(links))


@pytest.mark.parametrize("fmt", diagrams.FORMATS)
@pytest.mark.parametrize("number", range(len(position.ROWS)))
def test_row_when_anything_of_it_changes_then_the_drawing_differs(number: int, fmt: str) -> None:
    row = position.ROWS[number]
    before = diagrams.draw(redrawn((row,)), fmt)
    changes: list[Row[do.Instruction]] = [
        msgspec.structs.replace(row, target=State.NEW),
        msgspec.structs.replace(row, recipe=(*row.recipe, do.SET_STOP)),
        msgspec.structs.replace(row, recipe=(do.CHASE, *row.recipe[1:])),
        msgspec.structs.replace(row, guard={**row.guard, "invented": True}),
        msgspec.structs.replace(row, label=f"{row.label}x"),
        msgspec.structs.replace(row, alert=not row.alert),
        msgspec.structs.replace(row, says=f"{row.says} Or so."),
    ]
    if row.target is not None:
        changes.append(msgspec.structs.replace(row, target=None))
    for changed in changes:
        if changed != row:
            assert diagrams.draw(redrawn((changed,)), fmt) != before, changed


@pytest.mark.parametrize("fmt", diagrams.FORMATS)
def test_rows_when_drawn_by_this_test_then_it_is_the_drawing(fmt: str) -> None:
    assert diagrams.draw(redrawn(position.ROWS), fmt) == diagrams.render(fmt)


def test_instructions_when_said_then_no_two_sound_alike() -> None:
    said = Counter(CHART.instructions.values())
    assert [words for words, times in said.items() if times > 1] == []


def test_page_when_read_then_every_cell_of_the_table_is_named() -> None:
    page = diagrams.render("markdown").split("## Every state, every trigger")[1]
    header, _, *body = [line for line in page.splitlines() if line.startswith("|")]
    states = re.findall(r"`(\w+)`", header)
    assert states == list(State)
    notes = set(re.findall(r"^(\d+)\. \*(?:never|ignored)\*: \S", page, re.M))
    digits = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
    named: dict[tuple[str, str], set[str]] = {}
    for line in body:
        trigger, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        for state, cell in zip(states, cells, strict=True):
            words = cell.split(", ")
            named[state, trigger.strip("`")] = {w for w in words if not w.startswith(("n", "i"))}
            numbers = {n.translate(digits) for n in re.findall(r"[⁰¹²³⁴⁵⁶⁷⁸⁹]+", cell)}
            assert cell
            assert numbers <= notes
    listed = set(re.findall(r"`(\w+)`", page.partition("In every state")[2]))
    assert listed == {str(t) for t in Trigger} - {trigger for _, trigger in named}
    for state, trigger in product(State, Trigger):
        rows = {
            cell.label for cell in position.TABLE.cells_at(state, trigger) if isinstance(cell, Row)
        }
        assert rows == named.get((str(state), str(trigger)), set()), (state, trigger)


def test_page_when_read_then_every_fact_and_instruction_is_explained() -> None:
    page = diagrams.render("markdown")
    for row in position.ROWS:
        for fact in row.guard:
            assert re.search(rf"^\| `{fact}` \| \S.*\.", page, re.M), fact
        for step in row.recipe:
            assert f"| `{step.name}` | {step.says} |" in page
        assert row.says in page


# ------------------------------------------------------------------- what no scenario has taken


class Noting(Table[I]):
    """A table as it is, noting the rows that are taken and from where."""

    def __init__(self, table: Table[I]) -> None:
        self.__dict__ = dict(table.__dict__)
        self.taken: set[tuple[str, str]] = set()

    def fire(self, state: str, row: Row[I]) -> str:
        self.taken.add((row.name, str(state)))
        return super().fire(state, row)


def untaken(noting: Noting[I]) -> set[tuple[str, str]]:
    every = {(row.name, str(source)) for row in noting.rows for source in row.sources}
    return every - noting.taken


def test_arrows_when_every_scenario_is_played_then_the_dashed_are_those_that_none_takes() -> None:
    positions, requests = Noting(position.TABLE), Noting(dispatch.TABLE)
    decisions = Noting(decision.TABLE)
    for script in corpus():
        run = Run(script, positions)
        for step in script.steps:
            run.play_step(step)
    for name in test_dispatch.LIVES:
        test_dispatch.told(name, requests)
    for name in test_decision.LIVES:
        test_decision.told(name, decisions)
    found = untaken(positions) | untaken(requests) | untaken(decisions)
    assert found == charts.UNTAKEN, "write these into charts.UNTAKEN, or a scenario for each"


def test_arrow_when_no_scenario_takes_it_then_is_dashed_and_no_other(tmp_path: Path) -> None:
    row = position.ROWS[0]
    never = msgspec.structs.replace(CHART, untaken=frozenset({(row.name, str(row.sources[0]))}))
    for fmt, dashes in (("dot", " style=dashed,\n"), ("mermaid", "stroke-dasharray:5 5\n")):
        assert dashes not in diagrams.draw(CHART, fmt)
        drawn = diagrams.draw(never, fmt)
        assert drawn.count(dashes) == 1
        assert drawn != diagrams.draw(CHART, fmt)
    assert "is dashed" in diagrams.draw(never, "markdown")


def test_arrow_when_only_some_of_its_states_are_dashed_then_it_is_drawn_twice() -> None:
    row = next(row for row in position.ROWS if row.sources == LIVE)
    never = msgspec.structs.replace(CHART, untaken=frozenset({(row.name, str(State.TP1_HIT))}))
    edges = [edge for edge in never.edges if edge.line.name == row.name]
    assert [edge.source for edge in edges if not edge.taken] == [State.TP1_HIT]
    solid = {state for edge in edges if edge.taken for state in never.members(edge.source)}
    assert solid == set(LIVE) - {State.TP1_HIT}


# ------------------------------------------------------------------------ sentences and pictures


def test_sentences_when_read_then_every_row_of_every_machine_is_one() -> None:
    page = (DRAWN / "README.md").read_text(encoding="utf-8")
    found = [line for line in page.splitlines() if line.startswith("- **")]
    rows = [line for chart in diagrams.CHARTS for line in chart.lines]
    assert len(found) == len(rows)
    for said, row in zip(found, rows, strict=True):
        assert said.startswith(f"- **{row.label}**, ")
        assert f": {row.says}" in said
        assert all(step in said for step in row.does)
        assert said.endswith("*Alert.*") == row.alert
        assert row.target is None or f"→ `{row.target}`:" in said


def test_picture_when_graphviz_is_missing_then_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    asked = CliRunner().invoke(cli.app, ["diagram", "--format", "svg", "--out", f"{tmp_path}/out"])
    assert (asked.exit_code, asked.stdout) == (1, "")
    assert "apt install graphviz" in asked.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("does", "fails"), [("cat", ""), ("echo nonsense >&2; exit 3", "nonsense")]
)
def test_picture_when_graphviz_is_there_then_draws_each_machine_or_says_why_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str, fails: str
) -> None:
    (tmp_path / "dot").write_text(f"#!/bin/sh\n{does}\n")
    (tmp_path / "dot").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    if fails:
        with pytest.raises(diagrams.NoGraphviz, match=fails):
            diagrams.write(tmp_path, "svg")
        return
    written = diagrams.write(tmp_path, "svg")
    assert [path.name for path in written] == [f"{c.name}.svg" for c in diagrams.CHARTS]
    assert written[0].read_text(encoding="utf-8") == diagrams.render("dot")
