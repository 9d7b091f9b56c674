"""The instructions a row's recipe is made of: each edits the declared ladder, and nothing else.

A recipe is a tuple of these. `Instruction.roles` names the declared orders it may change; the
proof in `tests/machines/test_recipes.py` holds it to that. Knows the ladder and the arithmetic;
knows nothing of states, rows, venues or what rests.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import msgspec

from machines import carriers, pricing
from machines.carriers import anew
from machines.ladder import (
    DeclaredOrder,
    Ladder,
    Standing,
    break_even_px,
    find,
    open_shares,
    replace,
    with_order,
)
from machines.sharing import share_out
from machines.spec import Anchor
from machines.words import ZERO, Event, Fill, OrderType, Quote, Role

RETRY_MS = 1_000
"""S2: a refused stop or exit is sent again after this."""
MAX_QUOTE_AGE_MS = 15_000
"""An older exit-side price is unknown. *Source*: SPEC, words."""


class Moment(msgspec.Struct, frozen=True):
    """What a row may look at beside the ladder: the event, the market and the time handed in."""

    event: Event
    now_ms: int
    quote: Quote | None = None
    exits_sent: int = 0
    """How many exits were declared before this poll; later ones are not sent yet and may grow."""


class Instruction(msgspec.Struct, frozen=True):
    """One step of a recipe. ``says`` is the trader's sentence, used in diagrams."""

    name: str
    says: str
    roles: tuple[Role, ...]
    edit: Callable[[Ladder, Moment], Ladder]


def known_exit_px(ladder: Ladder, quote: Quote | None, now_ms: int) -> Decimal | None:
    """Return the exit-side price, or None when it is unknown or older than 15 s."""
    if quote is None or now_ms - quote.at_ms > MAX_QUOTE_AGE_MS:
        return None
    return quote.exit_px(ladder.direction)


def is_behind(ladder: Ladder, price: Decimal, quote: Quote | None, now_ms: int) -> bool:
    """Tell whether a stop at ``price`` would be at or beyond a known exit-side price."""
    market = known_exit_px(ladder, quote, now_ms)
    return market is not None and not ladder.direction.beyond(market, price)


def is_passed(ladder: Ladder, price: Decimal, quote: Quote | None, now_ms: int) -> bool:
    """Tell whether the known exit-side price is strictly beyond a stop at ``price``."""
    market = known_exit_px(ladder, quote, now_ms)
    return market is not None and ladder.direction.beyond(price, market)


def rounded_exit(ladder: Ladder, value: Decimal) -> Decimal:
    """Round an exit's price to the tick, as the plan says."""
    terms = ladder.terms
    mode = terms.spec.rounding.exits
    return pricing.exit_px(value, terms.instrument.tick, ladder.direction, mode)


def exit_reference(ladder: Ladder) -> Decimal:
    """Return what percent stops and targets are taken of now (SPEC §4 ``anchor``)."""
    if ladder.terms.spec.anchor is Anchor.AVERAGE and ladder.entered_qty:
        return ladder.average_fill
    return ladder.terms.start_px


def declared_stop_px(ladder: Ladder) -> Decimal:
    """Return the price of the declared stop, or of the one that the first fill will declare."""
    if ladder.stop is not None and ladder.stop.trigger_px is not None:
        return ladder.stop.trigger_px
    return rounded_exit(ladder, ladder.terms.spec.stop.at(exit_reference(ladder)))


def _re_anchored(ladder: Ladder) -> bool:
    """Tell whether trigger prices still follow the average (they are fixed from TP1 on)."""
    return ladder.terms.spec.anchor is Anchor.AVERAGE and ladder.break_even is None


def _declare_entries(ladder: Ladder, _: Moment) -> Ladder:
    return replace(
        ladder,
        entries=tuple(replace(entry, standing=Standing.WORKING) for entry in ladder.entries),
    )


def _fill_of(moment: Moment) -> Fill:
    assert moment.event.fill is not None, "a row of a fill's trigger"
    return moment.event.fill


