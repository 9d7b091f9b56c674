"""Bad conditions through the whole controller: a message, an exit code, and nothing lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import cast

import apsw
import pytest
from typer.testing import CliRunner, Result

from controller import app
from controller.cli import app as commands
from controller.codes import CHECK_FAILED, FINE, STORAGE_FAILED, WRONG_INPUT
from controller.config import load
from controller.journal import Journal
from machines import core
from machines.ladder import Ladder, State
from tests.exchanges.failing_disk import failing_disk
from tests.simulation.market import changed, ledger, records, write_job

FAULTS = 'path = "ohlc"\nseed = 1\nfaults = {{ {} }}'


def run(path: Path) -> Result:
    return CliRunner().invoke(commands, ["run", "--quiet", "--config", str(path)])


def kept(folder: Path) -> dict[str, bytes]:
    """Return what lies in a folder, lock files left out."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.suffix != ".lock"}


# ---------------------------------------------------------------------------------- the disk


def changes_of_the_disk(path: Path) -> int:
    """Run on a disk that never fails; return how often it was changed."""
    with failing_disk(0, apsw.FullError) as disk:
        assert app.run(load(path), quiet=True) == FINE
    return disk.changes


def by_minute(path: Path) -> list[tuple[object, ...]]:
    """The ledger in minutes: what was in flight waits for its window, a few seconds."""
    return [(int(str(at_ms)) // 60_000, *rest) for at_ms, *rest in ledger(path)]


@pytest.mark.parametrize("error", [apsw.FullError, apsw.IOError])
def test_disk_when_it_fails_again_and_again_then_the_ledger_is_that_of_one_run(
    tmp_path: Path, error: type[apsw.Error]
) -> None:
    unharmed, struck = write_job(tmp_path / "a"), write_job(tmp_path / "b")
    assert changes_of_the_disk(unharmed) > 500
    said: Counter[str] = Counter()
    for fails_at in range(3, 80, 7):
        with failing_disk(fails_at, error):
            result = run(struck)
        assert (result.exit_code, result.stdout) == (STORAGE_FAILED, "")
        assert "the disk fails" in result.stderr or "disk is full" in result.stderr
        said[result.stderr.split(" ", 1)[0]] += 1
        if struck.with_name("s.db").exists():
            Journal(struck.with_name("s.db")).close()  # which checks that it is whole
    assert set(said) == {"state", "venue"}, "both files were struck"
    assert app.run(load(struck), quiet=True) == FINE
    assert by_minute(struck) == by_minute(unharmed)
    assert len(ledger(struck)) > 20


# ---------------------------------------------------------------------------- the state file


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5_000])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def altered(path: Path) -> None:
    with apsw.Connection(str(path)) as raw:
        raw.execute("UPDATE journal SET state = replace(state, 'long', 'lang') WHERE seq = 3")
    raw.close()


def of_another_age(path: Path) -> None:
    with apsw.Connection(str(path)) as raw:
        raw.execute("UPDATE meta SET schema = 99")
    raw.close()


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (cut, "nothing was sent"),
        (emptied, "is empty, all its records are gone; nothing was sent"),
        (altered, "record 3 was altered or is missing; nothing was sent"),
        (of_another_age, "has schema 99"),
    ],
)
def test_state_when_it_was_harmed_then_is_named_left_alone_and_nothing_is_sent(
    tmp_path: Path, harm: Callable[[Path], None], message: str
) -> None:
    path = write_job(tmp_path / "job", bars=60)
    assert run(path).exit_code == FINE
    harm(path.with_name("s.db"))
    before = kept(path.parent)
    result = run(path)
    assert (result.exit_code, result.stdout) == (STORAGE_FAILED, "")
    assert result.stderr.startswith(f"state {path.with_name('s.db')}: ")
    assert message in result.stderr
    assert kept(path.parent) == before


