"""GTTs: the broker's own triggers, of which one leg fires once. *Source*: the venue sheet §7."""

import json
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count

from tests.wire.zerodha.broker import Broker
from tests.wire.zerodha.rules import Refused
from tests.wire.zerodha.tickets import plain, wall

GAP = Decimal("0.0025")
MOST = 250
YEAR_MS = 365 * 86_400_000


@dataclass
class Leg:
    """What a leg places."""

    side: str
    product: str
    quantity: Decimal
    price: Decimal
    result: dict[str, object] | None = None


@dataclass
class Trigger:
    """One GTT."""

    number: int
    kind: str
    symbol: str
    values: list[Decimal]
    last: Decimal
    legs: list[Leg]
    created_ms: int
    updated_ms: int
    status: str = "active"
    meta: dict[str, object] = field(default_factory=dict[str, object])

    def row(self) -> dict[str, object]:
        exchange, _, name = self.symbol.partition(":")
        return {
            "id": self.number,
            "user_id": "AB1234",
            "parent_trigger": None,
            "type": self.kind,
            "created_at": wall(self.created_ms),
            "updated_at": wall(self.updated_ms),
            "expires_at": wall(self.created_ms + YEAR_MS),
            "status": self.status,
            "condition": {
                "exchange": exchange,
                "tradingsymbol": name,
                "instrument_token": 1,
                "trigger_values": [plain(value) for value in self.values],
                "last_price": plain(self.last),
            },
            "orders": [
                {
                    "exchange": exchange,
                    "tradingsymbol": name,
                    "product": leg.product,
                    "order_type": "LIMIT",
                    "transaction_type": leg.side,
                    "quantity": plain(leg.quantity),
                    "price": plain(leg.price),
                    "result": leg.result,
                }
                for leg in self.legs
            ],
            "meta": self.meta,
        }


class Triggers:
    """One client's GTTs."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._ids = count(112_127)
        self.all: dict[int, Trigger] = {}

    def place(self, form: dict[str, str], now_ms: int) -> int:
        """Take a new GTT. *Raises*: Refused."""
        trigger = self._read(next(self._ids), form, now_ms)
        if sum(each.status == "active" for each in self.all.values()) >= MOST:
            raise Refused("You have reached the maximum number of active triggers.")
        self.all[trigger.number] = trigger
        return trigger.number

    def modify(self, number: int, form: dict[str, str], now_ms: int) -> int:
        """Replace an active GTT whole."""
        old = self._active(number)
        new = self._read(number, form, now_ms)
        new.created_ms = old.created_ms
        self.all[number] = new
        return number

    def delete(self, number: int, now_ms: int) -> int:
        """End an active GTT."""
        trigger = self._active(number)
        trigger.status, trigger.updated_ms = "deleted", now_ms
        return number

    def _active(self, number: int) -> Trigger:
        trigger = self.all.get(number)
        if trigger is None or trigger.status != "active":
            raise Refused("Trigger not found or not active.", "DataException", 404)
        return trigger

    def _read(self, number: int, form: dict[str, str], now_ms: int) -> Trigger:
        kind = form.get("type", "")
        condition = json.loads(form["condition"], parse_float=Decimal, parse_int=Decimal)
        legs = json.loads(form["orders"], parse_float=Decimal, parse_int=Decimal)
        symbol = f"{condition['exchange']}:{condition['tradingsymbol']}"
        values: list[Decimal] = condition["trigger_values"]
        if symbol not in self._broker.floor.instruments:
            raise Refused(f"The instrument is invalid: {symbol}")
        if (kind, len(values), len(legs)) not in (("single", 1, 1), ("two-leg", 2, 2)):
            raise Refused("Invalid trigger type.")
        self._check(symbol, kind, values)
        read = [
            Leg(leg["transaction_type"], leg["product"], leg["quantity"], leg["price"])
            for leg in legs
        ]
        for leg in read:
            self._check_leg(symbol, leg)
        return Trigger(number, kind, symbol, values, condition["last_price"], read, now_ms, now_ms)

    def _check(self, symbol: str, kind: str, values: list[Decimal]) -> None:
        last = self._broker.floor.last[symbol]
        tick = self._broker.floor.instruments[symbol].tick
        for value in values:
            if value % tick:
                raise Refused(f"Trigger price should be a multiple of tick size {tick}")
            if value == last:
                raise Refused(
                    "Trigger cannot be created with one of the trigger values equal to the last "
                    "price."
                )
            if abs(value - last) < last * GAP:
                raise Refused("Trigger price is too close: it must be 0.25% away.")
        if kind == "two-leg" and values[1] < last:
            raise Refused(
                "Trigger cannot be created with the second trigger price less than the last price."
            )
        if kind == "two-leg" and values[0] > last:
            raise Refused(
                "Trigger cannot be created with the first trigger price more than the last price."
            )

    def _check_leg(self, symbol: str, leg: Leg) -> None:
        instrument = self._broker.floor.instruments[symbol]
        if leg.product not in ("CNC", "NRML"):
            raise Refused(f"Product {leg.product} is not allowed for triggers.")
        if leg.quantity <= 0 or leg.quantity % instrument.step:
            raise Refused(f"Quantity should be in multiples of {instrument.step}, the lot size.")
        if leg.price % instrument.tick:
            raise Refused(f"Price should be a multiple of tick size {instrument.tick}")

    def check_prices(self, now_ms: int) -> None:
        """Fire what the last prices have reached."""
        for trigger in self.all.values():
            if trigger.status != "active":
                continue
            last = self._broker.floor.last[trigger.symbol]
            below = last <= trigger.values[0] < trigger.last or (
                trigger.kind == "two-leg" and last <= trigger.values[0]
            )
            if below:
                self._fire(trigger, 0, now_ms)
            elif last >= trigger.values[-1] and trigger.values[-1] > trigger.last:
                self._fire(trigger, len(trigger.values) - 1, now_ms)

    def _fire(self, trigger: Trigger, leg_at: int, now_ms: int) -> None:
        """Place the leg's order; the other leg is gone, whatever becomes of this one."""
        leg = trigger.legs[leg_at]
        exchange, _, name = trigger.symbol.partition(":")
        fields = {
            "variety": "regular",
            "exchange": exchange,
            "tradingsymbol": name,
            "transaction_type": leg.side,
            "quantity": f"{leg.quantity}",
            "product": leg.product,
            "order_type": "LIMIT",
            "price": f"{leg.price}",
        }
        try:
            result = {
                "status": "success",
                "order_id": self._broker.place(fields, now_ms),
                "rejection_reason": "",
            }
        except Refused as refused:
            result = {"status": "failed", "order_id": "", "rejection_reason": refused.message}
        leg.result = {
            "account_id": "AB1234",
            "exchange": exchange,
            "tradingsymbol": name,
            "validity": "DAY",
            "product": leg.product,
            "order_type": "LIMIT",
            "transaction_type": leg.side,
            "quantity": plain(leg.quantity),
            "price": plain(leg.price),
            "meta": json.dumps({"app_id": 1, "gtt": trigger.number}),
            "timestamp": wall(now_ms),
            "triggered_at": plain(self._broker.floor.last[trigger.symbol]),
            "order_result": result,
        }
        trigger.status, trigger.updated_ms = "triggered", now_ms