def _join(ladder: Ladder, moment: Moment) -> Ladder:
    fill = _fill_of(moment)
    return replace(
        ladder,
        entered_qty=ladder.entered_qty + fill.qty,
        entered_cost=ladder.entered_cost + fill.price * fill.qty,
        entry_fees=ladder.entry_fees + fill.fee,
    )


def with_stop(ladder: Ladder, trigger_px: Decimal) -> Ladder:
    """Declare a stop for all that is held, at a price."""
    stop = ladder.stop
    if stop is None:
        stop = DeclaredOrder(Role.STOP_LOSS, 1, OrderType.STOP_MARKET, ZERO)
    return replace(ladder, stop=replace(stop, qty=ladder.held, trigger_px=trigger_px))


def _stop_to_held(ladder: Ladder, _: Moment) -> Ladder:
    stop = ladder.stop
    if stop is None:
        trigger = rounded_exit(ladder, ladder.terms.spec.stop.at(exit_reference(ladder)))
        return with_stop(ladder, trigger)
    put_there = stop.by_person or stop.pinned or stop.decision
    if _re_anchored(ladder) and ladder.terms.spec.stop.percent and not put_there:
        trigger = rounded_exit(ladder, ladder.terms.spec.stop.at(exit_reference(ladder)))
        stop = replace(stop, trigger_px=trigger)
    return replace(ladder, stop=replace(stop, qty=ladder.held))


def _stop_until_flat(ladder: Ladder, _: Moment) -> Ladder:
    return ladder if ladder.held else replace(ladder, stop=None)


def _share_rungs(ladder: Ladder, _: Moment) -> Ladder:
    if _re_anchored(ladder):
        ladder = _re_price_rungs(ladder)
    rungs, shares = open_shares(ladder)
    wanted = share_out(ladder.to_share, ladder.entered_qty, shares, ladder.terms.instrument)
    sized = {
        rung.n: replace(rung, qty=qty)
        for rung, qty in zip(rungs, wanted, strict=True)
        if rung.qty != qty
    }
    return replace(ladder, rungs=tuple([sized.get(rung.n, rung) for rung in ladder.rungs]))


def _re_price_rungs(ladder: Ladder) -> Ladder:
    reference = exit_reference(ladder)
    for rung in ladder.rungs:
        target = ladder.terms.spec.targets[rung.n - 1]
        if rung.working and target.percent and not rung.by_person:
            price = rounded_exit(ladder, target.at(reference))
            ladder = with_order(ladder, replace(rung, price=price))
    return ladder


def _fold_rungs(ladder: Ladder, moment: Moment) -> Ladder:
    if ladder.rungs_qty == ladder.to_share:
        return ladder
    return _share_rungs(ladder, moment)


def _fix_break_even(ladder: Ladder, _: Moment) -> Ladder:
    return replace(ladder, break_even=break_even_px(ladder))


def _stop_to_break_even(ladder: Ladder, moment: Moment) -> Ladder:
    ladder = _stop_to_held(_fix_break_even(ladder, moment), moment)
    assert ladder.stop is not None, "it has just been declared"
    stop = replace(ladder.stop, by_person=False, decision="", was_px=None)
    ladder = replace(ladder, stop=stop)
    return _pull_to_break_even(ladder, moment)


def tightened(ladder: Ladder, price: Decimal) -> Ladder:
    """Move the declared stop to ``price`` if that is toward profit."""
    stop = ladder.stop
    assert stop is not None, "what is held has a stop declared"
    assert stop.trigger_px is not None, "a stop has a price"
    trigger = ladder.direction.tighter(stop.trigger_px, price)
    return replace(ladder, stop=replace(stop, trigger_px=trigger))


def _pull_to_break_even(ladder: Ladder, _: Moment) -> Ladder:
    assert ladder.break_even is not None, "it is fixed when the first rung is hit"
    return tightened(ladder, ladder.break_even)


def _owe_break_even(ladder: Ladder, moment: Moment) -> Ladder:
    return _stop_to_held(_fix_break_even(ladder, moment), moment)


