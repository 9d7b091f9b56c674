"""Read ``[ladder]`` and ``[[positions]]`` into plans (LadderSpec).

Judges all that needs no market: shapes, sums, signs, steps and minimums, and that account,
instrument and feed exist. What needs a price (order of targets, stop inside the entries) is judged
where the price is known. Invariant: a plan that leaves here has sound figures in every field.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import cast

import msgspec

from controller.config_accounts import AccountSettings
from controller.config_mirrors import check_mirrors, read_mirrors
from controller.config_table import Table
from controller.config_values import (
    Wrong,
    at_least_one,
    choice,
    count,
    duration_ms,
    entry_price,
    flag,
    listed,
    meant,
    name,
    positive,
    price,
    share,
    show,
    small_ratio,
    stop_price,
    text,
    time_ms,
)
from machines.spec import (
    WHEN_FLAT,
    Anchor,
    BreakEven,
    EntrySpec,
    LadderSpec,
    LateEntry,
    NakedPolicy,
    Price,
    Rounding,
    RoundingSpec,
    WhenBehind,
    WhenBusy,
)
from machines.words import ZERO, Direction, Instrument, plain

_MOST_TARGETS = 8
_PRICE = 'a price like "104000" or a percentage like "-1.5%"'


class ExternalGrowth(enum.StrEnum):
    """What happens to quantity that somebody else added."""

    MERGE = "merge"
    IGNORE = "ignore"


LADDER_DEFAULTS = LadderSpec(
    name="", ladder="", account="", symbol="", side=Direction.LONG,
    entries=(), stop=Price(ZERO), targets=(),
)  # fmt: skip


def read_ladder(table: Table, base: LadderSpec, rule_names: Collection[str]) -> LadderSpec:
    """Lay the ladder fields of a table over those of ``base``."""

    def rules(value: object) -> tuple[str, ...] | bool:
        return _read_rules(value, rule_names)

    spec: LadderSpec = msgspec.structs.replace(
        base,
        shares=_read_shares(table) or base.shares,
        anchor=table.read("anchor", choice(Anchor), base.anchor),
        rounding=_read_rounding(table.table("rounding"), base.rounding),
        break_even=table.read("break_even", choice(BreakEven), base.break_even),
        be_slippage=table.read("be_slippage", small_ratio, base.be_slippage),
        be_gap=table.read("be_gap", small_ratio, base.be_gap),
        when_break_even_is_behind=table.read(
            "when_break_even_is_behind", choice(WhenBehind), base.when_break_even_is_behind
        ),
        late_entry=table.read("late_entry", choice(LateEntry), base.late_entry),
        entry_ttl_ms=table.read("entry_ttl", duration_ms, base.entry_ttl_ms),
        cancel_if_missed=table.read("cancel_if_missed", flag, base.cancel_if_missed),
        step_stop=table.read("step_stop", flag, base.step_stop),
        when_busy=table.read("when_busy", choice(WhenBusy), base.when_busy),
        naked_policy=table.read("naked_policy", choice(NakedPolicy), base.naked_policy),
        external_growth=table.read("external_growth", choice(ExternalGrowth), base.external_growth),
        max_qty=table.read("max_qty", at_least_one, base.max_qty),
        max_scalings=table.read("max_scalings", count, base.max_scalings),
        scale_after_tp1=table.read("scale_after_tp1", flag, base.scale_after_tp1),
        touch_slack=table.read("touch_slack", count, base.touch_slack),
        rules=table.read("rules", rules, base.rules),
        mirrors=read_mirrors(table, base.mirrors),
        follow_close=table.read("follow_close", flag, base.follow_close),
    )
    return spec


def read_positions(
    tables: list[Table],
    base: LadderSpec,
    accounts: Mapping[str, AccountSettings],
    rule_names: Collection[str],
) -> tuple[LadderSpec, ...]:
    """Read every plan; one with a fault is left out (the faults are kept by its table)."""
    found = [_read_position(table, base, accounts, rule_names) for table in tables]
    _check_names(tables)
    return tuple(spec for spec in found if spec is not None)


def _read_position(
    table: Table,
    base: LadderSpec,
    accounts: Mapping[str, AccountSettings],
    rule_names: Collection[str],
) -> LadderSpec | None:
    own_name = table.need("name", name, "a name is made of a-z, 0-9 and -")
    account = table.need("account", text, f"allowed: {listed(accounts)}")
    symbol = table.need("symbol", text, "the instrument's name")
    side = table.need("side", choice(Direction), f"allowed: {listed(Direction)}")
    instrument = _find_instrument(table, account, symbol, accounts)
    entries = _read_entries(table, instrument)
    stop = table.need("stop", stop_price(side), _PRICE)
    targets = table.values("targets", price)
    spec = read_ladder(table, base, rule_names)
    _check_targets(table, targets, spec.shares)
    if side is not None and targets is not None and table.sound("entries"):
        _check_sides(table, side, targets, entries, spec.anchor)
    if account is not None and symbol is not None:
        check_mirrors(table, spec.mirrors, (account, symbol), accounts)
    not_before_ms = table.maybe("not_before", time_ms)
    repeat = table.maybe("repeat", _read_repeat)
    table.close()
    if own_name is None or account is None or symbol is None:
        return None
    if side is None or stop is None or targets is None:
        return None
    spec: LadderSpec = msgspec.structs.replace(
        spec,
        name=own_name,
        ladder=own_name,
        account=account,
        symbol=symbol,
        side=side,
        entries=entries,
        stop=stop,
        targets=targets,
        not_before_ms=not_before_ms,
        repeat=repeat,
    )
    return spec


def _find_instrument(
    table: Table,
    account: str | None,
    symbol: str | None,
    accounts: Mapping[str, AccountSettings],
) -> Instrument | None:
    if account is None:
        return None
    if account not in accounts:
        table.fault("account", f"there is no [accounts.{account}]; {meant(account, accounts)}")
        return None
    if symbol is None:
        return None
    settings = accounts[account]
    if settings.live is not None:  # the venue alone knows what it trades
        return None
    if symbol not in settings.instruments and symbol not in settings.feeds:
        table.fault(
            "symbol",
            f"accounts.{account} has neither instrument nor feed of that name; "
            f"{meant(symbol, settings.instruments)}",
        )
    return settings.instruments.get(symbol)


def _read_entries(table: Table, instrument: Instrument | None) -> tuple[EntrySpec, ...]:
    found: list[EntrySpec] = []
    for entry in table.list_of_tables("entries"):
        at = entry.need("price", entry_price, f'{_PRICE}, or "market"')
        qty = entry.need("qty", positive, 'a quantity like "0.33"')
        entry.close()
        if qty is None:
            continue
        if instrument is not None:
            _check_size(entry, at, qty, instrument)
        found.append(EntrySpec(at, qty))
    if table.sound("entries") and not table.raw.get("entries"):
        table.fault("entries", 'at least one entry is needed, like { price = "-0.1%", qty = "1" }')
    return tuple(found)


def _check_size(entry: Table, at: Price | None, qty: Decimal, instrument: Instrument) -> None:
    symbol, step = instrument.symbol, instrument.step
    if qty % step != ZERO:
        below = qty // step * step
        near = [plain(size) for size in (below, below + step) if size >= instrument.min_qty]
        entry.fault(
            "qty",
            f"not a multiple of the step of {symbol}, {plain(step)}; nearest: {listed(near)}",
        )
    if qty < instrument.min_qty:
        entry.fault("qty", f"below the least quantity of {symbol}, {plain(instrument.min_qty)}")
    elif at is not None and not at.percent and qty * at.value < instrument.min_notional:
        entry.fault(
            "qty",
            f"worth {plain((qty * at.value).normalize())} at {at}, below the least value of an "
            f"order in {symbol}, {plain(instrument.min_notional)}",
        )


def _check_targets(
    table: Table, targets: tuple[Price, ...] | None, shares: tuple[Decimal, ...]
) -> None:
    if targets is None:
        if table.sound("targets"):
            table.fault("targets", 'missing; one to eight prices, like ["1%", "2%", "3%", "4%"]')
        return
    if not 1 <= len(targets) <= _MOST_TARGETS:
        table.fault("targets", f"{len(targets)} targets; 1 to {_MOST_TARGETS} are allowed")
    elif table.sound("shares") and len(targets) != len(shares):
        written = ", ".join(plain(one) for one in shares)
        table.fault(
            "targets",
            f"{len(targets)} targets, but {len(shares)} shares ({written}); "
            "there must be one share for each target",
        )


def _check_sides(
    table: Table,
    side: Direction,
    targets: tuple[Price, ...],
    entries: tuple[EntrySpec, ...],
    anchor: Anchor,
) -> None:
    """Refuse percentages that are on the wrong side whatever the market does."""
    if anchor is Anchor.AVERAGE:
        nearest, what = ZERO, "the average entry"
    else:
        # An absolute entry is judged where the price is known.
        known = [entry.price.value if entry.price else ZERO for entry in entries
                 if entry.price is None or entry.price.percent]  # fmt: skip
        if not known:
            return
        nearest = max(known) if side is Direction.LONG else min(known)
        what = f"its entries ({Price(nearest, percent=True)})"
    word = "above" if side is Direction.LONG else "below"
    for n, target in enumerate(targets, 1):
        if target.percent and not side.beyond(target.value, nearest):
            table.fault_of_item(
                "targets", n, f"on the wrong side; a {side}'s targets lie {word} {what}"
            )


def _check_names(tables: list[Table]) -> None:
    """Refuse names used twice, and names that another plan's repeats will bear."""
    first: dict[str, Table] = {}
    repeating = {str(table.raw.get("name")) for table in tables if "repeat" in table}
    for table in tables:
        own = table.raw.get("name")
        if not isinstance(own, str) or not table.sound("name"):
            continue
        if own in first:
            table.fault("name", f"{first[own].path} has this name already; every name is its own")
        first.setdefault(own, table)
        base, dash, digits = own.rpartition("-")
        if dash and re.fullmatch(r"[0-9]{4,}", digits) and base in repeating:
            table.fault("name", f'repeats of "{base}" are named so; choose another name')


