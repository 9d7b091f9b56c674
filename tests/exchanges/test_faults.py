"""A simulated venue behind a bad line: each class of fault, when it comes, and that it repeats."""

from decimal import Decimal
from pathlib import Path

import pytest

from exchanges.errors import VenueUnavailable
from exchanges.simulated import FaultyVenue, faults_from
from machines.words import (
    AmendOrder,
    CancelOrder,
    Mutation,
    Order,
    OrderType,
    Outcome,
    OutcomeKind,
    PlaceOrder,
    Refusal,
    Role,
    SetStop,
    Snapshot,
)
from tests.exchanges.desk import BUY, KEY, Desk, at_once
from tests.exchanges.venue_files import CALM, MINUTE_MS, START_MS

WINDOW_MS = 7_000


def place(name: str, price: int = 95, kind: OrderType = OrderType.LIMIT) -> PlaceOrder:
    return PlaceOrder(KEY, name, Role.ENTRY, 1, BUY, kind, Decimal(1), Decimal(price))


def amend(name: str, price: int) -> AmendOrder:
    return AmendOrder(KEY, name, Role.ENTRY, 1, OrderType.LIMIT, Decimal(1), Decimal(price))


def cancel(name: str) -> CancelOrder:
    return CancelOrder(KEY, name, Role.ENTRY, 1)


class Line:
    """A bad line to a venue whose first bar has happened."""

    def __init__(
        self, *script: str, bars: str = CALM * 9, seed: int = 0, path: Path | None = None
    ) -> None:
        self.desk = Desk(bars, path=path)
        self.venue = FaultyVenue(self.desk.venue, faults_from({"script": list(script)}), seed)
        self.venue.advance(START_MS + MINUTE_MS)

    def send(self, *mutations: Mutation) -> list[OutcomeKind]:
        return [outcome.kind for outcome in self.heard(*mutations)]

    def heard(self, *mutations: Mutation) -> list[Outcome]:
        return at_once(self.venue.send(mutations))

    def read(self) -> Snapshot:
        return at_once(self.venue.snapshot(0))

    def wait(self, ms: int) -> None:
        self.venue.advance(self.venue.now_ms + ms)

    @property
    def orders(self) -> list[Order]:
        """What is true at the venue, whatever the line tells."""
        view = self.desk.snapshot().views.get(KEY)
        return [] if view is None else list(view.orders)

    @property
    def prices(self) -> dict[str, Decimal | None]:
        return {order.client_order_id: order.price for order in self.orders if order.status.live}

    def hit(self) -> dict[str, int]:
        return {name: count for name, count in self.venue.hits.items() if count}


# --------------------------------------------------------------------------------- requests


def test_lost_before_when_hit_then_is_unsure_and_never_takes_effect() -> None:
    line = Line("request 2 lost_before")
    assert line.send(place("a"), place("b")) == ["accepted", "unsure"]
    line.wait(MINUTE_MS)
    assert list(line.prices) == ["a"]
    assert line.hit() == {"lost_before": 1}


def test_lost_after_when_hit_then_is_unsure_and_has_taken_effect() -> None:
    line = Line("request 1 lost_after")
    (outcome,) = line.heard(place("a"))
    assert outcome == Outcome(OutcomeKind.UNSURE, None, "order a: no answer")
    assert list(line.prices) == ["a"]
    assert line.send(place("a")) == ["refused"]  # the id was used: the earlier send's success


@pytest.mark.parametrize("seed", range(20))
def test_late_when_hit_then_takes_effect_within_the_window(seed: int) -> None:
    line = Line("request 1 late", seed=seed)
    sent_ms = line.venue.now_ms
    assert line.send(place("a")) == ["unsure"]
    assert line.prices == {}
    arrives_ms = line.venue.next_ms(None)
    assert arrives_ms is not None
    assert sent_ms < arrives_ms < sent_ms + WINDOW_MS
    line.venue.advance(arrives_ms - 1)
    assert line.prices == {}
    line.venue.advance(arrives_ms)
    assert list(line.prices) == ["a"]
    assert line.hit() == {"late": 1}


