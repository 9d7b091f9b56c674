"""What a person should know before an account trades: who, until when, and what else is there.

Reads only. `checkup` gives facts, `findings` says what they are worth. *Source*: the venue sheet
§4, §8.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from exchanges.findings import Finding, budget, fault, fine, warning
from exchanges.zerodha import ist
from exchanges.zerodha.instruments import Product, split
from exchanges.zerodha.limits import LIMITS, ORDERS_A_DAY, Kind
from exchanges.zerodha.login import token_dies_ms
from exchanges.zerodha.parse import is_live, tag_of
from exchanges.zerodha.reader import read_orders
from exchanges.zerodha.settings import Scheme, ZerodhaSettings
from exchanges.zerodha.venue import ZerodhaVenue
from exchanges.zerodha.wire import WireGtt, WireOrder, WirePositions

NO_QUOTES = "Kite gives this app no quotes: no plan can start"


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
        # What others sent from elsewhere counts, and a fresh client knows of none.
        orders_left_today=min(client.left_today(), ORDERS_A_DAY - len(orders)),
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


async def look_over(venue: ZerodhaVenue, poll_ms: int, now_ms: int) -> list[Finding]:
    """Look an account over and judge it. *Raises*: AuthLost, VenueUnavailable."""
    before = venue.client.calls
    await venue.snapshot(now_ms)
    reads = venue.client.calls - before
    (second,) = LIMITS[Kind.OTHER]
    return [
        *findings(venue, await checkup(venue), now_ms),
        budget(reads, poll_ms, second.limit, second.span_ms, f"{second.limit} a second"),
    ]


def findings(venue: ZerodhaVenue, found: Checkup, now_ms: int) -> list[Finding]:
    """Judge what was found."""
    settings = venue.settings
    dies = f"{ist.to_wall(found.token_dies_ms):%Y-%m-%d %H:%M} in India"
    made = [
        fine("token", f"{found.user_id} is logged in, until {dies} at the latest"),
        *_allowed(settings, found),
        *_prices(settings, found),
        *_sessions(venue, now_ms),
    ]
    if settings.product is Product.CNC and not found.sells_freely:
        text = "holdings cannot be sold before a person has authorised it today"
        made.append(
            fault("authorisation", text, "authorise at the depository (CDSL TPIN), or DDPI")
        )
    made += [
        warning(
            "others", f"GTT {number} on our symbols is not ours", "see whether anybody needs it"
        )
        for number in found.pairs
    ]
    left = f"{found.orders_left_today} of {ORDERS_A_DAY} order requests are left today"
    few = found.orders_left_today < ORDERS_A_DAY // 10
    made.append(warning("orders today", left) if few else fine("orders today", left))
    return made


def _allowed(settings: ZerodhaSettings, found: Checkup) -> list[Finding]:
    """Say whether the account may trade what is wanted of it."""
    wanted = {split(symbol, settings.exchange)[0] for symbol in settings.symbols}
    made: list[Finding] = []
    if settings.product not in found.products:
        text = f"product {settings.product.value} is not allowed to this account"
        made.append(fault("account", text, f"allowed: {', '.join(found.products)}"))
    made += [
        fault("account", f"exchange {name} is not open to this account", "activate the segment")
        for name in sorted(wanted - set(found.exchanges))
    ]
    shown = f"{settings.product.value} at {', '.join(sorted(wanted))}, scheme {settings.scheme}"
    return made or [fine("account", shown)]


def _prices(settings: ZerodhaSettings, found: Checkup) -> list[Finding]:
    if found.quotes:
        return [fine("prices", "quotes are included")]
    text = NO_QUOTES
    if settings.scheme is not Scheme.A:
        text += f", and scheme {settings.scheme.value} cannot see a target"
    return [fault("prices", text, "an app with market data is needed")]


def _sessions(venue: ZerodhaVenue, now_ms: int) -> list[Finding]:
    made: list[Finding] = []
    for symbol, listing in venue.listings.items():
        if venue.calendar.is_open(listing.market, now_ms):
            off_ms = venue.square_off_ms(symbol)
            until = "" if off_ms is None else f"; positions end at {ist.to_wall(off_ms):%H:%M}"
            made.append(fine("session", f"{symbol} trades now{until}"))
            continue
        opens = ist.to_wall(venue.calendar.next_open_ms(listing.market, now_ms))
        text = f"{symbol} does not trade now; opens {opens:%a %Y-%m-%d %H:%M} in India"
        made.append(fine("session", text))
    return made
