"""What linters cannot say: sizes, no floats in the machines, one supervisor, no leftovers.

Each rule returns its findings as `file:line what`, so that a failure reads as a list of things
to do. `CONTRIBUTING.md` gives the reasons.
"""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
PACKAGES = ("machines", "exchanges", "controller")
FOLDERS = (*PACKAGES, "tests", "diagrams", "docs", "examples", ".ci")
TEXT_SUFFIXES = {
    *("", ".cfg", ".dot", ".ini", ".json", ".ladder", ".md", ".mmd", ".py", ".sh", ".sql"),
    *(".toml", ".txt", ".yaml", ".yml"),
}

LINES_PER_FILE = 400
LINES_PER_FUNCTION = 50
DIRECT_DEPENDENCIES = 14

# In two halves, so that this file does not find itself.
UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b")
MACHINE_PATH = re.compile(r"(?<![\w.:/-])/(?:home|Users|root|work|mnt)/\w|\b[A-Z]:\\+Users\\")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def texts() -> Iterator[Path]:
    """Every text file of the project, in a stable order."""
    for folder in FOLDERS:
        for path in sorted((CHECKOUT / folder).rglob("*")):
            if path.is_file() and path.suffix in TEXT_SUFFIXES and "__pycache__" not in path.parts:
                yield path
    for path in sorted(CHECKOUT.iterdir()):
        if path.is_file() and path.suffix in TEXT_SUFFIXES and path.name != ".git":
            yield path


def sources(*folders: str) -> Iterator[Path]:
    for path in texts():
        if path.suffix == ".py" and path.relative_to(CHECKOUT).parts[0] in folders:
            yield path


@cache
def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


@cache
def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse("\n".join(lines(path)), filename=str(path))))


def at(path: Path, line: int, what: str) -> str:
    return f"{path.relative_to(CHECKOUT)}:{line} {what}"


def matches(pattern: re.Pattern[str]) -> list[str]:
    return [
        at(path, number, found.group())
        for path in texts()
        for number, line in enumerate(lines(path), start=1)
        if (found := pattern.search(line))
    ]


def names_exception(caught: ast.expr | None) -> bool:
    """Whether an `except` clause takes every exception (`Exception`, alone or in a tuple)."""
    each = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(one is None or (isinstance(one, ast.Name) and one.id == "Exception") for one in each)


def broad_handlers(*folders: str) -> list[str]:
    return [
        at(path, node.lineno, "except Exception")
        for path in sources(*folders)
        for node in nodes(path)
        if isinstance(node, ast.ExceptHandler) and names_exception(node.type)
    ]


def danger(node: ast.AST) -> str | None:
    """Name the way in which this node would run what it reads, if it would."""
    match node:
        case ast.Call(func=ast.Name(id="eval" | "exec" as name)):
            return f"{name}()"
        case ast.Call(func=ast.Attribute(value=ast.Name(id="yaml"), attr=name)) if "load" in name:
            return f"yaml.{name}()"
        case ast.keyword(arg="shell", value=ast.Constant(value=True)):
            return "shell=True"
        case ast.Import(names=names) if any(alias.name == "pickle" for alias in names):
            return "pickle"
        case ast.ImportFrom(module="pickle"):
            return "pickle"
        case _:
            return None


def makes_float(node: ast.AST) -> bool:
    match node:
        case ast.Constant(value=float() | complex()) | ast.Call(func=ast.Name(id="float")):
            return True
        case _:
            return False


def test_files_when_counted_then_at_most_400_lines() -> None:
    findings = [
        at(path, LINES_PER_FILE + 1, f"{len(lines(path))} lines: a concept is missing a name")
        for path in sources(*FOLDERS)
        if len(lines(path)) > LINES_PER_FILE
    ]
    assert findings == []


def test_functions_when_counted_then_at_most_50_lines() -> None:
    findings = [
        at(path, node.lineno, f"{node.name}: {length} lines")
        for path in sources(*FOLDERS)
        for node in nodes(path)
        if isinstance(node, Function)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > LINES_PER_FUNCTION
    ]
    assert findings == []


def test_machines_when_read_then_hold_no_float() -> None:
    findings = [
        at(path, node.lineno, "a float: money and quantities are Decimal")
        for path in sources("machines")
        for node in nodes(path)
        if isinstance(node, ast.expr) and makes_float(node)
    ]
    assert findings == []


def test_sources_when_read_then_run_nothing_they_were_handed() -> None:
    findings = [
        at(path, getattr(node, "lineno", 0), what)
        for path in sources(*FOLDERS)
        for node in nodes(path)
        if (what := danger(node))
    ]
    assert findings == []


def test_broad_handlers_when_counted_then_only_the_supervisor_has_one() -> None:
    assert broad_handlers("machines", "exchanges", "tests", "diagrams", "examples") == []
    supervisor = broad_handlers("controller")
    assert len(supervisor) <= 1, supervisor


def test_texts_when_read_then_nothing_is_left_for_later() -> None:
    assert matches(UNFINISHED) == []


def test_texts_when_read_then_name_no_path_of_one_machine() -> None:
    assert matches(MACHINE_PATH) == []


def test_tests_when_read_then_none_is_left_out() -> None:
    left_out = {"skip", "skipif", "xfail", "importorskip", "SkipTest"}
    findings = [
        at(path, node.lineno, node.attr)
        for path in sources("tests")
        for node in nodes(path)
        if isinstance(node, ast.Attribute) and node.attr in left_out
        if ast.unparse(node.value) in {"pytest", "pytest.mark", "unittest"}
    ]
    assert findings == []


def test_dependencies_when_counted_then_few_and_each_locked_by_hash() -> None:
    project = tomllib.loads("\n".join(lines(CHECKOUT / "pyproject.toml")))["project"]
    direct: list[str] = project["dependencies"]
    assert len(direct) <= DIRECT_DEPENDENCIES
    for lock in (CHECKOUT / "requirements.txt", CHECKOUT / "requirements-dev.txt"):
        entries = re.split(r"(?m)^(?=[a-z0-9])", "\n".join(lines(lock)))[1:]
        locked = {entry.split("==")[0]: "--hash=sha256:" in entry for entry in entries}
        wanted = {re.split(r"[\[<>=]", requirement)[0] for requirement in direct}
        assert wanted <= locked.keys(), lock.name
        assert all(locked.values()), lock.name
        assert not any("://" in line or "index-url" in line for line in lines(lock)), lock.name


def test_recorded_data_when_sought_then_are_there(data_folder: Path) -> None:
    assert data_folder.is_dir(), (
        f"The recorded market data are not at {data_folder}, so the tests that want them were "
        "left out: set RUNGKEEPER_DATA to the folder that holds them."
    )
