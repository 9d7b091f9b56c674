"""A position that rests at a venue already, put there by somebody else."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from msgspec.structs import replace

from machines.adoption import Wish
from machines.planning import Setting
from machines.spec import LadderSpec, Price
from machines.words import (
    ZERO,
    AmendOrder,
    CancelOrder,
    Capabilities,
    Direction,
    Fees,
    Instrument,
    Key,
    Mutation,
    Order,
    OrderStatus,
    OrderType,
    PlaceOrder,
    PositionStop,
    Quote,
    SetStop,
    Side,
    View,
)

KEY = Key("paper", "BTCUSDT")
BTC = Instrument("BTCUSDT", Decimal("0.1"), Decimal("0.001"), Decimal("0.001"), Decimal(5))
SETTING = Setting(BTC, Fees(Decimal("0.0002"), Decimal("0.00055")), Capabilities())
QUOTE = Quote("BTCUSDT", Decimal(104_000), 0, 0)
BASE = LadderSpec(
    name="", ladder="", account="", symbol="", side=Direction.LONG, entries=(),
    stop=Price(ZERO), targets=(),
)  # fmt: skip
WISH = Wish("adopted", BASE)
ASKED = {"limit": OrderType.LIMIT, "stop": OrderType.STOP_MARKET, "market": OrderType.MARKET}


def order(line: str, cid: str = "", **more: object) -> Order:
    """Write an order as ``sell limit 0.561 @ 105000 reduce``."""
    side, kind, qty, _, px, *rest = line.split()
    price = Decimal(px)
    found = Order(
        cid or f"hand-{side}-{px}",
        f"v-{side}-{px}",
        Side(side),
        ASKED[kind],
        Decimal(qty),
        ZERO,
        OrderStatus.OPEN,
        price=None if kind == "stop" else price,
        trigger_px=price if kind == "stop" else None,
        reduce_only="reduce" in rest,
    )
    return replace(found, **more)


def view(held: str, *lines: str | Order, stop: str | None = None, avg: str = "103900") -> View:
    orders = tuple(order(line) if isinstance(line, str) else line for line in lines)
    own = None if stop is None else PositionStop(Decimal(stop))
    return View(KEY, Decimal(held), Decimal(avg), orders, stop=own)


RUNGS = (
    "sell limit 0.561 @ 105000 reduce",
    "sell limit 0.033 @ 106000 reduce",
    "sell limit 0.033 @ 107000 reduce",
    "sell limit 0.033 @ 108000 reduce",
)


def applied(shown: View, mutations: Iterable[Mutation]) -> View:
    """Return the view after a venue has done what it was asked."""
    orders = {order.client_order_id: order for order in shown.orders}
    stop = shown.stop
    for asked in mutations:
        match asked:
            case SetStop():
                stop = PositionStop(asked.trigger_px)
            case AmendOrder():
                before = orders[asked.client_order_id]
                orders[asked.client_order_id] = replace(
                    before, qty=asked.qty, price=asked.price, trigger_px=asked.trigger_px
                )
            case CancelOrder():
                del orders[asked.client_order_id]
            case PlaceOrder():
                cid = asked.client_order_id
                orders[cid] = Order(
                    *(cid, f"v-{cid}", asked.side, asked.type, asked.qty, ZERO, OrderStatus.OPEN),
                    *(asked.price, asked.trigger_px, asked.reduce_only),
                )
    return replace(shown, orders=tuple(orders.values()), stop=stop)