def test_late_when_a_newer_request_went_through_then_undoes_it() -> None:
    line = Line("request 2 late")
    line.send(place("a", 95))
    assert line.send(amend("a", 96)) == ["unsure"]
    assert line.send(amend("a", 97)) == ["accepted"]
    assert line.prices == {"a": 97}
    line.wait(WINDOW_MS)
    assert line.prices == {"a": 96}


def test_late_when_its_order_was_sent_again_then_one_order_rests() -> None:
    line = Line("request 1 late")
    line.send(place("a", 95))
    assert line.send(place("a", 95)) == ["accepted"]
    line.wait(WINDOW_MS)
    assert list(line.prices) == ["a"]


def test_late_when_its_order_was_cancelled_meanwhile_then_rests_after_all() -> None:
    line = Line("request 1 late")
    line.send(place("a"))
    assert line.send(cancel("a")) == ["refused"]
    line.wait(WINDOW_MS)
    assert list(line.prices) == ["a"]


def test_late_when_a_bar_closes_first_then_meets_the_market_of_its_own_time() -> None:
    line = Line("request 1 late", bars=CALM + "100 100 90 90\n" + CALM.replace("100", "90") * 3)
    line.wait(MINUTE_MS - 1)
    line.send(place("a", 95))
    line.wait(WINDOW_MS)
    (fill,) = line.desk.fills
    assert (fill.price, fill.liquidity.value) == (90, "taker")
    assert START_MS + 2 * MINUTE_MS < fill.at_ms < START_MS + 2 * MINUTE_MS + WINDOW_MS


def test_late_when_several_are_under_way_then_each_arrives_in_its_turn() -> None:
    line = Line(*[f"request {n} late" for n in range(1, 6)])
    line.send(*[place(f"o{n}") for n in range(5)])
    seen: list[int] = []
    while (due := line.venue.next_ms(line.venue.now_ms + WINDOW_MS)) is not None and due < (
        START_MS + MINUTE_MS + WINDOW_MS
    ):
        line.venue.advance(due)
        seen.append(len(line.prices))
    assert seen[-1] == 5
    assert seen == sorted(seen)
    assert len(set(seen)) > 2


def test_late_when_the_venue_is_closed_meanwhile_then_never_arrives(tmp_path: Path) -> None:
    line = Line("request 1 late", path=tmp_path / "venue.db")
    line.send(place("a"))
    line.venue.close()
    line = Line(path=tmp_path / "venue.db")
    line.wait(MINUTE_MS)
    assert line.prices == {}
    line.venue.close()


def test_twice_when_hit_then_takes_effect_once_and_either_answer_is_heard() -> None:
    answers: set[tuple[str, Refusal | None]] = set()
    for seed in range(20):
        line = Line("request 1 twice", "request 2 twice", seed=seed)
        outcome, _ = line.heard(place("a"), place("b"))
        answers.add((outcome.kind.value, outcome.refusal))
        assert list(line.prices) == ["a", "b"]
        assert line.hit() == {"twice": 2}
    assert answers == {("accepted", None), ("refused", Refusal.DUPLICATE_ID)}


def test_twice_when_it_is_a_market_order_then_fills_once() -> None:
    line = Line("request 1 twice")
    line.heard(place("a", kind=OrderType.MARKET), SetStop(KEY, Decimal(90), Decimal(1)))
    assert line.desk.held == 1


def test_refused_when_hit_then_has_no_effect_and_no_reason() -> None:
    line = Line("request 1 refused")
    (outcome,) = line.heard(place("a"))
    text = "order a: refused without a reason"
    assert outcome == Outcome(OutcomeKind.REFUSED, Refusal.OTHER, text)
    assert line.orders == []


def test_busy_when_hit_then_has_no_effect() -> None:
    line = Line("request 1 busy")
    (outcome,) = line.heard(SetStop(KEY, Decimal(90), Decimal(1)))
    assert outcome == Outcome(OutcomeKind.BUSY, None, "stop of BTCUSDT: too many requests")
    assert line.orders == []


