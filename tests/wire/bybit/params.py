"""Strict reading of a request's parameters: unknown names, wrong types, numbers off the grid."""

from __future__ import annotations

import re
from decimal import Decimal

from machines.words import Instrument, plain

Args = dict[str, object]
_PLAIN = re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII)

PLACE = {
    *("symbol", "side", "orderType", "qty", "price", "timeInForce", "positionIdx", "orderLinkId"),
    *("reduceOnly", "closeOnTrigger", "triggerPrice", "triggerDirection", "triggerBy"),
    *("takeProfit", "stopLoss", "tpTriggerBy", "slTriggerBy", "tpslMode", "slOrderType"),
}
AMEND = {
    *("symbol", "orderId", "orderLinkId", "qty", "price", "triggerPrice", "triggerBy"),
    *("takeProfit", "stopLoss", "tpslMode", "slTriggerBy"),
}
CANCEL = {"symbol", "orderId", "orderLinkId"}
TRADING_STOP = {
    *("category", "symbol", "tpslMode", "positionIdx", "stopLoss", "takeProfit", "trailingStop"),
    *("slTriggerBy", "tpTriggerBy", "slSize", "tpSize", "slOrderType", "tpOrderType"),
}
INTS = {"positionIdx", "triggerDirection"}
BOOLS = {"reduceOnly", "closeOnTrigger"}


class Err(Exception):
    """An answer of no: a code, a text and perhaps headers."""

    def __init__(self, code: int, text: str, headers: dict[str, str] | None = None) -> None:
        self.code, self.text, self.headers = code, text, headers or {}


def allow(args: Args, allowed: set[str]) -> None:
    """Refuse what the real venue would pass over in silence."""
    unknown = sorted(args.keys() - allowed)
    if unknown:
        raise Err(10001, f"loopback: unknown parameters {', '.join(unknown)}")
    for name, value in args.items():
        kind = int if name in INTS else bool if name in BOOLS else str
        if type(value) is not kind:
            raise Err(10001, f"loopback: {name} {value!r} is no {kind.__name__}")


def text(args: Args, name: str, *choices: str) -> str:
    """Take a parameter that must be there."""
    value = str(args.get(name, ""))
    if not value or (choices and value not in choices):
        raise Err(10001, f"params error: {name} {value!r} invalid")
    return value


def number(args: Args, name: str) -> Decimal | None:
    """Take a number in plain decimals; None where it is left out or cancels."""
    value = args.get(name)
    if value is None or value == "":
        return None
    if not _PLAIN.fullmatch(str(value)):
        raise Err(10001, f"params error: {name} {value!r} invalid")
    return Decimal(str(value)) or None


def price(args: Args, name: str, instrument: Instrument) -> Decimal | None:
    """Take a price, on the tick."""
    found = number(args, name)
    if found is not None and found % instrument.tick:
        raise Err(10001, f"{name} {plain(found)} is off the tick {plain(instrument.tick)}")
    return found


def qty(args: Args, instrument: Instrument) -> Decimal:
    """Take a quantity, on the step and above the minimum."""
    found = number(args, "qty")
    if found is None or found % instrument.step:
        raise Err(10001, "Qty invalid")
    if found < instrument.min_qty:
        raise Err(10001, "The number of contracts exceeds minimum limit allowed")
    return found
