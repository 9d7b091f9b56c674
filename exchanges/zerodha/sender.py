"""One mutation to one outcome: matched with the book first, guarded, then sent.

Everything that Kite does not do for us happens here: no twin by tag, no more on sale than is
held, no change of an order that is being changed, no modification beyond the budget. Knows the
last readings (`Books`) and no ladder.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial

import msgspec

from exchanges.zerodha import ist
from exchanges.zerodha.asked import Asked, Shape
from exchanges.zerodha.attempts import Again, Attempt, Attempts
from exchanges.zerodha.books import Books
from exchanges.zerodha.classify import Halt
from exchanges.zerodha.client import Client, Sent
from exchanges.zerodha.instruments import Listing, Product
from exchanges.zerodha.modifications import Modifications, purpose_of
from exchanges.zerodha.parse import is_live, order_of
from exchanges.zerodha.render import VARIETY, Fields, Unsendable, modify_fields, place_fields
from exchanges.zerodha.sdk import Session
from exchanges.zerodha.sessions import Calendar
from exchanges.zerodha.wire import WireOrder
from machines.words import (
    ZERO,
    AmendOrder,
    CancelOrder,
    Key,
    OrderType,
    Outcome,
    OutcomeKind,
    PlaceOrder,
    Refusal,
    Role,
    View,
    plain,
)

DONE = Outcome(OutcomeKind.ALREADY_DONE)
_BARRED_MS = 60_000
"""After a refusal of the account as such, entries wait: asking on and on gets an app suspended."""
_LAG_MS = 10_000
"""The book may show an order unchanged this long after a change was accepted."""
_CHANGING = ("MODIFY VALIDATION PENDING", "MODIFY PENDING", "CANCEL PENDING")


class _Change(msgspec.Struct, frozen=True):
    """The last accepted change of an order."""

    fields: Fields
    at_ms: int


class Sender:
    """Sends one account's regular orders."""

    def __init__(
        self,
        client: Client,
        books: Books,
        asked: Asked,
        product: Product,
        listings: dict[str, Listing],
        calendar: Calendar,
        now_ms: Callable[[], int],
    ) -> None:
        self._client = client
        self._books = books
        self._asked = asked
        self._product = product
        self._listings = listings
        self._calendar = calendar
        self._now_ms = now_ms
        self.attempts = Attempts(product)
        self.modifications = Modifications()
        self._changes: dict[str, _Change] = {}
        self._barred_until_ms = 0
        self.views: dict[Key, View] = {}
        """The last believed views: what is held."""

    # --------------------------------------------------------------------------------- placing

    async def place(self, asked: PlaceOrder) -> Outcome:
        """Place an order unless the book shows it, or may yet."""
        tag, listing = asked.client_order_id, self._listings[asked.key.symbol]
        fields = place_fields(asked, listing, self._product)
        resting = self._books.orders.get(tag)
        if resting is not None and (is_live(resting) or resting.filled_quantity):
            return DONE
        match self.attempts.again(tag, self._now_ms()):
            case Again.DONE:
                return DONE
            case Again.WAIT:
                text = f"order {tag}: an earlier request may still land"
                return Outcome(OutcomeKind.BUSY, None, text)
            case Again.SEND:
                pass
        self._check_session(asked, listing)
        if asked.role is not Role.ENTRY:
            self._check_held(asked, listing, asked.qty)
        sent = await self._client.write(
            lambda session: session.place_order(**fields), urgent=asked.role is not Role.ENTRY
        )
        self._settle_place(asked, sent)
        return sent.verdict.outcome

    def _settle_place(self, asked: PlaceOrder, sent: Sent) -> None:
        tag, outcome, now_ms = asked.client_order_id, sent.verdict.outcome, self._now_ms()
        if sent.verdict.halt is Halt.BARRED:
            self._barred_until_ms = now_ms + _BARRED_MS
        if outcome.kind in (OutcomeKind.REFUSED, OutcomeKind.BUSY):
            self.attempts.drop(tag)
            return
        attempt = Attempt(asked.role, asked.qty, asked.key.symbol, now_ms)
        if outcome.kind is OutcomeKind.ACCEPTED:
            attempt.order_id = str(sent.answer)
            self.modifications.placed(attempt.order_id)
            self._asked.shape(attempt.order_id, _shape(asked))
        self.attempts.settle(tag, attempt)

    def _check_session(self, asked: PlaceOrder, listing: Listing) -> None:
        now_ms = self._now_ms()
        name = f"order {asked.client_order_id}"
        if not self._calendar.is_open(listing.market, now_ms):
            text = f"{name}: {listing.quote_key} does not trade now"
            raise Unsendable(Refusal.OUT_OF_SESSION, text)
        if asked.role is not Role.ENTRY:
            return
        session = self._calendar.session(listing.market, ist.day_of(now_ms))
        late = session is not None and now_ms >= session.mis_exit_ms
        if late and self._product is Product.MIS:
            text = f"{name}: no entry so late: intraday positions are being closed"
            raise Unsendable(Refusal.OUT_OF_SESSION, text)
        if now_ms < self._barred_until_ms:
            text = f"{name}: Zerodha barred this account's orders a moment ago"
            raise Unsendable(Refusal.OTHER, text)

    def _check_held(self, asked: PlaceOrder | AmendOrder, listing: Listing, more: Decimal) -> None:
        """Refuse to have more on sale than is held. *Source*: SPEC §9, RELIABILITY S5."""
        view = self.views.get(asked.key) or View(asked.key)
        name = f"order {asked.client_order_id}"
        if not view.net_qty:
            raise Unsendable(Refusal.NO_POSITION, f"{name}: nothing is held of {listing.symbol}")
        side = "SELL" if view.net_qty > 0 else "BUY"
        if isinstance(asked, PlaceOrder) and asked.side.name != side:
            text = f"{name}: {asked.side.value} would add to what is held"
            raise Unsendable(Refusal.INVALID, text)
        place = (listing.exchange, listing.tradingsymbol, self._product.value)
        unseen = self.attempts.exits_qty(listing.symbol, but=asked.client_order_id)
        going = self._books.on_sale(*place, side) + unseen
        if going + more > abs(view.net_qty):
            text = (
                f"{name}: {plain(more)} more would put {plain(going + more)} on sale, and "
                f"{plain(abs(view.net_qty))} are held"
            )
            raise Unsendable(Refusal.OVERSELL, text)

    # -------------------------------------------------------------------------------- changing

    async def modify(self, asked: AmendOrder) -> Outcome:
        """Change an order in place, if it can be changed now and is not so already."""
        resting = self._resting(asked)
        if isinstance(resting, Outcome):
            return resting
        listing = self._listings[asked.key.symbol]
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
            self._check_held(asked, listing, asked.qty - resting.quantity)
        await self._check_budget(asked, resting)
        shape = _shape(asked, resting)
        self._asked.shape(order_id, shape)
        self.modifications.count(order_id)
        sent = await self._client.write(
            lambda session: session.modify_order(variety=VARIETY, order_id=order_id, **fields),
            urgent=asked.role is not Role.ENTRY,
        )
        if sent.verdict.outcome.kind is OutcomeKind.ACCEPTED:
            self._changes[order_id] = _Change(fields, self._now_ms())
        if sent.verdict.reread:
            return await self._reread_modify(asked, order_id, listing)
        return sent.verdict.outcome

    async def _check_budget(self, asked: AmendOrder, resting: WireOrder) -> None:
        order_id = resting.order_id
        if not self.modifications.known(order_id):  # placed before we were started
            history = await self._client.read(partial(_history, order_id=order_id), list[_Step])
            self.modifications.recall(order_id, (step.status for step in history))
        view = self.views.get(asked.key) or View(asked.key)
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
        order_id = self.attempts.order_id(asked.client_order_id)
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
            urgent=True,  # it frees what an exit needs, or takes risk away
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
        if self.attempts.again(name, self._now_ms()) is Again.SEND:
            text = f"order {name}: is not in the book"
            return Outcome(OutcomeKind.REFUSED, Refusal.UNKNOWN_ORDER, text)
        return Outcome(OutcomeKind.BUSY, None, f"order {name}: the book does not show it yet")

    async def _reread(self, order_id: str) -> WireOrder | None:
        orders = await self._client.read(_orders, list[WireOrder])
        return next((order for order in orders if order.order_id == order_id), None)

    async def landed(self) -> set[str]:
        """Read the book once more and return the tags that are in it after all."""
        orders = await self._client.read(_orders, list[WireOrder])
        self._books.take_orders(orders, self._books.given)
        return self._books.tags

    def see(self, started_ms: int) -> None:
        """Take a reading that `Books` has believed."""
        self.attempts.see(self._books.tags, started_ms)
        live = [order.order_id for order in self._books.orders.values() if is_live(order)]
        self.modifications.forget(live)
        self._changes = {each: kept for each, kept in self._changes.items() if each in live}


class _Step(msgspec.Struct, frozen=True):
    """One row of an order's history."""

    status: str


def _orders(session: Session) -> object:
    return session.orders()


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
