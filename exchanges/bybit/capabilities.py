"""What Bybit can do, and what is read of it once: instruments, rates, mode, key, clock.

Knows no orders. Everything that would make trading unsafe is found here, before anything is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

import msgspec

from exchanges.bybit import parse
from exchanges.bybit.classify import Trouble
from exchanges.bybit.cut import Mode
from exchanges.bybit.line import Failed, Line
from exchanges.bybit.parse import Misread
from exchanges.bybit.reader import CATEGORY, SETTLE_COIN
from exchanges.bybit.settings import BybitSettings, Environment, StopStyle
from exchanges.bybit.wire import (
    AccountInfo,
    FeeRow,
    InstrumentRow,
    KeyInfo,
    PositionRow,
    ServerTime,
)
from exchanges.errors import VenueUnavailable
from machines.errors import InvalidSpec
from machines.words import Capabilities, ExitStyle, Fees, Instrument

BE_SLIPPAGE = Decimal("0.0005")
"""Source: SPEC §4; what a stop's market order gives away on the way out."""
DEMO_FEES = Fees(maker=Decimal("0.0002"), taker=Decimal("0.00055"))
"""Demo has no fee-rate endpoint; the rates of an account without a VIP level (§4.9)."""
AHEAD_MS, BEHIND_MS = 1_000, 5_000
"""A request stamped this far ahead of or behind the venue's clock is refused (§3.1)."""
MOVES_MONEY = ("Withdraw", "AccountTransfer", "SubMemberTransfer")
FEW = 3
"""So many symbols are asked for one by one: fee-rate takes five requests a second (§5)."""
UNIFIED = (3, 4, 5, 6)
"""``unifiedMarginStatus`` of unified accounts (§3.16)."""
EXPIRES_SOON_DAYS = 14


class Found(msgspec.Struct, frozen=True):
    """All that is read at the start."""

    mode: Mode
    instruments: Mapping[str, Instrument]
    fees: Mapping[str, Fees]
    skew_ms: int
    """How far our clock is ahead of the venue's."""
    warnings: tuple[str, ...]
    """What a person should put right, while trading goes on."""


def capabilities(style: StopStyle) -> Capabilities:
    """Say what a Bybit account can do."""
    own = style is StopStyle.POSITION
    return Capabilities(
        exits=ExitStyle.POOLED,
        position_stop=own,
        # An attached stop would be a second one beside a conditional order.
        attached_stop=own,
        reduce_only=True,
        be_slippage=BE_SLIPPAGE,
        window_ms=7_000,  # recv_window and two seconds on the way (DESIGN law 4)
    )


async def look_around(line: Line, settings: BybitSettings, now_ms: Callable[[], int]) -> Found:
    """Read what must be known before anything is sent.

    *Raises*: InvalidSpec when this key must not trade here; VenueUnavailable.
    """
    where = f"account {settings.account}"
    try:
        skew_ms = await _skew(line, now_ms)
        key = await _key(line, settings, skew_ms)
        info = await _read(line, "get_account_info", AccountInfo)
        if info.unified_margin_status not in UNIFIED:
            status = info.unified_margin_status
            raise InvalidSpec([f"{where}: unifiedMarginStatus {status}: not a unified account"])
        instruments = await _instruments(line)
        unknown = [symbol for symbol in settings.symbols if symbol not in instruments]
        if unknown:
            raise InvalidSpec(
                [f"{where}: symbol {each!r}: Bybit has no such perpetual" for each in unknown]
            )
        mode = Mode(settings.account, await _is_hedged(line, settings, instruments))
        fees = await _fees(line, settings, instruments)
    except (Failed, Misread) as error:
        raise VenueUnavailable(f"{where}: {error}") from error
    return Found(mode, instruments, fees, skew_ms, tuple(_warnings(where, key)))


async def _read(line: Line, method: str, kind: type[parse.T], **params: object) -> parse.T:
    return parse.read(await line.ask(method, params), kind)


async def _skew(line: Line, now_ms: Callable[[], int]) -> int:
    """Return how far our clock is ahead; the way there and back counts half."""
    before_ms = now_ms()
    found = await _read(line, "get_server_time", ServerTime)
    nano = parse.number(found.time_nano, "timeNano")
    if nano is None:
        raise Misread("timeNano: there is none")
    return (before_ms + now_ms()) // 2 - int(nano) // 1_000_000


