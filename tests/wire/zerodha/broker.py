"""Kite's order management: requests in, tickets along, the floor behind.

Answers at once and lets effects follow after a latency. Nothing happens between requests: what is
due is done when the next one comes. *Source*: the venue sheet §6, §15.
"""

from collections.abc import Callable
from decimal import Decimal
from itertools import count

from exchanges.zerodha import ist
from exchanges.zerodha.sessions import Calendar, Market
from machines.words import ZERO, OrderType, Outcome, OutcomeKind, PlaceOrder, Refusal, Role, Side
from tests.wire.zerodha.floor import DEEP, Floor
from tests.wire.zerodha.rules import (
    CLOSED,
    MODIFY_FIELDS,
    NO_STOCK,
    PLACE_FIELDS,
    SPENT,
    Form,
    Quirks,
    Refused,
    check_form,
    check_prices,
    known,
    number,
    trigger_refusal,
)
from tests.wire.zerodha.tickets import TYPES, Ticket

FIRST_ID = 1_990_000_000_000_000_000
MOST_MODIFICATIONS = 25
SQUARE_OFF_MS = 15 * 60_000
"""From our own MIS exit to the broker's."""


class Broker:
    """One client's account."""

    def __init__(self, floor: Floor, calendar: Calendar, markets: dict[str, Market]) -> None:
        self.floor = floor
        self.calendar = calendar
        self.markets = markets
        self.quirks = Quirks()
        self.tickets: dict[str, Ticket] = {}
        self.holdings: dict[str, tuple[Decimal, Decimal]] = {}
        self.carried: dict[str, Decimal] = {}
        """Of NRML: what was held when the day began."""
        self._ids = count(1)
        self._due: list[tuple[int, int, Callable[[int], None]]] = []
        self._reference = dict(floor.last)
        self._closed: set[tuple[str, str, str]] = set()
        self.lie = False
        """The next modification is accepted and not done."""

    # ------------------------------------------------------------------------------- time

    def advance(self, now_ms: int) -> None:
        """Do what is due, and end what its session has ended."""
        while self._due and min(self._due)[0] <= now_ms:
            due = min(self._due)
            self._due.remove(due)
            due[2](due[0])
        for ticket in self.tickets.values():
            self._follow(ticket, now_ms)
        self._end_sessions(now_ms)

    def at(self, at_ms: int, effect: Callable[[int], None]) -> None:
        """Let something happen at a time."""
        self._due.append((at_ms, next(self._ids), effect))

    def _later(self, now_ms: int, effect: Callable[[int], None]) -> None:
        if self.quirks.latency_ms:
            self.at(now_ms + self.quirks.latency_ms, effect)
        else:
            effect(now_ms)

    def _follow(self, ticket: Ticket, at_ms: int) -> None:
        order = self.floor.order(ticket.product, ticket.symbol, ticket.order_id)
        if order is not None:
            fills = self.floor.fills(ticket.product, ticket.symbol, ticket.order_id)
            ticket.follow(order, fills, at_ms)

    def _end_sessions(self, now_ms: int) -> None:
        day = ist.day_of(now_ms)
        for symbol, market in self.markets.items():
            session = self.calendar.session(market, day)
            if session is None:
                continue
            off_ms = session.mis_exit_ms + SQUARE_OFF_MS
            if now_ms >= off_ms:
                self._end(symbol, "MIS", off_ms, f"{day}", "Squared off by the broker")
            if now_ms >= session.close_ms:
                for product in ("CNC", "NRML"):
                    self._end(symbol, product, session.close_ms, f"{day}", None)

    def _end(self, symbol: str, product: str, at_ms: int, day: str, message: str | None) -> None:
        if (symbol, product, day) in self._closed:
            return
        self._closed.add((symbol, product, day))
        for ticket in self.tickets.values():
            if (ticket.symbol, ticket.product) == (symbol, product) and not ticket.ended:
                self.floor.cancel(product, symbol, ticket.order_id, at_ms)
                ticket.become("CANCELLED", at_ms, message)
        net = self.floor.book(product, symbol).net_qty
        if product == "MIS" and net:
            side = Side.SELL if net > 0 else Side.BUY
            self.floor.trade(product, symbol, side, abs(net), at_ms)

    def roll(self) -> None:
        """Let the night pass: the day's book is cleared, bought shares become a holding."""
        for ticket in self.tickets.values():
            if not ticket.ended:
                self.floor.cancel(ticket.product, ticket.symbol, ticket.order_id, 0)
        for symbol in self.floor.instruments:
            book = self.floor.book("CNC", symbol)
            self.holdings[symbol] = (book.net_qty, book.avg_px)
            self.carried[symbol] = self.floor.book("NRML", symbol).net_qty
        self.tickets.clear()
        self._reference = dict(self.floor.last)

    def hold(self, symbol: str, qty: Decimal, now_ms: int) -> None:
        """Begin with shares in the demat account."""
        self.floor.trade("CNC", symbol, Side.BUY, qty, now_ms)
        self.holdings[symbol] = (qty, self.floor.last[symbol])

    def move(self, symbol: str, price: Decimal, now_ms: int, depth: Decimal = DEEP) -> None:
        """Let a price happen."""
        self.advance(now_ms)
        self.floor.move(symbol, price, now_ms, depth)
        self.advance(now_ms)

    def circuit(self, symbol: str) -> tuple[Decimal, Decimal]:
        """Return the day's limits: a fifth either way."""
        reference = self._reference[symbol]
        return reference * Decimal("0.8"), reference * Decimal("1.2")

    # ---------------------------------------------------------------------------- placing

    def place(self, fields: dict[str, str], now_ms: int, *, stuck: bool = False) -> str:
        """Take an order. *Raises*: Refused."""
        known(fields, PLACE_FIELDS)
        exchange, name = fields.get("exchange", ""), fields.get("tradingsymbol", "")
        symbol, side, product = f"{exchange}:{name}", fields["transaction_type"], fields["product"]
        if symbol not in self.floor.instruments:
            raise Refused(f"The instrument you are placing an order for is invalid: {symbol}")
        if product not in ("CNC", "MIS", "NRML") or side not in ("BUY", "SELL"):
            raise Refused("Invalid `product` or `transaction_type`.")
        tag = fields.get("tag")
        if tag is not None and len(tag) > 20:
            raise Refused("Invalid `tag`: at most 20 characters.")
        form = self._form(fields)
        self._check(form, symbol, side, now_ms)
        ticket = Ticket(
            f"{FIRST_ID + next(self._ids)}",
            *(exchange, name, product, side, form.order_type),
            *(form.quantity, form.price, form.trigger, now_ms),
            visible_ms=now_ms + self.quirks.book_lag_ms,
            tag=tag,
            stuck=stuck,
        )
        self._judge(ticket, form)
        ticket.become(ticket.status, now_ms)
        self.tickets[ticket.order_id] = ticket
        if not stuck:
            self._later(now_ms, lambda at_ms: self._arrive(ticket, at_ms))
        return ticket.order_id

    def _form(self, fields: dict[str, str]) -> Form:
        return Form(
            fields.get("order_type", ""),
            number(fields, "quantity"),
            number(fields, "price"),
            number(fields, "trigger_price"),
            number(fields, "market_protection"),
        )

    def _check(self, form: Form, symbol: str, side: str, now_ms: int) -> None:
        exchange, _, name = symbol.partition(":")
        check_form(form, self.floor.instruments[symbol], exchange, name.endswith(("CE", "PE")))
        check_prices(form, side, *self.circuit(symbol))
        if not self.calendar.is_open(self.markets[symbol], now_ms):
            raise Refused(CLOSED)
        if form.quantity * form.price > self.quirks.funds:
            raise Refused("Insufficient funds.", "MarginException")

    def _judge(self, ticket: Ticket, form: Form) -> None:
        """Refuse at once what this broker judges at once."""
        if self.quirks.refuses_late:
            return
        behind = trigger_refusal(form, ticket.side, self.floor.last[ticket.symbol])
        if behind:
            raise Refused(behind)
        if ticket.product == "CNC" and ticket.side == "SELL":
            book = self.floor.book("CNC", ticket.symbol)
            pending = sum(
                (
                    each.quantity
                    for each in self.tickets.values()
                    if each.order is None
                    and not each.ended
                    and (each.symbol, each.product, each.side) == (ticket.symbol, "CNC", "SELL")
                ),
                ZERO,
            )
            free = max(ZERO, book.net_qty) - book.working_qty(Side.SELL) - pending
            if ticket.quantity > free:
                raise Refused(NO_STOCK, "HoldingException")

    def _arrive(self, ticket: Ticket, at_ms: int) -> None:
        """Let an order reach the exchange."""
        if ticket.ended:
            return
        kind = TYPES[ticket.order_type]
        asked = PlaceOrder(
            *(self.floor.key(ticket.product, ticket.symbol), ticket.order_id, Role.ENTRY, 1),
            *(Side[ticket.side], kind, ticket.quantity),
            price=ticket.price or None,
            trigger_px=ticket.trigger or None,
        )
        outcome = self.floor.place(ticket.product, asked, at_ms)
        if outcome.kind is not OutcomeKind.ACCEPTED:
            ticket.become("REJECTED", at_ms, message_of(outcome))
            return
        if kind is OrderType.MARKET and self.quirks.protected_as_limit:
            ticket.order_type, ticket.price = "LIMIT", self.floor.last[ticket.symbol]
            if self.quirks.tags_protected:
                ticket.system_tags += ["mktp", "mktp:2.00"]
        self._follow(ticket, at_ms)

    # --------------------------------------------------------------------------- changing

    def _open(self, order_id: str, now_ms: int, word: str) -> Ticket:
        self.advance(now_ms)
        ticket = self.tickets.get(order_id)
        if ticket is None:
            raise Refused("Couldn't find that `order_id`.", "OrderException", 404)
        if ticket.status not in ("OPEN", "TRIGGER PENDING"):
            raise Refused(f"Order cannot be {word} as it is being processed. Try later.")
        return ticket

    def modify(self, order_id: str, fields: dict[str, str], now_ms: int) -> None:
        """Take a change of an order. *Raises*: Refused."""
        known(fields, MODIFY_FIELDS)
        ticket = self._open(order_id, now_ms, "modified")
        if ticket.modifications >= MOST_MODIFICATIONS:
            raise Refused(SPENT, "NetworkException", self.quirks.spent_code)
        whole = {
            "order_type": ticket.order_type,
            "quantity": f"{ticket.quantity}",
            "price": f"{ticket.price}",
            "trigger_price": f"{ticket.trigger}",
            "market_protection": "-1" if ticket.order_type == "MARKET" else "0",
        }
        form = self._form(whole | fields)
        self._check(form, ticket.symbol, ticket.side, now_ms)
        if "trigger_price" in fields and ticket.status == "TRIGGER PENDING":
            behind = trigger_refusal(form, ticket.side, self.floor.last[ticket.symbol])
            if behind:
                raise Refused(behind)
        converted = ticket.order_type == "SL" and form.order_type != "SL"
        if converted and not self.quirks.converts:
            raise Refused("Order type of a stoploss order cannot be changed.")
        ticket.modifications += 1
        ticket.history += ["MODIFY VALIDATION PENDING"]
        ticket.become("MODIFY PENDING", now_ms)
        lie, self.lie = self.lie, False
        back = TYPES[form.order_type] in _STOPS and TYPES[ticket.order_type] not in _STOPS
        self._later(now_ms, lambda at_ms: self._change(ticket, form, at_ms, dont=lie or back))

    def _change(self, ticket: Ticket, form: Form, at_ms: int, *, dont: bool) -> None:
        """Let a change reach the exchange."""
        self._follow(ticket, at_ms)
        if ticket.ended or ticket.order is None:
            return
        ticket.history += ["MODIFIED"]
        if not dont:
            quantity = form.quantity
            if ticket.filled and not self.quirks.whole_quantity:
                quantity += ticket.filled
            changes: dict[str, object] = {"type": TYPES[form.order_type], "qty": quantity}
            changes |= {"price": form.price or None, "trigger_px": form.trigger or None}
            outcome = self.floor.amend(ticket.product, ticket.symbol, ticket.order, changes, at_ms)
            if outcome.kind is OutcomeKind.REFUSED:
                ticket.message = message_of(outcome)
            else:
                ticket.order_type, ticket.quantity = form.order_type, quantity
                ticket.price = ZERO if form.order_type == "MARKET" else form.price
                ticket.trigger = form.trigger if TYPES[form.order_type] in _STOPS else ZERO
        else:
            ticket.message = "Modification was not applied"
        ticket.status = ""
        self._follow(ticket, at_ms)

    def cancel(self, order_id: str, now_ms: int) -> None:
        """Take the wish for an order's end. *Raises*: Refused."""
        ticket = self._open(order_id, now_ms, "cancelled")
        ticket.become("CANCEL PENDING", now_ms)
        self._later(now_ms, lambda at_ms: self._cancel(ticket, at_ms))

    def _cancel(self, ticket: Ticket, at_ms: int) -> None:
        self.floor.cancel(ticket.product, ticket.symbol, ticket.order_id, at_ms)
        self._follow(ticket, at_ms)

    def by_person(self, order_id: str, now_ms: int, **fields: str) -> None:
        """Let a person change an order in the app, or cancel it without fields."""
        if fields:
            self.modify(order_id, fields, now_ms)
        else:
            self.cancel(order_id, now_ms)


_STOPS = (OrderType.STOP_LIMIT, OrderType.STOP_MARKET)


def message_of(outcome: Outcome) -> str:
    """Write the floor's refusal in the words of an exchange."""
    match outcome.refusal:
        case Refusal.OVERSELL | Refusal.NO_POSITION:
            return NO_STOCK
        case Refusal.BEHIND_MARKET:
            return "Trigger price is beyond the last traded price."
        case _:
            return f"RMS: {outcome.text}"
