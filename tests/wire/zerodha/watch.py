"""Looks at the venue's own books after every request: what must never be there.

For accounts that only ever buy first: nothing is sold that is not held, and no order is there
twice. *Source*: RELIABILITY S3 to S5.
"""

from collections import Counter
from decimal import Decimal

from machines.words import ZERO
from tests.wire.zerodha.broker import Broker
from tests.wire.zerodha.floor import PRODUCTS


class Watch:
    """Keeps every violation, with the request that it followed."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.violations: list[str] = []

    def look(self, line: str) -> None:
        live = [ticket for ticket in self._broker.tickets.values() if not ticket.ended]
        twins = Counter(ticket.tag for ticket in live if ticket.tag)
        self.violations += [f"{line}: {tag} twice" for tag, n in twins.items() if n > 1]
        on_sale: dict[tuple[str, str], Decimal] = {}
        for ticket in live:
            if ticket.side == "SELL":
                place = ticket.product, ticket.symbol
                on_sale[place] = on_sale.get(place, ZERO) + ticket.quantity - ticket.filled
        for product in PRODUCTS:
            for symbol in self._broker.floor.instruments:
                net = self._broker.floor.book(product, symbol).net_qty
                asked = on_sale.get((product, symbol), ZERO)
                if net < 0 or asked > net:
                    self.violations.append(f"{line}: {symbol}: {net} held, {asked} on sale")
