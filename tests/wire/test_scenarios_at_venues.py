"""The core's scenario files at three venues: the same states, the same entry fills.

*Source*: issue 6, what it must show, 2. `tests.wire.expressed` says which files a market can play.
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import msgspec
import pytest

from machines import core
from machines.ladder import Ladder, State, parse_order_id
from machines.planning import Setting, open_ladder, refuse_at_start
from machines.words import ZERO, Event, Fill, Role, Snapshot, Trigger, View
from tests.machines.happenings import World
from tests.machines.scenario import corpus
from tests.machines.script import Script
from tests.wire.expressed import CannotSay, Expressed, express
from tests.wire.stages import STAGES, Stage, scaled

APART = (
    "decided_book_fills_in_the_poll_of_tp1",
    "entry_fills_in_the_poll_in_which_the_rung_emptied_it",
    "two_rungs_are_hit_in_one_poll",
)
"""What fills in one poll of these is converted at Zerodha rung by rung, look by look."""
STOP_BUFFER = Decimal("0.005")
"""How far a stop-limit's limit lies beyond its trigger (SPEC §9); touch_slack is within it."""


class Played(msgspec.Struct):
    """What came of a scenario at a venue, in the scenario's units."""

    states: list[str]
    entries: dict[int, tuple[Decimal, Decimal]]
    """Quantity and average price by entry."""
    sold: Decimal
    sold_px: Decimal
    """Average; zero when nothing was."""


class Player:
    """Keeps one ladder at a stage as the controller does: read, advance, send."""

    def __init__(self, stage: Stage, ladder: Ladder) -> None:
        self.stage = stage
        self.ladder = ladder
        self.states: list[str] = []
        self.view = View(ladder.terms.key)

    @classmethod
    async def start(cls, stage: Stage, play: Expressed) -> Player:
        """Open the ladder, and look until nothing more is asked."""
        began_ms, venue = stage.now_ms(), stage.venue
        spec = scaled(play.script.spec, stage.scale)
        snapshot = await stage.look(began_ms)
        quote, grid = snapshot.quotes[spec.symbol], venue.instruments[spec.symbol]
        setting = Setting(grid, venue.fees(spec.symbol), venue.capabilities)
        assert refuse_at_start(spec, quote, setting) == []
        key = venue.key_for(spec.symbol, spec.name, spec.side.value)
        player = cls(stage, open_ladder(spec, setting, key, quote, began_ms))
        await player._act(snapshot, (Event(Trigger.PLAN_ACCEPTED, began_ms),))
        return player

    async def poll(self, asked: tuple[Event, ...] = ()) -> None:
        """Look and act as often as the venue needs for one poll of the file."""
        for n in range(self.stage.looks):
            snapshot = await self.stage.look(self.ladder.terms.opened_ms)
            await self._act(snapshot, () if n else asked)

    async def _act(self, snapshot: Snapshot, asked: tuple[Event, ...]) -> None:
        stage, key = self.stage, self.ladder.terms.key
        view = self.view = snapshot.views.get(key, View(key))
        quote, can = snapshot.quotes.get(key.symbol), stage.venue.capabilities
        if self.ladder.state is State.CLOSED:
            return
        done = core.advance(
            *(self.ladder, view, quote, stage.now_ms(), can),
            asked=asked,
            started_ms=snapshot.started_ms,
        )
        self._took(done.ladder, done.taken)
        outcomes = await stage.venue.send(done.mutations)
        for mutation, outcome in zip(done.mutations, outcomes, strict=True):
            ladder, taken = core.answer(
                *(self.ladder, mutation, outcome, quote, stage.now_ms()), window_ms=can.window_ms
            )
            self._took(ladder, taken)

    def _took(self, ladder: Ladder, taken: tuple[core.Taken, ...]) -> None:
        self.ladder = ladder
        for step in taken:
            if not self.states or self.states[-1] != step.after:
                self.states.append(str(step.after))

    def played(self) -> Played:
        """Sum up, in the scenario's units."""
        fills, scale = self.view.fills, self.stage.scale
        shown = [msgspec.structs.replace(each, qty=each.qty / scale) for each in fills]
        return summed(self.states, shown, self.ladder)


