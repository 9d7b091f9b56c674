"""`status` and `history` while a controller runs and after it: readers that disturb nobody."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
from typer.testing import CliRunner, Result

from controller.cli import app
from controller.codes import FINE, WRONG_INPUT
from tests.simulation.market import changed, records, write_job

ROOT = Path(__file__).resolve().parents[2]


def call(command: str, path: Path, *more: str) -> Result:
    return CliRunner().invoke(app, [command, *more, "--config", str(path)])


def states(result: Result) -> dict[str, str]:
    assert result.exit_code == FINE, result.stderr
    found = msgspec.json.decode(result.stdout, type=list[dict[str, object]])
    return {str(each["name"]): str(each["state"]) for each in found}


def test_status_and_history_when_a_controller_runs_then_tell_what_is_so_and_disturb_nothing(
    tmp_path: Path,
) -> None:
    path = write_job(tmp_path / "job")
    changed(path, 'path = "ohlc"', 'path = "ohlc"\nspeed = "3000"')  # fifty bars a second
    run = subprocess.Popen(
        [sys.executable, "-m", "controller", "run", "--config", str(path)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with run:
        assert run.stdout is not None
        assert run.stderr is not None
        assert "E1" in run.stdout.readline()
        seen: list[int] = []
        while len(set(seen)) < 3:  # it goes on while we look
            assert states(call("status", path, "--json")).keys() >= {"long-0001", "short-0001"}
            seen.append(len(call("history", path, "--json").stdout.splitlines()))
            if run.poll() is not None:
                break
        run.terminate()
        said = run.stderr.read()
        run.stdout.read()
    assert (run.returncode, said) == (FINE, "")
    assert len(set(seen)) == 3
    assert seen == sorted(seen)


def test_status_when_a_name_is_given_then_shows_each_run_of_it(tmp_path: Path) -> None:
    path = write_job(tmp_path / "job")
    assert call("run", path, "--quiet").exit_code == FINE
    names = {r.position for r in records(path)}
    assert states(call("status", path, "--json")).keys() == names
    longs = {name for name in names if name.startswith("long-")}
    assert states(call("status", path, "long", "--json")).keys() == longs
    assert states(call("status", path, "long-0001", "--json")).keys() == {"long-0001"}
    assert "long-0001" in call("status", path).stdout
    unknown = call("status", path, "lang")
    assert unknown.exit_code == WRONG_INPUT
    assert "has no position of that name" in unknown.stderr


def test_status_when_there_is_no_state_then_says_so_and_makes_none(tmp_path: Path) -> None:
    path = write_job(tmp_path / "job")
    before = sorted(tmp_path.rglob("*"))
    for command in ("status", "history"):
        result = call(command, path)
        assert result.exit_code == WRONG_INPUT
        assert "there is no such state file; `rungkeeper run` writes it" in result.stderr
    assert sorted(tmp_path.rglob("*")) == before
