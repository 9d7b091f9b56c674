"""A plan meets the market: what is wrong with it, and the ladder it opens.

Break-even is judged on imagined fills counted through the real table. Knows no files, no clock
and no venue. *Source*: SPEC §3 E1, §4.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from machines import pricing
from machines.facts import is_late
from machines.ladder import (
    DeclaredOrder,
    Ladder,
    Standing,
    State,
    Terms,
    break_even_px,
    fold_entry_fill,
    ladder_prefix,
)
from machines.position import step
from machines.recipes import Moment
from machines.sharing import ceil_to
from machines.spec import Anchor, BreakEven, LadderSpec, WhenBehind
from machines.words import (
    ZERO,
    Capabilities,
    Direction,
    Event,
    ExitStyle,
    Fees,
    Fill,
    Instrument,
    Key,
    Liquidity,
    OrderType,
    Quote,
    Role,
    Trigger,
    View,
    plain,
)


class Setting(msgspec.Struct, frozen=True):
    """Where a plan would be opened: the grid, the rates and the venue's abilities."""

    instrument: Instrument
    fees: Fees
    capabilities: Capabilities


def entry_prices(spec: LadderSpec, reference: Decimal, tick: Decimal) -> list[Decimal]:
    """Return each entry's price on the tick; a market entry counts at the reference."""
    mode = spec.rounding.entries
    return [
        reference
        if entry.price is None
        else pricing.entry_px(entry.price.at(reference), tick, spec.side, mode)
        for entry in spec.entries
    ]


def _average(spec: LadderSpec, prices: list[Decimal]) -> Decimal:
    cost = sum((e.qty * px for e, px in zip(spec.entries, prices, strict=True)), ZERO)
    return cost / spec.planned_qty


def check(spec: LadderSpec, reference: Decimal, setting: Setting) -> list[str]:
    """Return every fault of a plan at a reference price, one sentence each; empty is sound."""
    tick = setting.instrument.tick
    prices = entry_prices(spec, reference, tick)
    faults = _check_entries(spec, prices, setting.instrument)
    if spec.side is Direction.SHORT and not setting.capabilities.shorts:
        faults.append(f"side = {spec.side}: what this account holds is never short")
    base = reference if spec.anchor is Anchor.START else _average(spec, prices)
    mode = spec.rounding.exits
    targets = [pricing.exit_px(t.at(base), tick, spec.side, mode) for t in spec.targets]
    stop = pricing.exit_px(spec.stop.at(base), tick, spec.side, mode)
    faults += _check_targets(spec, targets, prices)
    faults += _check_stop(spec, stop, prices)
    if not faults:
        faults += _check_break_even(spec, targets[0], stop, prices, setting)
    return faults


def _check_entries(spec: LadderSpec, prices: list[Decimal], instrument: Instrument) -> list[str]:
    faults: list[str] = []
    for n, (entry, price) in enumerate(zip(spec.entries, prices, strict=True), 1):
        where = f"entries[{n}]"
        if price <= ZERO:
            faults.append(f"{where}.price = {entry.price}: must be above zero")
            continue
        if entry.qty % instrument.step:
            faults.append(
                f"{where}.qty = {plain(entry.qty)}: must be a multiple of the step "
                f"{plain(instrument.step)}"
            )
        least = max(instrument.min_qty, ceil_to(instrument.min_notional / price, instrument.step))
        if entry.qty < least:
            faults.append(
                f"{where}.qty = {plain(entry.qty)}: must be at least {plain(least)} at "
                f"{plain(price)}"
            )
    return faults


def _check_targets(spec: LadderSpec, targets: list[Decimal], prices: list[Decimal]) -> list[str]:
    long = spec.side is Direction.LONG
    nearest = max(prices) if long else min(prices)
    word = "above" if long else "below"
    faults: list[str] = []
    for n, (target, asked) in enumerate(zip(targets, spec.targets, strict=True), 1):
        if spec.anchor is Anchor.AVERAGE and asked.percent:
            right_side = asked.value > ZERO if long else asked.value < ZERO
        else:
            right_side = spec.side.beyond(target, nearest)
        if not right_side:
            faults.append(
                f"targets[{n}] = {asked}: is {plain(target)}, on the wrong side; a {spec.side}'s "
                f"targets lie {word} its entries ({plain(nearest)})"
            )
        if n > 1 and not spec.side.beyond(target, targets[n - 2]):
            faults.append(
                f"targets[{n}] = {asked}: is {plain(target)}, out of order; must lie {word} "
                f"targets[{n - 1}] ({plain(targets[n - 2])})"
            )
    return faults


