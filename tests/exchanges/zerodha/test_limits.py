"""Rate windows and the budget of modifications."""

import random
from collections import Counter
from decimal import Decimal

import pytest

from exchanges.pacing import Lane, Pacer
from exchanges.zerodha.limits import LIMITS, SECOND_MS, Kind, Waits, lane_of
from exchanges.zerodha.modifications import MOST, RESERVED, Modifications, Purpose, purpose_of
from machines.words import AmendOrder, Key, Order, OrderStatus, OrderType, Role, Side

NOW = 1_795_149_902_000
D = Decimal


class Clock:
    """Time that passes only when somebody waits."""

    def __init__(self) -> None:
        self.now = NOW

    def now_ms(self) -> int:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += round(seconds * 1_000)


class Turns:
    """Calls that leave as early as Kite's limits let them."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.pacer = Pacer(LIMITS, Waits(self.clock.now_ms, self.clock.sleep))

    async def take(self, kind: Kind, count: int, lane: Lane = Lane.ENTRY) -> list[int]:
        left: list[int] = []
        for _ in range(count):
            await self.pacer.admit(lane, kind)
            left.append(self.clock.now)
        return left


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize("seed", range(20))
async def test_limits_when_calls_come_anyhow_then_no_calendar_second_holds_more_than_ten(
    seed: int,
) -> None:
    chance, turns, seconds = random.Random(seed), Turns(), Counter[int]()
    for _ in range(60):
        turns.clock.now += chance.choice((0, 0, 50, 700))
        lane = chance.choice((Lane.STOP, Lane.ENTRY))
        (left_ms,) = await turns.take(Kind.ORDER, 1, lane)
        seconds[(left_ms + chance.randrange(100) + 37 * seed) // 1_000] += 1
    assert max(seconds.values()) <= 10


async def test_limits_when_entries_fill_their_share_then_stops_still_leave() -> None:
    turns = Turns()
    assert await turns.take(Kind.ORDER, 8) == [NOW] * 8
    assert await turns.take(Kind.ORDER, 2, Lane.STOP) == [NOW] * 2
    assert await turns.take(Kind.ORDER, 1) == [NOW + SECOND_MS]


async def test_limits_when_quotes_are_asked_then_one_a_second() -> None:
    assert await Turns().take(Kind.QUOTE, 3) == [NOW, NOW + SECOND_MS, NOW + 2 * SECOND_MS]
    assert set(LIMITS) == set(Kind)


@pytest.mark.parametrize(
    ("role", "ends", "lane"),
    [
        (Role.STOP_LOSS, False, Lane.STOP),
        (Role.EXIT, False, Lane.EXIT),
        (Role.TAKE_PROFIT, False, Lane.EXIT),
        (Role.ENTRY, False, Lane.ENTRY),
        (Role.ENTRY, True, Lane.CANCEL_ENTRY),
        (Role.STOP_LOSS, True, Lane.STOP),
    ],
)
def test_lane_when_a_request_is_about_an_order_then_by_its_role(
    role: Role, ends: bool, lane: Lane
) -> None:
    assert lane_of(role, ends=ends) is lane


def order(kind: OrderType = OrderType.STOP_LIMIT, side: Side = Side.SELL) -> Order:
    return Order("a", "1", side, kind, D(85), D(0), OrderStatus.OPEN, D(1470), D(1485))


def amend(kind: OrderType, trigger: str | None, qty: int = 85) -> AmendOrder:
    trigger_px = None if trigger is None else D(trigger)
    return AmendOrder(
        Key("kite", "INFY"), "a", Role.STOP_LOSS, 1, kind, D(qty), D(1470), trigger_px
    )


@pytest.mark.parametrize(
    ("asked", "purpose"),
    [
        (amend(OrderType.STOP_LIMIT, "1485", qty=90), Purpose.ORDINARY),
        (amend(OrderType.STOP_LIMIT, "1490"), Purpose.ORDINARY),
        (amend(OrderType.STOP_LIMIT, "1485", qty=60), Purpose.EXIT),
        (amend(OrderType.STOP_LIMIT, "1500"), Purpose.BREAK_EVEN),
        (amend(OrderType.STOP_LIMIT, "1501"), Purpose.BREAK_EVEN),
        (amend(OrderType.LIMIT, None), Purpose.EXIT),
        (amend(OrderType.MARKET, None), Purpose.EXIT),
    ],
)
def test_purpose_when_a_long_is_modified_then_by_what_changes(
    asked: AmendOrder, purpose: Purpose
) -> None:
    assert purpose_of(asked, order(), D(1500)) is purpose


def test_purpose_when_a_short_is_guarded_then_mirrored() -> None:
    short = order(side=Side.BUY)
    assert purpose_of(amend(OrderType.STOP_LIMIT, "1510"), short, D(1500)) is Purpose.ORDINARY
    assert purpose_of(amend(OrderType.STOP_LIMIT, "1499"), short, D(1500)) is Purpose.BREAK_EVEN


def test_modifications_when_twenty_are_spent_then_only_exits_and_break_even() -> None:
    made = Modifications()
    made.placed("1")
    for _ in range(MOST - RESERVED):
        assert made.allows("1", Purpose.ORDINARY)
        made.count("1")
    assert not made.allows("1", Purpose.ORDINARY)
    for _ in range(RESERVED):
        assert made.allows("1", Purpose.EXIT)
        made.count("1")
    assert not made.allows("1", Purpose.BREAK_EVEN)


def test_modifications_when_recalled_from_a_history_then_counted() -> None:
    made = Modifications()
    assert not made.known("1")
    made.recall("1", ["OPEN", "MODIFY VALIDATION PENDING", "MODIFIED", "OPEN"] * 3)
    assert made.left("1") == MOST - 3
    made.forget(["2"])
    assert not made.known("1")
