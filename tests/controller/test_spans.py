"""What lasts is told once, however often it is looked at; the journal keeps each look's row."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from exchanges.simulated import FaultyVenue
from exchanges.simulated.acts import Act, Deed
from machines.decision import Kind
from tests.controller.stepping import HELD, STEP_MS, Stepped, plan, write_bars

LOOSER = "The resting stop is looser than declared, at a price we sent earlier: set it first."
START_MS = int(datetime(2025, 1, 1, tzinfo=UTC).timestamp() * 1_000)
OLD, NEW = Decimal(90_000), Decimal(95_000)


def utc(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1_000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def desk_where(folder: Path, *refused: tuple[int, int]) -> Stepped:
    """Hold a position whose stop was moved; requests are refused in these spans of polls."""
    times = (tuple(START_MS + poll * STEP_MS for poll in span) for span in refused)
    script = ", ".join(f'"{utc(start)}..{utc(end)} refused"' for start, end in times)
    write_bars(folder, ["100000"] * 40)
    faults = f"[accounts.paper.faults]\nscript = [{script}]\n"
    desk = Stepped(HELD + faults + plan(), folder)
    desk.poll(times=2)
    desk.decide("btc-1", Kind.MOVE_STOP, price=str(NEW))
    desk.poll(times=2)
    assert resting(desk) == NEW
    return desk


def resting(desk: Stepped) -> Decimal | None:
    """Return where the stop rests at the venue."""
    assert desk.keeper.reading.last is not None
    (view,) = desk.keeper.reading.last.views.values()
    return None if view.stop is None else view.stop.trigger_px


def put_back(desk: Stepped) -> None:
    """Let somebody put the stop back to where we once had it."""
    assert isinstance(desk.venue, FaultyVenue)
    key = desk.ladder().terms.key
    desk.venue.inner.act(Act(Deed.STOP, key.symbol, key.slot, price=OLD))


def told(desk: Stepped) -> int:
    return desk.alerts.count(f"btc-1: {LOOSER}")


def rows(desk: Stepped) -> int:
    return sum(each.data["row"] == "S3" for each in desk.records("transition"))


def test_loose_stop_when_it_cannot_be_set_for_minutes_then_is_told_once_and_each_row_is_kept(
    tmp_path: Path,
) -> None:
    desk = desk_where(tmp_path, (5, 15))
    put_back(desk)
    desk.poll(times=9)
    assert resting(desk) == OLD
    assert (told(desk), len(desk.records("alert"))) == (1, 1)
    assert rows(desk) >= 9
    desk.poll(times=6)
    assert resting(desk) == NEW
    assert told(desk) == 1
    desk.close()


def test_loose_stop_when_it_was_set_in_between_then_is_told_again(tmp_path: Path) -> None:
    desk = desk_where(tmp_path, (5, 8), (12, 16))
    for _ in range(2):
        put_back(desk)
        desk.poll(times=7)
        assert resting(desk) == NEW
    assert told(desk) == 2
    desk.close()