@pytest.mark.parametrize("harm", [Path.unlink, emptied], ids=["gone", "emptied"])
def test_venue_file_when_it_is_gone_but_the_state_goes_on_then_nothing_is_sent(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    path = write_job(tmp_path / "job", bars=60)
    assert run(path).exit_code == FINE
    harm(path.with_name("s.venue.db"))
    before = kept(path.parent)
    for _ in range(2):  # the first refusal must not leave a new file that the second believes
        result = run(path)
        assert result.exit_code == WRONG_INPUT
        assert "s.venue.db is gone or empty; restore it, or remove both to begin" in result.stderr
        assert kept(path.parent) == before


def test_state_when_it_is_gone_but_the_venue_goes_on_then_a_note_says_so(tmp_path: Path) -> None:
    path = write_job(tmp_path / "job", bars=60)
    assert run(path).exit_code == FINE
    path.with_name("s.db").unlink()
    result = run(path)
    assert result.exit_code == CHECK_FAILED, "its plans meet positions that are not theirs"
    assert "but state" in result.stderr
    assert "is new; to begin anew remove both" in result.stderr
    (alert,) = [record for record in records(path) if record.kind == "alert"]
    assert "BTCUSDT holds -0.33 that is not ours" in str(alert.data["text"])
    assert not [r for r in records(path) if r.ladder == alert.ladder and r.kind == "intent"]


# --------------------------------------------------------------------------------- the venue


@pytest.mark.parametrize(
    ("fault", "said"),
    [("nonsense", "venue away: account paper: "), ("failed_read", "no answer within the time")],
)
def test_venue_when_it_answers_nonsense_only_then_nothing_is_concluded_and_one_line_says_so(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    fault: str,
    said: str,
) -> None:
    path = write_job(tmp_path / "job", bars=60)
    config = changed(path, 'path = "ohlc"', FAULTS.format(f'{fault} = "100%"'))
    assert app.run(config, quiet=True) == CHECK_FAILED
    assert [said in each for each in caplog.messages] == [True]
    assert "account paper: no answer since 2025-01-01 00:01:00" in capsys.readouterr().out
    assert records(path) == []


def test_venue_when_it_refuses_every_order_then_a_repeating_plan_asks_less_and_less_often(
    tmp_path: Path,
) -> None:
    path = write_job(tmp_path / "job", bars=300)
    config = changed(path, 'path = "ohlc"', FAULTS.format('refused = "100%"'))
    assert app.run(config, quiet=True) == FINE
    starts = [r.at_ms // 60_000 for r in records(path) if r.data.get("row") == "E1"]
    minutes = sorted({minute - starts[0] for minute in starts})
    assert minutes == [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]
    assert max(Counter(starts).values()) == 2, "two plans, once each"


# ----------------------------------------------------------------------------------- the time


def with_candles(path: Path, *, gap_after: int, gap_minutes: int) -> None:
    """Give a job candles instead of its script: the same bars, with an hour without any."""
    _, *bars = path.with_name("bars").read_text().splitlines()
    lines = ["ts,open,high,low,close,volume"]
    for n, bar in enumerate(bars):
        minute = n + (gap_minutes if n >= gap_after else 0)
        at = f"2025-01-{1 + minute // 1440:02}T{minute // 60 % 24:02}:{minute % 60:02}:00Z"
        lines.append(f"{at},{bar.replace(' ', ',')},1")
    path.with_name("candles.csv").write_text("\n".join(lines) + "\n")
    changed(path, "script:bars", "candles.csv")


def test_clock_when_it_jumps_an_hour_then_the_same_happens_an_hour_later(tmp_path: Path) -> None:
    plain, jumped = write_job(tmp_path / "a", bars=300), write_job(tmp_path / "b", bars=300)
    with_candles(plain, gap_after=100, gap_minutes=0)
    with_candles(jumped, gap_after=100, gap_minutes=60)
    for path in (plain, jumped):
        assert app.run(load(path), quiet=True) == FINE
    begun = ledger(plain)[0][0]
    assert isinstance(begun, int)
    last_before_ms = begun + 99 * 60_000  # the close of the hundredth bar

    def later(row: tuple[object, ...]) -> tuple[object, ...]:
        at_ms = row[0]
        assert isinstance(at_ms, int)
        return (at_ms + 3_600_000 * (at_ms > last_before_ms), *row[1:])

    assert ledger(jumped) == [later(row) for row in ledger(plain)]
    assert {row[0] for row in ledger(jumped)} != {row[0] for row in ledger(plain)}


def test_poll_when_it_comes_an_hour_late_then_the_books_end_as_the_venues(tmp_path: Path) -> None:
    path = write_job(tmp_path / "job", bars=1_200, poll="1h")
    assert app.run(load(path), quiet=True) == FINE
    found = records(path)
    assert [r.data for r in found if r.data.get("to") == "HALTED"] == []
    assert sum(r.kind == "fill" for r in found) > 10
    assert [r.data["text"] for r in found if "parked" in str(r.data.get("text"))] == []


# ---------------------------------------------------------------------------- a fault of our own


@pytest.mark.parametrize(("sane", "word"), [(State.HALTED, "halted"), (State.CLOSED, "parked")])
def test_run_when_one_position_fails_then_the_exit_code_asks_for_a_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sane: State, word: str
) -> None:
    """Users run it unattended: a position that nobody looks after is no success."""
    path = write_job(tmp_path / "job", bars=120)
    original = cast("Callable[..., object]", core.advance)

    def failing(ladder: Ladder, *seen: object, **told: object) -> object:
        if ladder.terms.spec.name == "short-0001" and ladder.held and ladder.state is not sane:
            raise ZeroDivisionError("made up")
        return original(ladder, *seen, **told)

    monkeypatch.setattr(core, "advance", failing)
    result = run(path)
    assert f"short-0001: {word}: " in result.stdout
    assert "ZeroDivisionError" in result.stdout
    assert result.exit_code == CHECK_FAILED
    assert {r.ladder for r in records(path) if r.kind == "intent"} == {"long", "short"}, (
        "the other goes on"
    )
