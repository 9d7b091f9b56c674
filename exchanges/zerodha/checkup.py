"""What a person should know before an account trades: who, until when, and what else is there.

Reads only. Gives facts; what they are worth is for whoever asks. *Source*: the venue sheet §4, §8.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from exchanges.zerodha.login import token_dies_ms
from exchanges.zerodha.parse import is_live, tag_of
from exchanges.zerodha.reader import read_orders
from exchanges.zerodha.settings import Scheme
from exchanges.zerodha.venue import ZerodhaVenue
from exchanges.zerodha.wire import WireGtt, WireOrder, WirePositions


class _Meta(msgspec.Struct, frozen=True):
    demat_consent: str = ""


class _Profile(msgspec.Struct, frozen=True):
    user_id: str
    exchanges: list[str] = []
    products: list[str] = []
    meta: _Meta = _Meta()


class Checkup(msgspec.Struct, frozen=True):
    """Facts about one account. *Units*: UTC ms."""

    user_id: str
    exchanges: tuple[str, ...]
    products: tuple[str, ...]
    sells_freely: bool
    """Holdings can be sold without an authorisation each day at the depository."""
    token_dies_ms: int
    quotes: bool
    orders_left_today: int
    closed: tuple[str, ...]
    """Symbols whose market does not trade now."""
    untagged: tuple[str, ...]
    """Live orders on our symbols that carry no tag: nobody's we know."""
    pairs: tuple[str, ...]
    """Active GTTs on our symbols that are not bound to an order of ours."""
    held: dict[str, Decimal]
    """What positions show on our symbols, in the account's product."""


async def checkup(venue: ZerodhaVenue) -> Checkup:
    """Look an account over. *Raises*: AuthLost, VenueUnavailable."""
    client, settings = venue.client, venue.settings
    profile = await client.read(lambda session: session.profile(), _Profile)
    orders = await client.read(read_orders, list[WireOrder])
    positions = await client.read(lambda session: session.positions(), WirePositions)
    snapshot = await venue.snapshot(0)
    now_ms = snapshot.as_of_ms
    places = {(each.exchange, each.tradingsymbol): name for name, each in venue.listings.items()}
    gtts: list[WireGtt] = []
    if settings.scheme is Scheme.A:
        gtts = await client.read(lambda session: session.get_gtts(), list[WireGtt])
    bound = {order.venue_order_id for view in snapshot.views.values() for order in view.orders}
    return Checkup(
        user_id=profile.user_id,
        exchanges=tuple(profile.exchanges),
        products=tuple(profile.products),
        sells_freely=profile.meta.demat_consent == "physical",
        token_dies_ms=token_dies_ms(now_ms),
        quotes=venue.quotes_allowed,
        orders_left_today=client.left_today(),
        closed=tuple(
            name
            for name, listing in venue.listings.items()
            if not venue.calendar.is_open(listing.market, now_ms)
        ),
        untagged=tuple(
            order.order_id
            for order in orders
            if is_live(order)
            and not tag_of(order)
            and (order.exchange, order.tradingsymbol) in places
        ),
        pairs=tuple(
            str(gtt.id)
            for gtt in gtts
            if gtt.status == "active"
            and str(gtt.id) not in bound
            and (gtt.condition.exchange, gtt.condition.tradingsymbol) in places
        ),
        held={
            places[each.exchange, each.tradingsymbol]: each.quantity
            for each in positions.net
            if each.quantity
            and each.product == settings.product
            and (each.exchange, each.tradingsymbol) in places
        },
    )
