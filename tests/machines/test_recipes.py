"""The proof of the one idea: what is sent is the row's recipe, expanded (DESIGN §1).

For every event of every scenario and of random walks: take the ladder as it is once the event is
counted, lay a book in sync with it, take the row, and plan. What `lower` and `plan` make of it must
equal what the recipe changed: one request for each declared order, in the recipe's order; 0 → q is
a placement, q → 0 a cancel, a new generation a placement, no change no request. The expansion here
knows nothing of `plan`. Rows that repair are compared with the gap in the book.
"""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machines import observe
from machines.ladder import DeclaredOrder, find, order_id, orders_of
from machines.lower import lower
from machines.observe import RETRY_MS
from machines.plan import plan
from machines.words import (
    ZERO,
    AmendOrder,
    CancelOrder,
    Capabilities,
    ExitStyle,
    Mutation,
    Order,
    OrderStatus,
    OrderType,
    PositionStop,
    Role,
    SetStop,
    Trigger,
    View,
)
from tests.machines.retrace import Retrace, Taken
from tests.machines.scenario import corpus, played
from tests.machines.script import Script
from tests.machines.untraced import untraced
from tests.machines.walk import Walk

VENUES = (Capabilities(position_stop=False), Capabilities(position_stop=True))
EVERY_ROLE = (Role.ENTRY, Role.STOP_LOSS, Role.TAKE_PROFIT, Role.EXIT)
GONE = (
    Trigger.RUNG_ENDED,
    Trigger.STOP_ENDED,
    Trigger.STOP_REFUSED,
    Trigger.STOP_PASSED,
    Trigger.EXIT_ENDED,
)
"""Events that say that an order which is declared does not rest."""


class Request(msgspec.Struct, frozen=True):
    """What is asked of the venue about one declared order. ``qty`` is what is to be open."""

    op: str
    role: Role
    n: int
    qty: Decimal = ZERO
    px: Decimal | None = None


# --------------------------------------------------------------------------------- a book in sync


def rests(order: DeclaredOrder, taken: Taken) -> bool:
    """Tell whether an order, declared when the event was counted, is at the venue then."""
    event = taken.moment.event
    mine = order.role is event.role and (order.n == event.n or order.role is Role.STOP_LOSS)
    moved = taken.row.guard.get("stop_rests", False)  # what was refused is its move
    gone = event.trigger in GONE and mine and not moved
    # An exit of this very poll is not sent yet: a row that speaks of exits may still change it.
    unsent = order.role is Role.EXIT and order.n > taken.moment.exits_sent and speaks(taken)
    return bool(order.qty) and order.working and not gone and not unsent


def speaks(taken: Taken) -> bool:
    return any(Role.EXIT in instruction.roles for instruction in taken.row.recipe)


def in_sync(taken: Taken, position_stop: bool) -> View:
    """Lay the book that shows exactly what the counted ladder declares.

    For S3 the stop rests one tick too loose: the gap that is to be repaired.
    """
    ladder = taken.counted
    orders: list[Order] = []
    stop = None
    for order in (one for role in EVERY_ROLE for one in orders_of(ladder, role)):
        if not rests(order, taken):
            continue
        px = order.trigger_px
        if px is not None and taken.moment.event.trigger is Trigger.STOP_LOOSENED:
            px -= ladder.direction.entry_side.sign * ladder.terms.instrument.tick
        if position_stop and px is not None:
            stop = PositionStop(px)
            continue
        orders.append(
            Order(
                client_order_id=order_id(ladder.terms, order),
                venue_order_id="",
                side=ladder.direction.exit_side,
                type=order.type,
                qty=order.order_filled_qty + order.qty,
                filled_qty=order.order_filled_qty,
                status=OrderStatus.OPEN,
                price=order.price,
                trigger_px=px,
            )
        )
    return View(ladder.terms.key, orders=tuple(orders), stop=stop)


def looked_at_ms(taken: Taken) -> int:
    """When the plan is made: at once, or when the pause after a refusal is over."""
    pause = taken.moment.event.refusal is not None and taken.row.target is None
    return taken.moment.now_ms + (RETRY_MS if pause else 0)


def computed(taken: Taken, venue: Capabilities) -> list[Request]:
    """Say what `lower` and `plan` make of the row, at a book in sync."""
    passed = taken.moment.event.trigger is Trigger.STOP_PASSED
    quote = taken.moment.quote if passed else None  # a price may hold a stop back
    here = observe.scene(in_sync(taken, venue.position_stop), quote, looked_at_ms(taken), venue)
    return [asked(m, taken) for m in plan(taken.after, lower(taken.after, here), here)]


