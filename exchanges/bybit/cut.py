"""Whether several answers fit together into one cut of an account. Pure.

Bybit feeds orders, executions and positions separately and promises nothing between them. Three
things must add up before a read is believed: what positions changed by and what traded since; what
an order says it filled and its executions; what was accepted and what is shown. *Source*:
venues/bybit.md §7.1, RELIABILITY S11.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

from exchanges.bybit import parse
from exchanges.bybit.wire import ExecutionRow, OrderRow, PositionRow
from machines.words import (
    ZERO,
    AmendOrder,
    CancelOrder,
    Fill,
    Key,
    Mutation,
    PlaceOrder,
    PositionStop,
    SetStop,
)


class Execution(msgspec.Struct, frozen=True):
    """A fill, with whose it is."""

    key: Key
    order_id: str
    seq: int
    fill: Fill


class Held(msgspec.Struct, frozen=True):
    """A position as one read shows it."""

    net_qty: Decimal = ZERO
    avg_px: Decimal = ZERO
    stop: PositionStop | None = None
    seq: int = -1


NOTHING = Held()


class Mode(msgspec.Struct, frozen=True):
    """How positions are kept on this account."""

    account: str
    hedge: bool

    def executions(self, rows: Iterable[ExecutionRow]) -> list[Execution]:
        """Read executions that changed a quantity, oldest first. *Raises*: Misread."""
        return [
            Execution(
                Key(self.account, row.symbol, parse.fill_slot(row, hedge=self.hedge)),
                row.order_id,
                row.seq,
                parse.fill(row),
            )
            for row in parse.in_venue_order(rows)
            if parse.is_trade(row)
        ]

    def positions(self, rows: Iterable[PositionRow]) -> dict[Key, Held]:
        """Read positions. *Raises*: Misread, also when the account's mode is another one."""
        found: dict[Key, Held] = {}
        for row in rows:
            key = self.key(row.symbol, row.position_idx)
            avg_px = parse.price(row.avg_price, f"position {row.symbol}: avgPrice") or ZERO
            net = parse.net_qty(row)
            found[key] = Held(net, avg_px if net else ZERO, parse.position_stop(row), row.seq)
        return found

    def key(self, symbol: str, index: int) -> Key:
        """Name the key of a position index. *Raises*: Misread, also in another mode."""
        key = parse.position_key(self.account, symbol, index)
        if bool(key.slot) is not self.hedge:
            now = "hedge" if key.slot else "one-way"
            raise parse.Misread(f"position {symbol}: the account is in {now} mode now")
        return key


def drift(
    held: Mapping[Key, Held], before: Mapping[Key, Held], since: Iterable[Execution]
) -> dict[Key, Decimal]:
    """Return by how much each position differs from what it was and what traded since."""
    expected = {key: was.net_qty for key, was in before.items()}
    for execution in since:
        fill = execution.fill
        was = expected.get(execution.key, ZERO)
        expected[execution.key] = was + fill.side.sign * fill.qty
    found = {
        key: held.get(key, NOTHING).net_qty - expected.get(key, ZERO)
        for key in expected.keys() | held.keys()
    }
    return {key: difference for key, difference in found.items() if difference}


def behind(held: Mapping[Key, Held], since: Iterable[Execution]) -> str | None:
    """Name a position row that is older than an execution of its symbol."""
    for execution in since:
        shown = held.get(execution.key)
        if shown is not None and 0 <= shown.seq < execution.seq:
            return f"position {execution.key.symbol} is older than its executions"
    return None


def untold(row: OrderRow, filled: Mapping[str, Decimal]) -> str | None:
    """Say that an order's filled quantity is not what its executions add up to, or None."""
    name = f"order {row.order_link_id}"
    shown = parse.number(row.cum_exec_qty, name) or ZERO
    return None if shown == filled.get(row.order_id, ZERO) else f"{name} and its fills disagree"


def unseen(
    mutation: Mutation, orders: Mapping[str, OrderRow], held: Mapping[Key, Held]
) -> str | None:
    """Say what a read does not show yet of an accepted request. ``orders`` by client order id."""
    if isinstance(mutation, SetStop):
        found = held.get(mutation.key, NOTHING)
        shown = None if found.stop is None else found.stop.trigger_px
        if not found.net_qty or shown == mutation.trigger_px:
            return None
        return f"the stop of {mutation.key.symbol} is not shown at its new price"
    name = mutation.client_order_id
    row = orders.get(name)
    if row is None:
        return f"order {name} is not shown" if isinstance(mutation, PlaceOrder) else None
    order = parse.order(row)
    if isinstance(mutation, PlaceOrder) or not order.status.live:
        return None
    if isinstance(mutation, CancelOrder):
        return f"order {name} was cancelled and is shown resting"
    return None if _as_amended(mutation, row) else f"order {name} is shown as before its change"


def _as_amended(asked: AmendOrder, row: OrderRow) -> bool:
    order = parse.order(row)
    return (
        order.qty == asked.qty
        and asked.price in (None, order.price)
        and asked.trigger_px in (None, order.trigger_px)
        and asked.attached_stop_px in (None, order.attached_stop_px)
    )
