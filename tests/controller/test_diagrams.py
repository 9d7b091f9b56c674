"""The diagrams are the tables: each row on an arrow, each cell named, each change visible."""

import html
import re
from collections import Counter
from itertools import product
from pathlib import Path

import msgspec
import pytest

from controller import diagrams
from controller.diagrams import charts
from machines import position
from machines import recipes as do
from machines.facts import PREDICATES
from machines.grammar import Row, Table
from machines.ladder import State
from machines.words import Trigger

DRAWN = Path(__file__).resolve().parents[2] / "diagrams"
CHART = diagrams.CHARTS[0]
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
        diagrams.render("svg")
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
