"""What is remembered between reads: pure, so every order of events can be laid out."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from exchanges.bybit.cut import Held, Mode
from exchanges.bybit.memory import (
    DRIFT_READS,
    LOOK_UP_FOR_MS,
    LOST_AFTER_MS,
    SHOWN_WITHIN_MS,
    SKEW_MS,
    Memory,
    Torn,
)
from exchanges.bybit.wire import ExecutionRow, OrderRow
from machines.words import Key, OrderStatus, OrderType, PlaceOrder, Role, SetStop, Side, View
from tests.exchanges.bybit.payloads import EXECUTION, ORDER, changed

T0 = 1_795_219_000_000
KEY = Key("main", "BTCUSDT")
HOUR_MS = 3_600_000


def order(name: str, at_ms: int = T0, filled: str = "0", status: str = "New") -> OrderRow:
    row = changed(
        ORDER,
        orderId=f"id-{name}",
        orderLinkId=name,
        orderStatus=status,
        cumExecQty=filled,
        createdTime=str(at_ms),
        updatedTime=str(at_ms),
    )
    return msgspec.convert(row, OrderRow)


def execution(name: str, of: str, qty: str, at_ms: int = T0, seq: int = 1) -> ExecutionRow:
    row = changed(
        EXECUTION,
        execId=name,
        orderId=f"id-{of}",
        orderLinkId=of,
        side="Buy",
        execQty=qty,
        execTime=str(at_ms),
        seq=seq,
    )
    return msgspec.convert(row, ExecutionRow)


def held(qty: str, seq: int = 1) -> dict[Key, Held]:
    return {KEY: Held(Decimal(qty), Decimal(71500), None, seq)}


def placed(name: str) -> PlaceOrder:
    kind = OrderType.LIMIT
    return PlaceOrder(KEY, name, Role.ENTRY, 1, Side.BUY, kind, Decimal("0.010"), Decimal(71500))


class Account:
    """A memory, and one read after the other."""

    def __init__(self) -> None:
        self.memory = Memory(Mode("main", hedge=False))
        self.memory.start(T0, (), ())

    def read(
        self,
        *orders: OrderRow,
        positions: dict[Key, Held] | None = None,
        fills: tuple[ExecutionRow, ...] = (),
        since_ms: int = T0,
        now_ms: int = T0,
        patient: bool = False,
    ) -> View:
        self.memory.learn(fills)
        names = {row.order_link_id: row for row in orders}
        self.memory.judge(names, positions or {}, now_ms, patient=patient)
        views = self.memory.take(orders, positions or {}, since_ms, now_ms)
        return views.get(KEY, View(KEY))

    def begin(self, *orders: OrderRow, positions: dict[Key, Held] | None = None) -> None:
        with pytest.raises(Torn, match="seen twice"):
            self.read(*orders, positions=positions)
        self.read(*orders, positions=positions)


@pytest.fixture
def account() -> Account:
    return Account()


def test_first_read_when_positions_move_under_it_then_seen_until_they_rest(
    account: Account,
) -> None:
    for qty in ("0.1", "0.2"):
        with pytest.raises(Torn, match="seen twice"):
            account.read(positions=held(qty))
    assert account.read(positions=held("0.2")).net_qty == Decimal("0.2")


def test_execution_when_older_than_what_is_asked_for_then_forgotten_and_not_counted_again(
    account: Account,
) -> None:
    account.begin()
    fills = (execution("f1", "a", "0.010"),)
    ended = order("a", filled="0.010", status="Filled")
    account.memory.find([ended])
    assert len(account.read(positions=held("0.010"), fills=fills).fills) == 1
    later_ms = T0 + SKEW_MS + 1
    view = account.read(positions=held("0.010"), fills=fills, since_ms=later_ms, now_ms=later_ms)
    assert (view.fills, view.orders, view.net_qty) == ((), (), Decimal("0.010"))


def test_execution_when_it_comes_late_then_in_venue_order(account: Account) -> None:
    account.begin()
    second = execution("f2", "a", "0.004", T0 + 2, seq=3)
    first = execution("f1", "a", "0.006", T0 + 1, seq=2)
    row = order("a", filled="0.010", status="PartiallyFilled")
    with pytest.raises(Torn):
        account.read(row, positions=held("0.010", 3), fills=(second,))
    view = account.read(row, positions=held("0.010", 3), fills=(first, second))
    assert [fill.fill_id for fill in view.fills] == ["f1", "f2"]


def test_position_when_older_than_an_execution_then_torn(account: Account) -> None:
    account.begin(positions=held("0.1", 5))
    row = order("a", filled="0.010", status="PartiallyFilled")
    with pytest.raises(Torn, match="BTCUSDT is older than its executions"):
        account.read(row, positions=held("0.11", 5), fills=(execution("f", "a", "0.010", seq=6),))
    account.read(row, positions=held("0.11", 6))


def test_order_when_it_filled_before_our_time_then_its_fills_are_not_asked_for(
    account: Account,
) -> None:
    old = order("old", T0 - HOUR_MS, filled="0.004", status="PartiallyFilled")
    account.begin(old, positions=held("0.004"))
    assert account.read(old, positions=held("0.004")).orders[0].filled_qty == Decimal("0.004")


def test_difference_when_it_changes_then_counted_anew(account: Account) -> None:
    account.begin(positions=held("0.1"))
    for qty in ("0.2", "0.3"):
        for _ in range(DRIFT_READS - 1):
            with pytest.raises(Torn, match="something else than what traded"):
                account.read(positions=held(qty))
    assert account.read(positions=held("0.3")).net_qty == Decimal("0.3")


def test_difference_when_attempts_follow_then_not_counted(account: Account) -> None:
    account.begin(positions=held("0.1"))
    for _ in range(3 * DRIFT_READS):
        with pytest.raises(Torn):
            account.read(positions=held("0.2"), patient=True)


def test_missing_when_open_accepted_or_filled_then_owed_else_asked(account: Account) -> None:
    account.begin(order("open"))
    account.memory.sent(placed("sure"), T0, sure=True)
    account.memory.sent(placed("perhaps"), T0, sure=False)
    account.memory.sent(SetStop(KEY, Decimal(1), Decimal(1)), T0, sure=True)
    account.memory.learn([execution("f", "filled", "0.010")])
    missing = account.memory.missing([])
    assert set(missing.owed) == {"open", "sure", "filled"}
    assert set(missing.asked) == {"perhaps"}
    account.memory.find([order("sure", status="Cancelled")])
    assert set(account.memory.missing([order("open")]).owed) == {"filled"}


def test_placement_when_never_shown_then_looked_up_for_a_while(account: Account) -> None:
    account.begin()
    account.memory.sent(placed("perhaps"), T0, sure=False)
    account.read(now_ms=T0 + LOOK_UP_FOR_MS - 1)
    assert account.memory.missing([]).asked
    account.read(now_ms=T0 + LOOK_UP_FOR_MS)
    assert not account.memory.missing([]).asked


def test_placement_when_accepted_and_not_shown_then_waited_for_a_while(account: Account) -> None:
    account.begin()
    account.memory.sent(placed("a"), T0, sure=True)
    with pytest.raises(Torn, match="order a is not shown"):
        account.read(now_ms=T0 + SHOWN_WITHIN_MS - 1, patient=True)
    account.read(now_ms=T0 + SHOWN_WITHIN_MS, patient=True)


def test_order_when_lost_for_long_then_not_waited_for(account: Account) -> None:
    account.begin(order("a"))
    with pytest.raises(Torn, match="neither open nor ended"):
        account.read(now_ms=T0 + LOST_AFTER_MS - 1)
    assert account.read(now_ms=T0 + LOST_AFTER_MS).orders == ()


def test_end_when_found_in_vain_then_kept_for_the_cut_that_is_believed(account: Account) -> None:
    account.begin(order("a"), positions=held("0.1"))
    account.memory.find([order("a", filled="0.010", status="Filled")])
    with pytest.raises(Torn, match="order a and its fills disagree"):
        account.read(positions=held("0.11", 2))
    assert not account.memory.missing([]).owed
    view = account.read(positions=held("0.11", 2), fills=(execution("f", "a", "0.010", seq=2),))
    assert [each.status for each in view.orders] == [OrderStatus.FILLED]
