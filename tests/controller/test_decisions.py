"""What is decided is durable before it is acknowledged, takes its turn, and ends once (SPEC §6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from controller.decisions import DecisionConflict
from controller.journal import JournalError
from machines.decision import MAX_RETRIES, Kind, Priority, Standing
from machines.ladder import State
from tests.controller.stepping import HELD, STEP_MS, Stepped, order, plan, write_bars

HOUR = 3_600_000 // STEP_MS
QUIET = ("100000",) * 40
PER_RUNG = HELD.replace("[accounts.paper]", '[accounts.paper]\nexits = "per-rung"')
Begin = Callable[..., Stepped]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """Start an account whose one position is held, on a market of these closes."""
    begun: list[Stepped] = []

    def make(
        *closes: str, names: tuple[str, ...] = ("btc-1",), faults: str = "", head: str = HELD
    ) -> Stepped:
        write_bars(tmp_path, ["100000", *(closes or QUIET)])
        text = head + faults + "".join(map(plan, names))
        stepped = Stepped(text, tmp_path)
        begun.append(stepped)
        return stepped

    yield make
    for stepped in begun:
        stepped.close()


# ------------------------------------------------------------------------ accepted, once for all


def test_decision_when_accepted_and_killed_before_it_is_done_then_is_done_after_the_restart(
    begin: Begin,
) -> None:
    desk = begin()
    accepted = desk.decide("btc-1", Kind.BOOK, id="half", fraction="0.5")
    assert accepted.standing is Standing.QUEUED
    desk.restart()
    assert desk.told("half") == accepted
    desk.poll()
    assert desk.ended("half") == "DONE"
    assert desk.ladder().held == Decimal("0.5")


def test_decision_when_it_cannot_be_made_durable_then_is_not_acknowledged(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = begin()

    def full(*_: object, **__: object) -> None:
        raise JournalError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(desk.journal, "append", full)
        with pytest.raises(JournalError):
            desk.decide("btc-1", Kind.BOOK, id="half", fraction="0.5")
    assert desk.keeper.decisions.open == {}
    desk.poll()
    assert desk.ladder().held == 1


def test_decision_when_taken_and_killed_before_it_settles_then_settles_once(begin: Begin) -> None:
    desk = begin()
    desk.decide("btc-1", Kind.BOOK, id="half", fraction="0.5")
    desk.look_once()
    assert desk.told("half").standing is Standing.EXECUTING
    desk.restart()
    desk.poll(times=3)
    assert desk.ended("half") == "DONE"
    assert desk.ladder().held == Decimal("0.5")
    assert [r.data["state"] for r in desk.records("decision")] == ["QUEUED", "EXECUTING", "DONE"]


def test_id_when_used_again_with_the_same_body_then_the_answer_is_the_same(begin: Begin) -> None:
    desk = begin()
    first = desk.decide("btc-1", Kind.BOOK, id="half", fraction="0.5")
    assert desk.decide("btc-1", Kind.BOOK, id="half", fraction="0.5") == first
    desk.poll()
    done = desk.decide("btc-1", Kind.BOOK, id="half", fraction="0.5")
    assert done.standing is Standing.DONE
    desk.restart()
    assert desk.decide("btc-1", Kind.BOOK, id="half", fraction="0.5") == done
    desk.poll(times=2)
    assert desk.ladder().held == Decimal("0.5")


@pytest.mark.parametrize("later", [False, True])
def test_id_when_used_again_with_another_body_then_is_refused(begin: Begin, *, later: bool) -> None:
    desk = begin()
    desk.decide("btc-1", Kind.BOOK, id="half", fraction="0.5")
    if later:
        desk.poll()
    with pytest.raises(DecisionConflict, match="half: was used before for another decision"):
        desk.decide("btc-1", Kind.BOOK, id="half", fraction="0.25")
    desk.poll()
    assert desk.ladder().held == Decimal("0.5")


def test_decision_when_its_ladder_is_unknown_or_closed_then_is_refused_by_name(
    begin: Begin,
) -> None:
    desk = begin()
    assert desk.decide("none", Kind.EXIT, id="a").reason == "unknown_ladder"
    desk.decide("btc-1", Kind.EXIT, id="b")
    desk.poll()
    assert (desk.ended("b"), desk.ladder().state) == ("DONE", State.CLOSED)
    assert desk.decide("btc-1", Kind.EXIT, id="c").reason == "closed"
    assert [desk.ended(one) for one in "ac"] == ["REFUSED unknown_ladder", "REFUSED closed"]
    assert desk.alerts == [
        "none: exit by person: REFUSED (unknown_ladder), decision a",
        "btc-1: exit by person: REFUSED (closed), decision c",
    ]


def test_decision_when_its_ladder_is_parked_then_is_refused(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = begin()
    desk.decide("btc-1", Kind.REBALANCE, id="waits")
    with monkeypatch.context() as broken:
        broken.setattr("machines.core.advance", lambda *_, **__: 1 / 0)
        broken.setattr("machines.core.take_one", lambda *_: 1 / 0)
        desk.poll()
    assert desk.ended("waits") == "REFUSED parked"
    assert desk.decide("btc-1", Kind.BOOK, id="late", fraction="0.5").reason == "parked"


# --------------------------------------------------------------------------- stale and expired


def test_decision_when_its_life_is_over_before_its_turn_then_expires(begin: Begin) -> None:
    desk = begin()
    desk.decide("btc-1", Kind.BOOK, id="half", fraction="0.5", expires_ms=desk.now_ms + STEP_MS)
    desk.poll()
    assert desk.ended("half") == "EXPIRED"
    assert desk.ladder().held == 1
    assert desk.alerts == ["btc-1: book by person: EXPIRED, decision half"]


@pytest.mark.parametrize(
    ("kind", "figure", "by", "life_ms"),
    [
        (Kind.SCALE_IN, {"fraction": "0.1"}, "RULE", 30_000),
        (Kind.BOOK, {"fraction": "0.1"}, "RULE", 60_000),
        (Kind.BOOK, {"fraction": "0.1"}, "person", 300_000),
        (Kind.MOVE_STOP, {"price": "95000"}, "RULE", 0),
        (Kind.EXIT, {}, "RULE", 0),
    ],
)
def test_life_when_not_given_then_is_that_of_its_kind(
    begin: Begin, kind: Kind, figure: dict[str, str], by: str, life_ms: int
) -> None:
    desk = begin()
    asked = order("btc-1", kind, "d", by=by, **figure)
    expires_ms = desk.keeper.decide(asked, desk.now_ms).order.expires_ms
    assert expires_ms == (desk.now_ms + life_ms if life_ms else 0)


def test_decision_when_the_ladder_has_moved_on_then_is_stale(begin: Begin) -> None:
    desk = begin()
    now = desk.ladder().version
    desk.decide("btc-1", Kind.BOOK, id="a", fraction="0.5", expect_version=now)
    desk.decide("btc-1", Kind.BOOK, id="b", fraction="0.5", expect_version=now)
    desk.poll()
    assert (desk.ended("a"), desk.ended("b")) == ("DONE", "REFUSED stale")
    assert desk.ladder().held == Decimal("0.5")


# ------------------------------------------------------------------------------------ in turn


def test_stop_moves_when_several_wait_then_the_tightest_is_sent_alone(begin: Begin) -> None:
    desk = begin()
    for name, price in (("a", "91000"), ("c", "93000"), ("b", "92000")):
        desk.decide("btc-1", Kind.MOVE_STOP, id=name, price=price, by="RULE")
    desk.poll()
    assert [desk.ended(one) for one in "abc"] == ["SUPERSEDED c", "SUPERSEDED c", "DONE"]
    assert desk.ladder().stop.trigger_px == 93000  # type: ignore[union-attr]
    sent = [r.data["trigger_px"] for r in desk.records("intent") if r.data["op"] == "set_stop"]
    assert sent == ["90000.00", "93000.00"]


def test_stop_moves_when_a_persons_waits_among_rules_then_his_latest_goes_first(
    begin: Begin,
) -> None:
    desk = begin()
    desk.decide("btc-1", Kind.MOVE_STOP, id="rule", price="95000", by="RULE")
    desk.decide("btc-1", Kind.MOVE_STOP, id="first", price="94000")
    desk.now_ms += 1
    desk.decide("btc-1", Kind.MOVE_STOP, id="last", price="92000")
    desk.poll()
    assert desk.ended("last") == "DONE"
    assert [desk.ended(one) for one in ("rule", "first")] == ["SUPERSEDED last"] * 2


def test_stop_moves_when_each_rung_has_a_stop_of_its_own_then_one_is_done_after_the_other(
    begin: Begin,
) -> None:
    desk = begin(head=PER_RUNG)
    desk.poll()
    for name, price in (("a", "91000"), ("b", "92000")):
        desk.decide("btc-1", Kind.MOVE_STOP, id=name, price=price)
        desk.poll()
        assert desk.ended(name) == "DONE"
    assert desk.ladder().stop.trigger_px == 92000  # type: ignore[union-attr]


def test_booking_when_an_exit_sells_the_rest_meanwhile_then_counts_its_own_part_alone(
    begin: Begin,
) -> None:
    desk = begin(head=PER_RUNG)
    desk.poll()
    desk.decide("btc-1", Kind.BOOK, id="half", fraction="0.5")
    desk.look_once()  # its room is made, and it is not sold yet
    desk.decide("btc-1", Kind.EXIT, id="out")
    desk.poll(times=2)
    assert desk.ladder().state is State.CLOSED
    assert (desk.ended("half"), desk.ended("out")) == ("DONE", "DONE")
    assert desk.told("half").filled_qty == Decimal("0.5")


def test_stop_when_behind_the_market_then_is_refused_and_the_old_one_stays(begin: Begin) -> None:
    desk = begin()
    desk.decide("btc-1", Kind.MOVE_STOP, id="typo", price="970000")
    desk.poll()
    assert desk.ended("typo") == "REFUSED behind_market"
    assert desk.ladder().stop.trigger_px == 90000  # type: ignore[union-attr]


def test_exit_when_decided_then_supersedes_what_waits(begin: Begin) -> None:
    desk = begin()
    desk.decide("btc-1", Kind.BOOK, id="book", fraction="0.5", by="RULE")
    desk.decide("btc-1", Kind.REBALANCE, id="later")
    desk.decide("btc-1", Kind.EXIT, id="out")
    desk.poll()
    assert [desk.ended(one) for one in ("book", "later", "out")] == [
        "SUPERSEDED out", "SUPERSEDED out", "DONE",
    ]  # fmt: skip
    assert desk.ladder().state is State.CLOSED


def test_bookings_when_two_wait_then_the_second_is_of_what_the_first_has_left(
    begin: Begin,
) -> None:
    desk = begin()
    desk.decide("btc-1", Kind.BOOK, id="a", fraction="0.5")
    desk.decide("btc-1", Kind.BOOK, id="b", fraction="0.5")
    desk.poll()
    assert [desk.told(one).filled_qty for one in "ab"] == [Decimal("0.5"), Decimal("0.25")]
    assert desk.ladder().held == Decimal("0.25")


def test_priorities_when_all_wait_then_each_is_handled_in_its_time(begin: Begin) -> None:
    desk = begin(names=("btc-1", "btc-2"))
    desk.poll()  # a cycle
    desk.decide("btc-1", Kind.REBALANCE, id="background")
    desk.decide("btc-1", Kind.MOVE_STOP, id="cycle", price="91000")
    desk.decide("btc-2", Kind.BOOK, id="at-once", fraction="0.5")
    desk.poll(1)
    standings = [desk.told(one).standing for one in ("at-once", "cycle", "background")]
    assert standings == [Standing.DONE, Standing.QUEUED, Standing.QUEUED]
    desk.poll(STEP_MS - 1)
    order_done = [r.data["id"] for r in desk.records("decision") if r.data["state"] == "DONE"]
    assert order_done == ["at-once", "cycle", "background"]


def test_scale_in_when_the_market_fills_a_part_of_it_then_is_done_in_part(begin: Begin) -> None:
    scarce = HELD.replace('slots = "per-ladder"', 'slots = "per-ladder"\nfill_share = "0.1"')
    desk = begin("100000", *["100000 0.5"] * 6, head=scarce)
    held = desk.ladder().held
    assert held == 1
    desk.poll(times=2)
    desk.decide("btc-1", Kind.SCALE_IN, id="more", qty="0.25")
    desk.poll(times=5)
    done = desk.told("more")
    assert (done.standing, done.partial, done.reason) == (Standing.DONE, True, "unfilled")
    assert Decimal(0) < done.filled_qty < Decimal("0.25")
    assert desk.ladder().held == held + done.filled_qty


# ------------------------------------------------------------------------- away, and back again


def outage(first: int, last: int) -> str:
    """A venue that is away from one bar to another."""

    def stamp(bar: int) -> str:
        minute, second = divmod((bar + 1) * 12, 60)
        return f"2025-01-01T{minute // 60:02d}:{minute % 60:02d}:{second:02d}Z"

    return f'[accounts.paper.faults]\noutage = ["{stamp(first)}..{stamp(last)}"]\n'


def test_venue_when_away_then_a_decision_falls_back_and_is_done_on_its_return(
    begin: Begin,
) -> None:
    desk = begin(faults=outage(1, 6))
    desk.decide("btc-1", Kind.BOOK, id="half", fraction="0.5")
    desk.poll()
    waiting = desk.told("half")
    assert (waiting.standing, waiting.retries) == (Standing.FALLBACK_RETRY, 1)
    assert waiting.due_ms == desk.now_ms + 1_000
    desk.poll(times=2)
    assert desk.told("half").retries == 3
    desk.restart()
    assert desk.keeper.decisions.open["half"].standing is Standing.FALLBACK_RETRY
    desk.poll(times=3)
    assert desk.ended("half") == "DONE"
    assert desk.ladder().held == Decimal("0.5")


def test_venue_when_away_for_an_hour_then_nothing_is_given_up(begin: Begin) -> None:
    desk = begin(*["100000"] * (HOUR + 5), faults=outage(1, HOUR + 1))
    desk.decide("btc-1", Kind.EXIT, id="out", by="RULE")
    desk.poll(times=HOUR)
    waiting = desk.told("out")
    assert waiting.standing is Standing.FALLBACK_RETRY
    assert waiting.retries < MAX_RETRIES
    desk.poll(times=2)
    assert desk.ended("out") == "DONE"


def test_venue_when_away_for_ever_then_a_decision_becomes_a_dead_letter(begin: Begin) -> None:
    desk = begin(faults=outage(1, 3_000))
    desk.decide("btc-1", Kind.EXIT, id="out", by="RULE")
    for _ in range(MAX_RETRIES + 1):
        desk.poll(600_000)
    assert desk.ended("out") == "REFUSED gave_up"
    assert desk.keeper.decisions.open == {}
    said = "exit by RULE: REFUSED (gave_up), decision out"
    assert [r.data["text"] for r in desk.records("alert") if "decision" in r.data] == [said]
    assert f"btc-1: {said}" in desk.alerts


def test_rules_decision_when_its_condition_is_gone_after_the_outage_then_is_not_done(
    begin: Begin,
) -> None:
    desk = begin(faults=outage(1, 8))
    booking = order("btc-1", Kind.BOOK, "half", by="RULE", fraction="0.5")
    desk.keeper.decide(booking, desk.now_ms)
    desk.poll(times=7)
    still = desk.told("half")
    assert still.standing is Standing.FALLBACK_RETRY, "its minute is over; its reason goes first"
    ladder, now_ms = desk.ladder(), desk.now_ms + STEP_MS
    events = desk.keeper.decisions.events(
        ladder, now_ms, cycle=True, still_true=lambda order, ladder: False
    )
    assert events == ()
    (ended,) = [d for d in desk.keeper.decisions.take_changes()[1] if d.id == "half"]
    assert ended.standing == "REFUSED"
    assert '"reason":"condition_gone"' in ended.state


def test_decisions_when_one_has_priority_given_then_that_goes_before_its_kinds(
    begin: Begin,
) -> None:
    desk = begin()
    slow = order("btc-1", Kind.MOVE_STOP, "slow", price="91000", priority=Priority.BACKGROUND)
    desk.keeper.decide(slow, desk.now_ms)
    desk.decide("btc-1", Kind.BOOK, id="fast", fraction="0.1")
    desk.poll()
    done = [r.data["id"] for r in desk.records("decision") if r.data["state"] == "DONE"]
    assert done == ["fast", "slow"]
