"""`open`, `decide`, `rebalance`, `release`: what is typed, and what a controller answers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from controller.cli import app
from controller.codes import CHECK_FAILED, FINE, WRONG_INPUT
from tests.simulation.market import changed, records, write_job

ROOT = Path(__file__).resolve().parents[2]
PLAN = """
[[positions]]
name = "{name}"
account = "paper"
symbol = "BTCUSDT"
side = "long"
entries = [ {{ price = "-0.2%", qty = "0.33" }} ]
stop = "-1.2%"
targets = ["0.5%", "0.9%", "1.3%", "1.7%"]
"""


def call(config: Path, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--config", str(config)])


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Path]:
    """A controller on a slow simulated market; its configuration."""
    path = write_job(tmp_path / "job", bars=3_000)
    changed(path, 'path = "ohlc"', 'path = "ohlc"\nspeed = "300"')  # five bars a second
    with subprocess.Popen(
        [sys.executable, "-m", "controller", "run", "--config", str(path)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as run:  # fmt: skip
        assert run.stdout is not None
        assert "E1" in run.stdout.readline()
        yield path
        run.terminate()
        run.communicate()


# ------------------------------------------------------------------------------- without one


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["book", "50"], "book 50: a part between 0% and 100% is expected"),
        (["book", "0%"], "book 0%: a part between 0% and 100% is expected"),
        (["book", "101%"], "book 101%: a part between 0% and 100% is expected"),
        (["book", "half"], "book half: "),
        (["scale", "-1"], "scale -1: "),
        (["stop", "NaN"], "stop NaN: "),
        (["stop"], "stop: one of book 50% | scale 25% | scale QTY | stop PRICE | exit is expected"),
        (["sell", "5"], "sell 5: one of book 50% |"),
        (["exit", "now"], "exit now: one of book 50% |"),
    ],
)
def test_decide_when_the_words_are_wrong_then_says_which_are_right(
    tmp_path: Path, words: list[str], said: str
) -> None:
    config = str(write_job(tmp_path / "job"))
    result = CliRunner().invoke(app, ["decide", "--config", config, "btc-1", "--", *words])
    assert (result.exit_code, result.stdout) == (WRONG_INPUT, "")
    assert result.stderr.startswith(said)


@pytest.mark.parametrize(
    "words", [("decide", "btc-1", "exit"), ("rebalance", "btc-1"), ("release", "btc-1")]
)
def test_command_when_no_controller_runs_then_says_how_to_start_one(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    result = call(write_job(tmp_path / "job"), *words)
    assert result.exit_code == WRONG_INPUT
    assert "no controller listens there" in result.stderr
    assert "`rungkeeper run`" in result.stderr


def test_decide_when_its_life_is_no_duration_then_says_so(tmp_path: Path) -> None:
    path = write_job(tmp_path / "job")
    result = call(path, "decide", "btc-1", "exit", "--expires", "soon")
    assert (result.exit_code, result.stderr[:16]) == (WRONG_INPUT, "--expires soon: ")


# --------------------------------------------------------------------------------- with one


def test_controller_when_asked_then_answers_once_what_it_has_written_down(running: Path) -> None:
    shown = call(running, "decide", "short-0001", "exit", "--dry-run")
    assert (shown.stderr, shown.exit_code) == ("", FINE)
    assert "B4" in shown.stdout
    assert [r for r in records(running) if r.kind == "decision"] == []

    first = call(running, "decide", "short-0001", "exit", "--id", "out")
    assert (first.stderr, first.stdout.split(": ")[0]) == ("", "out")
    again = call(running, "decide", "short-0001", "exit", "--id", "out")
    assert again.exit_code == FINE
    other = call(running, "decide", "short-0001", "book", "50%", "--id", "out")
    assert other.exit_code == WRONG_INPUT
    assert "out: was used before for another decision; an id is used once" in other.stderr
    queued = [r for r in records(running) if r.data.get("state") == "QUEUED"]
    assert [r.data["id"] for r in queued] == ["out"]

    unknown = call(running, "decide", "short-9999", "exit")
    assert unknown.exit_code == WRONG_INPUT
    assert "short-9999: no position of that name; open are: " in unknown.stderr
    nothing = call(running, "decide", "long-0001", "book", "50%")
    assert nothing.exit_code in (FINE, CHECK_FAILED)


def test_open_when_handed_plans_then_opens_the_sound_and_refuses_a_whole_file_otherwise(
    running: Path,
) -> None:
    folder = running.parent
    (folder / "more.toml").write_text(PLAN.format(name="more"))
    opened = call(running, "open", str(folder / "more.toml"))
    assert (opened.stderr, opened.exit_code) == ("", FINE)
    assert "more" in opened.stdout

    twice = call(running, "open", str(folder / "more.toml"))
    assert twice.exit_code == WRONG_INPUT
    assert "more" in twice.stderr

    (folder / "bad.toml").write_text(PLAN.format(name="fine") + PLAN.format(name="Bad Name"))
    bad = call(running, "open", str(folder / "bad.toml"))
    assert bad.exit_code == WRONG_INPUT
    assert "Bad Name" in bad.stderr
    missing = call(running, "open", str(folder / "none.toml"))
    assert (missing.exit_code, "there is no such file" in missing.stderr) == (WRONG_INPUT, True)
    plans = [r.position for r in records(running) if r.kind == "plan"]
    assert "fine" not in plans
