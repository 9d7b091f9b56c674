"""Instructions for what others did: adopt it, or keep our hands off (SPEC §3, M1, M2, H1, H2).

As in `machines.recipes`: each edits the declared ladder and nothing else.
"""

from __future__ import annotations

from machines.ladder import DeclaredOrder, Ladder, find, replace, with_order
from machines.recipes import Instruction, Moment, with_stop
from machines.words import Role


def _order_of(ladder: Ladder, moment: Moment) -> DeclaredOrder:
    event = moment.event
    assert event.role is not None, "a row of an event about one order"
    order = find(ladder, event.role, event.n)
    assert order is not None, "an event names a declared order"
    return order


def _keep_entry(ladder: Ladder, moment: Moment) -> Ladder:
    entry = _order_of(ladder, moment)
    event = moment.event
    return with_order(ladder, replace(entry, price=event.price, qty=event.qty, by_person=True))


def _keep_rung(ladder: Ladder, moment: Moment) -> Ladder:
    rung = _order_of(ladder, moment)
    return with_order(ladder, replace(rung, price=moment.event.price, by_person=True))


def _keep_stop(ladder: Ladder, moment: Moment) -> Ladder:
    """Declare the stop where a person wants it; nothing is imposed on it until TP1 is hit."""
    price = moment.event.price
    assert price is not None, "a row of a stop that was moved somewhere"
    ladder = with_stop(ladder, price)
    assert ladder.stop is not None
    ladder = replace(ladder, stop=replace(ladder.stop, by_person=True))
    # It is no value we sent, or it would not be a person's.
    return replace(ladder, sent_stops=(*ladder.sent_stops, price))


def _merge(ladder: Ladder, moment: Moment) -> Ladder:
    event = moment.event
    assert event.price is not None, "growth has the price that the venue's average implies"
    worth = event.qty * event.price
    return replace(
        ladder,
        held=ladder.held + event.qty,
        held_cost=ladder.held_cost + worth,
        entered_qty=ladder.entered_qty + event.qty,
        entered_cost=ladder.entered_cost + worth,
        cash=ladder.cash - ladder.sign * worth,
        foreign_qty=ladder.foreign_qty - event.qty,
    )


def _hands_off(ladder: Ladder, moment: Moment) -> Ladder:
    return replace(ladder, hands_off=True, reason=moment.event.reason)


def _hands_on(ladder: Ladder, _: Moment) -> Ladder:
    return replace(ladder, hands_off=False, reason="")


_E, _T, _S = (Role.ENTRY,), (Role.TAKE_PROFIT,), (Role.STOP_LOSS,)

KEEP_ENTRY = Instruction("keep_entry", "the entry stays as a person left it", _E, _keep_entry)
KEEP_RUNG = Instruction("keep_rung", "the rung keeps a person's price", _T, _keep_rung)
KEEP_STOP = Instruction("keep_stop", "the stop stays where a person put it", _S, _keep_stop)
MERGE = Instruction("merge", "what grew joins what is held", (), _merge)
HANDS_OFF = Instruction("hands_off", "rungs stay untouched", (), _hands_off)
HANDS_ON = Instruction("hands_on", "the ladder is ours to keep again", (), _hands_on)
