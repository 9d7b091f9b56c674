"""One mutation to one outcome: matched with the book first, guarded, then sent.

Everything that Kite does not do for us happens here: no twin by tag, no more on sale than is
held, no change of an order that is being changed, no modification beyond the budget. Knows the
last readings (`Books`) and no ladder.
"""

from __future__ import annotations

from functools import partial

import msgspec

from exchanges.zerodha.asked import Shape
from exchanges.zerodha.attempts import Again, Attempt
from exchanges.zerodha.classify import Halt
from exchanges.zerodha.client import Sent
from exchanges.zerodha.instruments import Listing
from exchanges.zerodha.limits import lane_of
from exchanges.zerodha.modifications import Modifications, purpose_of
from exchanges.zerodha.parse import is_live, order_of
from exchanges.zerodha.parts import Parts
from exchanges.zerodha.reader import read_orders
from exchanges.zerodha.render import VARIETY, Fields, Unsendable, modify_fields, place_fields
from exchanges.zerodha.sdk import Session
from exchanges.zerodha.wire import WireOrder
from machines.words import (
    ZERO,
    AmendOrder,
    CancelOrder,
    OrderType,
    Outcome,
    OutcomeKind,
    PlaceOrder,
    Refusal,
    Role,
    View,
)

DONE = Outcome(OutcomeKind.ALREADY_DONE)
_LAG_MS = 10_000
"""The book may show an order unchanged this long after a change was accepted."""


class _Change(msgspec.Struct, frozen=True):
    """The last accepted change of an order."""

    fields: Fields
    at_ms: int


