"""The port to one account at Zerodha: readings into snapshots, mutations into outcomes.

Invariants: a snapshot is one consistent cut that does not go back behind an earlier one, or there
is none; a mutation is matched with the order book before it leaves. Streams only wake whoever
polls: nothing here believes them. *Source*: SPEC §9, DESIGN laws 4 to 6.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack

import anyio
import msgspec

from exchanges.errors import VenueUnavailable
from exchanges.secrets import Secret
from exchanges.zerodha import charges, ist, parse
from exchanges.zerodha.capabilities import capabilities
from exchanges.zerodha.client import AuthLost, Client
from exchanges.zerodha.instruments import Listing, Product, fno_names, list_symbols, split
from exchanges.zerodha.pair_sender import PairSender
from exchanges.zerodha.parts import assemble
from exchanges.zerodha.reader import Reader
from exchanges.zerodha.render import Unsendable
from exchanges.zerodha.sender import Sender
from exchanges.zerodha.settings import Scheme, ZerodhaSettings, check
from exchanges.zerodha.wire import WireInstrument
from machines.words import (
    AmendOrder,
    CancelOrder,
    Capabilities,
    Fees,
    Instrument,
    Key,
    Mutation,
    Outcome,
    OutcomeKind,
    PlaceOrder,
    PlacePair,
    Quote,
    Refusal,
    SetStop,
    Snapshot,
    View,
)

_DOUBTFUL = (OutcomeKind.UNSURE, OutcomeKind.MALFORMED)


class Health(enum.StrEnum):
    """How the venue does, as far as its last answers tell."""

    UP = "up"
    DOWN = "down"
    AUTH_LOST = "auth_lost"


class ZerodhaVenue:
    """One account. Made by ``open``."""

    def __init__(
        self,
        settings: ZerodhaSettings,
        client: Client,
        listings: dict[str, Listing],
        now_ms: Callable[[], int],
    ) -> None:
        self.settings = settings
        self._parts = parts = assemble(settings, client, listings, now_ms)
        self._now_ms = now_ms
        self.client = client
        self.listings = listings
        self.calendar = parts.calendar
        self._capabilities = capabilities(settings.product, settings.scheme)
        self._instruments = {name: each.instrument for name, each in listings.items()}
        self._reader = Reader(
            client,
            parts.books,
            [listing.quote_key for listing in listings.values()],
            now_ms,
            holdings=settings.product is Product.CNC,
            gtts=settings.scheme is Scheme.A,
        )
        self._sender = Sender(parts)
        self._pair_sender = PairSender(parts)
        self._views: dict[Key, View] = {}
        self.health = Health.UP

    @classmethod
    async def open(
        cls,
        settings: ZerodhaSettings,
        key: Secret,
        fetch_token: Callable[[], Secret],
        now_ms: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> ZerodhaVenue:
        """Log in and look up every symbol. ``sleep`` waits, in seconds, for a rate window.

        *Raises*: InvalidSpec for settings, symbols or a missing token; AuthLost for a dead one;
        VenueUnavailable when Kite does not answer.
        """
        check(settings)
        client = Client(key, fetch_token, settings.url, now_ms, sleep)
        with ExitStack() as opened:
            opened.callback(client.close)
            wanted = {split(symbol, settings.exchange)[0] for symbol in settings.symbols}
            if settings.product is not Product.NRML:
                wanted.add("NFO")  # it names the shares that have derivatives
            rows: dict[str, list[WireInstrument]] = {}
            for exchange in sorted(wanted):
                rows[exchange] = await _instruments(client, exchange)
            listings = list_symbols(
                settings.symbols,
                rows,
                settings.exchange,
                settings.product,
                fno_names(rows.get("NFO", ())),
            )
            venue = cls(settings, client, listings, now_ms)
            opened.pop_all()
        return venue

    def square_off_ms(self, symbol: str) -> int | None:
        """Return when an intraday position is to be closed today, before the broker does it.

        None for what may be carried, and on a day without trading.
        """
        session = self.calendar.session(self.listings[symbol].market, ist.day_of(self._now_ms()))
        intraday = self.settings.product is Product.MIS
        return session.mis_exit_ms if session is not None and intraday else None

    @property
    def quotes_allowed(self) -> bool:
        """Tell whether the account's plan includes quotes, as far as Kite has said."""
        return self._reader.quotes_allowed

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    # --------------------------------------------------------------------------------- port

    @property
    def account(self) -> str:
        """Name the account as the configuration does."""
        return self.settings.account

    @property
    def capabilities(self) -> Capabilities:
        """Say what this venue can do."""
        return self._capabilities

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """Return the known instruments by symbol."""
        return self._instruments

    def fees(self, symbol: str) -> Fees:
        """Return rates that no exit costs more than, flat charges aside."""
        return charges.ceiling(self.rates(symbol))

    def rates(self, symbol: str) -> charges.Rates:
        """Return what trading a symbol costs today, for break-even by `charges.break_even`."""
        listing = self.listings[symbol]
        return charges.rates(listing.segment, listing.exchange, ist.day_of(self._now_ms()))

    def key_for(self, symbol: str, ladder_key: str, side: str) -> Key:
        """Name the venue position a ladder of this symbol would own: one for each product."""
        return Key(self.account, symbol, self.settings.product.value)

    async def snapshot(self, since_ms: int) -> Snapshot:
        """Read the day's books, and prices once a second.

        *Raises*: AuthLost while a login is needed; VenueUnavailable when the answers were not
        whole, did not agree, or went back behind earlier ones.
        """
        try:
            return await self._snapshot()
        except VenueUnavailable as error:
            self.health = Health.AUTH_LOST if isinstance(error, AuthLost) else Health.DOWN
            raise

    async def send(self, mutations: Sequence[Mutation]) -> list[Outcome]:
        """Send mutations, each position's in order, and return one outcome for each.

        What may have landed is looked for once, at the end.
        """
        outcomes: list[Outcome | None] = [None] * len(mutations)
        by_key: dict[Key, list[int]] = {}
        for place, mutation in enumerate(mutations):
            by_key.setdefault(mutation.key, []).append(place)

        async def in_order(places: list[int]) -> None:
            for place in places:
                outcomes[place] = await self._send_one(mutations[place])

        async with anyio.create_task_group() as tasks:
            for places in by_key.values():
                tasks.start_soon(in_order, places)
        found = [each for each in outcomes if each is not None]
        assert len(found) == len(mutations), "every mutation has an outcome"
        return await self._look_again(mutations, found)

    # ------------------------------------------------------------------------------- reading

    async def _snapshot(self) -> Snapshot:
        started_ms = self._now_ms()
        reading = await self._reader.read()
        self._parts.pairs.see(reading.gtts, started_ms)
        self._parts.books.take(reading.orders, self._parts.pairs.names)
        self._parts.attempts.see(self._parts.books.tags | self._parts.pairs.tags, started_ms)
        self._sender.see()
        desk = self._desk(started_ms)
        lagging = self._parts.books.lagging(parse.behind(reading, desk), started_ms)
        desk = msgspec.structs.replace(desk, lagging=lagging)
        views = parse.views(reading, desk, self._parts.asked)
        self._parts.asked.see(reading.orders)
        # The same object while nothing has changed: whoever polls then need not look at it.
        for key, view in views.items():
            if self._views.get(key) != view:
                self._views[key] = view
        self._parts.guard.views = self._views
        quotes = self._pair_sender.quotes = self._shown_quotes()
        self.health = Health.UP
        return Snapshot(
            account=self.account,
            started_ms=started_ms,
            as_of_ms=self._now_ms(),
            views=dict(self._views),
            quotes=quotes,
        )

    def _desk(self, now_ms: int) -> parse.Desk:
        return parse.Desk(
            self.account,
            self.settings.product,
            self.listings,
            self._close_ms,
            names=self._parts.pairs.names,
            fired={each: fired.trigger_px for each, fired in self._parts.pairs.fired.items()},
            pairs={
                symbol: self._parts.pairs.orders(symbol, self._parts.books.by_id, now_ms)
                for symbol in self.listings
            },
        )

    def _close_ms(self, listing: Listing, at_ms: int) -> int:
        session = self.calendar.session(listing.market, ist.day_of(at_ms))
        return 0 if session is None else session.close_ms

    def _shown_quotes(self) -> dict[str, Quote]:
        shown: dict[str, Quote] = {}
        for symbol, listing in self.listings.items():
            quote = self._reader.quotes.get(listing.quote_key)
            if quote is None or quote.last_price <= 0:
                continue
            now_ms = self._now_ms()
            market = listing.market
            session = self.calendar.session(market, ist.day_of(now_ms))
            trades_now = self.calendar.is_open(market, now_ms)
            bids, asks = quote.depth.buy, quote.depth.sell
            shown[symbol] = Quote(
                symbol=symbol,
                last=quote.last_price,
                at_ms=self._reader.quoted_ms,
                trading_ms=self.calendar.trading_ms(market, now_ms),
                bid=bids[0].price if bids and bids[0].price > 0 else None,
                ask=asks[0].price if asks and asks[0].price > 0 else None,
                in_session=trades_now,
                session_ends_ms=session.close_ms if session is not None and trades_now else None,
                square_off_ms=self.square_off_ms(symbol),
                day_volume=quote.volume,
            )
        return shown

    # ------------------------------------------------------------------------------- sending

    async def _send_one(self, mutation: Mutation) -> Outcome:
        if mutation.key.symbol not in self.listings:
            text = f"symbol {mutation.key.symbol!r}: not traded by account {self.account}"
            return Outcome(OutcomeKind.REFUSED, Refusal.INVALID, text)
        try:
            return await self._route(mutation)
        except Unsendable as refused:
            return refused.outcome
        except VenueUnavailable as error:
            # Raised by a read that came before the request: nothing was sent.
            return Outcome(OutcomeKind.BUSY, None, str(error))

    async def _route(self, mutation: Mutation) -> Outcome:
        match mutation:
            case PlacePair():
                if self.settings.scheme is Scheme.A:
                    return await self._pair_sender.place(mutation)
                text = f"pair {mutation.client_order_id}: there are none in scheme "
                text += self.settings.scheme.value
                return Outcome(OutcomeKind.REFUSED, Refusal.INVALID, text)
            case PlaceOrder():
                return await self._sender.place(mutation)
            case AmendOrder():
                waiting = self._parts.pairs.active(mutation.client_order_id)
                if waiting is not None:
                    return await self._pair_sender.modify(mutation, *waiting)
                return await self._sender.modify(mutation)
            case CancelOrder():
                waiting = self._parts.pairs.active(mutation.client_order_id)
                if waiting is not None:
                    return await self._pair_sender.cancel(mutation, waiting[0])
                return await self._sender.cancel(mutation)
            case SetStop():
                text = f"{mutation.key.symbol}: positions have no stop of their own at Zerodha"
                return Outcome(OutcomeKind.REFUSED, Refusal.INVALID, text)

    async def _look_again(
        self, mutations: Sequence[Mutation], outcomes: list[Outcome]
    ) -> list[Outcome]:
        """Read the book once if an outcome is unknown: what is there, is there.

        What is not there proves nothing before its window is over.
        """
        doubtful = [
            place
            for place, outcome in enumerate(outcomes)
            if outcome.kind in _DOUBTFUL and isinstance(mutations[place], PlaceOrder)
        ]
        if not doubtful:
            return outcomes
        try:
            tags = await self._sender.landed()
            if any(isinstance(mutations[place], PlacePair) for place in doubtful):
                self._parts.pairs.see(await self._reader.read_gtts(), self._now_ms())
                tags |= self._parts.pairs.tags
        except VenueUnavailable:
            return outcomes
        for place in doubtful:
            mutation = mutations[place]
            if isinstance(mutation, PlaceOrder) and mutation.client_order_id in tags:
                outcomes[place] = Outcome(OutcomeKind.ACCEPTED, None, outcomes[place].text)
        return outcomes


async def _instruments(client: Client, exchange: str) -> list[WireInstrument]:
    return await client.read(lambda session: session.instruments(exchange), list[WireInstrument])