def test_malformed_when_hit_then_may_have_taken_effect() -> None:
    found: set[int] = set()
    for seed in range(20):
        line = Line("request 1 malformed", seed=seed)
        assert line.send(place("a")) == ["malformed"]
        found.add(len(line.orders))
    assert found == {0, 1}


def test_batch_when_some_are_hit_then_each_has_its_own_outcome_in_order() -> None:
    line = Line("request 2 busy", "request 3 lost_before", "request 4 twice", "request 5 late")
    kinds = line.send(place("a"), place("b"), place("c"), cancel("a"), place("e"), place("f"))
    assert kinds[:3] == ["accepted", "busy", "unsure"]
    assert kinds[3] in ("accepted", "already_done")
    assert kinds[4:] == ["unsure", "accepted"]
    assert list(line.prices) == ["f"]


# ------------------------------------------------------------------------------------ reads


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("failed_read", "account paper: no answer within the time limit"),
        ("partial_poll", "account paper: orders came, positions did not"),
        ("nonsense", "account paper: "),
    ],
)
def test_read_when_it_fails_then_nothing_is_known(fault: str, says: str) -> None:
    line = Line(f"read 2 {fault}")
    line.read()
    with pytest.raises(VenueUnavailable, match=says):
        line.read()
    assert line.read() == line.desk.snapshot()
    assert line.hit() == {fault: 1}


def test_nonsense_when_hit_then_says_what_was_wrong() -> None:
    said: set[str] = set()
    for seed in range(30):
        with pytest.raises(VenueUnavailable) as caught:
            Line("read 1 nonsense", seed=seed).read()
        said.add(str(caught.value).removeprefix("account paper: "))
    assert len(said) == 4
    assert all(": " in text for text in said)


def test_stale_read_when_hit_then_is_an_earlier_moment_by_its_own_times() -> None:
    line = Line("read 2 stale_read")
    first = line.read()
    line.wait(MINUTE_MS)
    line.send(place("a"))
    stale = line.read()
    assert stale is first
    assert stale.started_ms == stale.as_of_ms == START_MS + MINUTE_MS < line.venue.now_ms
    assert list(line.read().views[KEY].orders) == line.orders
    assert line.hit() == {"stale_read": 1}


def test_stale_read_when_there_is_no_earlier_moment_then_is_a_good_one() -> None:
    line = Line("read 1 stale_read", "read 3 stale_read")
    for _ in range(3):
        assert line.read().started_ms == line.venue.now_ms
    assert line.hit() == {}


def test_stale_read_when_it_began_in_the_millisecond_of_a_send_then_shows_that_send() -> None:
    line = Line("read 3 stale_read", "read 4 stale_read")
    line.read()
    line.send(place("a"))
    after = line.read()
    line.wait(MINUTE_MS)
    assert line.read() is line.read() is after


def test_outage_when_it_lasts_then_nothing_is_heard_and_the_market_goes_on() -> None:
    bars = CALM * 2 + "100 100 90 95\n" + CALM * 3
    line = Line("2025-01-01T00:02Z..2025-01-01T00:04Z busy", bars=bars)
    line.venue = FaultyVenue(
        line.desk.venue, faults_from({"outage": ["2025-01-01T00:02Z..2025-01-01T00:04Z"]})
    )
    line.send(place("a"))
    line.wait(MINUTE_MS)
    for _ in range(2):
        with pytest.raises(VenueUnavailable, match="no connection: the venue is down"):
            line.read()
        assert line.send(place("b"), cancel("a")) == ["unsure", "unsure"]
        line.wait(MINUTE_MS)
    assert [order.client_order_id for order in line.read().views[KEY].orders] == ["a"]
    assert line.desk.held == 1
    assert line.send(place("b")) == ["accepted"]
    assert line.hit() == {"outage": 6}


def test_script_when_it_names_a_time_then_hits_all_of_one_kind_in_it() -> None:
    line = Line("2025-01-01T00:01Z..2025-01-01T00:02Z busy")
    assert line.send(place("a"), place("b")) == ["busy", "busy"]
    line.read()
    line.wait(MINUTE_MS)
    assert line.send(place("a"), place("b")) == ["accepted", "accepted"]