class Sender:
    """Sends one account's regular orders."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._client = parts.client
        self._books = parts.books
        self._asked = parts.asked
        self._attempts = parts.attempts
        self._guard = parts.guard
        self._pairs = parts.pairs
        self._now_ms = parts.now_ms
        self.modifications = Modifications()
        self._changes: dict[str, _Change] = {}

    # --------------------------------------------------------------------------------- placing

    async def place(self, asked: PlaceOrder) -> Outcome:
        """Place an order unless the book shows it, or may yet."""
        tag, listing = asked.client_order_id, self._parts.listings[asked.key.symbol]
        fields = place_fields(asked, listing, self._parts.settings.product)
        resting = self._books.orders.get(tag)
        if resting is not None and (is_live(resting) or resting.filled_quantity):
            return DONE
        match self._attempts.again(tag, self._now_ms()):
            case Again.DONE:
                return DONE
            case Again.WAIT:
                text = f"order {tag}: an earlier request may still land"
                return Outcome(OutcomeKind.BUSY, None, text)
            case Again.SEND:
                pass
        self._guard.check_session(asked, listing)
        if asked.role is not Role.ENTRY:
            self._guard.check_held(asked, listing, asked.qty)
        sent = await self._client.write(
            lambda session: session.place_order(**fields), lane_of(asked.role)
        )
        self._settle_place(asked, sent)
        return sent.verdict.outcome

    def _settle_place(self, asked: PlaceOrder, sent: Sent) -> None:
        tag, outcome, now_ms = asked.client_order_id, sent.verdict.outcome, self._now_ms()
        if sent.verdict.halt is Halt.BARRED:
            self._guard.bar()
        if outcome.kind in (OutcomeKind.REFUSED, OutcomeKind.BUSY):
            self._attempts.drop(tag)
            return
        attempt = Attempt(asked.role, asked.qty, asked.key.symbol, now_ms)
        if outcome.kind is OutcomeKind.ACCEPTED:
            attempt.order_id = str(sent.answer)
            self.modifications.placed(attempt.order_id)
            self._asked.shape(attempt.order_id, _shape(asked))
        self._attempts.settle(tag, attempt)

    # -------------------------------------------------------------------------------- changing

    async def modify(self, asked: AmendOrder) -> Outcome:
        """Change an order in place, if it can be changed now and is not so already."""
        resting = self._resting(asked)
        if isinstance(resting, Outcome):
            return resting
        listing = self._parts.listings[asked.key.symbol]
        asked = self._as_placed(asked, resting)
        fields = modify_fields(asked, resting, listing)
        if not fields:
            return DONE
        order_id, now_ms = resting.order_id, self._now_ms()
        last = self._changes.get(order_id)
        if last is not None and last.fields == fields and now_ms - last.at_ms < _LAG_MS:
            return DONE  # accepted a moment ago: the book lags
        if resting.status not in ("OPEN", "TRIGGER PENDING"):
            text = f"order {asked.client_order_id}: {resting.status}: cannot be changed now"
            return Outcome(OutcomeKind.BUSY, None, text)
        if asked.role is not Role.ENTRY and asked.qty > resting.quantity:
            self._guard.check_held(asked, listing, asked.qty - resting.quantity)
        await self._check_budget(asked, resting)
        shape = _shape(asked, resting)
        self._asked.shape(order_id, shape)
        self.modifications.count(order_id)
        sent = await self._client.write(
            lambda session: session.modify_order(variety=VARIETY, order_id=order_id, **fields),
            lane_of(asked.role),
        )
        if sent.verdict.outcome.kind is OutcomeKind.ACCEPTED:
            self._changes[order_id] = _Change(fields, self._now_ms())
        if sent.verdict.outcome.kind not in (OutcomeKind.REFUSED, OutcomeKind.BUSY):
            until_ms = self._now_ms() + self._attempts.window_ms(asked.role)
            self._books.expect(order_id, asked.qty, until_ms)
        if sent.verdict.reread:
            return await self._reread_modify(asked, order_id, listing)
        return sent.verdict.outcome

    def _as_placed(self, asked: AmendOrder, resting: WireOrder) -> AmendOrder:
        """Ask for a limit where a pair's stop has fired: that is what the broker has placed."""
        fired = self._pairs.fired.get(resting.order_id)
        if fired is None or fired.trigger_px is None or asked.type is not OrderType.STOP_LIMIT:
            return asked
        return msgspec.structs.replace(asked, type=OrderType.LIMIT, trigger_px=None)

    async def _check_budget(self, asked: AmendOrder, resting: WireOrder) -> None:
        order_id = resting.order_id
        if not self.modifications.known(order_id):  # placed before we were started
            history = await self._client.read(partial(_history, order_id=order_id), list[_Step])
            self.modifications.recall(order_id, (step.status for step in history))
        view = self._guard.views.get(asked.key) or View(asked.key)
        now = order_of(resting, asked.client_order_id, self._now_ms() + 1, self._asked)
        if not self.modifications.allows(order_id, purpose_of(asked, now, view.avg_px)):
            left = self.modifications.left(order_id)
            text = (
                f"order {asked.client_order_id}: {left} of 25 modifications are left, kept for "
                "break-even and exit"
            )
            raise Unsendable(Refusal.OTHER, text)

    async def _reread_modify(self, asked: AmendOrder, order_id: str, listing: Listing) -> Outcome:
        """Find out why an order could not be changed: it is in flight, or it has ended."""
        resting = await self._reread(order_id)
        if resting is None:
            return Outcome(OutcomeKind.UNSURE, None, f"order {asked.client_order_id}: not seen")
        if is_live(resting) and not modify_fields(asked, resting, listing):
            return DONE
        text = f"order {asked.client_order_id}: {resting.status}: could not be changed"
        if is_live(resting):
            return Outcome(OutcomeKind.BUSY, None, text)
        return Outcome(OutcomeKind.REFUSED, Refusal.UNKNOWN_ORDER, text)

    # ------------------------------------------------------------------------------ cancelling

    async def cancel(self, asked: CancelOrder) -> Outcome:
        """Ask for an order's end, unless it has ended or is ending."""
        order_id = self._attempts.order_id(asked.client_order_id)
        if not order_id:  # else it was accepted, and the book does not show it yet
            resting = self._resting(asked)
            if isinstance(resting, Outcome):
                return resting
            if not is_live(resting) or resting.status == "CANCEL PENDING":
                return DONE
            order_id = resting.order_id
        self._asked.cancel(order_id)
        sent = await self._client.write(
            lambda session: session.cancel_order(VARIETY, order_id),
            lane_of(asked.role, ends=True),
        )
        if not sent.verdict.reread:
            return sent.verdict.outcome
        found = await self._reread(order_id)
        if found is not None and not is_live(found):
            return DONE
        return Outcome(OutcomeKind.BUSY, None, sent.verdict.outcome.text)

    # --------------------------------------------------------------------------------- shared

    def _resting(self, asked: AmendOrder | CancelOrder) -> WireOrder | Outcome:
        """Find an order in the book, or answer for it."""
        name = asked.client_order_id
        found = self._books.orders.get(name)
        if found is not None:
            return found
        if self._attempts.again(name, self._now_ms()) is Again.SEND:
            text = f"order {name}: is not in the book"
            return Outcome(OutcomeKind.REFUSED, Refusal.UNKNOWN_ORDER, text)
        return Outcome(OutcomeKind.BUSY, None, f"order {name}: the book does not show it yet")

    async def _reread(self, order_id: str) -> WireOrder | None:
        orders = await self._client.read(read_orders, list[WireOrder])
        return next((order for order in orders if order.order_id == order_id), None)

    async def landed(self) -> set[str]:
        """Read the book once more and return the tags that are in it after all."""
        orders = await self._client.read(read_orders, list[WireOrder])
        if not self._books.goes_back(orders):  # else it is a stale copy
            self._books.take(orders, self._books.given)
        return self._books.tags

    def see(self) -> None:
        """Forget what has ended by the last reading."""
        live = [order.order_id for order in self._books.orders.values() if is_live(order)]
        self.modifications.forget(live)
        self._changes = {each: kept for each, kept in self._changes.items() if each in live}


class _Step(msgspec.Struct, frozen=True):
    """One row of an order's history."""

    status: str


def _history(session: Session, order_id: str) -> object:
    return session.order_history(order_id)


def _shape(asked: PlaceOrder | AmendOrder, resting: WireOrder | None = None) -> Shape:
    """Return the shape that an order will show when a request has been done."""
    price, trigger = asked.price, asked.trigger_px
    if resting is not None:
        price = resting.price if price is None else price
        trigger = resting.trigger_price if trigger is None else trigger
    stop = asked.type is OrderType.STOP_LIMIT
    return Shape(
        asked.qty,
        ZERO if asked.type is OrderType.MARKET or price is None else price,
        trigger if stop and trigger is not None else ZERO,
    )
