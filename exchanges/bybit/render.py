"""Mutations → requests: which calls, in which waves, with which parameters. Pure.

Bybit passes over a misspelt parameter without a word, so every body is written here and nowhere
else. Invariants: numbers are plain decimal text; a position's own order of mutations stands;
calls of one wave touch nothing of each other's. *Source*: venues/bybit.md §1.2, §3.2 to §3.4.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Sequence
from typing import assert_never

import msgspec

from exchanges.bybit.classify import Op
from exchanges.bybit.parse import INDEX
from machines.words import (
    NAMELESS,
    AmendOrder,
    CancelOrder,
    Key,
    Mutation,
    OrderType,
    PlaceOrder,
    SetStop,
    Side,
    plain,
)

CATEGORY = "linear"
BATCH = 10
"""Items of one batch. The venue takes 20, but no more than ten orders a second are in the
default quota, and those beyond it fail one by one (§3.4)."""
TRIGGER_BY = "LastPrice"

Value = str | int | bool
Item = dict[str, Value]


class Endpoint(enum.Enum):
    """A call that changes something. The value is pybit's name for it."""

    PLACE = "place_order"
    PLACE_BATCH = "place_batch_order"
    AMEND = "amend_order"
    AMEND_BATCH = "amend_batch_order"
    CANCEL = "cancel_order"
    CANCEL_BATCH = "cancel_batch_order"
    TRADING_STOP = "set_trading_stop"

    @property
    def batch(self) -> bool:
        """Tell whether it carries several items, each with a result of its own."""
        return self in (Endpoint.PLACE_BATCH, Endpoint.AMEND_BATCH, Endpoint.CANCEL_BATCH)


class Call(msgspec.Struct, frozen=True):
    """One request. *Shape*: ``of[i]`` is the index of the mutation that item i carries."""

    endpoint: Endpoint
    op: Op
    of: tuple[int, ...]
    items: tuple[Item, ...]
    urgent: bool = False
    """It protects or closes: it may use the reserved requests (SPEC §6)."""

    @property
    def params(self) -> dict[str, object]:
        """Return what pybit's method is called with."""
        if self.endpoint.batch:
            return {"category": CATEGORY, "request": [dict(item) for item in self.items]}
        return {"category": CATEGORY, **self.items[0]}


class _Kind(enum.IntEnum):
    """What may travel together, most urgent first."""

    STOP = 0
    CANCEL = 1
    AMEND = 2
    PLACE = 3


_BATCHES = {
    _Kind.CANCEL: (Op.CANCEL, Endpoint.CANCEL, Endpoint.CANCEL_BATCH),
    _Kind.AMEND: (Op.AMEND, Endpoint.AMEND, Endpoint.AMEND_BATCH),
    _Kind.PLACE: (Op.PLACE, Endpoint.PLACE, Endpoint.PLACE_BATCH),
}


def cannot(mutation: Mutation) -> str | None:
    """Say why Bybit has no request for a mutation, or None."""
    name = f"{mutation.key.symbol} {mutation.role.value} {mutation.n}"
    if mutation.key.slot not in INDEX:
        return f"{name}: slot {mutation.key.slot!r}: must be '', 'long' or 'short'"
    if isinstance(mutation, PlaceOrder | AmendOrder) and mutation.type is OrderType.PAIR:
        return f"{name}: type pair: Bybit has no pairs of orders"
    return None


def waves(mutations: Sequence[Mutation]) -> list[list[Call]]:
    """Arrange mutations in calls, and calls in waves to be sent one after the other.

    What several positions want done alike travels in one batch, as long as each position's own
    order stands. What Bybit ``cannot`` do is in none.
    """
    queues: dict[Key, deque[int]] = {}
    for index, mutation in enumerate(mutations):
        if cannot(mutation) is None:
            queues.setdefault(mutation.key, deque()).append(index)
    found: list[list[Call]] = []
    while waiting := [queue for queue in queues.values() if queue]:
        kind = min(_kind(mutations[queue[0]]) for queue in waiting)
        taken: list[int] = []
        for queue in waiting:
            while queue and _kind(mutations[queue[0]]) is kind:
                taken.append(queue.popleft())
        found.append(_calls(kind, taken, mutations))
    return found


