"""SIGINT and SIGTERM at any moment: a clean end, orders left resting, and a start that goes on."""

from __future__ import annotations

import os
import pty
import random
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from controller import app, journal
from controller.codes import FINE
from controller.config import load
from controller.journal import Journal, Record
from controller.screen import Screen
from tests.controller.runs import WALK

ROOT = Path(__file__).resolve().parents[2]
RUN = (sys.executable, "-m", "controller", "run", "--config")
ENDINGS = (signal.SIGINT, signal.SIGTERM)


def config_in(folder: Path, speed: str = "max") -> Path:
    folder.mkdir()
    config = folder / "walk.toml"
    text = WALK.format(seed=3, poll="bar", path="ohlc")
    text = text.replace("[controller]", '[controller]\nstate = "walk.db"')
    config.write_text(text.replace('venue = "s', f'speed = "{speed}"\nvenue = "s'))
    return config


def finish(config: Path) -> list[Record]:
    done = subprocess.run([*RUN, str(config), "--quiet"], cwd=ROOT, capture_output=True, check=True)
    assert done.stderr == b""
    return list(journal.read(config.with_name("walk.db")))


def ledger(records: list[Record]) -> list[tuple[object, ...]]:
    """Each fill: when, whose, what; and how each position went from state to state."""
    return [
        (
            record.at_ms,
            record.position,
            *(record.data.get(name) for name in ("row", "qty", "price")),
        )
        for record in records
        if record.kind in ("fill", "transition")
    ]


def interrupted(config: Path, ending: signal.Signals, lines: int) -> bytes:
    """Run, send a signal once so many lines have been printed, and return all the rest."""
    run = subprocess.Popen(
        [*RUN, str(config), "--speed", "300000"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    with run:
        assert run.stdout is not None
        assert run.stderr is not None
        for _ in range(lines):
            run.stdout.readline()
        run.send_signal(ending)
        rest, said = run.stdout.read(), run.stderr.read()
    assert (run.returncode, said) == (FINE, b"")
    return rest


def test_run_when_ended_by_signals_again_and_again_then_its_ledger_is_that_of_one_run(
    tmp_path: Path,
) -> None:
    expected = finish(config_in(tmp_path / "unharmed"))
    config = config_in(tmp_path / "ended")
    draw = random.Random(5)
    lengths = [0]
    for n in range(4):
        rest = interrupted(config, ENDINGS[n % 2], draw.randint(1, 5))
        assert b"\njournal: " in rest, "it sums up"
        book = Journal(config.with_name("walk.db"))  # which checks that it is whole
        lengths.append(book.records)
        book.close()
    assert lengths == sorted(set(lengths)), "every run went on for a while"
    assert lengths[-1] < len(expected), "or the last signals struck nothing"
    assert ledger(finish(config)) == ledger(expected)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("moment", ["recover", "Screen"])
def test_signal_when_files_are_open_but_the_loop_does_not_listen_then_waits_for_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    ending: signal.Signals,
    moment: str,
) -> None:
    config = load(config_in(tmp_path / "walk", speed="60"))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    original = getattr(app, moment)

    def struck(*args: object, **named: object) -> object:
        signal.raise_signal(ending)
        return original(*args, **named)

    monkeypatch.setattr(app, moment, struck)
    assert app.run(config, quiet=True) == FINE
    assert "journal: " in capsys.readouterr().out
    moments = {record.at_ms for record in journal.read(config.controller.state)}
    assert len(moments) <= 1, "it ended at its first breath"
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def test_signal_when_the_loop_has_ended_then_the_summary_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = load(config_in(tmp_path / "walk"))
    original = Screen.summary

    def struck(screen: Screen, notes: Iterable[str] = ()) -> None:
        for ending in ENDINGS:
            signal.raise_signal(ending)
        original(screen, notes)

    monkeypatch.setattr(Screen, "summary", struck)
    assert app.run(config, quiet=True) == FINE
    assert capsys.readouterr().out.endswith(f"journal: {config.controller.state}\n")


@pytest.mark.parametrize("ending", ENDINGS)
def test_live_view_when_a_signal_comes_then_gives_the_terminal_back(
    tmp_path: Path, ending: signal.Signals
) -> None:
    config = config_in(tmp_path / "live")
    ours, theirs = pty.openpty()
    run = subprocess.Popen(
        [*RUN, str(config), "--speed", "600"],
        cwd=ROOT, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm"},
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    with run:
        while b"PENDING_LIMITS" not in shown:
            shown += os.read(ours, 4_096)
        run.send_signal(ending)
        while piece := _read(ours):
            shown += piece
    os.close(ours)
    assert run.returncode == FINE
    hidden, back = b"\x1b[?25l", b"\x1b[?25h"
    assert shown.count(hidden) == shown.count(back) > 0, "the cursor is there again"
    assert b"journal: " in shown[shown.rindex(back) :]
    assert b"Traceback" not in shown


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4_096)
    except OSError:  # how Linux says that nobody holds the other side
        return b""