def _recompute_break_even(ladder: Ladder, moment: Moment) -> Ladder:
    return ladder if ladder.break_even is None else _fix_break_even(ladder, moment)


def one_rung_behind(ladder: Ladder) -> Decimal | None:
    """Return the price one rung behind the furthest rung hit, or None before the second."""
    furthest = max((rung.n for rung in ladder.rungs if rung.standing is Standing.HIT), default=0)
    behind = find(ladder, Role.TAKE_PROFIT, furthest - 1)
    return None if behind is None else behind.price


def _step_stop(ladder: Ladder, moment: Moment) -> Ladder:
    price = one_rung_behind(ladder)
    assert price is not None, "the guard has found one"
    return tightened(_stop_to_held(ladder, moment), price)


def _drop_entries(ladder: Ladder, standing: Standing) -> Ladder:
    return replace(
        ladder,
        entries=tuple(
            replace(entry, qty=ZERO, standing=standing) if entry.working else entry
            for entry in ladder.entries
        ),
    )


def _cancel_entries(ladder: Ladder, _: Moment) -> Ladder:
    return _drop_entries(ladder, Standing.CANCELLED)


def _expire_entries(ladder: Ladder, _: Moment) -> Ladder:
    return replace(_drop_entries(ladder, Standing.EXPIRED), expired=True)


def _cancel_rungs(ladder: Ladder, moment: Moment) -> Ladder:
    return carriers.let_go(ladder, moment.now_ms)


def _cancel_stop(ladder: Ladder, _: Moment) -> Ladder:
    return replace(ladder, stop=None)


def declare_exit(
    ladder: Ladder, qty: Decimal, moment: Moment, dead: DeclaredOrder | None = None
) -> Ladder:
    """Declare a market exit, or let one that this poll declared for the same already grow by it.

    It waits as long, and has been tried as often, as the ``dead`` one whose place it takes.
    """
    if qty <= ZERO:
        return ladder
    exits = ladder.exits
    decision = moment.event.decision if dead is None else dead.decision
    if len(exits) > moment.exits_sent and exits[-1].decision == decision:
        exits = (*exits[:-1], replace(exits[-1], qty=exits[-1].qty + qty))
    else:
        order = DeclaredOrder(Role.EXIT, len(exits) + 1, OrderType.MARKET, qty, decision=decision)
        if dead is not None:
            order = replace(order, refusals=dead.refusals, not_before_ms=dead.not_before_ms)
        exits = (*exits, order)
    return replace(ladder, exits=exits, exit_since_ms=max(moment.now_ms, exits[-1].not_before_ms))


def _exit_all(ladder: Ladder, moment: Moment) -> Ladder:
    ladder = carriers.drop_pairs(ladder)
    return declare_exit(ladder, ladder.held - ladder.exiting, moment)


def _chase(ladder: Ladder, moment: Moment) -> Ladder:
    return _exit_all(carriers.chased(ladder, moment.now_ms), moment)


def _exit_late(ladder: Ladder, moment: Moment) -> Ladder:
    return declare_exit(ladder, _fill_of(moment).qty, moment)


def _exit_to_held(ladder: Ladder, _: Moment) -> Ladder:
    return carriers.off_when_flat(carriers.to_held(ladder))


def _exit_again(ladder: Ladder, moment: Moment) -> Ladder:
    """Declare anew what an ended exit order has left, after the refusal's pause if it had one."""
    dead = carriers.exit_of(ladder, moment.event)
    assert dead is not None, "a row of an exit's ending"
    ladder = with_order(ladder, replace(dead, qty=ZERO, standing=Standing.GONE))
    rest = min(dead.qty, ladder.held - ladder.exiting)
    return declare_exit(ladder, rest, moment, dead)


