"""Payloads that are almost right: they are read, or nothing is known; nothing else happens."""

import math

from hypothesis import given
from hypothesis import strategies as st

from exchanges.errors import VenueUnavailable
from exchanges.zerodha.asked import Asked
from exchanges.zerodha.parse import Reading, views
from exchanges.zerodha.wire import WireOrder, WirePosition, WireQuote, WireTrade, read
from tests.exchanges.zerodha.payloads import ORDER, POSITION, TRADE, desk

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-10, 2000),
    st.floats(),
    st.sampled_from(["", "OPEN", "1e5", "NaN", "COMPLETE", "BUY", "2026-11-20 10:15:02", "INFY"]),
    st.sampled_from([math.nan, math.inf, 10**40, [], {}, [None], {"buy": 1}, b"\xff"]),
)


def spoiled(payload: dict[str, object]) -> st.SearchStrategy[dict[str, object]]:
    """Exchange up to three fields for something odd, or leave them out."""

    def spoil(changes: dict[str, object], lost: set[str]) -> dict[str, object]:
        return {name: value for name, value in (payload | changes).items() if name not in lost}

    names = st.sampled_from(sorted(payload))
    return st.builds(spoil, st.dictionaries(names, ODD, max_size=3), st.sets(names, max_size=1))


@given(
    st.lists(spoiled(ORDER), max_size=3),
    st.lists(spoiled(TRADE), max_size=3),
    st.lists(spoiled(POSITION), max_size=2),
)
def test_books_when_almost_right_then_read_or_unknown(
    orders: list[object], trades: list[object], positions: list[object]
) -> None:
    try:
        reading = Reading(
            read(orders, list[WireOrder]),
            read(trades, list[WireTrade]),
            read(positions, list[WirePosition]),
            [],
        )
    except VenueUnavailable:
        return
    (view,) = views(reading, desk(), Asked()).values()
    assert view.net_qty.is_finite()
    assert all(order.qty.is_finite() for order in view.orders)


@given(ODD, ODD)
def test_quotes_when_almost_right_then_read_or_unknown(last: object, depth: object) -> None:
    try:
        quote = read({"last_price": last, "depth": depth}, WireQuote)
    except VenueUnavailable:
        return
    assert quote.last_price.is_finite()
