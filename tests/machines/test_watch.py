"""When a ladder must be looked at again: passing over an idle poll must change nothing."""

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from machines import observe
from machines.ladder import State
from machines.watch import Watch, watch
from machines.words import Quote
from tests.machines.happenings import START_MS
from tests.machines.scenario import SCENARIOS, Polled, Run
from tests.machines.script import Step, parse, read
from tests.machines.untraced import untraced
from tests.machines.walk import Walk


def watched(polled: Polled, run: Run) -> Watch:
    here = observe.scene(polled.view, polled.quote, polled.now_ms, run.book.capabilities)
    return watch(polled.done.ladder, here)


def due(watched: Watch, quote: Quote | None, now_ms: int) -> bool:
    if watched.every_poll or (watched.at_ms is not None and watched.at_ms <= now_ms):
        return True
    if watched.touch is not None and watched.touch.by(quote):
        return True
    trading_ms = watched.trading_ms
    return trading_ms is not None and quote is not None and trading_ms <= quote.trading_ms


@untraced
@settings(max_examples=300)
@given(seed=st.integers(0, 2**32))
def test_poll_when_said_to_be_idle_then_nothing_would_have_happened(seed: int) -> None:
    walk = Walk(seed)
    for last, polled in pairwise(walk.polls()):
        seen = last.view == polled.view and polled.before is last.done.ladder
        if seen and not due(watched(last, walk.run), polled.quote, polled.now_ms):
            assert (polled.done.taken, polled.done.mutations) == ((), ()), walk


def after(name: str, step: int) -> Watch:
    """Play a scenario up to a step, and ask then."""
    run = Run(read(SCENARIOS / f"{name}.ladder"))
    for one in run.script.steps[:step]:
        run.play_step(one)
    return watched(run.polls[-1], run)


TTL_MS = 86_400_000


@pytest.mark.parametrize(
    ("name", "step", "expected"),
    [
        ("nothing_fills_in_time", 1, Watch(every_poll=True, trading_ms=240 * 60_000)),
        ("nothing_fills_in_time", 2, Watch(trading_ms=240 * 60_000)),
        ("target_is_touched_before_any_fill", 1, Watch(every_poll=True, trading_ms=TTL_MS)),
        (
            "entries_fill_one_by_one",
            2,
            Watch(True, START_MS + 1_000),
        ),  # its stop has not been seen yet
        ("entries_fill_one_by_one", 5, Watch()),
        ("every_target_is_hit", 4, Watch(every_poll=True)),
        ("every_target_is_hit", 5, Watch()),
        ("every_target_is_hit", 9, Watch()),
        ("stop_move_is_refused_and_the_old_one_stays", 4, Watch(True, START_MS + 13_000)),
    ],
)
def test_ladder_when_asked_when_to_look_again_then_says_so(
    name: str, step: int, expected: Watch
) -> None:
    assert after(name, step) == expected


def test_rest_of_a_stop_when_it_is_to_be_chased_then_that_is_the_time() -> None:
    found = after("stop_fires_fully_filled", 4)
    assert found == Watch(every_poll=True, at_ms=START_MS + 24_000 + 1_000)


def test_refused_rung_when_its_pause_runs_then_its_end_is_the_time() -> None:
    script = read(SCENARIOS / "rung_is_rejected_three_times.ladder")
    run = Run(script)
    for step in script.steps[:3]:
        run.play_step(step)
    assert watched(run.polls[-1], run) == Watch(at_ms=START_MS + 1_000)


@pytest.mark.parametrize(
    ("name", "step", "expected"),
    [
        # Entries are quiet at 17 s; the first target is to be touched.
        ("per_rung_whole_life", 3, Watch(at_ms=START_MS + 17_000)),
        ("per_rung_whole_life", 5, Watch()),
        # A limit waits at a target until 76 s at least.
        ("per_rung_limit_waits_at_its_target", 4, Watch(True, START_MS + 76_000)),
        # What is near the market cannot be changed, and no price says when it can.
        ("pairs_entry_fills_near_the_first_target", 5, Watch(every_poll=True)),
        ("per_rung_session_ends", 4, Watch(every_poll=True)),
    ],
)
def test_order_a_rung_when_asked_when_to_look_again_then_says_so(
    name: str, step: int, expected: Watch
) -> None:
    assert replace(after(name, step), touch=None) == expected


LONG = "long 1 @ 104000\nstop 101500\ntargets 105000, 106000, 107000, 108000\nper-rung exits"
SHORT = "short 1 @ 104000\nstop 106500\ntargets 103000, 102000, 101000, 100000\nper-rung exits"


@pytest.mark.parametrize(
    ("plan", "opened", "before", "there"),
    [(LONG, 104_500, 104_999, 105_000), (SHORT, 103_500, 103_001, 103_000)],
)
def test_nearest_target_when_nothing_rests_there_then_its_price_is_waited_for(
    plan: str, opened: int, before: int, there: int
) -> None:
    script = parse("touch", f"{plan}\n> opened at {opened}\n> 12s later; fill entry 1\n> 1s later")
    run = Run(script)
    for step in script.steps:
        run.play_step(step)
    touch = watched(run.polls[-1], run).touch
    assert touch is not None
    quotes = (None, *(Quote("BTCUSDT", Decimal(px), 0, 0) for px in (before, there)))
    assert [touch.by(quote) for quote in quotes] == [False, False, True]


def test_closed_ladder_when_asked_then_never_again() -> None:
    run = Run(parse("x", "long 1 @ 100\nstop 95\ntargets 110, 120, 130, 140\n> opened at 101"))
    for words in ("opened at 101", "end entry 1 cancelled"):
        run.play_step(Step(0, (words,), ()))
    assert run.ladder is not None
    assert run.ladder.state is State.CLOSED
    assert watched(run.polls[-1], run) == Watch()
