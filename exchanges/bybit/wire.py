"""Bybit's payloads, shaped as they are sent: v5, category linear.

Only the fields that are read. Numbers stay text: "no value" comes as ``""``, ``"0"``, ``"0.00"``
or null, depending on the field and the venue's build (``parse.number``). What Bybit documents but
was seen to leave out has a default. *Source*: venues/bybit.md §3.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

Number = str | None
"""A number as text, or nothing."""


class Payload(msgspec.Struct, frozen=True, rename="camel"):
    """Anything of Bybit's; unknown fields are passed over."""


Row = TypeVar("Row")


class Page(Payload, Generic[Row], frozen=True):
    """One page of a list."""

    rows: list[Row] = msgspec.field(name="list")
    next_page_cursor: str | None = ""


class OrderRow(Payload, frozen=True):
    """An order, open or ended (§3.6)."""

    order_id: str
    symbol: str
    side: str
    order_type: str
    order_status: str
    qty: str
    cum_exec_qty: Number
    order_link_id: str = ""
    position_idx: int = 0
    reduce_only: bool = False
    price: Number = None
    trigger_price: Number = None
    trigger_direction: int = 0
    stop_order_type: str = ""
    create_type: str = ""
    cancel_type: str = ""
    reject_reason: str = ""
    stop_loss: Number = None
    created_time: Number = None
    updated_time: Number = None


class ExecutionRow(Payload, frozen=True):
    """An execution, or a funding payment (§3.8)."""

    exec_id: str
    symbol: str
    order_id: str
    side: str
    exec_type: str
    exec_price: str
    exec_qty: str
    exec_fee: Number
    exec_time: str
    order_link_id: str = ""
    is_maker: bool = False
    fee_rate: Number = None
    fee_currency: str | None = ""
    create_type: str = ""
    stop_order_type: str = ""
    closed_size: Number = None
    seq: int = -1


class PositionRow(Payload, frozen=True):
    """A position (§3.9)."""

    symbol: str
    side: str
    size: str
    position_idx: int = 0
    avg_price: Number = None
    stop_loss: Number = None
    position_status: str = "Normal"
    seq: int = -1


class PriceFilter(Payload, frozen=True):
    """The grid of an instrument's prices."""

    tick_size: str
    min_price: str
    max_price: str


class LotSizeFilter(Payload, frozen=True):
    """The grid and the bounds of an instrument's quantities."""

    min_order_qty: str
    max_order_qty: str
    max_mkt_order_qty: str
    qty_step: str
    min_notional_value: Number = None


class InstrumentRow(Payload, frozen=True):
    """An instrument (§3.12)."""

    symbol: str
    contract_type: str
    status: str
    settle_coin: str
    price_filter: PriceFilter
    lot_size_filter: LotSizeFilter
    delivery_time: Number = None


class TickerRow(Payload, frozen=True):
    """A symbol's market (§3.13)."""

    symbol: str
    last_price: str
    bid1_price: Number = None
    ask1_price: Number = None


class Candles(Payload, frozen=True):
    """A symbol's candles, newest first, each a list of texts (§3.14)."""

    rows: list[list[str]] = msgspec.field(name="list")


class FeeRow(Payload, frozen=True):
    """A symbol's fee rates on this account (§3.16)."""

    symbol: str
    taker_fee_rate: str
    maker_fee_rate: str


class ServerTime(Payload, frozen=True):
    """The venue's clock (§3.15)."""

    time_second: str
    time_nano: str


class AccountInfo(Payload, frozen=True):
    """What kind of account this is (§3.16)."""

    margin_mode: str
    unified_margin_status: int


class Permissions(msgspec.Struct, frozen=True, rename="pascal"):
    """What a key may do, by wallet and product."""

    contract_trade: list[str] = []
    wallet: list[str] = []


class KeyInfo(Payload, frozen=True):
    """A key as the venue describes it: ``GET /v5/user/query-api``."""

    permissions: Permissions
    read_only: int
    ips: list[str] = []
    deadline_day: int | None = None
    expired_at: str | None = ""


class Acknowledged(Payload, frozen=True):
    """The answer to one order request: it was taken in, no more."""

    order_id: str = ""
    order_link_id: str = ""


class ItemResult(Payload, frozen=True):
    """What became of one item of a batch."""

    code: int | str
    msg: str = ""


class BatchResults(Payload, frozen=True):
    """``retExtInfo`` of a batch: one result an item, in the order asked (§3.4)."""

    rows: list[ItemResult] = msgspec.field(name="list")
