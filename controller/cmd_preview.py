"""``rungkeeper preview``: what each plan would declare, against its feed; nothing is sent.

The start price is the close of the first bar at which a plan may start; at a real venue, the last
trade now. What is shown is computed by `machines.planning`; here it is asked for, and written for
people or for programs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import typer

from controller.accounts import Account, build_account, never_starts, setting_of
from controller.accounts import start_px as start_px_of
from controller.config import Config, load
from controller.config_values import Wrong, meant, positive
from controller.live_look import Start, starts
from controller.render import short
from controller.rules.reach import warning
from machines.errors import InvalidSpec
from machines.mirror import too_small
from machines.planning import Setting, entry_prices, refuse_at_start
from machines.preview import Preview, PreviewOrder, Sized
from machines.preview import preview as preview_plan
from machines.spec import LadderSpec
from machines.words import ZERO, Direction, Quote

_FAR = Decimal("0.5")
"""A stop that is further away than half of the price was probably meant as a percentage."""


class Shown(msgspec.Struct, frozen=True):
    """A plan beside what it would declare."""

    spec: LadderSpec
    start_px: Decimal
    found: Preview


def preview(path: Path, name: str | None, filled: str | None, *, as_json: bool) -> int:
    """Show every plan of a configuration, or one.

    *Raises*: InvalidSpec with the faults of every plan that would be refused; BadFeed.
    """
    qty = None if filled is None else _read_filled(filled)
    config = load(path)
    shown = _previews(config, _chosen(config, name), qty)
    if as_json:
        written = msgspec.json.encode([as_data(one.found) for one in shown])
        typer.echo(msgspec.json.format(written).decode())
    else:
        typer.echo("\n\n".join("\n".join(as_lines(one)) for one in shown))
    return 0


def _read_filled(filled: str) -> Decimal:
    try:
        return positive(filled)
    except Wrong:
        allowed = "a plain decimal above 0, like 0.66"
        raise InvalidSpec([f"--filled {filled}: allowed: {allowed}"]) from None


def _chosen(config: Config, name: str | None) -> list[LadderSpec]:
    specs = [spec for spec in config.positions if name in (None, spec.name)]
    if not specs and name is None:
        raise InvalidSpec([f"{config.source}: there are no [[positions]] to show"])
    if not specs:
        known = [spec.name for spec in config.positions]
        raise InvalidSpec(
            [f"--position {name}: {config.source} has no such position; {meant(str(name), known)}"]
        )
    return specs


def _previews(config: Config, specs: list[LadderSpec], filled: Decimal | None) -> list[Shown]:
    shown: list[Shown] = []
    faults: list[str] = []
    found_starts = _starts(config, specs)
    for spec in specs:
        start = found_starts[spec.name]
        if start.quote is None or start.setting is None:
            faults += [_placed(config, spec, fault) for fault in start.faults]
            continue
        start_px = start.quote.last
        try:
            found = preview_plan(spec, start_px, start.setting, filled)
            never = warning(spec, start_px, config.rules)
            more = [*([never] if never else []), *_unmirrored(config, spec, start_px)]
            found = _warned(spec, found, start.quote, start.setting, more)
            shown.append(Shown(spec, start_px, found))
        except InvalidSpec as error:
            faults += [_placed(config, spec, fault) for fault in error.faults]
    if faults:
        raise InvalidSpec(faults)
    return shown


def _unmirrored(config: Config, spec: LadderSpec, start_px: Decimal) -> Iterator[str]:
    """Say which mirrors would be too small; a real venue tells its minimum when it is opened."""
    for mirror in spec.mirrors:
        grid = config.accounts[mirror.account].instruments.get(spec.symbol)
        if grid is not None:
            prices = entry_prices(spec, start_px, grid.tick)
            yield from too_small(spec.entries, prices, mirror, grid)


def _starts(config: Config, specs: list[LadderSpec]) -> dict[str, Start]:
    """Say where each plan would start: by its feed, or by what its venue shows now."""
    found: dict[str, Start] = {}
    for name, settings in config.accounts.items():
        mine = [spec for spec in specs if spec.account == name]
        if mine and settings.real_time:
            found |= starts(settings, mine, config.base_dir)
        elif mine:
            account = build_account(settings, config.base_dir)
            found |= {spec.name: _fed(account, spec) for spec in mine}
    return found


def _fed(account: Account, spec: LadderSpec) -> Start:
    if late := never_starts(account, spec):
        return Start(None, None, tuple(late))
    quote = Quote(spec.symbol, start_px_of(account, spec), 0, 0)
    return Start(quote, setting_of(account, spec.symbol))


def _warned(
    spec: LadderSpec, found: Preview, quote: Quote, setting: Setting, more: list[str]
) -> Preview:
    """Add what a trader would want to hear about a plan at the price where it starts."""
    more = [*more] + [
        f"would be refused at this start: {fault}"
        for fault in refuse_at_start(spec, quote, setting)
    ]
    stop_px = found.at_full.stop.trigger_px
    away = abs(found.at_full.avg_px - stop_px) / found.at_full.avg_px
    if away > _FAR:
        more.append(
            f"the stop at {short(stop_px)} is {short(round(away * 100, 1))}% away from the average "
            f"entry; a percentage is written like {'-5%' if spec.side is Direction.LONG else '5%'}"
        )
    return msgspec.structs.replace(found, warnings=(*found.warnings, *more))


def _placed(config: Config, spec: LadderSpec, fault: str) -> str:
    """Say where a plan's fault stands, the way the configuration reader does."""
    fault = fault.removeprefix(f"{spec.name}: ")
    if fault.startswith("--"):
        return f"{spec.name}: {fault}"
    n = config.positions.index(spec) + 1
    return f"{config.source}: {spec.name}: positions[{n}].{fault}"


