"""A simulated venue behind a bad line: the same port, with every fault a venue has shown.

What the venue holds is never wrong; what is told about it may be late, lost or nonsense. What was
counted and hit is kept in the venue's file, so a restart goes on where the line was. Invariant: a
request takes effect within ``capabilities.window_ms`` of being sent or never; a snapshot of an
earlier moment says so by its own times.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence

from exchanges.errors import VenueUnavailable
from exchanges.simulated.faults import Asked, Dice, Draw, Fault, Faults
from exchanges.simulated.venue import SimulatedVenue
from exchanges.venue import VenueProxy
from machines.words import (
    Mutation,
    Outcome,
    OutcomeKind,
    Refusal,
    SetStop,
    Snapshot,
)

_STALE_READS = 8
"""A stale read is one of this many reads before it."""
_READ_TEXTS = {
    Fault.FAILED_READ: "no answer within the time limit",
    Fault.PARTIAL_POLL: "orders came, positions did not: the poll is not whole",
    Fault.OUTAGE: "no connection: the venue is down",
}
_NONSENSE = (
    "the body is not JSON: it begins with '<html>'",
    "orders[0].status: 'Banana' is no status",
    "positions: missing",
    "fills[2].price: '-1' is no price",
)


class FaultyVenue(VenueProxy[SimulatedVenue]):
    """``inner`` as it looks through ``faults``. *Shape*: ``hits`` counts each class's faults."""

    def __init__(self, inner: SimulatedVenue, faults: Faults, seed: int = 0) -> None:
        super().__init__(inner)
        self._dice = Dice(faults, seed)
        self._asked = {asked: inner.counters.get(f"{asked.value}s", 0) for asked in Asked}
        self.hits = {fault.value: inner.counters.get(f"hits.{fault.value}", 0) for fault in Fault}
        self._under_way: list[tuple[int, int, Mutation]] = []
        """Late requests as (when they arrive, number, request): a heap."""
        self._seen: deque[Snapshot] = deque(maxlen=_STALE_READS)

    # --------------------------------------------------------------------------------- port

    async def snapshot(self, since_ms: int) -> Snapshot:
        """Read the account, or an earlier moment of it. *Raises*: VenueUnavailable."""
        drawn = self._draw(Asked.READ)
        if drawn.fault is Fault.STALE_READ:
            # An earlier moment, not an earlier read of this one: times must be able to tell.
            earlier = [each for each in self._seen if each.started_ms < self.inner.now_ms]
            if earlier:
                self._hit(Fault.STALE_READ)
                return earlier[drawn.detail % len(earlier)]
        elif drawn.fault is not None:
            self._hit(drawn.fault)
            text = _READ_TEXTS.get(drawn.fault) or _NONSENSE[drawn.detail % len(_NONSENSE)]
            raise VenueUnavailable(f"account {self.account}: {text}")
        snapshot = await self.inner.snapshot(since_ms)
        self._seen.append(snapshot)
        return snapshot

    async def send(self, mutations: Sequence[Mutation]) -> list[Outcome]:
        """Send mutations in order and return what is heard of each."""
        now_ms = self.inner.now_ms
        # Read in this millisecond but before this: by its times it would look like after it.
        self._seen = deque((s for s in self._seen if s.started_ms < now_ms), maxlen=_STALE_READS)
        arriving: list[Mutation] = []
        heard: list[Outcome | int] = []
        """What is heard of each, or the number of the arrival whose answer is."""
        for mutation in mutations:
            drawn = self._draw(Asked.REQUEST)
            if drawn.fault is not None:
                self._hit(drawn.fault)
            heard.append(self._meet(mutation, drawn, arriving))
        answers = self.inner.apply(arriving)
        self.inner.flush()
        return [answers[each] if isinstance(each, int) else each for each in heard]

    def _meet(self, mutation: Mutation, drawn: Draw, arriving: list[Mutation]) -> Outcome | int:
        """Let what arrives of a request arrive; return what is heard, or which answer is."""
        unsure = Outcome(OutcomeKind.UNSURE, None, f"{_name(mutation)}: no answer")
        match drawn.fault:
            case Fault.LOST_BEFORE | Fault.OUTAGE:
                return unsure
            case Fault.LOST_AFTER:
                arriving.append(mutation)
                return unsure
            case Fault.LATE:
                after_ms = 1 + drawn.detail % (self.capabilities.window_ms - 1)
                late = (self.inner.now_ms + after_ms, self._asked[Asked.REQUEST], mutation)
                heapq.heappush(self._under_way, late)
                return unsure
            case Fault.REFUSED:
                text = f"{_name(mutation)}: refused without a reason"
                return Outcome(OutcomeKind.REFUSED, Refusal.OTHER, text)
            case Fault.BUSY:
                text = f"{_name(mutation)}: too many requests"
                return Outcome(OutcomeKind.BUSY, None, text)
            case Fault.MALFORMED:
                if drawn.detail % 2:
                    arriving.append(mutation)
                text = f"{_name(mutation)}: the answer {'{'!r} is not JSON"
                return Outcome(OutcomeKind.MALFORMED, None, text)
            case Fault.TWICE:
                arriving += [mutation, mutation]
                return len(arriving) - 1 - drawn.detail % 2
            case _:
                arriving.append(mutation)
                return len(arriving) - 1

    # --------------------------------------------------------------------------- the market

    @property
    def now_ms(self) -> int:
        """Return the venue's time."""
        return self.inner.now_ms

    def next_bar_ms(self) -> int | None:
        """Return the close of the next bar of any symbol, or None at the feeds' end."""
        return self.inner.next_bar_ms()

    def next_ms(self, limit_ms: int | None) -> int | None:
        """Return when something of ours may next change, a late request's arrival included."""
        found = self.inner.next_ms(limit_ms)
        if not self._under_way:
            return found
        arrives_ms = self._under_way[0][0]
        if limit_ms is not None:
            arrives_ms = min(arrives_ms, limit_ms)
        return arrives_ms if found is None else min(found, arrives_ms)

    def advance(self, now_ms: int) -> None:
        """Let time pass: bars, acts and late requests happen, each at its time."""
        while self._under_way and self._under_way[0][0] <= now_ms:
            arrives_ms, _, mutation = heapq.heappop(self._under_way)
            self.inner.advance(arrives_ms)
            self.inner.apply([mutation])
        self.inner.advance(now_ms)

    def close(self) -> None:
        """Let the venue's file go; what is under way never arrives."""
        self._under_way.clear()
        self.inner.close()

    # ------------------------------------------------------------------------------ counting

    def _draw(self, asked: Asked) -> Draw:
        n = self._asked[asked] = self._asked[asked] + 1
        self.inner.remember(f"{asked.value}s", n)
        return self._dice.draw(asked, n, self.inner.now_ms)

    def _hit(self, fault: Fault) -> None:
        self.hits[fault.value] += 1
        self.inner.remember(f"hits.{fault.value}", self.hits[fault.value])


def _name(mutation: Mutation) -> str:
    if isinstance(mutation, SetStop):
        return f"stop of {mutation.key.symbol}"
    return f"order {mutation.client_order_id}"