def _check_stop(spec: LadderSpec, stop: Decimal, prices: list[Decimal]) -> list[str]:
    long = spec.side is Direction.LONG
    furthest = min(prices) if long else max(prices)
    if spec.anchor is Anchor.AVERAGE and spec.stop.percent:
        # The first fill alone decides the first stop: the nearest entry gives the tightest one.
        stop = spec.stop.at(max(prices) if long else min(prices))
    if stop <= ZERO:
        return [f"stop = {spec.stop}: must be above zero"]
    if spec.side.beyond(furthest, stop):
        return []
    word = "below" if long else "above"
    return [
        f"stop = {spec.stop}: is {plain(stop)}, inside the entries; a {spec.side}'s stop lies "
        f"{word} all of them ({plain(furthest)})"
    ]


def _check_break_even(
    spec: LadderSpec, first: Decimal, stop: Decimal, prices: list[Decimal], setting: Setting
) -> list[str]:
    if spec.when_break_even_is_behind is not WhenBehind.KEEP:
        remainder = msgspec.structs.replace(spec, break_even=BreakEven.REMAINDER)
        runner = break_even_px(_filled_up(remainder, prices, setting))
        gap = (first - runner) / runner * (1 if spec.side is Direction.LONG else -1)
        if gap < spec.be_gap:
            return [
                f"targets[1] = {spec.targets[0]}: {plain(first)} lies {gap * 100:.3f}% beyond "
                f"break-even ({plain(runner)}); at least be_gap = {spec.be_gap * 100:f}% is "
                'needed, or when_break_even_is_behind = "keep"'
            ]
    if spec.break_even is BreakEven.WHOLE_TRADE:
        whole = _whole_trade_px(spec, first, prices, setting)
        if not spec.side.beyond(whole, stop):
            return [
                f'break_even = "whole-trade": {plain(whole)} lies beyond the stop '
                f"{plain(stop)}, so TP1 would loosen it"
            ]
    return []


def _filled_up(spec: LadderSpec, prices: list[Decimal], setting: Setting) -> Ladder:
    """Return the ladder that every entry's fill leads to, at the prices given."""
    quote = Quote(spec.symbol, prices[0], 0, 0)
    ladder = open_ladder(spec, setting, Key(spec.account, spec.symbol), quote, 0)
    return fill_up(ladder, prices, setting, spec.planned_qty)


def _whole_trade_px(
    spec: LadderSpec, first: Decimal, prices: list[Decimal], setting: Setting
) -> Decimal:
    ladder = _filled_up(spec, prices, setting)
    share = ladder.rungs[0].qty
    if share >= ladder.held:
        return break_even_px(ladder)
    sign = 1 if spec.side is Direction.LONG else -1
    left = ladder.held - share
    after = msgspec.structs.replace(
        ladder,
        held=left,
        held_cost=ladder.avg_px * left,
        realised=sign * (first - ladder.avg_px) * share,
        fees=ladder.fees + first * share * setting.fees.maker,
    )
    return break_even_px(after)


def refuse_at_start(
    spec: LadderSpec, quote: Quote, setting: Setting, view: View | None = None
) -> list[str]:
    """Return why a sound plan cannot start now (E1).

    The market is beyond its stop or TP1, intraday positions end, or ``view`` shows a position
    that the stop would close.
    """
    faults = check(spec, quote.last, setting)
    if faults:
        return faults
    if view is not None and view.net_qty and setting.capabilities.position_stop:
        return [
            f"{spec.symbol} holds {plain(view.net_qty)} that is not ours, and the stop belongs to "
            "the whole position; close it or adopt it first"
        ]
    if quote.square_off_ms is not None and quote.at_ms >= quote.square_off_ms:
        return [f"{spec.symbol}: too late to enter: intraday positions end now"]
    tick = setting.instrument.tick
    mode = spec.rounding.exits
    market = quote.exit_px(spec.side)
    stop = pricing.exit_px(spec.stop.at(quote.last), tick, spec.side, mode)
    first = pricing.exit_px(spec.targets[0].at(quote.last), tick, spec.side, mode)
    if not spec.side.beyond(market, stop):
        return [f"stop = {spec.stop}: the market ({plain(market)}) is already beyond it"]
    if not spec.side.beyond(first, market):
        return [f"targets[1] = {spec.targets[0]}: the market ({plain(market)}) is already there"]
    return []


