"""Pairs to requests: place, replace whole, delete. Same rules as for orders, other routes.

A GTT may be refused, or missing, for reasons of its own; what it shows is `Pairs`' affair.
*Source*: the venue sheet §7, §14.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from exchanges.pacing import Lane
from exchanges.zerodha.attempts import Again, Attempt
from exchanges.zerodha.instruments import Listing
from exchanges.zerodha.parts import Parts
from exchanges.zerodha.render import Pair, gtt_fields
from exchanges.zerodha.wire import read
from machines.words import (
    AmendOrder,
    CancelOrder,
    Leg,
    Outcome,
    OutcomeKind,
    PlacePair,
    Quote,
    Refusal,
)

DONE = Outcome(OutcomeKind.ALREADY_DONE)
_NOT_DONE = (OutcomeKind.REFUSED, OutcomeKind.BUSY)
_FRESH_MS = 15_000
"""An older price is unknown (SPEC): Kite judges both legs by the one we send."""


class _Answer(msgspec.Struct, frozen=True):
    trigger_id: int


class PairSender:
    """Sends one account's pairs."""

    def __init__(self, parts: Parts) -> None:
        self._client = parts.client
        self._attempts = parts.attempts
        self._guard = parts.guard
        self._pairs = parts.pairs
        self._product = parts.settings.product
        self._listings = parts.listings
        self._now_ms = parts.now_ms
        self.quotes: Mapping[str, Quote] = {}

    async def place(self, asked: PlacePair) -> Outcome:
        """Place a pair unless Kite has it, or may have it yet."""
        name, listing = asked.client_order_id, self._listings[asked.key.symbol]
        if name in self._pairs.tags:
            return DONE
        match self._attempts.again(name, self._now_ms()):
            case Again.DONE:
                return DONE
            case Again.WAIT:
                text = f"pair {name}: an earlier request may still land"
                return Outcome(OutcomeKind.BUSY, None, text)
            case Again.SEND:
                pass
        if asked.price is None or asked.trigger_px is None:
            text = f"pair {name}: its stop must have a trigger and a price"
            return Outcome(OutcomeKind.REFUSED, Refusal.INVALID, text)
        self._guard.check_session(asked, listing)
        self._guard.check_held(asked, listing, asked.qty)
        pair = Pair(asked.side, asked.qty, Leg(asked.trigger_px, asked.price), asked.target)
        last = self._last(listing)
        if last is None:
            return _no_price(name)
        fields = gtt_fields(pair, last, listing, self._product)
        bound = self._pairs.intend(name, listing.symbol, pair, self._now_ms())
        sent = await self._client.write(lambda session: session.place_gtt(**fields), Lane.STOP)
        outcome = sent.verdict.outcome
        if outcome.kind in _NOT_DONE:
            self._attempts.drop(name)
            self._pairs.forget(name)
            return outcome
        attempt = Attempt(asked.role, asked.qty, listing.symbol, self._now_ms())
        if outcome.kind is OutcomeKind.ACCEPTED:
            bound.number = read(sent.answer, _Answer).trigger_id
            attempt.order_id = str(bound.number)
            self._pairs.keep()
        self._attempts.settle(name, attempt)
        return outcome

    async def modify(self, asked: AmendOrder, number: int, now: Pair) -> Outcome:
        """Replace a waiting pair by one of other prices or another quantity."""
        name, listing = asked.client_order_id, self._listings[asked.key.symbol]
        stop = Leg(
            now.stop.trigger_px if asked.trigger_px is None else asked.trigger_px,
            now.stop.price if asked.price is None else asked.price,
        )
        wanted = Pair(now.side, asked.qty, stop, asked.target or now.target)
        if wanted == now:
            return DONE
        if wanted.qty > now.qty:
            self._guard.check_held(asked, listing, wanted.qty - now.qty)
        last = self._last(listing)
        if last is None:
            return _no_price(name)
        fields = gtt_fields(wanted, last, listing, self._product)
        bound = self._pairs.bound(name)
        if bound is not None:
            bound.was, bound.pair = now, wanted
            self._pairs.keep()
        sent = await self._client.write(
            lambda session: session.modify_gtt(trigger_id=number, **fields), Lane.STOP
        )
        if bound is not None and sent.verdict.outcome.kind in _NOT_DONE:
            bound.was, bound.pair = None, now
            self._pairs.keep()
        return sent.verdict.outcome

    async def cancel(self, asked: CancelOrder, number: int) -> Outcome:
        """Delete a waiting pair."""
        bound = self._pairs.bound(asked.client_order_id)
        if bound is not None:
            bound.deleted, bound.asked_ms = True, self._now_ms()
            self._pairs.keep()
        sent = await self._client.write(lambda session: session.delete_gtt(number), Lane.STOP)
        return sent.verdict.outcome

    def _last(self, listing: Listing) -> Decimal | None:
        quote = self.quotes.get(listing.symbol)
        if quote is None or self._now_ms() - quote.at_ms > _FRESH_MS:
            return None
        return quote.last


def _no_price(name: str) -> Outcome:
    text = f"pair {name}: no price of the last 15 s, and Kite wants one"
    return Outcome(OutcomeKind.BUSY, None, text)
