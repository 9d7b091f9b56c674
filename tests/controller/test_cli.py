"""The command line, as a person meets it: answers, sentences on stderr, exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from controller import cmd_history
from controller.cli import app
from controller.journal import Journal, JournalError
from exchanges import sqlite
from machines.errors import InvalidSpec

CHECKOUT = Path(__file__).resolve().parents[2]
EXAMPLES = CHECKOUT / "examples"
SPEC = EXAMPLES / "spec.toml"
SELF_CONTAINED = ("mirror.toml", "paper.toml", "rules.toml", "spec.toml")


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def program(code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )


@pytest.fixture
def spec_file(tmp_path: Path) -> Path:
    """The worked example, in a folder where its state may be written."""
    path = tmp_path / "spec.toml"
    path.write_text(SPEC.read_text())
    return path


@pytest.fixture
def finished(spec_file: Path) -> Path:
    """The worked example, run to its end."""
    assert call("run", "--config", spec_file, "--quiet").exit_code == 0
    return spec_file


def test_help_when_asked_then_lists_commands_and_exit_codes() -> None:
    result = call("--help")
    assert result.exit_code == 0
    for word in ("run", "preview", "history", "diagram", "Exit codes", "--version"):
        assert word in result.stdout


def test_help_when_asked_then_loads_nothing_heavy() -> None:
    heavy = ("rich", "anyio", "apsw", "msgspec", "transitions", "controller.config", "exchanges")
    code = f"import sys, controller.cli; print([m for m in {heavy} if m in sys.modules])"
    assert program(code).stdout.strip() == "[]"


def test_version_when_asked_then_is_the_projects() -> None:
    assert call("--version").stdout.startswith("rungkeeper 0.")


def test_command_when_misspelt_then_suggests_one_and_exits_2() -> None:
    result = call("previw")
    assert result.exit_code == 2
    assert "Did you mean 'preview'?" in result.stderr


# ------------------------------------------------------------------------------------- preview


def test_preview_when_66_percent_filled_then_shares_as_the_specification_says() -> None:
    result = call("preview", SPEC, "--filled", "0.66", "--json")
    assert result.exit_code == 0
    (found,) = json.loads(result.stdout)
    assert found["name"] == "btc-1"
    assert [entry["qty"] for entry in found["entries"]] == ["0.33", "0.33", "0.34"]
    assert [entry["price"] for entry in found["entries"]] == ["104000", "103500", "104250"]
    filled = found["at_filled"]
    assert filled["stop"] == {"trigger_px": "101500", "qty": "0.66"}
    assert [rung["qty"] for rung in filled["rungs"]] == ["0.561", "0.033", "0.033", "0.033"]
    assert [rung["n"] for rung in filled["rungs"]] == [1, 2, 3, 4]
    full = found["at_full"]
    assert full["stop"]["qty"] == "1"
    assert [rung["qty"] for rung in full["rungs"]] == ["0.85", "0.05", "0.05", "0.05"]
    assert (found["break_even"], found["folded"]) == ("104010.4", [])
    (warning,) = found["warnings"]
    assert warning.startswith("cannot fire before the last rung, at 4.35%: PARTIAL_PROFIT_BOOKING_")


def test_preview_when_nothing_is_said_about_filled_then_it_is_null() -> None:
    (found,) = json.loads(call("preview", SPEC, "--json").stdout)
    assert found["at_filled"] is None


def test_preview_when_read_by_a_person_then_shows_a_column_for_each_amount() -> None:
    lines = call("preview", SPEC, "--filled", "0.66").stdout.splitlines()
    assert lines[0] == "btc-1: long BTCUSDT in paper, starting at 104250"
    assert [line.split() for line in lines[1:3]] == [
        ["all", "filled", "0.66", "filled"],
        ["entry", "1", "0.33", "@", "104000", "0.33", "@", "104000"],
    ]
    assert "  entry 3      0.34 @ market   -" in lines
    assert "  TP1          0.85 @ 105000   0.561 @ 105000" in lines


def test_preview_when_rungs_fold_then_names_them(spec_file: Path) -> None:
    text = spec_file.read_text().replace('qty = "0.33"', 'qty = "0.002"')
    spec_file.write_text(text.replace('qty = "0.34"', 'qty = "0.001"').replace('"5" }', '"0" }'))
    (found,) = json.loads(call("preview", spec_file, "--json").stdout)
    assert found["folded"] == [2, 3, 4]
    assert found["at_full"]["rungs"][0]["qty"] == "0.005"
    assert "folded" in found["warnings"][0]


def test_preview_when_a_name_is_given_then_shows_that_position() -> None:
    result = call("preview", EXAMPLES / "paper.toml", "--position", "btc-next", "--json")
    assert [found["name"] for found in json.loads(result.stdout)] == ["btc-next"]
    result = call("preview", EXAMPLES / "paper.toml", "--position", "btc-nxt")
    assert result.exit_code == 2
    assert 'did you mean "btc-next"?' in result.stderr


@pytest.mark.parametrize(
    ("filled", "message"),
    [
        ("1.5", "at most 1"),
        ("0.0005", "multiple of the step"),
        ("NaN", "a plain decimal"),
        ("0", "a plain decimal above 0"),
        ("-1", "a plain decimal above 0"),
    ],
)
def test_preview_when_filled_is_impossible_then_exits_2(filled: str, message: str) -> None:
    result = call("preview", SPEC, f"--filled={filled}")
    assert result.exit_code == 2
    assert f"--filled {filled}" in result.stderr
    assert message in result.stderr


def test_preview_when_the_plan_is_unsound_then_each_fault_is_a_line_and_exits_2(
    spec_file: Path,
) -> None:
    spec_file.write_text(spec_file.read_text().replace('"101500"', '"103800"'))
    result = call("preview", spec_file)
    assert result.exit_code == 2
    assert result.stdout == ""
    start = f"{spec_file}: btc-1: positions[1].stop = 103800: is 103800.0, inside the entries;"
    assert result.stderr.startswith(start)


def test_preview_when_the_file_is_wrong_then_counts_the_faults(spec_file: Path) -> None:
    text = spec_file.read_text().replace("stop =", "stpo =")
    spec_file.write_text(text.replace('qty = "0.34"', "qty = 0.34"))
    result = call("preview", spec_file)
    assert result.exit_code == 2
    assert "entries[3].qty = 0.34: numbers stand in quotes" in result.stderr
    assert 'stpo = "101500": unknown field; did you mean "stop"?' in result.stderr
    assert "3 faults; nothing was sent." in result.stderr
    assert "Traceback" not in result.stderr


def test_preview_when_the_file_is_missing_then_says_so() -> None:
    result = call("preview", "nowhere.toml")
    assert (result.exit_code, result.stderr) == (2, "nowhere.toml: there is no such file\n")


@pytest.mark.parametrize("name", SELF_CONTAINED)
def test_example_when_previewed_then_is_sound(name: str) -> None:
    result = call("preview", EXAMPLES / name)
    assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.parametrize("name", ["reference-job.toml", "kotakbank-5m.toml"])
def test_example_when_the_recorded_data_are_there_then_is_sound(
    name: str, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNGKEEPER_DATA", str(shared_data))
    result = call("preview", EXAMPLES / name, "--json")
    assert result.exit_code == 0
    (found,) = json.loads(result.stdout)
    assert found["break_even"] == {"btc": "104129.1", "kotak": "1845.4"}[found["name"]]


def test_examples_when_listed_then_each_is_tried_here() -> None:
    tried = {*SELF_CONTAINED, "reference-job.toml", "kotakbank-5m.toml"}
    tried |= {"bybit-loopback.toml", "zerodha-loopback.toml"}  # tests/wire/*/test_by_hand.py
    assert {path.name for path in EXAMPLES.glob("*.toml")} == tried


# ----------------------------------------------------------------------------------------- run


def test_run_when_the_feed_ends_then_sums_up_and_exits_0(spec_file: Path) -> None:
    result = call("run", "--config", spec_file)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "TP1_HIT" in result.stdout
    assert "●●●●" in result.stdout
    assert "1325.75" in result.stdout
    assert "\x1b" not in result.stdout


def test_run_when_quiet_then_only_sums_up(spec_file: Path) -> None:
    result = call("run", "--config", spec_file, "--quiet")
    assert "rung_hit" not in result.stdout
    assert "total" in result.stdout


def test_run_when_the_speed_is_no_number_then_exits_2() -> None:
    result = call("run", "--speed", "fast")
    assert result.exit_code == 2
    assert result.stderr == '--speed fast: allowed: a plain decimal above 0, like 60, or "max"\n'


def test_run_when_another_controller_holds_the_state_then_exits_3(spec_file: Path) -> None:
    journal = Journal(spec_file.with_name("spec.db"))
    try:
        result = call("run", "--config", spec_file)
    finally:
        journal.close()
    assert result.exit_code == 3
    assert "held by another controller" in result.stderr


def test_run_when_another_process_holds_the_venues_file_then_exits_3(spec_file: Path) -> None:
    handle = sqlite.hold(spec_file.with_name("spec.venue.db"))
    try:
        result = call("run", "--config", spec_file)
    finally:
        sqlite.let_go(handle)
    assert result.exit_code == 3
    assert "venue file" in result.stderr
    assert "held by another process" in result.stderr
    assert not spec_file.with_name("spec.db").exists()


def test_run_when_the_venue_goes_on_and_the_state_is_new_then_a_note_says_so(
    finished: Path,
) -> None:
    finished.with_name("spec.db").unlink()
    result = call("run", "--config", finished, "--quiet")
    assert result.exit_code == 1, "the plan meets the last price, which is beyond its targets"
    assert "btc-1 refused: targets[1] = 105000" in result.stdout
    assert "spec.venue.db: goes on at 2025-01-08 00:00:00, the end of its feed" in result.stderr
    assert "spec.db is new; to begin anew remove both" in result.stderr


# ------------------------------------------------------------------------------------- history


def test_history_when_read_by_a_person_then_each_record_is_a_line(finished: Path) -> None:
    lines = call("history", "--config", finished).stdout.splitlines()
    start = "2025-01-05 17:00:00 btc-1       "
    assert lines[0] == (
        f"{start}E1       plan_accepted  → PENDING_LIMITS   place entry 1 0.33 @ 104000.0; "
        "place entry 2 0.33 @ 103500.0; place entry 3 0.34 at market"
    )
    assert f"{start}fill     entry 3 buy 0.34 @ 104250   fee 19.4947500 taker" in lines
    assert f"{start}outcome  stop 0.34 @ 101500.0: accepted" in lines
    assert lines[-1].endswith("C1       flat_and_clear  CLOSING → CLOSED")


def test_history_when_json_then_each_record_is_an_object(finished: Path) -> None:
    result = call("history", "btc-1", "--config", finished, "--json")
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [record["seq"] for record in records] == list(range(1, len(records) + 1))
    assert {record["kind"] for record in records} == {"transition", "fill", "intent", "outcome"}
    fill = next(record for record in records if record["kind"] == "fill")
    assert {"seq", "at_ms", "position", "ladder", "role", "side", "price", "qty"} <= fill.keys()
    assert fill["price"] == "104250"


def test_history_when_the_name_is_unknown_then_suggests_one_and_exits_2(finished: Path) -> None:
    result = call("history", "btc-2", "--config", finished)
    assert (result.exit_code, result.stdout) == (2, "")
    assert 'has no records of that name; did you mean "btc-1"?' in result.stderr


def test_history_when_there_is_no_state_then_names_the_file_and_exits_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = call("history")
    assert result.exit_code == 2
    assert result.stderr.startswith("rungkeeper.db: there is no such state file")
    Path("rungkeeper.db").write_text("this is no journal")
    result = call("history")
    assert result.exit_code == 4
    assert "rungkeeper.db" in result.stderr


def test_history_when_only_the_demonstration_ran_then_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = call("run", "--speed", "max", "--quiet")
    assert shown.exit_code == 0
    assert "●●●●" in shown.stdout
    assert "○" not in shown.stdout  # nothing rests of what is closed
    result = call("history", "eth-far")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1].endswith("C1       flat_and_clear  CLOSING → CLOSED")


# --------------------------------------------------------------------------------------- others


def test_diagram_when_written_then_the_check_finds_them_equal(tmp_path: Path) -> None:
    result = call("diagram", "--check", "--out", tmp_path)
    assert result.exit_code == 1
    assert "missing" in result.stderr
    for fmt in ("mermaid", "dot", "markdown"):
        assert call("diagram", "--format", fmt, "--out", tmp_path).exit_code == 0
    assert call("diagram", "--check", "--out", tmp_path).exit_code == 0


def test_errors_when_several_tasks_fail_then_each_is_said_and_the_gravest_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> int:
        inner = ExceptionGroup("inner", [JournalError("state a.db: cannot be written: full")])
        raise ExceptionGroup("tasks", [InvalidSpec(["one", "two"]), inner])

    monkeypatch.setattr(cmd_history, "history", fail)
    result = call("history")
    assert result.exit_code == 4
    assert "one\ntwo\n" in result.stderr
    assert "state a.db: cannot be written: full\n" in result.stderr


def test_error_when_it_is_ours_then_shows_a_traceback_and_exits_70() -> None:
    found = program(
        "import sys\n"
        "from controller import cli, cmd_history\n"
        "cmd_history.history = lambda *_, **__: 1 // 0\n"
        "sys.argv = ['rungkeeper', 'history']\n"
        "cli.main()\n"
    )
    assert found.returncode == 70
    assert "ZeroDivisionError" in found.stderr
    assert found.stderr.endswith("the journal keeps what was done.\n")


@pytest.mark.parametrize("command", ["history --json", "history", "run"])
def test_command_when_its_reader_leaves_then_does_its_work_quietly(
    spec_file: Path, command: str
) -> None:
    if command != "run":
        call("run", "--config", spec_file, "--quiet")
    script = f"set -o pipefail; '{sys.executable}' -m controller {command} -c '{spec_file}' | true"
    found = subprocess.run(
        ["bash", "-c", script], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stderr) == (0, "")
    last = call("history", "--config", spec_file).stdout.splitlines()[-1]
    assert last.endswith("CLOSING → CLOSED")
