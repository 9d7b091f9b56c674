"""When a simulated venue's line fails: by rate and by script, and the same each time."""

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchanges.simulated import Fault, Faults, FaultyVenue, faults_from
from exchanges.simulated.faults import BY_ASKED, Asked, Dice
from machines.errors import InvalidSpec
from tests.exchanges.desk import Desk, at_once
from tests.exchanges.test_faults import WINDOW_MS, cancel, place
from tests.exchanges.venue_files import CALM, MINUTE_MS, START_MS, image

EACH = faults_from({fault.value: "5%" for known in BY_ASKED.values() for fault in known})


def test_rates_when_drawn_often_then_each_class_comes_as_often_as_asked() -> None:
    dice = Dice(EACH, 1)
    for asked, known in BY_ASKED.items():
        met = [dice.draw(asked, n, 0).fault for n in range(20_000)]
        for fault in known:
            assert 850 < met.count(fault) < 1_150  # five deviations
        assert met.count(None) == 20_000 - sum(met.count(fault) for fault in known)


def test_rates_when_zero_or_whole_then_never_or_always() -> None:
    none, all_ = Faults({Fault.BUSY: Decimal(0)}), Faults({Fault.LATE: Decimal(1)})
    assert {Dice(none, 3).draw(Asked.REQUEST, n, 0).fault for n in range(999)} == {None}
    assert {Dice(all_, 3).draw(Asked.REQUEST, n, 0).fault for n in range(999)} == {Fault.LATE}


def story(seed: int, path: Path | None = None, cuts: tuple[int, ...] = ()) -> list[str]:
    """Send requests on a line that is opened anew, from a killed process's file, at each cut."""
    told: list[str] = []
    line = FaultyVenue(Desk(CALM * 60, path=path).venue, EACH, seed)
    line.advance(START_MS + MINUTE_MS)
    for n in range(60):
        if path is not None and n in cuts:
            killed, now_ms = image(path, f"{n}-{path.name}"), line.now_ms
            line.close()
            path = killed
            line = FaultyVenue(Desk(CALM * 60, path=path).venue, EACH, seed)
            line.advance(now_ms)
        mutation = cancel(f"o{n // 3 * 3}") if n % 3 == 2 else place(f"o{n}", 90 + n % 5)
        told += [outcome.kind.value for outcome in at_once(line.send([mutation]))]
        line.advance(line.now_ms + WINDOW_MS)
    told.append(",".join(line.inner.state.ids))
    told.append(str(line.hits))
    line.close()
    return told


TOLD = """
from tests.exchanges.test_fault_draws import story
print(story(5))
"""


def test_faults_when_the_seed_is_the_same_then_are_the_same_in_every_process() -> None:
    said: set[str] = set()
    for hash_seed in ("0", "4711"):
        done = subprocess.run(
            [sys.executable, "-c", TOLD],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONPATH": ".", "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        said.add(done.stdout)
    assert said == {f"{story(5)}\n"}
    assert story(6) != story(5)


def test_faults_when_the_venue_is_killed_then_go_on_where_they_were(tmp_path: Path) -> None:
    whole = story(9)
    for n, cuts in enumerate([(1,), (20, 21, 22), (7, 33, 59)]):
        assert story(9, tmp_path / f"cut{n}.db", cuts) == whole


# -------------------------------------------------------------------------------- reading it


def test_faults_from_when_sound_then_reads_rates_outages_and_lines() -> None:
    read = faults_from(
        {
            "lost_before": "5%",
            "late": "0.05",
            "outage": ["2025-06-02T10:00Z..2025-06-02T11:00Z"],
            "script": ["request 3 twice", "2025-06-02T10:00Z..2025-06-02T10:00:12Z nonsense"],
        }
    )
    assert read.rates == {Fault.LOST_BEFORE: Decimal("0.05"), Fault.LATE: Decimal("0.05")}
    assert [(line.fault.value, line.n, line.to_ms - line.from_ms) for line in read.script] == [
        ("outage", 0, 3_600_000),
        ("twice", 3, 0),
        ("nonsense", 0, 12_000),
    ]
    assert faults_from({}) == Faults()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("lost", "5%", "lost: no such fault; there are lost_before, lost_after, late, "),
        ("outage", "5%", "outage: '5%': must be a list of texts"),
        ("late", 0.05, 'late: 0.05: must be like "5%" or "0.05", at most "100%"'),
        ("late", "101%", "late: '101%': must be like"),
        ("late", "-1%", "late: '-1%': must be like"),
        ("late", "5%%", "late: '5%%': must be like"),
        ("late", "NaN", "late: 'NaN': must be like"),
        ("outage", ["2025-06-02T10:00Z"], "outage: '2025-06-02T10:00Z': must be two times in UTC"),
        ("outage", ["2025-06-02T10:00..2025-06-02T11:00"], "must be two times in UTC"),
        ("outage", ["2025-06-02T11:00Z..2025-06-02T10:00Z"], "must be two times in UTC"),
        ("script", ["request 0 busy"], "script: 'request 0 busy': must be like \"request 3 lost"),
        ("script", ["request 3 failed_read"], "a request can meet lost_before, lost_after, late"),
        ("script", ["read 3 busy"], "a read can meet stale_read, partial_poll, failed_read, nons"),
        ("script", ["read 3 sleepy"], "script: no such fault; there are"),
        ("script", [3], "script: [3]: must be a list of texts"),
    ],
)
def test_faults_from_when_wrong_then_says_what_is_allowed(
    name: str, value: object, says: str
) -> None:
    with pytest.raises(InvalidSpec) as caught:
        faults_from({name: value})
    assert says in str(caught.value)
    assert len(caught.value.faults) == 1


def test_faults_from_when_several_are_wrong_then_names_them_all() -> None:
    with pytest.raises(InvalidSpec) as caught:
        faults_from({"late": "60%", "busy": "41%", "nonsense": "x", "sleepy": "5%", "outage": 1})
    assert [fault.partition(":")[0] for fault in caught.value.faults] == [
        *("nonsense", "sleepy", "outage", "late + busy"),
    ]
    assert caught.value.faults[-1] == "late + busy: 101% of the requests: at most 100%"


@given(st.integers(), st.integers(1, 10**9), st.sampled_from(list(Asked)))
def test_draw_when_made_again_then_is_the_same(seed: int, n: int, asked: Asked) -> None:
    assert Dice(EACH, seed).draw(asked, n, 0) == Dice(EACH, seed).draw(asked, n, 0)
