"""Unprotected time: from the venue's time of the fill until the stop is accepted (SPEC §4)."""

from itertools import product

import pytest

from machines.ladder import Ladder, State
from tests.machines.scenario import Run
from tests.machines.script import Step, parse

PLANS = {
    "long": "long 1 @ 100\nstop 95\ntargets 110, 120, 130, 140",
    "short": "short 1 @ 100\nstop 105\ntargets 90, 80, 70, 60",
}
STYLES = {"set_stop": "", "place stop": "conditional stop"}
EVERY = list(product(PLANS, STYLES))


GONE = {"set_stop": "stop gone", "place stop": "end stop cancelled"}


class Story:
    """A ladder of one entry that is about to fill."""

    def __init__(self, side: str, stop: str, header: str = "") -> None:
        self.stop = stop
        told = f"{PLANS[side]}\n{STYLES[stop]}\n{header}\n> nothing"
        self.run = Run(parse("cover", told))
        self.see("opened at 101" if side == "long" else "opened at 99")

    @property
    def ladder(self) -> Ladder:
        assert self.run.ladder is not None
        return self.run.ladder

    def see(self, *happens: str) -> list[str]:
        return self.run.play_step(Step(0, happens, ()))

    def naked(self) -> None:
        """Let the entry fill, and nobody ever say whether there is a stop."""
        self.see("fill entry 1", f"unsure {self.stop}")
        self.see("7s later", f"unsure {self.stop}")
        self.see("7s later", f"unsure {self.stop}")


@pytest.mark.parametrize(("side", "stop"), EVERY)
def test_fill_when_seen_three_seconds_late_then_they_count_up_to_the_acceptance(
    side: str, stop: str
) -> None:
    story = Story(side, stop)
    story.see("12s later")
    story.see("fill entry 1", "3s later")
    assert (story.ladder.unprotected_ms, story.ladder.naked_since_ms) == (3_000, None)
    story.see("12s later")
    assert story.ladder.unprotected_ms == 3_000


@pytest.mark.parametrize(("side", "stop"), EVERY)
def test_fill_when_the_stop_is_refused_once_then_the_time_until_the_next_counts(
    side: str, stop: str
) -> None:
    story = Story(side, stop)
    story.see("fill entry 1", "2s later", f"refuse {stop}")
    assert story.ladder.naked_since_ms == story.run.now_ms - 2_000
    story.see("1s later")
    assert (story.ladder.unprotected_ms, story.ladder.naked_since_ms) == (3_000, None)


@pytest.mark.parametrize(("side", "stop"), EVERY)
def test_stop_when_it_goes_and_another_is_accepted_then_spans_add_up(side: str, stop: str) -> None:
    story = Story(side, stop)
    story.see("fill entry 1", "1s later")
    for _ in range(2):
        story.see("12s later", GONE[stop])
        assert story.ladder.unprotected_ms == 1_000  # seen and set again at once
    story.see(
        "12s later", "stop gone" if stop == "set_stop" else "end stop cancelled", f"busy {stop}"
    )
    story.see("1s later")
    assert (story.ladder.unprotected_ms, story.ladder.naked_since_ms) == (2_000, None)


@pytest.mark.parametrize(("side", "stop"), EVERY)
def test_stop_when_larger_fill_is_not_covered_yet_then_only_a_conditional_one_falls_short(
    side: str, stop: str
) -> None:
    story = Story(side, stop)
    story.see("fill entry 1 0.4")
    story.see("12s later")
    story.see("fill entry 1 0.6", "2s later")
    assert story.ladder.unprotected_ms == (0 if stop == "set_stop" else 2_000)


@pytest.mark.parametrize(("side", "stop"), EVERY)
def test_exit_when_younger_than_five_seconds_then_covers_what_it_sells(
    side: str, stop: str
) -> None:
    story = Story(side, stop)
    story.naked()
    story.see("1s later")
    assert (story.ladder.unprotected_ms, story.ladder.naked_since_ms) == (15_000, None)
    story.see("4999ms later")
    assert story.ladder.naked_since_ms is None
    story.see("1ms later")
    assert story.ladder.naked_since_ms == story.run.now_ms


@pytest.mark.parametrize(("side", "stop"), EVERY)
def test_naked_policy_when_close_then_acts_at_fifteen_seconds_and_not_before(
    side: str, stop: str
) -> None:
    story = Story(side, stop)
    story.naked()
    assert story.see("999ms later") == ["nothing"]
    assert story.see("1ms later")[0] == "S2 FULLY_FILLED → CLOSING (alert)"
    assert story.ladder.exiting == story.ladder.held


@pytest.mark.parametrize(("side", "stop"), EVERY)
def test_naked_policy_when_alert_then_says_so_once_and_goes_on(side: str, stop: str) -> None:
    story = Story(side, stop, "naked_policy alert")
    story.naked()
    assert story.see("999ms later") == ["nothing"]
    assert story.see("1ms later") == ["S2 FULLY_FILLED → itself (alert)"]
    assert story.see("1s later") == ["nothing"]
    sent = story.see("5s later")
    assert len(sent) == 1
    assert sent[0].strip().startswith(stop)
    assert (story.ladder.unprotected_ms, story.ladder.state) == (21_000, State.FULLY_FILLED)
    assert not story.ladder.naked_told


def test_naked_policy_when_detected_late_then_counts_from_the_detection() -> None:
    story = Story("long", "set_stop")
    story.see("fill entry 1", "10s later", "unsure set_stop")
    story.see("7s later", "unsure set_stop")
    story.see("7s later", "unsure set_stop")
    assert story.see("999ms later") == ["nothing"]
    assert story.see("1ms later")[0] == "S2 FULLY_FILLED → CLOSING (alert)"
    assert story.ladder.unprotected_ms == 25_000
