"""`enhanced_tp_sl = false`: quantities of what rests are kept right, and nothing else is done."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import anyio
import msgspec
import pytest

from controller.accounts import build_accounts, with_book
from controller.config import load
from controller.journal import Journal
from controller.rebalancer import EVERY_MS, RETRY_MS, Rebalancer
from controller.recovery import Where, recover
from exchanges.simulated import SimulatedVenue
from exchanges.simulated.acts import Act, Deed
from machines.decision import Decision, Kind, Standing
from machines.errors import InvalidSpec
from machines.ladder import State
from machines.words import AmendOrder, Mutation, OutcomeKind, PositionStop
from tests.controller.cut_line import CutLine
from tests.controller.handmade import BARS, QUIET, by_hand, call, job, long_of, resting, rows, shown
from tests.controller.plans import POSITION
from tests.controller.stepping import order

OFF = "enhanced_tp_sl = false"
NAME = "btcusdt-adopted"
MINUTE_MS = 60_000
BEGINS_MS = 1_735_689_600_000


def adopted(path: Path) -> Path:
    """Let a long be built by hand and be adopted."""
    by_hand(path, long_of())
    assert call("adopt", "paper", "BTCUSDT", "--config", path, "--apply").exit_code == 0
    return path


def sent(path: Path) -> list[tuple[float, str, str]]:
    """Tell what was asked of the venue: in which minute, what, and how much."""
    told = call("history", NAME, "--config", path, "--json").stdout.splitlines()
    found = [json.loads(line) for line in told]
    return [
        (
            (each["at_ms"] - BEGINS_MS) / MINUTE_MS,
            f"{each['op']} {each['role']} {each.get('rung', '')}".strip(),
            each["qty"],
        )
        for each in found
        if each["kind"] == "intent"
    ]


class Switched:
    """An account in a test's hands, kept by the rebalancer."""

    def __init__(self, path: Path) -> None:
        config = load(path)
        (begun,) = build_accounts(config).values()
        venue = with_book(begun).venue
        assert isinstance(venue, SimulatedVenue), "no faults are configured"
        self.venue = venue
        self.line = CutLine(self.venue)
        self.now_ms = self.venue.now_ms
        self.journal = Journal(config.controller.state)
        self.heard: list[str] = []
        where = {"paper": Where(self.now_ms, 7_000)}
        found = recover(self.journal, where, config.positions)["paper"]
        self.keeper = Rebalancer(
            self.line, self.journal, found.plans, found.kept,
            on_alert=lambda _, text, __: self.heard.append(text),
        )  # fmt: skip

    def look(self, later_ms: int = 0) -> None:
        """Let time pass and the rebalancer look, as often as a poll would."""
        self.now_ms += later_ms
        self.venue.advance(self.now_ms)
        anyio.run(self.keeper.settle, self.now_ms)

    def does(self, deed: Deed, qty: str) -> None:
        act = Act(deed, "BTCUSDT", qty=Decimal(qty))
        assert self.venue.act(act).kind is OutcomeKind.ACCEPTED

    def asks(self, kind: Kind = Kind.REBALANCE, **more: object) -> Decision:
        return self.keeper.decide(order(NAME, kind, f"d{self.now_ms}", **more), self.now_ms)

    def told(self, decision_id: str) -> Decision:
        row = self.journal.decision(decision_id)
        assert row is not None
        return msgspec.json.decode(row.state, type=Decision)

    def close(self) -> None:
        self.venue.close()
        self.journal.close()


@pytest.fixture
def switched(tmp_path: Path) -> Iterator[Switched]:
    """The rebalancer on an adopted long of 0.66, its first look done."""
    found = Switched(adopted(job(tmp_path, controller=OFF, bars=QUIET * 90)))
    found.look()
    found.line.sent.clear()
    yield found
    found.close()


def quantities(sent: list[Mutation]) -> list[str]:
    assert all(isinstance(each, AmendOrder) for each in sent)
    return [f"{each.role} {each.n} {each.qty}" for each in sent if isinstance(each, AmendOrder)]


def test_run_when_it_is_switched_off_then_amends_quantities_every_five_minutes(
    tmp_path: Path,
) -> None:
    (tmp_path / "acts").write_text("2025-01-01T00:07Z buy BTCUSDT 0.34\n")
    path = adopted(job(tmp_path, controller=OFF, more='acts = "acts"', bars=QUIET * 20))
    before = shown(path)
    assert call("run", "--config", path, "--quiet").exit_code == 0
    assert sent(path) == [
        (1, "amend take_profit 1", "0.561"),
        (11, "amend take_profit 1", "0.850"),
        (11, "amend take_profit 2", "0.050"),
        (11, "amend take_profit 3", "0.050"),
        (11, "amend take_profit 4", "0.050"),
    ]
    after = shown(path)
    assert after.stop == before.stop
    assert resting(after) == {
        "hand-tp3": "0.050 @ 107000",
        "hand-tp1": "0.850 @ 105000",
        "hand-tp2": "0.050 @ 106000",
        "hand-tp4": "0.050 @ 108000",
        "hand-more": "0.34 @ 103000",
    }
    assert rows(path, NAME) == []


