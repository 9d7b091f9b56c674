"""The simulated venue: the port over the engine, and the market that moves by a feed.

Answers at once and in full. Knows time only as the bars and the controller hand it in. With a
file of its own it outlives the controller. Invariant: what an answer or a snapshot tells is in
the file before it is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import assert_never

from exchanges.errors import VenueFileError
from exchanges.feeds.bars import Feed
from exchanges.simulated import outside
from exchanges.simulated.acts import Act, digest
from exchanges.simulated.engine import Engine
from exchanges.simulated.ledger import FREE, realised
from exchanges.simulated.market import Market
from exchanges.simulated.record import Record
from exchanges.simulated.settings import SimulatedSettings, Slots, check
from exchanges.simulated.state import Account
from exchanges.simulated.venue_file import Entry, VenueFile, identity
from exchanges.simulated.views import Views
from machines.errors import InvalidSpec
from machines.words import (
    ZERO,
    Capabilities,
    Fees,
    Instrument,
    Key,
    Mutation,
    Outcome,
    OutcomeKind,
    Snapshot,
)

_ACTS, _ACTS_DIGEST = "acts", "acts.digest"
"""Counters: how many written acts have happened, and which."""


class SimulatedVenue:
    """One simulated account. *Raises*: InvalidSpec naming every fault of ``settings``.

    ``state`` continues an account from what it was; omitted, a new one opens.
    """

    def __init__(
        self,
        settings: SimulatedSettings,
        feeds: Mapping[str, Feed],
        state: Account | None = None,
    ) -> None:
        check(settings, feeds)
        if state is None:
            state = Account(
                cash=settings.balance,
                now_ms=min(feed.times[0] - feed.bar_ms for feed in feeds.values()),
                played=dict.fromkeys(settings.instruments, 0),
            )
        self._settings = settings
        self._engine = Engine(settings, feeds, state)
        self._markets = list(self._engine.markets.values())
        self._views = Views()
        self._capabilities = settings.capabilities()
        self._record = Record(self._engine)
        self._acts: Sequence[Act] = ()
        self.undone: list[str] = []
        """What written acts could not do, and why."""

    @classmethod
    def open(
        cls,
        settings: SimulatedSettings,
        feeds: Mapping[str, Feed],
        path: Path | None,
        *,
        acts: Sequence[Act] = (),
        fresh: bool = False,
    ) -> SimulatedVenue:
        """Open an account that lives in a file, or in memory only without ``path``.

        A file that exists is continued where its last answer left it; ``fresh`` begins it anew.
        ``acts`` happen when they are due. *Raises*: InvalidSpec; VenueFileBusy, VenueFileError.
        """
        check(settings, feeds)
        faults = outside.faults(acts, settings, feeds)
        if faults:
            raise InvalidSpec(faults)
        if path is None:
            venue = cls(settings, feeds)
            venue._acts = acts
            return venue
        file = VenueFile(path, identity(settings, feeds), fresh=fresh)
        with ExitStack() as opened:
            opened.callback(file.close)
            venue = cls(file.settings, feeds, file.account())
            for entry in file.entries():
                venue.replay(entry)
            venue._record.begin(file)
            venue._write_down(acts)
            opened.pop_all()
        return venue

    def close(self) -> None:
        """Write how far the market has come and let the file go. *Raises*: VenueFileError."""
        self._record.close()

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
        return self._settings.instruments

    def fees(self, symbol: str) -> Fees:
        """Return the fee rates of a symbol."""
        return self._settings.fees.get(symbol, FREE)

    def key_for(self, symbol: str, ladder_key: str, side: str) -> Key:
        """Name the venue position a ladder of this symbol and side would own."""
        match self._settings.slots:
            case Slots.ONE_WAY:
                slot = ""
            case Slots.HEDGE:
                slot = side
            case Slots.PER_LADDER:
                slot = ladder_key
            case _:
                assert_never(self._settings.slots)
        return Key(self._settings.account, symbol, slot)

    async def snapshot(self, since_ms: int) -> Snapshot:
        """Read orders, fills, positions, stops and prices: always whole, always of now."""
        self._record.see()
        engine, now_ms = self._engine, self._engine.account.now_ms
        sessions = engine.sessions
        ends_ms = None if sessions is None else sessions.end_of(now_ms)
        open_now = sessions is None or ends_ms is not None
        return Snapshot(
            account=self._settings.account,
            started_ms=now_ms,
            as_of_ms=now_ms,
            views=self._views.show(engine.account.books, engine.changed, since_ms),
            quotes={
                market.symbol: quote
                for market in self._markets
                if (quote := market.quote(now_ms, ends_ms, in_session=open_now)) is not None
            },
        )

    async def send(self, mutations: Sequence[Mutation]) -> list[Outcome]:
        """Do mutations in order and return one outcome for each."""
        return self.apply(mutations)

    def apply(self, mutations: Sequence[Mutation]) -> list[Outcome]:
        """Do mutations in order, durably, and return one outcome for each."""
        self._record.check()
        outcomes = [self._engine.handle(mutation) for mutation in mutations]
        self._record.keep(
            [
                mutation
                for mutation, outcome in zip(mutations, outcomes, strict=True)
                if outcome.kind is OutcomeKind.ACCEPTED
            ]
        )
        return outcomes

    # --------------------------------------------------------------------------- the market

    def next_bar_ms(self) -> int | None:
        """Return the close of the next bar of any symbol, or None at the feeds' end.

        A session's opening is one too: orders are taken from then on, before its first bar.
        """
        bar_ms = min(
            (
                market.feed.times[market.played]
                for market in self._markets
                if market.played < len(market.feed)
            ),
            default=None,
        )
        opens_ms = None if bar_ms is None else self._engine.next_open()
        return bar_ms if opens_ms is None or bar_ms is None else min(bar_ms, opens_ms)

    def next_ms(self, limit_ms: int | None) -> int | None:
        """Return when something of ours may next change, at most ``limit_ms``.

        Without anything before it: ``limit_ms``, or the last bar's close if that is earlier.
        None: every bar has happened.
        """
        end_ms: int | None = None
        for market in self._markets:
            if market.played < len(market.feed) and (
                end_ms is None or end_ms < market.feed.times[-1]
            ):
                end_ms = market.feed.times[-1]
        if end_ms is None:
            return None
        act_ms = self._next_act_ms()
        engine = self._engine
        for earlier_ms in (limit_ms, act_ms, engine.next_open(), engine.next_end()):
            if earlier_ms is not None and earlier_ms < end_ms:
                end_ms = earlier_ms
        for market in self._markets:
            touch_ms = _touch_ms(market, end_ms)
            if touch_ms is not None:
                end_ms = touch_ms
        return end_ms

    def advance(self, now_ms: int) -> None:
        """Let all bars and written acts up to ``now_ms`` happen, at one instant the bar first.

        A time that has passed moves nothing.
        """
        self._record.check()
        while (act_ms := self._next_act_ms()) is not None and act_ms <= now_ms:
            self._record.keep([], moved=self._advance(act_ms))
            self._do_next_act()
        self._record.keep([], moved=self._advance(now_ms))

    def _advance(self, now_ms: int) -> bool:
        """Let time pass; return whether a bar, or a session's end, has changed anything."""
        changed = False
        while (end_ms := self._engine.next_end()) is not None and end_ms <= now_ms:
            # What the session's last bar fills, it fills before the session ends.
            changed |= self._play(end_ms)
            changed |= self._engine.end_session()
        return self._play(now_ms) or changed

    def _play(self, now_ms: int) -> bool:
        """Let bars happen; return whether one has met anything."""
        met = False
        while True:
            first: Market | None = None
            first_ms = now_ms
            for market in self._markets:
                touch_ms = _touch_ms(market, first_ms)
                # At one instant the market named first in the configuration moves first.
                if touch_ms is not None and (first is None or touch_ms < first_ms):
                    first, first_ms = market, touch_ms
            if first is None:
                break
            first.skip_to(first.feed.closed_by(first_ms) - 1)
            self._engine.play(first)
            met = True
        for market in self._markets:
            market.skip_to(max(market.played, market.feed.closed_by(now_ms)))
        account = self._engine.account
        account.now_ms = max(account.now_ms, now_ms)
        return met

    # ------------------------------------------------------------------------- what others do

    def act(self, act: Act) -> Outcome:
        """Let a person or the venue do something now, durably; say what came of it."""
        self._record.check()
        outcome = outside.perform(self._engine, act)
        if outcome.kind is OutcomeKind.ACCEPTED:
            self._record.keep([act])
        return outcome

    def _write_down(self, acts: Sequence[Act]) -> None:
        """Take note of acts to come; those that have happened must be the same as then."""
        done = self.counters.get(_ACTS, 0)
        if acts and done and digest(acts[:done]) != self.counters[_ACTS_DIGEST]:
            raise VenueFileError(
                f"venue {self.account}: the first {done} written acts have happened and are not "
                "what they were: change only what comes after them, or name another book"
            )
        self._acts = acts

    def _next_act_ms(self) -> int | None:
        done = self.counters.get(_ACTS, 0)
        return self._acts[done].at_ms if done < len(self._acts) else None

    def _do_next_act(self) -> None:
        done = self.counters.get(_ACTS, 0) + 1
        self.remember(_ACTS, done)
        self.remember(_ACTS_DIGEST, digest(self._acts[:done]))
        outcome = self.act(self._acts[done - 1])
        if outcome.kind is not OutcomeKind.ACCEPTED:
            self.undone.append(outcome.text or f"{self._acts[done - 1].do.value}: was so already")

    # ----------------------------------------------------------------------------- the file

    @property
    def now_ms(self) -> int:
        """Return the venue's time, where a controller's clock goes on after a restart."""
        return self._engine.account.now_ms

    @property
    def counters(self) -> Mapping[str, int]:
        """Return what was counted with `remember`, in this process or before."""
        return self._record.counters

    def remember(self, name: str, n: int) -> None:
        """Count something; it is written with the next entry, or by `flush`."""
        self._record.remember(name, n)

    def flush(self) -> None:
        """Write the counters that are not in the file yet. *Raises*: VenueFileError."""
        self._record.flush()

    def replay(self, entry: Entry) -> None:
        """Let an entry of a log happen again. *Raises*: VenueFileError when it ends elsewhere."""
        self._advance(entry.at_ms)
        outcomes = [
            outside.perform(self._engine, each)
            if isinstance(each, Act)
            else self._engine.handle(each)
            for each in entry.inputs
        ]
        self._record.replayed(entry, outcomes)

    # ---------------------------------------------------------------------------- the money

    @property
    def state(self) -> Account:
        """Return all that this account remembers: enough to continue it elsewhere."""
        return self._engine.account

    @property
    def cash(self) -> Decimal:
        """Return the balance, what fills brought in and paid out, and fees, exactly."""
        return self._engine.account.cash

    def realised(self, key: Key) -> Decimal:
        """Return a position's booked profit by average cost, before fees."""
        book = self._engine.book(key)
        return ZERO if book is None else realised(book)

    def fees_paid(self, key: Key) -> Decimal:
        """Return the fees of all fills on a key; negative when rebates were more."""
        book = self._engine.book(key)
        return ZERO if book is None else book.fees

    def equity(self) -> Decimal:
        """Return cash plus what is held, valued at the last prices."""
        held = ZERO
        for book in self._engine.account.books:
            last = self._engine.markets[book.key.symbol].last
            if book.net_qty and last is not None:
                held += book.net_qty * last
        return self.cash + held


def _touch_ms(market: Market, end_ms: int) -> int | None:
    """Return the close of the first bar by ``end_ms`` that reaches something that waits."""
    end = market.feed.closed_by(end_ms)
    index = market.next_touch(end)
    return market.feed.times[index] if index < end else None