def _kind(mutation: Mutation) -> _Kind:
    match mutation:
        case SetStop():
            return _Kind.STOP
        case PlaceOrder() | AmendOrder():
            # Conditional orders are not amended in batches (§3.4), and the stop goes alone so
            # that nothing else can hold it up.
            if mutation.type in (OrderType.STOP_MARKET, OrderType.STOP_LIMIT):
                return _Kind.STOP
            return _Kind.PLACE if isinstance(mutation, PlaceOrder) else _Kind.AMEND
        case CancelOrder():
            return _Kind.CANCEL
        case _:
            assert_never(mutation)


def _calls(kind: _Kind, taken: list[int], mutations: Sequence[Mutation]) -> list[Call]:
    if kind is _Kind.STOP:
        return [_single(index, mutations[index]) for index in taken]
    op, single, batch = _BATCHES[kind]
    calls: list[Call] = []
    for start in range(0, len(taken), BATCH):
        of = tuple(taken[start : start + BATCH])
        items = tuple(_item(mutations[index]) for index in of)
        urgent = any(_urgent(mutations[index]) for index in of)
        calls.append(Call(batch if len(of) > 1 else single, op, of, items, urgent))
    return calls


def _urgent(mutation: Mutation) -> bool:
    return isinstance(mutation, PlaceOrder) and mutation.reduce_only


def _single(index: int, mutation: Mutation) -> Call:
    op, endpoint = Op.SET_STOP, Endpoint.TRADING_STOP
    if isinstance(mutation, PlaceOrder):
        op, endpoint = Op.PLACE, Endpoint.PLACE
    elif isinstance(mutation, AmendOrder):
        op, endpoint = Op.AMEND, Endpoint.AMEND
    return Call(endpoint, op, (index,), (_item(mutation),), urgent=True)


def _item(mutation: Mutation) -> Item:
    """Write one request's parameters, the category left out."""
    match mutation:
        case PlaceOrder():
            return _place(mutation)
        case AmendOrder():
            return _amend(mutation)
        case CancelOrder(key, client_order_id):
            return {"symbol": key.symbol, **_named(client_order_id)}
        case SetStop(key, trigger_px):
            return {
                "symbol": key.symbol,
                "tpslMode": "Full",
                "positionIdx": INDEX[key.slot],
                "stopLoss": plain(trigger_px),
                "slTriggerBy": TRIGGER_BY,
            }
        case _:
            assert_never(mutation)


def _place(order: PlaceOrder) -> Item:
    limit = order.type in (OrderType.LIMIT, OrderType.STOP_LIMIT)
    item: Item = {
        "symbol": order.key.symbol,
        "side": "Buy" if order.side is Side.BUY else "Sell",
        "orderType": "Limit" if limit else "Market",
        "qty": plain(order.qty),
        "positionIdx": INDEX[order.key.slot],
        "orderLinkId": order.client_order_id,
        "reduceOnly": order.reduce_only,
    }
    if limit and order.price is not None:
        item |= {"price": plain(order.price), "timeInForce": "GTC"}
    if order.trigger_px is not None:
        item |= {
            "triggerPrice": plain(order.trigger_px),
            # A stop that sells waits for a fall (2), one that buys for a rise (1).
            "triggerDirection": 1 if order.side is Side.BUY else 2,
            "triggerBy": TRIGGER_BY,
        }
        if order.reduce_only:
            # Cut to the position when it fires, and margin made free for it (§4.5).
            item["closeOnTrigger"] = True
    if order.attached_stop_px is not None:
        item |= {
            "stopLoss": plain(order.attached_stop_px),
            "tpslMode": "Full",
            "slTriggerBy": TRIGGER_BY,
        }
    return item


def _named(client_order_id: str) -> Item:
    """Say which order is meant: one without a name of its own by the venue's id."""
    if client_order_id.startswith(NAMELESS):
        return {"orderId": client_order_id.removeprefix(NAMELESS)}
    return {"orderLinkId": client_order_id}


def _amend(order: AmendOrder) -> Item:
    item: Item = {
        "symbol": order.key.symbol,
        **_named(order.client_order_id),
        "qty": plain(order.qty),
    }
    if order.price is not None:
        item["price"] = plain(order.price)
    if order.trigger_px is not None:
        item["triggerPrice"] = plain(order.trigger_px)
    if order.attached_stop_px is not None:
        item["stopLoss"] = plain(order.attached_stop_px)
    return item
