"""Looks an account at a real venue over: opens it, reads it, and sends nothing.

Joins what the venue says of itself with what the plans and the journal say of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec

from controller.config_accounts import AccountSettings
from controller.live_look import desk_of, opened
from controller.live_plans import plan_faults
from controller.live_venues import Desk, Opened
from controller.owners import AccountBusy, hold_accounts
from exchanges.errors import VenueUnavailable
from exchanges.findings import Finding, fault, fine, warning
from exchanges.venue import Venue
from machines.errors import InvalidSpec
from machines.ladder import PREFIX_LENGTH, Ladder, State, slot_named
from machines.planning import Setting, refuse_at_start
from machines.spec import LadderSpec
from machines.words import ZERO, Key, Snapshot, View, plain

NOT_OURS = "it is left alone; see whether anybody needs it"


class Books(msgspec.Struct, frozen=True):
    """What we know of an account: the plans for it, and the ladders that its journal holds."""

    plans: tuple[LadderSpec, ...]
    ladders: tuple[Ladder, ...]

    @property
    def symbols(self) -> tuple[str, ...]:
        """Name what is, or is to be, traded."""
        live = {each.terms.key.symbol for each in self.ladders if each.state is not State.CLOSED}
        return tuple(sorted(live | {plan.symbol for plan in self.plans}))

    def of(self, key: Key) -> list[Ladder]:
        """Return the ladders of a venue position that have not ended."""
        live = [each for each in self.ladders if each.state is not State.CLOSED]
        return [each for each in live if each.terms.key == key]


async def look_over(settings: AccountSettings, books: Books, folder: Path) -> list[Finding]:
    """Look one account over."""
    try:
        desk = desk_of(settings, books.symbols, folder)
    except InvalidSpec as error:
        return [fault("secrets", each) for each in error.faults]
    began_ms = desk.clock.now_ms()
    try:
        async with opened(desk) as account:
            took = fine("reachable", f"opened in {desk.clock.now_ms() - began_ms} ms")
            return [took, *_owner(desk), *await _findings(desk, account, books)]
    except VenueUnavailable as error:
        return [fault("reachable", str(error))]
    except InvalidSpec as error:
        return [fault("account", each) for each in error.faults]


async def _findings(desk: Desk, account: Opened, books: Books) -> list[Finding]:
    assert desk.settings.poll_ms is not None, "real venues have no bars"
    told = await account.look_over(desk.settings.poll_ms)
    snapshot = await account.venue.snapshot(desk.clock.now_ms())
    return [
        *told,
        _stream(account),
        *_plans(books, account.venue, snapshot),
        *_strangers(books, snapshot),
    ]


def _owner(desk: Desk) -> Iterator[Finding]:
    """Say whether a controller runs it now; nobody else does when it could be had."""
    try:
        with ExitStack() as held:
            hold_accounts([desk.settings], desk.secrets, held)
    except AccountBusy as error:
        yield warning("owner", str(error), "if it is not of this configuration, end it first")


def _stream(account: Opened) -> Finding:
    if account.stream is None:
        return fine("stream", "none is configured: fills are seen at the next poll")
    return fine("stream", "configured; fills wake the poll")


# ------------------------------------------------------------------------------------- plans


def _plans(books: Books, venue: Venue, snapshot: Snapshot) -> Iterator[Finding]:
    """Hold every plan against what the venue trades and shows."""
    known = {each.terms.spec.name: each for each in books.ladders}
    for spec in books.plans:
        check = f"plan {spec.name}"
        if spec.name in known:
            yield fine(check, f"has been opened: {known[spec.name].state.value}")
            continue
        faults = plan_faults(spec, venue, snapshot)
        yield from (fault(check, each) for each in faults)
        if not faults:
            yield _start(check, spec, venue, snapshot)


def _start(check: str, spec: LadderSpec, venue: Venue, snapshot: Snapshot) -> Finding:
    """Say whether a sound plan could start now."""
    instrument, quote = venue.instruments[spec.symbol], snapshot.quotes.get(spec.symbol)
    if quote is None:
        return warning(check, f"{spec.symbol} has no price yet; it would wait for one")
    key = venue.key_for(spec.symbol, spec.name, spec.side.value)
    setting = Setting(instrument, venue.fees(spec.symbol), venue.capabilities)
    for text in refuse_at_start(spec, quote, setting, snapshot.views.get(key)):
        return warning(check, f"would be refused now: {text}")
    grid = f"tick {plain(instrument.tick)}, step {plain(instrument.step)}"
    return fine(check, f"fits {spec.symbol} ({grid}) at {plain(quote.last)}")


# ----------------------------------------------------------------------------------- strangers


def _strangers(books: Books, snapshot: Snapshot) -> Iterator[Finding]:
    """Name orders and quantities that are not ours."""
    found = [each for view in snapshot.views.values() for each in _in_view(books, view)]
    yield from found or [fine("others", "every order and position is ours, or there is none")]


def _in_view(books: Books, view: View) -> Iterator[Finding]:
    symbol = view.key.symbol
    ours = {each.terms.prefix for each in books.ladders}
    adopted = {alias.theirs for each in books.ladders for alias in each.terms.adopted}
    for order in view.orders:
        name = order.client_order_id
        if not order.status.live or name in adopted or name[:PREFIX_LENGTH] in ours:
            continue
        shown = f"{symbol}: {order.side.value} {plain(order.leaves_qty)}, order "
        if slot_named(name):
            text = f"{shown}{name} is of a Rungkeeper with another journal"
            yield fault("others", text, "find that journal; two controllers never own one account")
        else:
            yield warning("others", f"{shown}{order.venue_order_id} is not ours", NOT_OURS)
    mine = sum((each.sign * each.held for each in books.of(view.key)), ZERO)
    if view.net_qty != mine:
        text = f"{symbol}: {plain(view.net_qty)} are held, of which {plain(mine)} are ours"
        yield warning("others", text, NOT_OURS)