def open_ladder(
    spec: LadderSpec,
    setting: Setting,
    key: Key,
    quote: Quote,
    now_ms: int,
    view: View | None = None,
) -> Ladder:
    """Turn a sound plan into a ladder, before E1.

    ``view`` is what the key shows already: that was there before and is not ours.
    """
    before = View(key) if view is None else view
    slippage = spec.be_slippage
    terms = Terms(
        spec=spec,
        instrument=setting.instrument,
        fees=setting.fees,
        key=key,
        prefix=ladder_prefix(spec.account, spec.name, now_ms),
        be_slippage=setting.capabilities.be_slippage if slippage is None else slippage,
        opened_ms=now_ms,
        opened_trading_ms=quote.trading_ms,
        start_px=quote.last,
        merges=setting.capabilities.exits is ExitStyle.POOLED,
        exits=setting.capabilities.exits,
    )
    entries, rungs = _planned_entries(terms), _planned_rungs(terms)
    seen = tuple(fill.fill_id for fill in before.fills)
    foreign = before.net_qty * spec.side.entry_side.sign
    return Ladder(terms, State.NEW, entries, rungs, seen_fills=seen, foreign_qty=foreign)


def _planned_entries(terms: Terms) -> tuple[DeclaredOrder, ...]:
    spec = terms.spec
    prices = entry_prices(spec, terms.start_px, terms.instrument.tick)
    return tuple(
        DeclaredOrder(
            Role.ENTRY,
            n,
            OrderType.MARKET if entry.price is None else OrderType.LIMIT,
            entry.qty,
            price=None if entry.price is None else price,
            standing=Standing.PLANNED,
        )
        for n, (entry, price) in enumerate(zip(spec.entries, prices, strict=True), 1)
    )


def _planned_rungs(terms: Terms) -> tuple[DeclaredOrder, ...]:
    spec, tick, mode = terms.spec, terms.instrument.tick, terms.spec.rounding.exits
    prices = [pricing.exit_px(t.at(terms.start_px), tick, spec.side, mode) for t in spec.targets]
    return tuple(
        DeclaredOrder(Role.TAKE_PROFIT, n, OrderType.LIMIT, ZERO, price=price)
        for n, price in enumerate(prices, 1)
    )


def accept(ladder: Ladder, quote: Quote, now_ms: int) -> Ladder:
    """Take E1: declare the entries."""
    event = Event(Trigger.PLAN_ACCEPTED, now_ms)
    return step(ladder, Moment(event, now_ms, quote))[0]


def fill_up(ladder: Ladder, prices: list[Decimal], setting: Setting, filled: Decimal) -> Ladder:
    """Count imagined entry fills, in listed order, through the table."""
    quote = Quote(ladder.terms.spec.symbol, ladder.terms.start_px, 0, 0)
    ladder = accept(ladder, quote, 0)
    for entry, price in zip(ladder.entries, prices, strict=True):
        qty = min(entry.qty, filled)
        if not qty:
            break
        filled -= qty
        taker = entry.price is None
        rate = setting.fees.taker if taker else setting.fees.maker
        fill = Fill(
            fill_id=f"preview-{entry.n}",
            client_order_id="",
            side=ladder.direction.entry_side,
            price=price,
            qty=qty,
            fee=price * qty * rate,
            liquidity=Liquidity.TAKER if taker else Liquidity.MAKER,
            at_ms=0,
        )
        ladder = fold_entry_fill(ladder, entry.n, fill)
        assert not is_late(ladder, entry.n), "a preview cancels nothing"
        event = Event(Trigger.ENTRY_FILLED, 0, Role.ENTRY, entry.n, fill)
        ladder = step(ladder, Moment(event, 0))[0]
    return ladder
