"""Read ``[accounts.NAME]``: which venue, which instruments, which feeds, how it fills.

Knows how a simulated account is configured (SPEC §11) and which values have no feature behind them
yet. Opens no feed: whether the file is there is all it looks at.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path

import msgspec

from controller.config_live import (
    BYBIT_POLL_MS,
    LIVE_FEED,
    ZERODHA_POLL_MS,
    LiveAccount,
    check_live_prices,
    live_poll_ms,
    read_bybit,
    read_zerodha,
)
from controller.config_table import Table
from controller.config_values import (
    Unquoted,
    Wrong,
    amount,
    choice,
    count,
    fee_rate,
    file_in,
    is_file,
    is_folder,
    listed,
    meant,
    number,
    poll_ms,
    positive,
    ratio,
    small_ratio,
    speed,
    text,
)
from exchanges.simulated import (
    Fault,
    Faults,
    Oversell,
    PricePath,
    Product,
    Session,
    Slots,
    faults_from,
)
from exchanges.simulated.settings import FINEST
from machines.errors import InvalidSpec
from machines.words import ZERO, ExitStyle, Fees, Instrument, plain

# Stands in for a bad figure of an instrument while reading goes on to find the other faults: it
# divides whatever can be written, so it objects to nothing.
_ANYTHING = Decimal("0.000000000001")
_FEEDS = (
    'a candle file, a tick file, "TICKS+QUOTES", "random-walk:SEED" "script:FILE" or "live:bybit"'
)
_FAULTS = (*(fault.value for fault in Fault), "script")
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|([A-Za-z_][A-Za-z0-9_]*))")


class VenueName(enum.StrEnum):
    """Where an account is."""

    SIMULATED = "simulated"
    BYBIT = "bybit"
    ZERODHA = "zerodha"


class AccountSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One account as configured.

    *Units*: ``fill_share`` and ``slippage`` fractions, ``balance`` quote currency, ``speed``
    simulated seconds per real second (None: as fast as it goes), ``poll_ms`` milliseconds (None:
    once a bar). ``feeds`` maps a symbol to its feed's text, variables already replaced. ``book`` is
    the venue's own file, ``acts`` a file of what others do, ``seed`` decides which requests and
    reads ``faults`` meet.
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
    session: Session | None = None
    book: Path = Path("rungkeeper.venue.db")
    acts: Path | None = None
    faults: Faults = Faults()
    seed: int = 0
    poll_ms: int | None = 12_000
    url: str | None = None
    """Where live prices come from, if not from the venue's own host."""
    live: LiveAccount | None = None
    """What a real venue's account is made of; None for a simulated one."""

    @property
    def live_fed(self) -> bool:
        """Tell whether it is simulated on the prices of a live venue."""
        return any(feed == LIVE_FEED for feed in self.feeds.values())

    @property
    def real_time(self) -> bool:
        """Tell whether it goes by real time, not by a feed's."""
        return self.live is not None or self.live_fed


def read_accounts(
    table: Table,
    base_dir: Path,
    env: Mapping[str, str],
    state: Path,
    default_poll_ms: int | None,
) -> dict[str, AccountSettings]:
    """Read every account; a bad one as far as it goes, so that plans can still be judged.

    Without a ``book`` the venue's file stands beside the ``state`` file and is named after it.
    """
    found: dict[str, AccountSettings] = {}
    tables = table.tables()
    for name, account in tables.items():
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", name):
            table.fault(name, "an account's name is made of A-Z, a-z, 0-9, _ and -, at most 40")
        # The first one's name does not change when another account joins.
        book = state.with_name(
            f"{state.stem}.{name}.venue.db" if found else f"{state.stem}.venue.db"
        )
        default = AccountSettings(name=name, book=book, poll_ms=default_poll_ms)
        if account.raw.get("venue") in _LIVE:
            found[name] = _read_live(default, account, base_dir, state)
        else:
            found[name] = _read_account(default, account, base_dir, env)
    _check_apart(found, tables)
    simulated = {name: settings for name, settings in found.items() if settings.live is None}
    _check_books(simulated, tables, state)
    _check_speeds({n: each for n, each in simulated.items() if not each.live_fed}, tables)
    return found


_LIVE = (VenueName.BYBIT, VenueName.ZERODHA)


def _read_live(
    default: AccountSettings, table: Table, base_dir: Path, state: Path
) -> AccountSettings:
    name = default.name
    bybit = table.need("venue", choice(VenueName), "") is VenueName.BYBIT
    usual = BYBIT_POLL_MS if bybit else ZERODHA_POLL_MS
    if default.poll_ms is None and "poll" not in table:
        table.fault("poll", 'missing; controller.poll is "bar", and a real venue has no bars')
    elif default.poll_ms not in (None, AccountSettings(name=name).poll_ms):
        usual = default.poll_ms
    settings = AccountSettings(
        name=name,
        venue=VenueName.BYBIT if bybit else VenueName.ZERODHA,
        poll_ms=table.read("poll", live_poll_ms, usual),
        live=read_bybit(table) if bybit else read_zerodha(table, name, base_dir, state),
    )
    table.close()
    return settings


def _check_apart(accounts: Mapping[str, AccountSettings], tables: Mapping[str, Table]) -> None:
    """Refuse real time beside feeds: those keep their own."""
    live = [name for name, settings in accounts.items() if settings.real_time]
    for name, settings in accounts.items():
        if live and not settings.real_time and tables[name].sound("venue"):
            tables[name].fault(
                "venue",
                f"accounts.{live[0]} is at a real venue, or on its prices; such a one and a feed "
                "never share a process: run them apart",
            )