def _stop_again(ladder: Ladder, moment: Moment) -> Ladder:
    stop = ladder.stop
    assert stop is not None, "a row of the stop's ending or refusal"
    carrier = carriers.carrier_of(ladder, moment.event.n)
    if carrier is not None and carrier is not stop:
        return replace(with_order(ladder, anew(carrier)), stop_seen=False)
    # While closing, the declared stop may be larger than what is held; a new one need not be.
    stop = replace(anew(stop), qty=min(stop.qty, ladder.held))
    return replace(ladder, stop=stop, stop_seen=False)


def _same(ladder: Ladder, _: Moment) -> Ladder:
    return ladder


def _rung_of(ladder: Ladder, moment: Moment) -> DeclaredOrder:
    rung = find(ladder, Role.TAKE_PROFIT, moment.event.n)
    assert rung is not None, "a row of a rung's ending"
    return rung


def _rung_again(ladder: Ladder, moment: Moment) -> Ladder:
    rung = _rung_of(ladder, moment)
    return with_order(ladder, anew(rung))


def _rung_off(ladder: Ladder, moment: Moment) -> Ladder:
    rung = _rung_of(ladder, moment)
    return with_order(ladder, replace(rung, qty=ZERO, standing=Standing.OFF))


_E, _T, _S, _X = (Role.ENTRY,), (Role.TAKE_PROFIT,), (Role.STOP_LOSS,), (Role.EXIT,)

DECLARE_ENTRIES = Instruction("declare_entries", "place each entry", _E, _declare_entries)
JOIN = Instruction("join", "the fill joins the entry", (), _join)
STOP_TO_HELD = Instruction("stop_to_held", "stop for all that is held", _S, _stop_to_held)
STOP_UNTIL_FLAT = Instruction("stop_until_flat", "flat, the stop goes", _S, _stop_until_flat)
SHARE_RUNGS = Instruction("share_rungs", "open rungs share what is held", _T, _share_rungs)
FOLD_RUNGS = Instruction("fold_rungs", "a rest is folded over the open rungs", _T, _fold_rungs)
STOP_TO_BREAK_EVEN = Instruction(
    "stop_to_break_even", "stop to held and to break-even", _S, _stop_to_break_even
)
PULL_TO_BREAK_EVEN = Instruction(
    "pull_to_break_even", "stop to break-even", _S, _pull_to_break_even
)
OWE_BREAK_EVEN = Instruction(
    "owe_break_even", "stop to held, its price stays for now", _S, _owe_break_even
)
RECOMPUTE_BREAK_EVEN = Instruction(
    "recompute_break_even", "break-even counted anew", (), _recompute_break_even
)
STEP_STOP = Instruction("step_stop", "stop to held, one rung behind", _S, _step_stop)
CANCEL_ENTRIES = Instruction("cancel_entries", "cancel working entries", _E, _cancel_entries)
EXPIRE_ENTRIES = Instruction("expire_entries", "cancel every entry", _E, _expire_entries)
CANCEL_RUNGS = Instruction("cancel_rungs", "cancel open rungs", _T, _cancel_rungs)
CANCEL_STOP = Instruction("cancel_stop", "cancel the stop", _S, _cancel_stop)
EXIT_ALL = Instruction("exit_all", "exit at market", _X, _exit_all)
EXIT_LATE = Instruction("exit_late", "exit the late quantity at market", _X, _exit_late)
EXIT_TO_HELD = Instruction("exit_to_held", "the exit shrinks to held", _X, _exit_to_held)
EXIT_AGAIN = Instruction("exit_again", "exit what is left at market", _X, _exit_again)
CHASE = Instruction("chase", "exit what is unfilled at market", (*_X, *_T), _chase)
"""What a stop left is not exited for the first time: an order that can be is changed in place."""
STOP_AGAIN = Instruction("stop_again", "the stop is declared again", _S, _stop_again)
SET_STOP = Instruction("set_stop", "set the stop", _S, _same)
"""A repair: the declaration stands, the difference to what rests is sent."""
RUNG_AGAIN = Instruction("rung_again", "the rung is declared again", _T, _rung_again)
RUNG_OFF = Instruction("rung_off", "the rung is off", _T, _rung_off)
