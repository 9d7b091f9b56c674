"""Starting again: live plans that were edited, removed, finished or refused, and repeats."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from controller import app
from controller.codes import CHECK_FAILED, FINE
from controller.config import load
from controller.screen import Screen
from machines.errors import InvalidSpec
from tests.simulation.market import changed, ledger, records, write_job

ONCE = """
[[positions]]
name = "once"
account = "paper"
symbol = "BTCUSDT"
side = "long"
entries = [ { price = "market", qty = "0.5" } ]
stop = "-20%"
targets = ["20%", "21%", "22%", "23%"]
"""
"""A plan that is live from its start to the feed's end."""
QUICK = ONCE.replace('"once"', '"quick"').replace("-20%", "-0.05%")
"""One whose stop is so near that it is over within minutes."""


def write(folder: Path, *plans: str, bars: int = 300) -> Path:
    """Write a job of these plans only."""
    path = write_job(folder, bars=bars)
    head, _, _ = path.read_text().partition("[[positions]]")
    path.write_text(head + "".join(plans))
    return path


def run(path: Path, *, code: int = FINE) -> None:
    assert app.run(load(path), quiet=True) == code


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("-20%", "-19%", "stop = "),
        ('qty = "0.5"', 'qty = "0.4"', "entries = "),
        ('"23%"', '"24%"', "targets = "),
    ],
)
def test_plan_when_live_and_edited_then_the_start_is_refused_with_what_differs(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    path = write(tmp_path / "job", ONCE)
    run(path)
    before = len(records(path))
    config = changed(path, old, new)
    with pytest.raises(InvalidSpec) as caught:
        app.run(config, quiet=True)
    (fault,) = caught.value.faults
    assert fault.startswith("once: is live and its plan was edited: ")
    assert said in fault
    assert len(records(path)) == before
    run(write(tmp_path / "job", ONCE))
    assert len(records(path)) == before, "restored, it goes on"


def test_plan_when_live_and_removed_then_is_kept_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone, removed = write(tmp_path / "a", QUICK), write(tmp_path / "b", QUICK)
    run(alone)
    with monkeypatch.context() as patched:
        # The first row ends the run: what follows is left to the next.
        patched.setattr(Screen, "changed", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        changed(removed, 'path = "ohlc"', 'path = "ohlc"\nspeed = "6000"')
        run(removed)
    assert 0 < len(ledger(removed)) < len(ledger(alone))
    removed.write_text(removed.read_text().partition("[[positions]]")[0].replace("6000", "max"))
    run(removed)
    assert ledger(removed) == ledger(alone)
    assert ledger(removed)[-1][1:3] == ("quick", "C1")


def test_plan_when_finished_then_its_name_is_never_opened_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "job", QUICK)
    run(path)
    before = records(path)
    assert before[-1].data["to"] == "CLOSED"
    capsys.readouterr()
    run(path)
    assert "quick: finished in an earlier run; a name is never opened" in capsys.readouterr().out
    changed(path, "-0.05%", "-0.06%")  # finished, it may be edited: nothing comes of it
    run(path)
    assert records(path) == before


def test_plan_when_refused_then_stays_refused_in_every_later_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "job", ONCE, ONCE.replace('"once"', '"again"'))
    changed(path, 'slots = "per-ladder"', 'slots = "one-way"')
    run(path, code=CHECK_FAILED)
    before = records(path)
    said = "again refused: paper BTCUSDT belongs to once"
    assert said in capsys.readouterr().out
    for _ in range(2):
        run(path)
        found = capsys.readouterr().out
        assert said in found
        assert "(in an earlier run)" in found
    assert records(path) == before
    assert {r.position for r in before if r.kind == "intent"} == {"once"}
