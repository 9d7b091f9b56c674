"""What must not leave, judged before it does: no entry so late, no more on sale than is held.

Pure over the last readings. *Source*: SPEC §9, RELIABILITY S5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from exchanges.zerodha import ist
from exchanges.zerodha.attempts import Attempts
from exchanges.zerodha.books import Books
from exchanges.zerodha.instruments import Listing, Product
from exchanges.zerodha.pairs import Pairs
from exchanges.zerodha.render import Unsendable
from exchanges.zerodha.sessions import Calendar
from machines.words import AmendOrder, Key, PlaceOrder, Refusal, Role, View, plain

BARRED_MS = 60_000
"""After a refusal of the account as such, entries wait: asking on and on gets an app suspended."""


class Guard:
    """Judges one account's requests."""

    def __init__(
        self,
        books: Books,
        attempts: Attempts,
        pairs: Pairs,
        product: Product,
        calendar: Calendar,
        now_ms: Callable[[], int],
    ) -> None:
        self._books = books
        self._attempts = attempts
        self._pairs = pairs
        self._product = product
        self._calendar = calendar
        self._now_ms = now_ms
        self._barred_until_ms = 0
        self.views: Mapping[Key, View] = {}
        """The last believed views: what is held."""

    def bar(self) -> None:
        """Take a refusal of the account as such."""
        self._barred_until_ms = self._now_ms() + BARRED_MS

    def check_session(self, asked: PlaceOrder, listing: Listing) -> None:
        """Refuse what the market, or the broker, takes no more today. *Raises*: Unsendable."""
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

    def check_held(self, asked: PlaceOrder | AmendOrder, listing: Listing, more: Decimal) -> None:
        """Refuse to have ``more`` on sale than is held. *Raises*: Unsendable."""
        view = self.views.get(asked.key) or View(asked.key)
        name = f"order {asked.client_order_id}"
        if not view.net_qty:
            raise Unsendable(Refusal.NO_POSITION, f"{name}: nothing is held of {listing.symbol}")
        side = "SELL" if view.net_qty > 0 else "BUY"
        if isinstance(asked, PlaceOrder) and asked.side.name != side:
            text = f"{name}: {asked.side.value} would add to what is held"
            raise Unsendable(Refusal.INVALID, text)
        unseen = self._attempts.exits_qty(listing.symbol, but=asked.client_order_id)
        going = unseen + self._books.on_sale(listing, self._product.value, side, self._now_ms())
        # A pair blocks nothing, but it would sell: of a derivative it could open the other way.
        going += self._pairs.waiting_qty(listing.symbol)
        if going + more > abs(view.net_qty):
            text = (
                f"{name}: {plain(more)} more would put {plain(going + more)} on sale, and "
                f"{plain(abs(view.net_qty))} are held"
            )
            raise Unsendable(Refusal.OVERSELL, text)
