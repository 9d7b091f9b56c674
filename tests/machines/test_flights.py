"""What flights promise: one a slot, none resent in the dark, every retry with an end."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from machines.dispatch import MAX_TRIES, Dispatch, Flight, Turn, only
from machines.errors import ForbiddenTransition
from machines.flights import land, launch, resolve, restarted, slot_of
from machines.ladder import Ladder
from machines.observe import Scene, scene
from machines.words import (
    CancelOrder,
    Capabilities,
    Key,
    Mutation,
    Order,
    OrderStatus,
    OrderType,
    Outcome,
    OutcomeKind,
    PlaceOrder,
    Refusal,
    Role,
    SetStop,
    Side,
    View,
)
from tests.machines.happenings import World
from tests.machines.script import parse
from tests.machines.untraced import untraced

KEY = Key("paper", "BTCUSDT")
WINDOW_MS = Capabilities().window_ms
STOP = SetStop(KEY, Decimal(100), Decimal(1))
RUNG = PlaceOrder(
    KEY, "prefixt1g1", Role.TAKE_PROFIT, 1, Side.SELL, OrderType.LIMIT, Decimal(1), Decimal(110)
)
EXIT = PlaceOrder(KEY, "prefixx1g1", Role.EXIT, 1, Side.SELL, OrderType.MARKET, Decimal(1))

TAKEN = Outcome(OutcomeKind.ACCEPTED)
UNSURE = Outcome(OutcomeKind.UNSURE)
BUSY = Outcome(OutcomeKind.BUSY)
REFUSED = Outcome(OutcomeKind.REFUSED, Refusal.OTHER)


def opened() -> Ladder:
    world = World(parse("x", "long 1 @ 100\nstop 95\ntargets 110, 120, 130, 140\n> nothing"))
    world.happen(["opened", "at", "101"])
    assert world.ladder is not None
    return world.ladder


def looked(now_ms: int, started_ms: int | None = None, view: View | None = None) -> Scene:
    return scene(view or View(KEY), None, now_ms, Capabilities(), started_ms)


def turn(now_ms: int) -> Turn:
    return Turn(now_ms, WINDOW_MS)


def sent(ladder: Ladder, now_ms: int, *wanted: Mutation) -> tuple[Ladder, list[str]]:
    ladder, leaving, _ = launch(ladder, wanted, looked(now_ms), turn(now_ms))
    return ladder, [flight.slot for flight in leaving]


def test_slot_when_its_request_is_unknown_then_only_a_read_begun_after_the_window_frees_it() -> (
    None
):
    ladder, _ = sent(opened(), 0, RUNG)
    ladder, _ = land(ladder, slot_of(RUNG), UNSURE, turn(0))
    late = WINDOW_MS + 60_000
    held, leaving, _ = launch(ladder, [RUNG], looked(late, WINDOW_MS - 1), turn(late))
    assert (held, leaving) == (ladder, ())
    freed, leaving, _ = launch(ladder, [RUNG], looked(late, WINDOW_MS), turn(late))
    assert [(f.intent, f.tries) for f in leaving] == [(ladder.flights[0].intent, 2)]
    assert freed.intents == ladder.intents


def test_slot_when_nothing_is_wanted_after_the_window_then_is_free() -> None:
    ladder, _ = sent(opened(), 0, RUNG)
    ladder, _ = land(ladder, slot_of(RUNG), UNSURE, turn(0))
    assert launch(ladder, [], looked(WINDOW_MS - 1), turn(WINDOW_MS - 1))[0].flights
    assert not launch(ladder, [], looked(WINDOW_MS), turn(WINDOW_MS))[0].flights


def test_slot_when_the_request_is_wanted_otherwise_then_is_sent_as_wanted_now() -> None:
    ladder, _ = sent(opened(), 0, RUNG)
    ladder, _ = land(ladder, slot_of(RUNG), BUSY, turn(0))
    other = replace(RUNG, price=Decimal(111))
    _, leaving, _ = launch(ladder, [other], looked(1_000), turn(1_000))
    assert [flight.mutation for flight in leaving] == [other]


@pytest.mark.parametrize("urgent", [STOP, EXIT])
def test_stop_or_exit_when_turned_away_then_is_sent_every_second_for_ever(urgent: Mutation) -> None:
    ladder, gave_up = opened(), 0
    for second in range(4 * MAX_TRIES):
        now_ms = second * 1_000
        ladder, leaving, given_up = launch(ladder, [urgent], looked(now_ms), turn(now_ms))
        assert [flight.slot for flight in leaving] == [slot_of(urgent)], second
        ladder, _ = land(ladder, slot_of(urgent), BUSY, turn(now_ms))
        gave_up += len(given_up)
    assert gave_up == 1, "a person hears of it once while nothing changes"


def test_rung_when_turned_away_for_ever_then_is_given_up_once_and_left_alone_a_minute() -> None:
    ladder, times, told_at = opened(), [], []
    for second in range(160):
        now_ms = second * 1_000
        ladder, leaving, given_up = launch(ladder, [RUNG], looked(now_ms), turn(now_ms))
        if leaving:
            times.append(second)
            ladder, _ = land(ladder, slot_of(RUNG), BUSY, turn(now_ms))
        told_at += [second for _ in given_up]
    assert times == [0, 1, 3, 7, 15, 31, 121, 122, 124, 128, 136, 152]
    assert told_at == [61]


def told_of(ladder: Ladder, wanted: Mutation, *answers: Outcome) -> tuple[Ladder, list[str]]:
    """Ask for the same until it has been answered so; return what a person has heard."""
    told: list[str] = []
    at_ms = 0
    for answer in answers:
        at_ms = max([at_ms, *(flight.until_ms for flight in ladder.flights)])
        ladder, leaving, given_up = launch(ladder, [wanted], looked(at_ms), turn(at_ms))
        told += [flight.heard[-1] for flight in given_up]
        if leaving:
            ladder, _ = land(ladder, slot_of(wanted), answer, turn(at_ms))
    return ladder, told


@pytest.mark.parametrize("wanted", [STOP, RUNG])
def test_giving_up_when_it_is_for_another_reason_then_is_told_of_again(wanted: Mutation) -> None:
    busy, unsure = [BUSY] * 3 * MAX_TRIES, [UNSURE] * 3 * MAX_TRIES
    ladder, told = told_of(opened(), wanted, *busy, *unsure, *busy)
    op = wanted.__struct_config__.tag
    assert told == [f"{op}: turned away", f"{op}: outcome unknown"]
    assert ladder.flights[0].heard == tuple(told)


def test_giving_up_when_it_is_another_request_in_its_place_then_is_told_of_again() -> None:
    busy = [BUSY] * 2 * MAX_TRIES
    ladder, told = told_of(opened(), RUNG, *busy)
    cancel = CancelOrder(KEY, RUNG.client_order_id, RUNG.role, RUNG.n)
    _, more = told_of(ladder, cancel, *busy)
    assert (told, more) == (["place: turned away"], ["cancel: turned away"])


def test_giving_up_when_one_went_through_in_between_then_is_told_of_again() -> None:
    busy = [BUSY] * 3 * MAX_TRIES
    ladder, told = told_of(opened(), STOP, *busy, TAKEN, *busy)
    assert told == ["set_stop: turned away"] * 2
    assert restarted(ladder, turn(0)).flights[0].heard == ("set_stop: turned away",)


def test_request_given_up_when_not_wanted_any_more_then_frees_its_slot_after_its_pause() -> None:
    gave_up = Flight("i", slot_of(RUNG), RUNG, Dispatch.GAVE_UP, MAX_TRIES, 60_000)
    ladder = replace(opened(), flights=(gave_up,))
    assert restarted(ladder, turn(0)).flights == (gave_up,)
    assert launch(ladder, [], looked(59_999), turn(59_999))[0].flights == (gave_up,)
    assert launch(ladder, [], looked(60_000), turn(60_000))[0].flights == ()


def test_answer_when_nothing_is_in_flight_then_changes_nothing() -> None:
    ladder = opened()
    assert land(ladder, slot_of(RUNG), TAKEN, turn(0)) == (ladder, None)


def test_slot_when_it_has_two_requests_then_is_a_fault() -> None:
    twins = (Flight("a", "stop0", STOP), Flight("b", "stop0", STOP))
    with pytest.raises(ForbiddenTransition, match="slot stop0 has 2 requests in flight"):
        only(twins, "stop0")


def test_cancel_when_its_effect_is_seen_or_not_then_only_seeing_proves() -> None:
    cancel = CancelOrder(KEY, RUNG.client_order_id, Role.TAKE_PROFIT, 1)
    ladder, _ = sent(opened(), 0, cancel)
    ladder, _ = land(ladder, slot_of(cancel), UNSURE, turn(0))
    order = Order(
        *(RUNG.client_order_id, "v1", Side.SELL, OrderType.LIMIT, Decimal(1), Decimal(0)),
        OrderStatus.OPEN,
    )
    for shown, left in ((order, 1), (None, 1), (replace(order, status=OrderStatus.CANCELLED), 0)):
        view = View(KEY, orders=() if shown is None else (shown,))
        assert len(resolve(ladder, looked(1, view=view), turn(1)).flights) == left


ANSWERS = st.sampled_from([TAKEN, UNSURE, BUSY, REFUSED, Outcome(OutcomeKind.MALFORMED), None])
MINUTES = st.lists(
    st.tuples(
        st.integers(0, 20_000),  # time passes
        st.integers(0, 10_000),  # the read is as old as that
        st.sets(st.sampled_from([STOP, RUNG, EXIT])),  # what is wanted then
        st.lists(ANSWERS, min_size=3, max_size=3),  # and how it is answered; None: we die first
    ),
    max_size=30,
)


@untraced
@given(minutes=MINUTES)
def test_flights_when_anything_is_answered_then_the_promises_hold(
    minutes: list[tuple[int, int, set[Mutation], list[Outcome | None]]],
) -> None:
    ladder, now_ms, started_ms = opened(), 0, 0
    unsure_until: dict[str, int] = {}
    ids: set[tuple[str, int]] = set()
    for passed, age, wanted, answers in minutes:
        now_ms += passed
        started_ms = max(started_ms, now_ms - age)  # an older read is not accepted
        here = looked(now_ms, started_ms)
        ladder, leaving, given_up = launch(ladder, sorted(wanted, key=slot_of), here, turn(now_ms))
        slots = {flight.slot for flight in ladder.flights}
        assert len(slots) == len(ladder.flights), "one flight a slot"
        for flight in (*leaving, *given_up):
            assert started_ms >= unsure_until.pop(flight.slot, 0), "not again before its window"
            assert flight.tries <= MAX_TRIES, "a retry ends"
        for slot in set(unsure_until) - slots:
            assert started_ms >= unsure_until.pop(slot), "not free before its window"
        for flight in leaving:
            assert (flight.intent, flight.tries) not in ids, "one send a try"
            ids.add((flight.intent, flight.tries))
        for flight, outcome in zip(leaving, answers, strict=False):
            if outcome is None:
                ladder = restarted(ladder, turn(now_ms))
                break
            ladder, _ = land(ladder, flight.slot, outcome, turn(now_ms))
        unsure = (f for f in ladder.flights if f.state is Dispatch.UNKNOWN)
        unsure_until |= {f.slot: f.until_ms for f in unsure}
        for flight in leaving:  # each answer that tells nothing opens a whole window
            if flight.slot in unsure_until:
                assert unsure_until[flight.slot] == now_ms + WINDOW_MS