def test_run_when_switched_on_again_then_the_state_machine_sees_all_that_happened(
    tmp_path: Path,
) -> None:
    bars = "".join(BARS.splitlines(keepends=True)[:6])
    path = adopted(job(tmp_path, controller=OFF, bars=bars))
    assert call("run", "--config", path, "--quiet").exit_code == 0
    assert rows(path, NAME) == []  # the entry has filled, and TP1
    path.write_text(path.read_text().replace(OFF, ""))
    assert call("run", "--config", path, "--quiet").exit_code == 0
    assert rows(path, NAME) == ["E3", "T2", "T5"]
    assert shown(path).stop != PositionStop(Decimal(101_500))


def test_run_when_it_is_switched_off_then_opens_no_plan_and_says_so(tmp_path: Path) -> None:
    path = job(tmp_path, controller=OFF, more=POSITION.replace("101500", "-2%"))
    result = call("run", "--config", path, "--quiet")
    assert result.exit_code == 1
    said = "only the conservative rebalancer runs; not opened: btc-1"
    assert f"{OFF}: {said}" in result.stdout
    assert shown(path).orders == ()


def test_rebalancer_when_it_is_not_time_then_does_nothing(switched: Switched) -> None:
    switched.does(Deed.BUY, "0.34")
    switched.look(EVERY_MS - 1)
    assert switched.line.sent == []
    switched.look(1)
    assert len(switched.line.sent) == 4


def test_rebalancer_when_asked_then_looks_at_once_and_the_decision_is_done(
    switched: Switched,
) -> None:
    switched.does(Deed.BUY, "0.34")
    switched.look(12_000)
    decision = switched.asks()
    assert decision.standing is Standing.QUEUED
    switched.look()
    assert quantities(switched.line.sent) == [
        "take_profit 1 0.850",
        "take_profit 2 0.050",
        "take_profit 3 0.050",
        "take_profit 4 0.050",
    ]
    assert switched.told(decision.id).standing is Standing.DONE
    assert switched.asks() == switched.told(decision.id)  # the same id, the same answer


def test_rebalancer_when_tried_without_doing_it_then_tells_by_its_last_look(
    switched: Switched,
) -> None:
    asked = order(NAME, Kind.REBALANCE, "x")
    switched.look(EVERY_MS)
    assert switched.keeper.would(asked, switched.now_ms) == ["nothing would be done"]
    switched.does(Deed.BUY, "0.34")
    switched.line.busy = True
    switched.look(EVERY_MS)
    assert switched.keeper.would(asked, switched.now_ms)[:2] == [
        "rebalance take_profit 1: 0.561 → 0.850",
        "rebalance take_profit 2: 0.033 → 0.050",
    ]


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (Kind.EXIT, {}),
        (Kind.BOOK, {"fraction": "0.5"}),
        (Kind.SCALE_IN, {"fraction": "0.5"}),
        (Kind.MOVE_STOP, {"price": "103000"}),
        (Kind.RELEASE, {}),
    ],
)
def test_rebalancer_when_anything_else_is_decided_then_refuses_it(
    switched: Switched, kind: Kind, more: dict[str, object]
) -> None:
    with pytest.raises(InvalidSpec, match=f"^{kind}: refused; {OFF}: only the conservative"):
        switched.asks(kind, **more)
    with pytest.raises(InvalidSpec, match=f"^{kind}: refused; {OFF}"):
        switched.keeper.would(order(NAME, kind, "x", **more), switched.now_ms)
    assert switched.journal.decision(f"d{switched.now_ms}") is None


def test_rebalancer_when_a_plan_is_opened_then_refuses_it(switched: Switched) -> None:
    spec = switched.keeper.kept[NAME].ladder.terms.spec
    with pytest.raises(InvalidSpec, match=f"not opened; {OFF}"):
        switched.keeper.add_plan(spec, switched.now_ms)


def test_rebalancer_when_the_venue_is_away_then_looks_as_soon_as_it_is_back(
    switched: Switched,
) -> None:
    switched.does(Deed.SELL, "0.30")
    switched.line.away = True
    switched.look(EVERY_MS)
    assert switched.keeper.eager(switched.now_ms)
    switched.look(12_000)
    assert switched.heard == ["venue away: account paper: the line is cut"]
    switched.line.away = False
    switched.look(12_000)
    assert len(switched.line.sent) == 4
    assert not switched.keeper.eager(switched.now_ms)


def test_rebalancer_when_turned_away_then_tries_again_in_a_minute(switched: Switched) -> None:
    switched.does(Deed.SELL, "0.30")
    switched.line.busy = True
    switched.look(EVERY_MS)
    switched.line.busy = False
    switched.look(RETRY_MS - 1)
    assert switched.line.sent == []
    switched.look(1)
    assert len(switched.line.sent) == 4


def test_rebalancer_when_something_cannot_be_made_to_fit_then_says_so_once(
    switched: Switched,
) -> None:
    switched.does(Deed.SELL, "0.655")
    for _ in range(3):
        switched.look(EVERY_MS)
    (said,) = switched.heard
    assert "would be too small a part of what is held: left as they rest" in said
    assert switched.line.sent == []


def test_rebalancer_when_it_has_sold_all_then_leaves_the_rest_to_a_person(
    switched: Switched,
) -> None:
    switched.does(Deed.SELL, "0.66")
    switched.look(EVERY_MS)
    anyio.run(switched.keeper.get_out, switched.now_ms)
    assert switched.line.sent == []
    assert switched.keeper.kept[NAME].ladder.state is State.PARTIALLY_FILLED
