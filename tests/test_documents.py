"""What the documents say is so: files, commands, states and configuration are looked up."""

import re
import tomllib
from pathlib import Path

import pytest
from typer.main import get_group

from controller import cli
from controller.accounts import build_accounts
from controller.config import parse
from machines.ladder import State
from machines.position import ROWS

CHECKOUT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted(
    path.relative_to(CHECKOUT).as_posix()
    for path in (*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").glob("*.md"))
)
LINK = re.compile(r"\]\(([^)\s#]+)[^)]*\)")
SOURCE = re.compile(r"`((?:machines|exchanges|controller|tests|examples|docs)/[\w./-]*\.\w+)`")
ARROW = re.compile(r"^ *(\S+) --> (\S+)(?: : (.+))?$", re.MULTILINE)
LABEL = re.compile(r"\b[A-Z]\d+b?\b")


def text(name: str) -> str:
    return (CHECKOUT / name).read_text(encoding="utf-8")


def block(language: str) -> str:
    """The README's one fenced block of a language."""
    found = re.findall(rf"```{language}\n(.*?)```", text("README.md"), re.DOTALL)
    assert len(found) == 1
    return found[0]


def section(name: str, heading: str) -> str:
    """What stands between a heading and the next one of its level."""
    _, _, rest = text(name).partition(f"\n## {heading}\n")
    assert rest, f"{name} has no heading {heading}"
    return rest.partition("\n## ")[0]


def first_cells(table: str) -> set[str]:
    """The first cells of a section's tables, without quotes, headings and rulers."""
    rows = [line.split("|")[1].strip(" `") for line in table.splitlines() if line[:1] == "|"]
    rulers = {at for at, cell in enumerate(rows) if set(cell) <= set("-: ") and cell}
    return {cell for at, cell in enumerate(rows) if not {at, at + 1} & rulers}


def test_readme_when_opened_then_begins_with_the_two_commands() -> None:
    opening = text("README.md").split("```")[1]
    assert [line.split("  ")[0] for line in opening.split("\n") if line] == [
        "make run",
        "make test",
    ]


def test_readme_configuration_when_loaded_then_runs_as_it_stands(tmp_path: Path) -> None:
    config = parse(block("toml"), "README.md", tmp_path, {})
    assert list(build_accounts(config)) == ["paper"]
    assert [plan.name for plan in config.positions] == ["btc-1"]


def test_readme_commands_when_compared_are_the_command_lines() -> None:
    commands = get_group(cli.app).commands
    assert first_cells(section("README.md", "Commands").partition("Exit codes")[0]) == set(commands)


def test_readme_exit_codes_when_compared_are_those_of_the_help() -> None:
    told = first_cells(section("README.md", "Commands").partition("Exit codes")[2])
    helped = re.findall(r"^ +(\d+) ", cli.app.info.epilog or "", re.MULTILINE)
    assert told == set(helped)


def test_readme_diagram_when_read_has_exactly_the_states_of_a_position() -> None:
    drawn = {name for arrow in ARROW.findall(block("mermaid")) for name in arrow[:2]}
    drawn |= set(re.findall(r"^ *([A-Z_0-9]+) : ", block("mermaid"), re.MULTILINE))
    assert drawn - {"[*]"} == set(State) - {State.NEW}


def test_readme_diagram_when_compared_draws_only_arrows_of_the_table() -> None:
    known = {(str(s), str(row.target), row.label) for row in ROWS for s in row.sources}
    arrows = ARROW.findall(block("mermaid"))
    told = {
        (State.NEW if source == "[*]" else source, target, label)
        for source, target, says in arrows
        for label in LABEL.findall(says.replace("TP1", ""))
    }
    assert told - known == set()
    assert all(LABEL.search(says) for _, target, says in arrows if target != "[*]")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_when_they_point_somewhere_then_it_is_there(name: str) -> None:
    folder = (CHECKOUT / name).parent
    links = [link for link in LINK.findall(text(name)) if "://" not in link]
    assert [link for link in links if not (folder / link).exists()] == []
    assert [path for path in SOURCE.findall(text(name)) if not (CHECKOUT / path).exists()] == []


def test_architecture_when_read_names_every_direct_dependency() -> None:
    project = tomllib.loads(text("pyproject.toml"))["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
    names = {re.split(r"[\[<>=~! ]", line)[0] for line in wanted}
    told = section("ARCHITECTURE.md", "Dependencies")
    assert {name for name in names if f"`{name}`" not in told} == set()


def test_changelog_when_read_begins_with_what_is_unreleased() -> None:
    headings = re.findall(r"^## (.+)$", text("CHANGELOG.md"), re.MULTILINE)
    assert headings[0] == "[Unreleased]"