def _check_books(
    accounts: Mapping[str, AccountSettings], tables: Mapping[str, Table], state: Path
) -> None:
    """Refuse a file that two would write."""
    owners = {state.absolute(): "controller.state"}
    for name, settings in accounts.items():
        path = settings.book.absolute()
        if path in owners:
            tables[name].fault("book", f"{owners[path]} is this file; every file has one owner")
        owners.setdefault(path, f"accounts.{name}.book")


def _check_speeds(accounts: Mapping[str, AccountSettings], tables: Mapping[str, Table]) -> None:
    """Refuse different speeds: a run has one clock."""
    first = next(iter(accounts.values()), None)
    for name, settings in accounts.items():
        if first is not None and settings.speed != first.speed:
            pace = "max" if first.speed is None else plain(first.speed)
            tables[name].fault(
                "speed", f'accounts.{first.name} has "{pace}"; all accounts of a run have one speed'
            )


def _read_account(
    default: AccountSettings, table: Table, base_dir: Path, env: Mapping[str, str]
) -> AccountSettings:
    settings = AccountSettings(
        name=default.name,
        venue=table.need("venue", choice(VenueName), f"allowed: {listed(VenueName)}")
        or default.venue,
        exits=table.read("exits", choice(ExitStyle), default.exits),
        oversell=table.read("oversell", choice(Oversell), default.oversell),
        slots=table.read("slots", choice(Slots), default.slots),
        feeds=_read_feeds(table.table("feed"), base_dir, env),
        path=table.read("path", choice(PricePath), default.path),
        speed=table.read("speed", speed, default.speed),
        fill_share=table.read("fill_share", _whole_volume, default.fill_share),
        slippage=table.read("slippage", small_ratio, default.slippage),
        balance=table.read("balance", amount, default.balance),
        instruments=_read_instruments(table.table("instruments")),
        fees=_read_fees(table.table("fees")),
        product=table.read("product", choice(Product), default.product),
        session=table.read("session", _session, default.session),
        book=table.read("book", file_in(base_dir), default.book),
        acts=table.maybe("acts", _acts_in(base_dir)),
        faults=_read_faults(table.table("faults")),
        seed=table.read("seed", count, default.seed),
        poll_ms=table.read("poll", poll_ms, default.poll_ms),
        url=table.maybe("url", text),
    )
    table.close()
    _check_symbols(table)
    if settings.live_fed:
        check_live_prices(table, settings.feeds.values(), settings.poll_ms, settings.fill_share)
    elif settings.url is not None:
        table.fault("url", f'only live prices come from one: feed = {{ … = "{LIVE_FEED}" }}')
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


def _session(value: object) -> Session:
    try:
        return Session.parse(text(value))
    except ValueError:
        raise Wrong('a session is written like "09:15-15:30 Asia/Kolkata"') from None


def _whole_volume(value: object) -> Decimal:
    read = ratio(value)
    if not 0 < read <= 1:
        raise Wrong('a share of the volume is above "0" and at most "1"')
    return read


def _acts_in(base_dir: Path) -> Callable[[object], Path]:
    def read(value: object) -> Path:
        path = base_dir / text(value)
        if not is_file(path):
            raise Wrong(f"there is no file {path}; a file of acts is expected")
        return path

    return read


def _read_faults(table: Table) -> Faults:
    """Read each fault by itself, so that the message names it; then all, as rates add up."""

    def one(key: str) -> Callable[[object], None]:
        def read(value: object) -> None:
            if key not in _FAULTS:
                raise Wrong(f"no such fault; {meant(key, _FAULTS)}")
            if isinstance(value, int | Unquoted) and not isinstance(value, bool):
                number(value)  # says that numbers stand in quotes
            try:
                faults_from({key: value})
            except InvalidSpec as error:
                wrong = error.faults[0].removeprefix(f"{key}: ")
                raise Wrong(wrong.removeprefix(f"{value!r}: ")) from None

        return read

    for key in table.raw:
        table.read(key, one(key), None)
    if not table.sound(*table.raw):
        return Faults()
    try:
        return faults_from(table.raw)
    except InvalidSpec as error:
        for fault in error.faults:
            table.faults.add(table.path, fault)
        return Faults()


def _read_fees(table: Table) -> Fees:
    fees = Fees(
        maker=table.read("maker", fee_rate, ZERO),
        taker=table.read("taker", fee_rate, ZERO),
    )
    table.close()
    return fees


def _grid(value: object) -> Decimal:
    read = positive(value)
    if read < FINEST:
        raise Wrong(f'too fine: at least "{plain(FINEST)}" is expected')
    return read


def _read_instruments(table: Table) -> dict[str, Instrument]:
    found: dict[str, Instrument] = {}
    for symbol, instrument in table.tables().items():
        found[symbol] = Instrument(
            symbol=symbol,
            tick=instrument.need("tick", _grid, 'the price step, like "0.10"') or _ANYTHING,
            step=instrument.need("step", _grid, 'the quantity step, like "0.001"') or _ANYTHING,
            min_qty=instrument.need("min_qty", _grid, 'the least quantity, like "0.001"')
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
    if written == LIVE_FEED:
        return written
    if kind == "live" and colon:
        raise Wrong(f'live prices are Bybit\'s: "{LIVE_FEED}"')
    if kind == "random-walk" and colon:
        if not re.fullmatch(r"[0-9]{1,18}", rest):
            raise Wrong('the seed is a whole number, like "random-walk:7"')
        return written
    expanded = expand(written, env)
    named = expanded.removeprefix("script:")
    for name in [named] if is_file(base_dir / named) else named.split("+"):
        path = base_dir / name
        if is_folder(path):
            raise Wrong(f"{path} is a folder; a feed is {_FEEDS}")
        if not is_file(path):
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