def asked(mutation: Mutation, taken: Taken) -> Request:
    role, n = mutation.role, mutation.n
    if isinstance(mutation, CancelOrder):
        return Request("cancel", role, n)
    if isinstance(mutation, SetStop):
        return Request("set_stop", role, 1, mutation.qty, mutation.trigger_px)
    qty, op = mutation.qty, "place"
    if isinstance(mutation, AmendOrder):
        declared = find(taken.after, role, n)
        assert declared is not None, "what is amended is declared"
        qty, op = qty - declared.order_filled_qty, "amend"
    return Request(op, role, n, qty, mutation.trigger_px or mutation.price)


# ----------------------------------------------------------------------------- the recipe, expanded


def expanded(taken: Taken, venue: Capabilities) -> list[Request]:
    """Say what the recipe changed, in the order in which it speaks of it."""
    told: list[Request] = []
    spoken: set[Role] = set()
    for role in (role for instruction in taken.row.recipe for role in instruction.roles):
        if role not in spoken:
            spoken.add(role)
            told += changes(taken, role, venue)
    for role in set(EVERY_ROLE) - spoken:
        assert orders_of(taken.counted, role) == orders_of(taken.after, role), taken.row.name
    return told


def changes(taken: Taken, role: Role, venue: Capabilities) -> list[Request]:
    """Make one request for each declared order of a role that changed; what shrinks goes first."""
    before = {order.n: order for order in orders_of(taken.counted, role) if rests(order, taken)}
    after = {order.n: order for order in orders_of(taken.after, role) if order.qty}
    after = {n: order for n, order in after.items() if order.working}
    found = [Request("cancel", role, n) for n in before if n not in after]
    found += [amended(order) for n, order in after.items() if amends(before.get(n), order, taken)]
    found += [
        Request("place", role, n, order.qty, order.trigger_px or order.price)
        for n, order in after.items()
        if n not in before and may_be_sent(order, taken)
    ]
    of_position = role is Role.STOP_LOSS and venue.position_stop
    return set_stops(taken, found) if of_position else found


def amended(order: DeclaredOrder) -> Request:
    return Request("amend", order.role, order.n, order.qty, order.trigger_px or order.price)


def amends(was: DeclaredOrder | None, now: DeclaredOrder, taken: Taken) -> bool:
    """Tell whether a resting order changes; one at market, once sent, is left to fill."""
    if was is None or now.type is OrderType.MARKET or not may_be_sent(now, taken):
        return False
    loosened = taken.moment.event.trigger is Trigger.STOP_LOOSENED and was.role is Role.STOP_LOSS
    changed = (was.qty, was.price, was.trigger_px) != (now.qty, now.price, now.trigger_px)
    return loosened or changed


def may_be_sent(order: DeclaredOrder, taken: Taken) -> bool:
    """Tell whether nothing holds it back: a refusal's pause, or a market beyond the stop."""
    passed = taken.moment.event.trigger is Trigger.STOP_PASSED and order.role is Role.STOP_LOSS
    return order.not_before_ms <= looked_at_ms(taken) and not passed


def set_stops(taken: Taken, found: list[Request]) -> list[Request]:
    """Say the same for a stop of the position: it has no size, and goes with the position."""
    was, now = taken.counted.stop, taken.after.stop
    moved = was is None or now is None or was.trigger_px != now.trigger_px
    loosened = taken.moment.event.trigger is Trigger.STOP_LOOSENED
    return [
        msgspec.structs.replace(one, op="set_stop")
        for one in found
        if one.op == "place" or (one.op == "amend" and (moved or loosened))
    ]


def prove(taken: Taken, *venues: Capabilities) -> None:
    for venue in venues:
        assert computed(taken, venue) == expanded(taken, venue), (
            f"{taken.row.name} after {taken.moment.event} of\n{taken.counted}\nto\n{taken.after}"
        )


# ------------------------------------------------------------------------------------- the proof


POOLED = [script for script in corpus() if script.exits is ExitStyle.POOLED]
"""Where each rung has one order, `lower` has tables of its own (`test_per_rung_lower`)."""


@pytest.mark.parametrize("script", POOLED, ids=lambda script: script.name)
def test_row_when_taken_in_a_scenario_then_what_is_sent_is_its_recipe(script: Script) -> None:
    run = played(script)
    for polled in run.polls:
        for taken in Retrace(polled, run.book.capabilities).rows:
            prove(taken, *VENUES)


@pytest.mark.parametrize("half", range(2))  # two halves of 1,000, for two processors
@untraced
@settings(max_examples=500)
@given(seed=st.integers(0, 2**32))
def test_row_when_taken_on_a_walk_then_what_is_sent_is_its_recipe(half: int, seed: int) -> None:
    walk = Walk(seed)
    venue = walk.run.book.capabilities
    for polled in walk.polls():
        for taken in Retrace(polled, venue).rows:
            prove(taken, venue)