def as_data(found: Preview) -> dict[str, object]:
    """Return a preview ready for JSON (SPEC §12)."""
    return {
        "name": found.name,
        "entries": _orders(found.entries),
        "at_full": _sized(found.at_full),
        "at_filled": None if found.at_filled is None else _sized(found.at_filled),
        "break_even": _plain(found.break_even),
        "folded": list(found.folded),
        "warnings": list(found.warnings),
    }


def _sized(sized: Sized) -> dict[str, object]:
    return {
        "filled": _plain(sized.filled),
        "avg_px": _plain(sized.avg_px),
        "stop": {"trigger_px": _plain(sized.stop.trigger_px), "qty": _plain(sized.stop.qty)},
        "rungs": _orders(sized.rungs),
        "break_even": _plain(sized.break_even),
    }


def _orders(orders: Iterable[PreviewOrder]) -> list[dict[str, object]]:
    return [{"n": one.n, "price": _plain(one.price), "qty": _plain(one.qty)} for one in orders]


def _plain(value: Decimal) -> str:
    """Write every digit that counts, and no zeros after them."""
    return format(value.normalize(), "f") if value else "0"


def as_lines(shown: Shown) -> list[str]:
    """Return a preview as lines for people: a column for each amount filled."""
    spec, found = shown.spec, shown.found
    columns = [found.at_full] + ([] if found.at_filled is None else [found.at_filled])
    rows = [["", "all filled", f"{short(columns[-1].filled)} filled"][: len(columns) + 1]]
    for n, (entry, order) in enumerate(zip(spec.entries, found.entries, strict=True)):
        before = sum((one.qty for one in found.entries[:n]), ZERO)
        price = "market" if entry.price is None else short(order.price)
        got = [min(max(sized.filled - before, ZERO), order.qty) for sized in columns]
        rows.append([f"entry {order.n}", *[_at(qty, price) for qty in got]])
    rows.append(["average", *[short(sized.avg_px) for sized in columns]])
    rows.append(["stop", *[_at(one.stop.qty, short(one.stop.trigger_px)) for one in columns]])
    for rungs in zip(*[sized.rungs for sized in columns], strict=True):
        rows.append([f"TP{rungs[0].n}", *[_at(rung.qty, short(rung.price)) for rung in rungs]])
    rows.append(["break-even", *[short(sized.break_even) for sized in columns]])
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = [f"{found.name}: {spec.side} {spec.symbol} in {spec.account}, starting at "
             f"{short(shown.start_px)}"]  # fmt: skip
    lines += ["  " + "   ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return lines + [f"  warning: {warning}" for warning in found.warnings]


def _at(qty: Decimal, price: str) -> str:
    return f"{short(qty)} @ {price}" if qty else "-"
