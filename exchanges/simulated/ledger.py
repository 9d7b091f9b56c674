"""Cash and positions: what a fill does to them, exactly.

Cash is a ledger of signed notionals, so profit is never computed and never rounded: when a
position is flat, what its fills brought in is the profit. Knows nothing of prices' paths.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Context, Decimal, Inexact

from exchanges.simulated.state import Account, Book
from machines.words import ZERO, Fees, Fill, Liquidity, Side

# Sums of products of 24-digit numbers fit in 60 digits with room for 10 billion of them; should
# one not fit, the ledger stops instead of rounding.
_EXACT = Context(prec=60, traps=[Inexact])

FREE = Fees()
"""What trading costs where no rates are given."""


class Ledger:
    """The one place where a fill is written down."""

    __slots__ = ("_account", "_fees", "_name")

    def __init__(self, account: Account, name: str, fees: Mapping[str, Fees]) -> None:
        self._account = account
        self._name = name
        self._fees = fees

    def execute(
        self,
        book: Book,
        side: Side,
        price: Decimal,
        qty: Decimal,
        liquidity: Liquidity,
        client_order_id: str,
        *,
        by_position_stop: bool = False,
    ) -> None:
        """Write one execution into position, cash and history."""
        account = self._account
        rates = self._fees.get(book.key.symbol, FREE)
        rate = rates.maker if liquidity is Liquidity.MAKER else rates.taker
        notional = _EXACT.multiply(price, qty)
        fee = _EXACT.multiply(notional, rate)
        flow = -notional if side is Side.BUY else notional
        account.cash = _EXACT.subtract(_EXACT.add(account.cash, flow), fee)
        book.cash = _EXACT.add(book.cash, flow)
        book.fees = _EXACT.add(book.fees, fee)
        _move(book, side.sign * qty, price)
        account.fills += 1
        book.fills.append(
            Fill(
                fill_id=f"{self._name}-f{account.fills}",
                client_order_id=client_order_id,
                side=side,
                price=price,
                qty=qty,
                fee=fee,
                liquidity=liquidity,
                at_ms=account.now_ms,
                by_position_stop=by_position_stop,
            )
        )


def _move(book: Book, change: Decimal, price: Decimal) -> None:
    before, after = book.net_qty, book.net_qty + change
    if after == 0:
        book.avg_px = ZERO
    elif before * after <= 0:  # opened, or turned over
        book.avg_px = price
    elif abs(after) > abs(before):
        book.avg_px = (book.avg_px * before + price * change) / after
    book.net_qty = after
    # The stop belongs to the position: one that is closed, or turned over, has none.
    if before * after <= 0 and book.stop is not None:
        book.stop.gone = True
        book.stop = None


def realised(book: Book) -> Decimal:
    """Return the profit booked by average cost, before fees. Exact when the position is flat."""
    return book.cash + book.net_qty * book.avg_px
