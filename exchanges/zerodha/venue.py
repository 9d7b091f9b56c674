"""The port to one account at Zerodha: readings into snapshots, mutations into outcomes.

Invariants: a snapshot is one consistent cut that does not go back behind an earlier one, or there
is none; a mutation is matched with the order book before it leaves. Streams only wake whoever
polls: nothing here believes them. *Source*: SPEC §9, DESIGN laws 4 to 6.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence

import anyio

from exchanges.errors import VenueUnavailable
from exchanges.secrets import Secret
from exchanges.zerodha import charges, ist, parse
from exchanges.zerodha.asked import Asked
from exchanges.zerodha.books import Books
from exchanges.zerodha.capabilities import capabilities
from exchanges.zerodha.client import AuthLost, Client, NotPermitted
from exchanges.zerodha.instruments import (
    Listing,
    Product,
    fno_names,
    list_symbols,
    split,
)
from exchanges.zerodha.limits import Kind
from exchanges.zerodha.parse import Reading
from exchanges.zerodha.render import Unsendable
from exchanges.zerodha.sdk import Session
from exchanges.zerodha.sender import Sender
from exchanges.zerodha.sessions import read_calendar
from exchanges.zerodha.settings import ZerodhaSettings, check
from exchanges.zerodha.wire import (
    WireHolding,
    WireInstrument,
    WireOrder,
    WirePosition,
    WirePositions,
    WireQuote,
    WireTrade,
)
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

_TRIES = 3
_QUOTE_EVERY_MS = 1_000
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
        self._settings = settings
        self.client = client
        self.listings = listings
        self._now_ms = now_ms
        self.calendar = read_calendar(settings.calendar)
        self._capabilities = capabilities(settings.product, settings.scheme)
        self._instruments = {name: each.instrument for name, each in listings.items()}
        self._books = Books()
        self._asked = Asked()
        self._sender = Sender(
            client, self._books, self._asked, settings.product, listings, self.calendar, now_ms
        )
        self._quotes: dict[str, WireQuote] = {}
        self._quoted_ms = 0
        self.quotes_allowed = True
        """The account's plan includes quotes; false once Kite has said no."""
        self.health = Health.UP
        self._views: dict[Key, View] = {}

    @classmethod
    async def open(
        cls,
        settings: ZerodhaSettings,
        key: Secret,
        fetch_token: Callable[[], Secret],
        now_ms: Callable[[], int],
    ) -> ZerodhaVenue:
        """Log in and look up every symbol.

        *Raises*: InvalidSpec for settings, symbols or a missing token; AuthLost for a dead one;
        VenueUnavailable when Kite does not answer.
        """
        check(settings)
        client = Client(key, fetch_token, settings.url, now_ms)
        try:
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
        except BaseException:
            client.close()
            raise
        return cls(settings, client, listings, now_ms)

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    # --------------------------------------------------------------------------------- port

    @property
    def account(self) -> str:
        """Name the account as the configuration does."""
        return self._settings.account

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
        return Key(self.account, symbol, self._settings.product.value)

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
        day = f"{ist.day_of(started_ms)}"
        reading, doubt = None, ""
        for _ in range(_TRIES):
            reading, doubt = await self._read(day)
            if not doubt:
                break
        if reading is None or doubt:
            raise VenueUnavailable(doubt)
        self._books.take(reading, day, {})
        self._sender.see(started_ms)
        views = parse.views(reading, self._desk(started_ms), self._asked)
        self._asked.see(reading.orders)
        # The same object while nothing has changed: whoever polls then need not look at it.
        for key, view in views.items():
            if self._views.get(key) != view:
                self._views[key] = view
        self._sender.views = self._views
        self.health = Health.UP
        return Snapshot(
            account=self.account,
            started_ms=started_ms,
            as_of_ms=self._now_ms(),
            views=dict(self._views),
            quotes=self._shown_quotes(),
        )

    async def _read(self, day: str) -> tuple[Reading, str]:
        """Read orders, then all else at one time, then orders again."""
        before = await self.client.read(_orders, list[WireOrder])
        rest = _Rest()
        async with anyio.create_task_group() as tasks:
            for part in (self._read_trades, self._read_positions, self._read_quotes):
                tasks.start_soon(part, rest)
            if self._settings.product is Product.CNC:
                tasks.start_soon(self._read_holdings, rest)
        if rest.error is not None:
            raise rest.error
        after = await self.client.read(_orders, list[WireOrder])
        reading = Reading(after, rest.trades, rest.positions, rest.holdings)
        if before != after:
            return reading, "the order book changed while it was read"
        return reading, self._books.doubt(reading, day, self._now_ms())

    async def _read_trades(self, rest: _Rest) -> None:
        with rest:
            rest.trades = await self.client.read(lambda s: s.trades(), list[WireTrade])

    async def _read_positions(self, rest: _Rest) -> None:
        with rest:
            found = await self.client.read(lambda s: s.positions(), WirePositions)
            rest.positions = found.net

    async def _read_holdings(self, rest: _Rest) -> None:
        with rest:
            rest.holdings = await self.client.read(lambda s: s.holdings(), list[WireHolding])

    async def _read_quotes(self, rest: _Rest) -> None:
        """Read prices if it is time; without them orders are looked after all the same."""
        now_ms = self._now_ms()
        if not self.quotes_allowed or now_ms - self._quoted_ms < _QUOTE_EVERY_MS:
            return
        names = sorted({listing.quote_key for listing in self.listings.values()})
        with rest:
            try:
                found = await self.client.read(
                    lambda session: session.quote(*names), dict[str, WireQuote], Kind.QUOTE
                )
            except NotPermitted:
                self.quotes_allowed = False
            except AuthLost:
                raise
            except VenueUnavailable:
                return  # the older ones age, and are unknown after 15 s
            else:
                self._quotes, self._quoted_ms = found, self._now_ms()

    def _desk(self, now_ms: int) -> parse.Desk:
        closes: dict[str, int] = {}
        for symbol, listing in self.listings.items():
            session = self.calendar.session(listing.market, ist.day_of(now_ms))
            # Without a session today whatever ended has ended with an earlier one.
            closes[symbol] = 0 if session is None else session.close_ms
        return parse.Desk(self.account, self._settings.product, self.listings, closes)

    def _shown_quotes(self) -> dict[str, Quote]:
        shown: dict[str, Quote] = {}
        for symbol, listing in self.listings.items():
            quote = self._quotes.get(listing.quote_key)
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
                at_ms=self._quoted_ms,
                trading_ms=self.calendar.trading_ms(market, now_ms),
                bid=bids[0].price if bids and bids[0].price > 0 else None,
                ask=asks[0].price if asks and asks[0].price > 0 else None,
                in_session=trades_now,
                session_ends_ms=session.close_ms if session is not None and trades_now else None,
            )
        return shown

    # ------------------------------------------------------------------------------- sending

    async def _send_one(self, mutation: Mutation) -> Outcome:
        if mutation.key.symbol not in self.listings:
            text = f"symbol {mutation.key.symbol!r}: not traded by account {self.account}"
            return Outcome(OutcomeKind.REFUSED, Refusal.INVALID, text)
        try:
            match mutation:
                case SetStop() | PlacePair():
                    text = f"{mutation.key.symbol}: not taken here: a stop is an order of its own"
                    return Outcome(OutcomeKind.REFUSED, Refusal.INVALID, text)
                case PlaceOrder():
                    return await self._sender.place(mutation)
                case AmendOrder():
                    return await self._sender.modify(mutation)
                case CancelOrder():
                    return await self._sender.cancel(mutation)
        except Unsendable as refused:
            return refused.outcome
        except VenueUnavailable as error:
            # Raised by a read that came before the request: nothing was sent.
            return Outcome(OutcomeKind.BUSY, None, str(error))

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
        except VenueUnavailable:
            return outcomes
        for place in doubtful:
            mutation = mutations[place]
            if isinstance(mutation, PlaceOrder) and mutation.client_order_id in tags:
                outcomes[place] = Outcome(OutcomeKind.ACCEPTED, None, outcomes[place].text)
        return outcomes


class _Rest:
    """What is read between the two looks at the order book; keeps the first error."""

    def __init__(self) -> None:
        self.trades: list[WireTrade] = []
        self.positions: list[WirePosition] = []
        self.holdings: list[WireHolding] = []
        self.error: VenueUnavailable | None = None

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        # A task group would wrap it; what failed is wanted as it is.
        if not isinstance(error, VenueUnavailable):
            return False
        if self.error is None or isinstance(error, AuthLost):
            self.error = error
        return True


def _orders(session: Session) -> object:
    return session.orders()


async def _instruments(client: Client, exchange: str) -> list[WireInstrument]:
    return await client.read(lambda session: session.instruments(exchange), list[WireInstrument])