async def _key(line: Line, settings: BybitSettings, skew_ms: int) -> KeyInfo:
    """See that the key belongs here and may do what is needed and no more."""
    where = f"account {settings.account}: key"
    if not -BEHIND_MS < skew_ms < AHEAD_MS:
        raise InvalidSpec(
            [f"account {settings.account}: this clock is {skew_ms} ms ahead of Bybit's; set it"]
        )
    try:
        found = await _read(line, "get_api_key_information", KeyInfo)
    except Failed as error:
        if error.verdict.trouble is not Trouble.KEY:
            raise
        text = f"{where}: refused on {settings.environment.value}: {error}"
        raise InvalidSpec([f"{text}; each environment has keys of its own"]) from error
    faults: list[str] = []
    if found.read_only:
        faults.append(f"{where}: is read-only; it must be allowed to trade contracts")
    faults += [
        f"{where}: lacks the permission ContractTrade.{need}"
        for need in ("Order", "Position")
        if not found.read_only and need not in found.permissions.contract_trade
    ]
    if not settings.allow_transfers:
        faults += [
            f"{where}: may move money (Wallet.{may}); take that from it, or set allow_transfers"
            for may in MOVES_MONEY
            if may in found.permissions.wallet
        ]
    if faults:
        raise InvalidSpec(faults)
    return found


def _warnings(where: str, key: KeyInfo) -> list[str]:
    found: list[str] = []
    if not key.ips or "*" in key.ips:
        found.append(f"{where}: the key works from any address; bind it to yours")
    if key.deadline_day is not None and 0 <= key.deadline_day < EXPIRES_SOON_DAYS:
        found.append(f"{where}: the key expires in {key.deadline_day} days")
    return found


async def _instruments(line: Line) -> dict[str, Instrument]:
    """Read every perpetual that settles in USDT and trades."""
    found: dict[str, Instrument] = {}
    params: dict[str, object] = {"category": CATEGORY, "limit": 1000}
    while True:
        body = await line.ask("get_instruments_info", params)
        rows, cursor = parse.page(body, InstrumentRow)
        found |= {
            row.symbol: parse.instrument(row)
            for row in rows
            if row.settle_coin == SETTLE_COIN
            and row.contract_type == "LinearPerpetual"
            and row.status == "Trading"
        }
        if not cursor or len(rows) < 1000:
            return found
        params = params | {"cursor": cursor}


async def _is_hedged(
    line: Line, settings: BybitSettings, instruments: Mapping[str, Instrument]
) -> bool:
    """Tell whether positions are hedged: a symbol's rows say, flat or not (§3.9).

    A few symbols stand for all. One that is kept otherwise is found when it is traded: the venue
    refuses, and a snapshot that shows it is none.
    """
    modes: dict[bool, str] = {}
    for symbol in (settings.symbols or tuple(instruments))[:FEW]:
        body = await line.ask("get_positions", {"category": CATEGORY, "symbol": symbol})
        rows, _ = parse.page(body, PositionRow)
        if not rows:
            raise Misread(f"position {symbol}: there is no row")
        modes.setdefault(any(row.position_idx for row in rows), symbol)
    if len(modes) > 1:
        text = f"{modes[True]} is hedged and {modes[False]} is not; set one mode for all"
        raise InvalidSpec([f"account {settings.account}: {text}"])
    return True in modes


async def _fees(
    line: Line, settings: BybitSettings, instruments: Mapping[str, Instrument]
) -> dict[str, Fees]:
    if settings.environment is Environment.DEMO:
        return dict.fromkeys(instruments, DEMO_FEES)
    found: dict[str, Fees] = {}
    queries: list[dict[str, object]] = [{"symbol": symbol} for symbol in settings.symbols]
    for query in queries if 0 < len(queries) <= FEW else [{}]:
        body = await line.ask("get_fee_rates", {"category": CATEGORY, **query})
        rows, _ = parse.page(body, FeeRow)
        found |= {row.symbol: parse.fees(row) for row in rows}
    return found