def _read_shares(table: Table) -> tuple[Decimal, ...] | None:
    shares = table.values("shares", share)
    if shares is None:
        return None
    total = sum(shares, ZERO)
    if not 1 <= len(shares) <= _MOST_TARGETS:
        table.fault("shares", f"{len(shares)} shares; 1 to {_MOST_TARGETS} are allowed")
    elif total != 1:
        table.fault("shares", f"they sum to {plain(total)}; they must sum to exactly 1")
    else:
        return shares
    return None


def _read_rounding(table: Table, base: RoundingSpec) -> RoundingSpec:
    rounding = RoundingSpec(
        entries=table.read("entries", choice(Rounding), base.entries),
        exits=table.read("exits", choice(Rounding), base.exits),
    )
    table.close()
    return rounding


def _read_rules(value: object, rule_names: Collection[str]) -> tuple[str, ...] | bool:
    if isinstance(value, bool):
        return value
    if not isinstance(value, list):
        raise Wrong("true, false or a list of rule names is expected")
    names: list[str] = []
    for item in cast(list[object], value):
        if not isinstance(item, str) or item.removesuffix("%") not in rule_names:
            raise Wrong(f"no rule {show(item)}; {meant(str(item), rule_names)}")
        names.append(item.removesuffix("%"))
    return tuple(names) or False


def _read_repeat(value: object) -> str:
    if value == WHEN_FLAT:
        return WHEN_FLAT
    try:
        duration_ms(value)
    except Wrong:
        raise Wrong('allowed: "when-flat", or a time like "1h"') from None
    return text(value)