def summed(states: list[str], fills: list[Fill], ladder: Ladder) -> Played:
    """Sum fills up by entry, and what was sold."""
    entries: dict[int, tuple[Decimal, Decimal]] = {}
    sold = sold_for = ZERO
    for fill in fills:
        named = parse_order_id(ladder.terms, fill.client_order_id)
        if named is None or named[0] is not Role.ENTRY:
            sold, sold_for = sold + fill.qty, sold_for + fill.qty * fill.price
            continue
        qty, px = entries.get(named[1], (ZERO, ZERO))
        total = qty + fill.qty
        entries[named[1]] = (total, (px * qty + fill.price * fill.qty) / total)
    return Played(states, entries, sold, sold_for / sold if sold else ZERO)


def sayable() -> list[Expressed]:
    """Return what a market can play."""
    found: list[Expressed] = []
    for script in corpus():
        try:
            found.append(express(script))
        except CannotSay:
            continue
    return found


async def play(stage: Stage, scenario: Expressed) -> Played:
    """Let a scenario happen at a stage."""
    player = await Player.start(stage, scenario)
    for scene in scenario.scenes:
        stage.wait(scene.wait_ms)
        for price in scene.prices:
            stage.move(price)
        events = [decided(scenario.script, words, stage) for words in scene.decided]
        await player.poll(tuple(events))
    return player.played()


def decided(script: Script, words: str, stage: Stage) -> Event:
    """Make the event of what is decided, in the venue's units."""
    world = World(script)
    world.now_ms = stage.now_ms()
    world.happen(["decide", *words.split()])
    (event,) = world.asked
    return msgspec.structs.replace(event, qty=event.qty * stage.scale)


def has_minimum(scenario: Expressed) -> bool:
    """Tell whether an order may be too small: Kite knows no minimum beyond a share."""
    grid = scenario.script.instrument
    return grid.min_qty > grid.step or grid.min_notional > grid.step * scenario.start


def expressible(name: str, scenario: Expressed) -> bool:
    """Tell whether a venue can express what a market can play."""
    apart = scenario.script.name in APART or has_minimum(scenario)
    return name != "zerodha" or not apart


PLAYS = sayable()
CASES = [(name, each) for each in PLAYS for name in STAGES if expressible(name, each)]


@pytest.fixture
def anyio_backend() -> str:
    """Sockets and threads are real here: one backend is enough."""
    return "asyncio"


@pytest.mark.parametrize(
    ("name", "scenario"), CASES, ids=[f"{name}-{each.script.name}" for name, each in CASES]
)
async def test_scenario_when_played_at_a_venue_then_states_and_entry_fills_are_the_same(
    monkeypatch: pytest.MonkeyPatch, name: str, scenario: Expressed
) -> None:
    async with STAGES[name](scenario, monkeypatch) as stage:
        found = await play(stage, scenario)
    want = summed(list(scenario.states), list(scenario.fills), scenario.ladder)
    assert found.states == want.states
    assert found.entries == want.entries
    assert found.sold == want.sold
    if want.sold:
        assert abs(found.sold_px / want.sold_px - 1) <= STOP_BUFFER


def test_scenarios_when_a_market_is_asked_then_it_can_play_whole_lives() -> None:
    ends = Counter((name, each.states[-1]) for name, each in CASES)
    assert {name for name, _ in ends} == set(STAGES)
    assert ends["bybit", "CLOSED"] >= 8
    assert ends["zerodha", "CLOSED"] >= 6
    assert ends["zerodha", "STOP_AT_BREAK_EVEN"] >= 8
    assert set(APART) <= {each.script.name for each in PLAYS}
