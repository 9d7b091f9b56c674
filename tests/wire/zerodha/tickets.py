"""One order as Kite's order management keeps it, beside what the floor knows of it."""

from dataclasses import dataclass, field
from decimal import Decimal

from exchanges.zerodha.ist import to_wall
from machines.words import ZERO, Fill, Order, OrderStatus, OrderType

PENDING = "PUT ORDER REQ RECEIVED"
TYPES = {
    "LIMIT": OrderType.LIMIT,
    "MARKET": OrderType.MARKET,
    "SL": OrderType.STOP_LIMIT,
    "SL-M": OrderType.STOP_MARKET,
}
ENDED = ("COMPLETE", "CANCELLED", "REJECTED")


@dataclass
class Ticket:
    """An order from its request to its end."""

    order_id: str
    exchange: str
    tradingsymbol: str
    product: str
    side: str
    order_type: str
    quantity: Decimal
    price: Decimal
    trigger: Decimal
    placed_ms: int
    visible_ms: int
    tag: str | None = None
    system_tags: list[str] = field(default_factory=list[str])
    status: str = PENDING
    message: str | None = None
    updated_ms: int = 0
    modifications: int = 0
    history: list[str] = field(default_factory=list[str])
    order: Order | None = None
    fills: list[Fill] = field(default_factory=list[Fill])
    stuck: bool = False

    @property
    def symbol(self) -> str:
        return f"{self.exchange}:{self.tradingsymbol}"

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    def become(self, status: str, at_ms: int, message: str | None = None) -> None:
        if status != self.status or not self.history:
            self.history.append(status)
        self.status, self.updated_ms = status, at_ms
        if message is not None:
            self.message = message

    def follow(self, order: Order, fills: list[Fill], at_ms: int) -> None:
        """Take what the floor shows; a change in flight keeps its word until it is done."""
        self.order, self.fills = order, fills
        ended = {
            OrderStatus.FILLED: "COMPLETE",
            OrderStatus.CANCELLED: "CANCELLED",
            OrderStatus.SUSPENDED: "CANCELLED",
            OrderStatus.REJECTED: "REJECTED",
        }
        if order.status in ended:
            if not self.ended:
                self.become(ended[order.status], fills[-1].at_ms if fills else at_ms)
        elif self.status not in ("MODIFY PENDING", "CANCEL PENDING"):
            waits = order.trigger_px is not None and order.status is OrderStatus.OPEN
            self.become("TRIGGER PENDING" if waits else "OPEN", self.updated_ms or at_ms)

    @property
    def filled(self) -> Decimal:
        return sum((fill.qty for fill in self.fills), ZERO)

    def row(self, status: str | None = None) -> dict[str, object]:
        """Write the order as ``GET /orders`` shows it."""
        value = sum((fill.qty * fill.price for fill in self.fills), ZERO)
        filled = self.filled
        cancelled = self.status == "CANCELLED"
        tags = [*([self.tag] if self.tag else []), *self.system_tags]
        return {
            "account_id": "AB1234",
            "placed_by": "AB1234",
            "order_id": self.order_id,
            "exchange_order_id": f"13{self.order_id}",
            "parent_order_id": None,
            "status": status or self.status,
            "status_message": self.message,
            "status_message_raw": self.message,
            "order_timestamp": wall(self.placed_ms),
            "exchange_timestamp": wall(self.placed_ms),
            "exchange_update_timestamp": wall(self.updated_ms or self.placed_ms),
            "variety": "regular",
            "modified": False,
            "exchange": self.exchange,
            "tradingsymbol": self.tradingsymbol,
            "instrument_token": 1,
            "order_type": self.order_type,
            "transaction_type": self.side,
            "validity": "DAY",
            "validity_ttl": 0,
            "product": self.product,
            "quantity": plain(self.quantity),
            "disclosed_quantity": 0,
            "price": plain(self.price),
            "trigger_price": plain(self.trigger),
            "average_price": plain(value / filled) if filled else 0,
            "filled_quantity": plain(filled),
            # A cancelled order keeps its pending quantity.
            "pending_quantity": 0 if self.status == "REJECTED" else plain(self.quantity - filled),
            "cancelled_quantity": plain(self.quantity - filled) if cancelled else 0,
            "market_protection": 0,
            "meta": {},
            "tag": self.tag,
            **({"tags": tags} if tags else {}),
            "guid": None,
        }

    def trades(self) -> list[dict[str, object]]:
        """Write the executions as ``GET /trades`` shows them."""
        return [
            {
                "trade_id": f"{fill.fill_id.rpartition('f')[2]}",
                "order_id": self.order_id,
                "exchange": self.exchange,
                "tradingsymbol": self.tradingsymbol,
                "instrument_token": 1,
                "product": self.product,
                "average_price": plain(fill.price),
                "quantity": plain(fill.qty),
                "exchange_order_id": f"13{self.order_id}",
                "transaction_type": self.side,
                "fill_timestamp": wall(fill.at_ms),
                "order_timestamp": wall(self.placed_ms)[11:],
                "exchange_timestamp": wall(fill.at_ms),
            }
            for fill in self.fills
        ]


def wall(at_ms: int) -> str:
    return f"{to_wall(at_ms):%Y-%m-%d %H:%M:%S}"


def plain(value: Decimal) -> int | float:
    """Write a number as Kite does: sometimes an int, sometimes a float."""
    return int(value) if value == int(value) else float(value)
