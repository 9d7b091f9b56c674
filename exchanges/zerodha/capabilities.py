"""What Zerodha can do, by product and scheme, as the machines want to know it."""

from __future__ import annotations

from decimal import Decimal

from exchanges.zerodha.attempts import DELIVERY_WINDOW_MS, EXIT_WINDOW_MS
from exchanges.zerodha.instruments import Product
from exchanges.zerodha.modifications import MOST
from exchanges.zerodha.settings import Scheme
from machines.words import ZERO, Capabilities, ExitStyle

BE_SLIPPAGE = Decimal("0.001")
"""SPEC §4: what a stop at NSE is expected to slip."""
PAIR_GAP = Decimal("0.0025")
"""GTTs refuse triggers nearer than this to the last price. *Source*: the venue sheet §7."""


def capabilities(product: Product, scheme: Scheme) -> Capabilities:
    """Say what an account can do."""
    pairs = scheme is Scheme.A
    return Capabilities(
        exits=ExitStyle.PAIRS if pairs else ExitStyle.PER_RUNG,
        position_stop=False,
        reduce_only=False,
        stop_limit=True,
        # SL-M is blocked at BSE and for options, and cannot be had without protection anywhere.
        stop_market=False,
        amend_type=scheme is not Scheme.C,
        day_orders=True,
        # A GTT may be replaced as often as wanted.
        max_amendments=None if pairs else MOST,
        pair_gap=PAIR_GAP if pairs else ZERO,
        shorts=product is not Product.CNC,
        be_slippage=BE_SLIPPAGE,
        window_ms=DELIVERY_WINDOW_MS if product is Product.CNC else EXIT_WINDOW_MS,
    )
