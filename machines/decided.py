"""Instructions for what was decided: book, scale in, move the stop, rebalance, release (SPEC §6).

As in `machines.recipes`: each edits the declared ladder and nothing else. Quantities have been
worked out, and refusals sorted out, by the facts of the row.
"""

from __future__ import annotations

from decimal import Decimal

from machines import carriers
from machines.ladder import (
    DeclaredOrder,
    Ladder,
    Standing,
    break_even_px,
    find,
    replace,
    with_order,
)
from machines.recipes import (
    SHARE_RUNGS,
    Instruction,
    Moment,
    anew,
    declare_exit,
    tightened,
    with_stop,
)
from machines.words import ZERO, OrderType, Role

SCALE_IN_LIFE_MS = 30_000
"""SPEC §6: a scale-in's limit is cancelled after its life."""


def _book(ladder: Ladder, moment: Moment) -> Ladder:
    return declare_exit(ladder, moment.event.qty, moment)


def _make_room(ladder: Ladder, moment: Moment) -> Ladder:
    # What is sold must not be on sale twice: the stops give it up before it can be placed.
    return SHARE_RUNGS.edit(ladder, moment) if carriers.in_turn(ladder) else ladder


def _drop_exit(ladder: Ladder, moment: Moment) -> Ladder:
    order = find(ladder, Role.EXIT, moment.event.n)
    assert order is not None, "a row of an exit's ending"
    return with_order(ladder, replace(order, qty=ZERO, standing=Standing.GONE))


def far_touch(ladder: Ladder, moment: Moment) -> Decimal:
    """Return the price at which an entry fills at once: the ask for a long, else the last."""
    quote = moment.quote
    assert quote is not None, "a scale-in without a price is refused"
    touch = quote.ask if ladder.sign > 0 else quote.bid
    return quote.last if touch is None else touch


def _add_entry(ladder: Ladder, moment: Moment) -> Ladder:
    event = moment.event
    entry = DeclaredOrder(
        Role.ENTRY,
        len(ladder.entries) + 1,
        OrderType.LIMIT,
        event.qty,
        price=far_touch(ladder, moment),
        decision=event.decision,
        expires_ms=moment.now_ms + SCALE_IN_LIFE_MS,
    )
    return replace(ladder, entries=(*ladder.entries, entry))


def scaled_break_even(ladder: Ladder, moment: Moment) -> Decimal:
    """Return what break-even would be once the scale-in has filled at the far touch."""
    qty, price = moment.event.qty, far_touch(ladder, moment)
    fee = qty * price * ladder.terms.fees.taker
    bigger = replace(
        ladder,
        held=ladder.held + qty,
        held_cost=ladder.held_cost + qty * price,
        entered_qty=ladder.entered_qty + qty,
        entered_cost=ladder.entered_cost + qty * price,
        entry_fees=ladder.entry_fees + fee,
    )
    return break_even_px(bigger)


def _stop_before_scale_in(ladder: Ladder, moment: Moment) -> Ladder:
    return _noted(ladder, tightened(ladder, scaled_break_even(ladder, moment)), moment)


def _noted(before: Ladder, ladder: Ladder, moment: Moment) -> Ladder:
    """Note which decision has moved the stop, and how it stood before."""
    was, stop = before.stop, ladder.stop
    assert stop is not None, "it has just been moved"
    if was is None:  # nothing rests that it could go back to
        return replace(ladder, stop=replace(stop, pinned=True))
    if was.trigger_px == stop.trigger_px:
        return ladder
    stop = replace(stop, decision=moment.event.decision)
    if not was.decision:  # else how it stood before that one
        stop = replace(stop, was_px=was.trigger_px, was_by_person=was.by_person)
    return replace(ladder, stop=stop)


def _drop_entry(ladder: Ladder, moment: Moment) -> Ladder:
    entry = find(ladder, Role.ENTRY, moment.event.n)
    assert entry is not None, "a row of one entry's time or price"
    return with_order(ladder, replace(entry, qty=ZERO, standing=Standing.CANCELLED))


def _move_stop(ladder: Ladder, moment: Moment) -> Ladder:
    event = moment.event
    assert event.price is not None, "a stop is moved somewhere"
    moved = _noted(ladder, with_stop(ladder, event.price), moment)
    assert moved.stop is not None
    by_person = event.by_person or moved.stop.by_person
    return replace(moved, stop=replace(moved.stop, by_person=by_person))


def _restore_stop(ladder: Ladder, _: Moment) -> Ladder:
    stop = ladder.stop
    assert stop is not None, "a row of the stop's refusal"
    price = stop.trigger_px if stop.was_px is None else stop.was_px
    stop = replace(
        stop,
        trigger_px=price,
        by_person=stop.was_by_person,
        decision="",
        was_px=None,
        was_by_person=False,
        not_before_ms=0,
    )
    return replace(ladder, stop=stop)


def _reopen_rungs(ladder: Ladder, _: Moment) -> Ladder:
    for rung in ladder.rungs:
        if rung.standing is Standing.OFF:
            again = replace(anew(rung), standing=Standing.WORKING, refusals=0)
            ladder = with_order(ladder, again)
    return ladder


def _let_go(ladder: Ladder, _: Moment) -> Ladder:
    return replace(ladder, released=True, reason="released")


_E, _T, _S, _X = (Role.ENTRY,), (Role.TAKE_PROFIT,), (Role.STOP_LOSS,), (Role.EXIT,)

BOOK = Instruction("book", "sell the part at market", _X, _book)
MAKE_ROOM = Instruction(
    "make_room", "where nothing is reduce-only the stops make room for it first", _S, _make_room
)
DROP_EXIT = Instruction("drop_exit", "the sale is given up", _X, _drop_exit)
ADD_ENTRY = Instruction("add_entry", "a limit at the far touch, for 30 s", _E, _add_entry)
STOP_BEFORE_SCALE_IN = Instruction(
    "stop_before_scale_in", "stop to the new break-even first", _S, _stop_before_scale_in
)
DROP_ENTRY = Instruction("drop_entry", "cancel that entry", _E, _drop_entry)
MOVE_STOP = Instruction("move_stop", "stop to where it was decided", _S, _move_stop)
RESTORE_STOP = Instruction("restore_stop", "the stop is declared where it was", _S, _restore_stop)
REOPEN_RUNGS = Instruction("reopen_rungs", "rungs that were off are open again", _T, _reopen_rungs)
LET_GO = Instruction("let_go", "what rests is not ours any more", (), _let_go)
