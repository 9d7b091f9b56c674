"""Read ``[accounts.NAME]``: which venue, which instruments, which feeds, how it fills.

Knows how a simulated account is configured (SPEC §11) and which values have no feature behind them
yet. Opens no feed: whether the file is there is all it looks at.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import msgspec

from controller.config_table import Table
from controller.config_values import (
    Wrong,
    amount,
    choice,
    count,
    fee_rate,
    listed,
    poll_ms,
    positive,
    ratio,
    small_ratio,
    speed,
    text,
)
from exchanges.simulated import PricePath, Slots
from machines.words import ZERO, ExitStyle, Fees, Instrument

# Stands in for a bad figure of an instrument while reading goes on to find the other faults: it
# divides whatever can be written, so it objects to nothing.
_ANYTHING = Decimal("0.000000000001")
_FEEDS = 'a candle file, "random-walk:SEED" or "script:FILE"'
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|([A-Za-z_][A-Za-z0-9_]*))")


class VenueName(enum.StrEnum):
    """Where an account is."""

    SIMULATED = "simulated"
    BYBIT = "bybit"
    ZERODHA = "zerodha"


class Oversell(enum.StrEnum):
    """What a venue without reduce-only does with a sale of more than is held."""

    REFUSE = "refuse"
    SHORT = "short"


class Product(enum.StrEnum):
    """Zerodha's products, for per-rung exits and pairs."""

    CNC = "CNC"
    MIS = "MIS"
    NRML = "NRML"


class AccountSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One account as configured.

    *Units*: ``fill_share`` and ``slippage`` fractions, ``balance`` quote currency, ``speed``
    simulated seconds per real second (None: as fast as it goes), ``poll_ms`` milliseconds (None:
    once a bar). ``feeds`` maps a symbol to its feed's text, variables already replaced.
    """

    name: str
    venue: VenueName = VenueName.SIMULATED
    exits: ExitStyle = ExitStyle.POOLED
    oversell: Oversell = Oversell.REFUSE
    slots: Slots = Slots.ONE_WAY
    feeds: dict[str, str] = {}
    path: PricePath = PricePath.ADAPTIVE
    speed: Decimal | None = None
    fill_share: Decimal = Decimal(1)
    slippage: Decimal = ZERO
    balance: Decimal = Decimal(100_000)
    instruments: dict[str, Instrument] = {}
    fees: Fees = Fees()
    product: Product = Product.CNC
    book: Path = Path("rungkeeper.venue.db")
    seed: int = 0
    poll_ms: int | None = 12_000


def read_accounts(
    table: Table, base_dir: Path, env: Mapping[str, str], default_poll_ms: int | None
) -> dict[str, AccountSettings]:
    """Read every account; a bad one as far as it goes, so that plans can still be judged."""
    found: dict[str, AccountSettings] = {}
    for name, account in table.tables().items():
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", name):
            table.fault(name, "an account's name is made of A-Z, a-z, 0-9, _ and -, at most 40")
        found[name] = _read_account(name, account, base_dir, env, default_poll_ms)
    return found


def _read_account(
    name: str, table: Table, base_dir: Path, env: Mapping[str, str], default_poll_ms: int | None
) -> AccountSettings:
    default = AccountSettings(name=name)
    settings = AccountSettings(
        name=name,
        venue=table.need("venue", choice(VenueName, _LATER_VENUES), 'allowed today: "simulated"')
        or default.venue,
        exits=table.read("exits", choice(ExitStyle, _LATER_EXITS), default.exits),
        oversell=table.read("oversell", choice(Oversell, {Oversell.SHORT: 3}), default.oversell),
        slots=table.read("slots", choice(Slots), default.slots),
        feeds=_read_feeds(table.table("feed"), base_dir, env),
        path=table.read("path", choice(PricePath), default.path),
        speed=table.read("speed", speed, default.speed),
        fill_share=table.read("fill_share", _whole_volume, default.fill_share),
        slippage=table.read("slippage", small_ratio, default.slippage),
        balance=table.read("balance", amount, default.balance),
        instruments=_read_instruments(table.table("instruments")),
        fees=_read_fees(table.table("fees")),
        product=table.read("product", choice(Product, _LATER_PRODUCTS), default.product),
        book=base_dir / table.read("book", text, str(default.book)),
        seed=table.read("seed", count, default.seed),
        poll_ms=table.read("poll", poll_ms, default_poll_ms),
    )
    for key in ("session", "faults"):
        table.maybe(key, _not_yet)
    table.close()
    _check_symbols(table)
    return settings


def _check_symbols(table: Table) -> None:
    """Refuse a market without prices, prices without a market, and an account without any."""
    if not table.sound("feed", "instruments"):
        return
    feed, instruments = table.table("feed"), table.table("instruments")
    for symbol in feed.raw:
        if symbol not in instruments:
            feed.fault(
                symbol, f"no such instrument; {instruments.path} has {listed(instruments.raw)}"
            )
    for symbol in instruments.raw:
        if symbol not in feed:
            instruments.fault(symbol, f"no feed for it; {feed.path} has {listed(feed.raw)}")
    if not feed.raw and not instruments.raw:
        table.fault("instruments", "missing; at least one symbol, like { BTCUSDT = { tick = … } }")


_LATER_VENUES = {VenueName.BYBIT: 5, VenueName.ZERODHA: 5}
_LATER_EXITS = {ExitStyle.PER_RUNG: 3, ExitStyle.PAIRS: 3}
_LATER_PRODUCTS = {Product.MIS: 3, Product.NRML: 3}


def _not_yet(_: object) -> None:
    raise Wrong("not built yet (step 3); leave it out")


def _whole_volume(value: object) -> Decimal:
    read = ratio(value)
    if not 0 < read <= 1:
        raise Wrong('a share of the volume is above "0" and at most "1"')
    if read != 1:
        raise Wrong('not built yet (step 3); allowed today: "1"')
    return read


def _read_fees(table: Table) -> Fees:
    fees = Fees(
        maker=table.read("maker", fee_rate, ZERO),
        taker=table.read("taker", fee_rate, ZERO),
    )
    table.close()
    return fees


def _read_instruments(table: Table) -> dict[str, Instrument]:
    found: dict[str, Instrument] = {}
    for symbol, instrument in table.tables().items():
        found[symbol] = Instrument(
            symbol=symbol,
            tick=instrument.need("tick", positive, 'the price step, like "0.10"') or _ANYTHING,
            step=instrument.need("step", positive, 'the quantity step, like "0.001"') or _ANYTHING,
            min_qty=instrument.need("min_qty", positive, 'the least quantity, like "0.001"')
            or _ANYTHING,
            min_notional=instrument.read("min_notional", amount, ZERO),
        )
        instrument.close()
    return found


def _read_feeds(table: Table, base_dir: Path, env: Mapping[str, str]) -> dict[str, str]:
    def feed(value: object) -> str:
        return _read_feed(value, base_dir, env)

    return {symbol: table.read(symbol, feed, "") for symbol in table.raw}


def _read_feed(value: object, base_dir: Path, env: Mapping[str, str]) -> str:
    written = text(value)
    kind, colon, rest = written.partition(":")
    if kind == "live" and colon:
        raise Wrong(f"live prices are not built yet (step 5); allowed today: {_FEEDS}")
    if kind == "random-walk" and colon:
        if not re.fullmatch(r"[0-9]{1,18}", rest):
            raise Wrong('the seed is a whole number, like "random-walk:7"')
        return written
    expanded = expand(written, env)
    path = base_dir / expanded.removeprefix("script:")
    if path.is_dir():
        raise Wrong(f"{path} is a folder; a feed is {_FEEDS}")
    if not path.is_file():
        raise Wrong(f"there is no file {path}; a feed is {_FEEDS}")
    return expanded


def expand(written: str, env: Mapping[str, str]) -> str:
    """Replace ``$NAME``, ``${NAME}`` and ``${NAME:-otherwise}`` the way a shell does.

    *Raises*: Wrong when a variable is not set and nothing is given instead.
    """

    def value_of(found: re.Match[str]) -> str:
        name, otherwise = found[1] or found[3], found[2]
        if value := env.get(name):
            return value
        if otherwise is None:
            raise Wrong(
                f'the variable {name} is not set (write "${{{name}:-folder}}" to do without)'
            )
        return otherwise

    return _VARIABLE.sub(value_of, written)
