"""Kite's payloads as the SDK hands them over, field by field under Kite's own names.

Shapes only: what a field means is `parse`'s affair. Fields that nobody reads are left out, and
fields that Kite adds are passed over. *Units*: prices in rupees, times as `ist.Ist`. *Source*:
the venue sheet, §6.3 to §9.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, TypeVar

import msgspec

from exchanges.errors import VenueUnavailable
from exchanges.zerodha import ist
from machines.words import ZERO

Word = Literal["BUY", "SELL"]
LARGEST = Decimal(10) ** 15
"""Of any number: what is larger is no price and no quantity."""


class Row(msgspec.Struct, frozen=True):
    """What every row keeps to: numbers are numbers. *Raises*: ValueError naming the field."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value: object = getattr(self, name)
            # JSON as Python reads it knows NaN and Infinity.
            if isinstance(value, Decimal) and not (value.is_finite() and abs(value) < LARGEST):
                raise ValueError(f"{name} {value} is no number of the market")


class WireOrder(Row, frozen=True):
    """One order of the day's book, in its latest state."""

    order_id: str
    status: str
    exchange: str
    tradingsymbol: str
    transaction_type: Word
    order_type: str
    product: str
    quantity: Decimal
    filled_quantity: Decimal
    price: Decimal
    trigger_price: Decimal
    variety: str = "regular"
    average_price: Decimal = ZERO
    status_message: str | None = None
    order_timestamp: ist.Ist | None = None
    exchange_update_timestamp: ist.Ist | None = None
    tag: str | None = None
    tags: list[str] | None = None
    parent_order_id: str | None = None


class WireTrade(Row, frozen=True):
    """One execution; it carries no tag."""

    trade_id: str
    order_id: str
    exchange: str
    tradingsymbol: str
    transaction_type: Word
    product: str
    average_price: Decimal
    quantity: Decimal
    fill_timestamp: ist.Ist


class WirePosition(Row, frozen=True):
    """One net position: what was carried and what was traded today, by whomever."""

    exchange: str
    tradingsymbol: str
    product: str
    quantity: Decimal
    average_price: Decimal
    overnight_quantity: Decimal = ZERO


class WirePositions(msgspec.Struct, frozen=True):
    """The answer to a question for positions; ``day`` repeats a part of ``net``."""

    net: list[WirePosition]


class WireHolding(Row, frozen=True):
    """Shares in the demat account. ``used_quantity`` was sold today.

    Whether ``quantity`` has T1 shares in it, and what a sale does to it, is documented nowhere
    twice alike: the later fields settle it where Kite sends them.
    """

    exchange: str
    tradingsymbol: str
    quantity: Decimal
    average_price: Decimal
    t1_quantity: Decimal = ZERO
    used_quantity: Decimal = ZERO
    realised_quantity: Decimal | None = None
    opening_quantity: Decimal | None = None


class WireLevel(Row, frozen=True):
    """One price of the order book; zero where there is none."""

    price: Decimal = ZERO
    quantity: Decimal = ZERO


class WireDepth(msgspec.Struct, frozen=True):
    """Best five on each side, best first."""

    buy: list[WireLevel] = []
    sell: list[WireLevel] = []


class WireQuote(Row, frozen=True):
    """A full quote. Circuit limits come from nowhere else."""

    last_price: Decimal
    depth: WireDepth = WireDepth()
    lower_circuit_limit: Decimal = ZERO
    upper_circuit_limit: Decimal = ZERO
    volume: Decimal | None = None
    """Of the day so far."""


class WireResult(msgspec.Struct, frozen=True):
    """What came of the order that a fired GTT leg placed."""

    status: str = ""
    order_id: str = ""
    rejection_reason: str = ""


class WireFired(msgspec.Struct, frozen=True):
    """The result of a GTT leg that fired."""

    order_result: WireResult | None = None


class WireLeg(Row, frozen=True):
    """One leg's order in a GTT. Kite writes no tag here."""

    transaction_type: Word
    product: str
    quantity: Decimal
    price: Decimal
    result: WireFired | None = None


class WireCondition(msgspec.Struct, frozen=True):
    """When a GTT fires; the n-th trigger belongs to the n-th leg."""

    exchange: str
    tradingsymbol: str
    trigger_values: list[Decimal]


class WireGtt(msgspec.Struct, frozen=True):
    """A good-till-triggered order, held by the broker and not by the exchange."""

    id: int
    type: str
    status: str
    condition: WireCondition
    orders: list[WireLeg]
    created_at: ist.Ist | None = None
    updated_at: ist.Ist | None = None


class WireInstrument(Row, frozen=True):
    """One row of the instruments file. ``tick_size`` comes as a float."""

    instrument_token: int
    tradingsymbol: str
    name: str
    tick_size: Decimal
    lot_size: int
    instrument_type: str
    segment: str
    exchange: str


T = TypeVar("T")


def read(payload: object, shape: type[T]) -> T:
    """Read what the SDK returned as ``shape``.

    *Raises*: VenueUnavailable naming the field that is not as it must be: half an answer says
    nothing (SPEC §5).
    """
    try:
        return msgspec.convert(payload, shape, dec_hook=_own)
    except (msgspec.ValidationError, ValueError) as error:
        raise VenueUnavailable(f"Kite's answer cannot be read: {error}") from error


def _own(kind: type, value: object) -> object:
    if kind is ist.Ist:
        return ist.read(value)
    raise NotImplementedError(kind)
