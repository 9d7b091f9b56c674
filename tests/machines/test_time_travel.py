"""Time travel: the clock is frozen, moved by hand, and read for every step.

The machines take the time as a number, so that these tests are the whole of it: freeze, step, move,
step. What they show is what only time brings about.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from freezegun import freeze_time
from freezegun.api import FrozenDateTimeFactory

from machines.ladder import Ladder, State
from tests.machines.happenings import START_MS
from tests.machines.scenario import Run
from tests.machines.script import Step, parse

PLAN = """
long 0.33 @ 104000, 0.33 @ 103500
stop 101500
targets 105000, 106000, 107000, 108000
"""
NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)


class Traveller:
    """A ladder whose every look at the time is a look at the frozen clock."""

    def __init__(self, clock: FrozenDateTimeFactory, header: str) -> None:
        self.clock = clock
        self.run = Run(parse("travel", f"{PLAN}{header}\n> opened at 104200"))
        self.see("opened at 104200")

    @property
    def ladder(self) -> Ladder:
        assert self.run.ladder is not None
        return self.run.ladder

    def see(self, *happens: str) -> list[str]:
        """Let things happen now, by the frozen clock, and tell what follows."""
        now = datetime.now(tz=UTC)
        self.run.now_ms = START_MS + round((now - NOON).total_seconds() * 1000)
        return self.run.play_step(Step(0, happens, ()))

    def move(self, **by: float) -> None:
        self.clock.tick(timedelta(**by))


@contextmanager
def travelling(header: str = "") -> Iterator[Traveller]:
    """Freeze the clock at noon, and open a ladder. (Not a fixture: pytest reads the clock too.)"""
    with freeze_time(NOON) as frozen:
        assert isinstance(frozen, FrozenDateTimeFactory)
        yield Traveller(frozen, header)


def test_entry_ttl_when_a_second_is_left_then_entries_rest_and_then_go() -> None:
    with travelling("entry_ttl 240m") as traveller:
        traveller.move(minutes=239, seconds=59)
        assert traveller.see("nothing") == ["nothing"]
        traveller.move(milliseconds=999)
        assert traveller.see("nothing") == ["nothing"]
        traveller.move(milliseconds=1)
        assert traveller.see("nothing") == [
            "E5 PENDING_LIMITS → CLOSING",
            "  cancel entry 1",
            "  cancel entry 2",
        ]


def test_entry_ttl_when_something_has_filled_then_never_ends() -> None:
    with travelling("entry_ttl 240m") as traveller:
        traveller.move(minutes=239)
        traveller.see("fill entry 1")
        traveller.move(days=30)
        assert traveller.see("nothing") == ["nothing"]
        assert traveller.ladder.state is State.PARTIALLY_FILLED


def test_break_even_when_behind_and_kept_then_is_tried_until_the_price_returns() -> None:
    with travelling("when_break_even_is_behind keep") as traveller:
        traveller.see("fill entry 1", "fill entry 2")
        traveller.move(seconds=12)
        assert traveller.see("market 103700", "fill tp 1")[0] == "T2b FULLY_FILLED → TP1_HIT"
        for _ in range(300):  # an hour of polls
            traveller.move(seconds=12)
            assert traveller.see("nothing") == ["ignored in TP1_HIT: break_even_due"]
        traveller.move(seconds=12)
        assert traveller.see("market 103800") == [
            "T2b TP1_HIT → itself",
            "  set_stop 0.099 @ 103750",
        ]
        traveller.move(seconds=12)
        assert traveller.see("nothing") == ["T5 TP1_HIT → STOP_AT_BREAK_EVEN"]


def test_stop_when_refused_for_three_seconds_then_the_position_is_closed() -> None:
    with travelling() as traveller:
        assert (
            traveller.see("fill entry 1", "refuse set_stop")[-1] == "S2 PARTIALLY_FILLED → itself"
        )
        for _ in range(2):
            traveller.move(milliseconds=999)
            assert traveller.see("nothing") == ["nothing"]
            traveller.move(milliseconds=1)
            refused = traveller.see("refuse set_stop")
            assert refused[-1] == "S2 PARTIALLY_FILLED → itself"
        traveller.move(seconds=1)
        assert traveller.see("refuse set_stop")[-1] == "S2 PARTIALLY_FILLED → CLOSING (alert)"
        traveller.move(seconds=1)
        assert "  place exit 1 0.33 at market (repair)" in traveller.see("nothing")


def test_rest_of_a_stop_when_two_seconds_are_over_then_is_chased() -> None:
    with travelling() as traveller:
        traveller.see("fill entry 1")
        traveller.move(hours=5)
        traveller.see("market 101400", "fill stop 0.3")
        traveller.move(milliseconds=1_999)
        assert traveller.see("nothing") == ["nothing"]
        traveller.move(milliseconds=1)
        assert traveller.see("nothing") == ["S1 CLOSING → itself", "  place exit 1 0.03 at market"]


@pytest.mark.parametrize(("age_ms", "row"), [(15_000, "T2b"), (15_001, "T2")])
def test_price_when_older_than_fifteen_seconds_then_is_unknown(age_ms: int, row: str) -> None:
    with travelling() as traveller:
        traveller.see("fill entry 1", "fill entry 2")
        traveller.move(seconds=12)
        traveller.see("market 103000", "market silent")
        traveller.move(milliseconds=age_ms)
        assert traveller.see("fill tp 1")[0].split()[0] == row


def test_clock_when_it_moves_backwards_then_nothing_is_undone() -> None:
    with travelling("entry_ttl 240m") as traveller:
        traveller.move(minutes=240)
        traveller.see("nothing")
        traveller.clock.move_to(NOON)
        assert traveller.see("nothing") == ["C1 CLOSING → CLOSED"]
