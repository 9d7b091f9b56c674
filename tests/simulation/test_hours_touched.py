"""Recorded sessions of NSE, clean and broken, per rung: what became of every target, explained."""

from itertools import product
from pathlib import Path

import pytest

from exchanges.feeds import ticks
from machines.ladder import State
from tests.simulation.hours_touched import (
    BETWEEN,
    LEFT,
    PAUSED,
    SPENT,
    Counted,
    Session,
    count,
    run,
)

PAGE = Path(__file__).parents[2] / "docs" / "NSE-TICKS.md"
DAYS = (("TATASTEEL", "20210520"), ("TATASTEEL", "20210511"), ("KOTAKBANK", "20210420"))
WAYS = ((1, "1"), (12, "1"), (1, "0.05"))
SESSIONS = [Session(*which, *way) for which, way in product(DAYS, WAYS)]


def counted(folder: Path, data: Path, session: Session) -> Counted:
    """Play a session and hold it to what must be so in each."""
    told = run(folder, data, session)
    assert told.cash == told.booked()
    left = {State.CLOSED} if session.share == "1" else {State.CLOSED, State.CLOSING}
    assert set(told.states) <= left, "only what the last trade was too small for is left"
    return count(told, ticks.read(data / session.tape, session.symbol), session.poll_s)


def line(session: Session, found: Counted) -> str:
    """Write a session as it stands on the page."""
    why = "; ".join(f"{n} {why}" for why, n in sorted(found.missed.items())) or "–"
    cells = (
        session.symbol, session.day, f"{session.poll_s} s", session.share, found.positions,
        found.targets, found.touched, found.hit, found.converted, found.fell_back, why,
    )  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


@pytest.mark.parametrize(("symbol", "day", "hit"), [(*DAYS[0], 21), (*DAYS[1], 22)])
def test_session_when_a_position_opens_every_hour_then_each_touch_is_a_hit(
    tmp_path: Path, shared_data: Path, symbol: str, day: str, hit: int
) -> None:
    found = counted(tmp_path, shared_data, Session(symbol, day, every="1h"))
    assert found.touched == found.hit == found.converted == hit
    assert not found.fell_back


@pytest.mark.prove
@pytest.mark.parametrize("session", SESSIONS, ids=lambda s: f"{s.day}-{s.poll_s}s-{s.share}")
def test_session_when_every_target_is_followed_then_the_page_says_what_became_of_it(
    tmp_path: Path, shared_data: Path, session: Session
) -> None:
    found = counted(tmp_path, shared_data, session)
    assert found.touched == found.hit + found.missed.total()
    assert set(found.missed) <= {BETWEEN, LEFT, PAUSED, SPENT}
    assert line(session, found) in PAGE.read_text(encoding="utf-8")
