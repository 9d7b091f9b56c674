"""Lets one account's ladders follow those of others (SPEC §8 *Mirror*).

A follower is part of the mirror's own keeper and runs in its task. It reads what the primaries'
records hold already, and what they have taken of their decisions, and never the other way: a
primary waits for nobody and does not know how its mirrors fare. What a follower decides is durable
like any decision, under an id made of the primary's, so a crash in between repeats nothing.
Invariant: nothing here is awaited.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import Protocol

import msgspec

from controller.alerts import OnAlert, no_alert
from controller.cycle import Cycle
from controller.journal import Draft, Journal
from controller.kept import Kept
from controller.openings import Openings, Waiting
from exchanges.venue import Venue
from machines import mirror as pure
from machines.decision import PRIORITIES, Decision, Kind, Order, Standing
from machines.ladder import Ladder, State
from machines.mirror import ENTERING, mirror_name
from machines.planning import entry_prices
from machines.spec import LadderSpec, Mirror
from machines.words import Event, Instrument, Role, Trigger, plain

LATE_MS = 15_000
"""A mirror that opens later than this buys nothing at market in the primary's place."""
DRIFT_PART = Decimal("0.05")
DRIFT_MS = 60_000
"""SPEC §8: a drift of 5 % for 60 s is alerted, once."""
_DRIFT = "drift of"
"""How the alert begins."""
_TAKEN = (Standing.EXECUTING, Standing.DONE)
_OVER = (State.CLOSING, State.CLOSED, State.HALTED)
"""A halted one waits for a person: it is told nothing."""


class Keeps(Protocol):
    """What a follower needs to know of a keeper, its own or a primary's."""

    kept: dict[str, Kept]
    openings: Openings
    cycle: Cycle
    follower: Follower | None

    @property
    def venue(self) -> Venue:
        """Return the account's venue."""
        ...

    def decide(self, order: Order, now_ms: int) -> Decision:
        """Accept a decision, durable."""
        ...


class Led(msgspec.Struct, frozen=True):
    """A primary's ladder, how it is mirrored here, and the mirror's ladder once there is one."""

    primary: Ladder
    mirror: Mirror
    name: str
    ladder: Ladder | None

    @property
    def follows(self) -> bool:
        """Tell whether the one still has to do with the other."""
        if self.primary.state is not State.CLOSED:
            return True
        lives = self.ladder is not None and self.ladder.state is not State.CLOSED
        return lives and self.primary.terms.spec.follow_close and not self.primary.released


class Follower:
    """One account's mirrors of the ladders of other accounts."""

    def __init__(
        self,
        mine: Keeps,
        primaries: Sequence[Keeps],
        journal: Journal,
        on_alert: OnAlert = no_alert,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._mine = mine
        self._account = mine.venue.account
        self._primaries = [(each, 0) for each in primaries]
        """Each with how many of its ladders have been looked at."""
        self._journal = journal
        self._on_alert = on_alert
        self._wake = wake
        self._followed: dict[str, tuple[Keeps, Mirror]] = {}
        """The ladders that are mirrored here, by the primary's name."""
        self._heard: list[Decision] = []
        """Taken by their primaries, not handed on yet."""
        self._offered: set[str] = set()
        """Mirrors that have been opened, refused, or found too small in this run."""
        self._off_since_ms: dict[str, int] = {}
        told = journal.find("alert", _DRIFT)
        self._told = {each.position for each in told if each.account == self._account}
        """Mirrors whose running drift a person has heard of, in this run or before."""
        for primary in primaries:
            primary.cycle.listeners.append(self._hear)
            # What a crash kept from being handed on; the journal knows what was.
            for row in journal.decisions(primary.venue.account, _TAKEN):
                self._heard.append(msgspec.json.decode(row.state, type=Decision))

    def _hear(self, decision: Decision) -> None:
        if decision.standing in _TAKEN:
            self._heard.append(decision)
            self._wake()

    # ------------------------------------------------------------------------------- asking

    @property
    def active(self) -> bool:
        """Tell whether there is, or may soon be, anything to follow: look at every poll."""
        waiting = (plan.spec for each, _ in self._primaries for plan in each.openings.waiting)
        return bool(self._heard or self._led()) or any(
            self._mirror_of(spec) is not None for spec in waiting
        )

    def _mirror_of(self, spec: LadderSpec) -> Mirror | None:
        return next((one for one in spec.mirrors if one.account == self._account), None)

    def _led(self) -> dict[str, Led]:
        """Return what is mirrored here, by the mirror's name."""
        for k, (primary, looked_at) in enumerate(self._primaries):
            for name in islice(primary.kept, looked_at, None):
                mirror = self._mirror_of(primary.kept[name].ladder.terms.spec)
                if mirror is not None:
                    self._followed[name] = primary, mirror
            self._primaries[k] = primary, len(primary.kept)
        found: dict[str, Led] = {}
        for name, (primary, mirror) in self._followed.items():
            here = mirror_name(name, self._account)
            mine = self._mine.kept.get(here)
            ladder = None if mine is None else mine.ladder
            found[here] = Led(primary.kept[name].ladder, mirror, here, ladder)
        return found

    def events(self, ladder: Ladder, now_ms: int) -> tuple[Event, ...]:
        """Return what a mirror is asked because its primary has left the entry phase.

        Of a view whose fills are all counted: an entry that has filled is not asked about.
        """
        followed = self._followed.get(pure.primary_name(ladder.terms.spec.name))
        if followed is None or ladder.state in _OVER:
            return ()
        primary = followed[0].kept[pure.primary_name(ladder.terms.spec.name)].ladder
        reason = "the primary has left the entry phase"
        return tuple(
            Event(Trigger.ENTRY_PASSED, now_ms, Role.ENTRY, n, reason=reason)
            for n in pure.outlived(primary, ladder)
        )

    # ------------------------------------------------------------------------------- acting

    def sync(self, now_ms: int) -> bool:
        """Open, decide and close here what was opened, decided and closed there; tell if any was.

        *Raises*: JournalError.
        """
        led = self._led()
        moved = [self._hand_on(led, now_ms)]
        for each in led.values():
            if each.follows:
                moved += [self._open(each, now_ms), self._close(each, now_ms)]
                self._look_at_drift(each, now_ms)
            else:
                del self._followed[each.primary.terms.spec.name]
        return any(moved)

    def _open(self, led: Led, now_ms: int) -> bool:
        """Let a mirror's plan wait for its venue while the primary enters, and no longer."""
        openings = self._mine.openings
        waits = next((plan for plan in openings.waiting if plan.spec.name == led.name), None)
        grid, enters = self._grid(led), led.primary.state in ENTERING
        if waits is not None and not enters:
            openings.waiting.remove(waits)
        if not enters or led.ladder is not None or grid is None:
            return False
        late = now_ms - led.primary.terms.opened_ms > LATE_MS
        plan = pure.mirror_plan(led.primary, led.mirror, grid, late=late)
        if waits is not None:
            waits.spec = plan  # it may have become late
        elif led.name not in self._offered:
            self._offered.add(led.name)
            small = self._too_small(led, grid)
            if not small:
                openings.waiting.append(Waiting(plan))
                return True
            self._alert(led, "; ".join(small), now_ms)
        return False

    def _grid(self, led: Led) -> Instrument | None:
        """Return the instrument at the mirror's venue, once that is known."""
        return self._mine.venue.instruments.get(led.primary.terms.key.symbol)

    def _too_small(self, led: Led, grid: Instrument) -> list[str]:
        terms = led.primary.terms
        prices = entry_prices(terms.spec, terms.start_px, terms.instrument.tick)
        return list(pure.too_small(terms.spec.entries, prices, led.mirror, grid))

    def _hand_on(self, led: Mapping[str, Led], now_ms: int) -> bool:
        """Decide for mirrors what their primaries have taken, each once."""
        heard, self._heard = self._heard, []
        moved = False
        for decision in heard:
            found = led.get(mirror_name(decision.order.ladder, self._account))
            if found is None or found.ladder is None or found.ladder.state is State.CLOSED:
                continue
            if self._journal.decision(mirror_name(decision.id, self._account)) is None:
                ratio = found.mirror.ratio
                order = pure.mirrored(decision, found.primary, found.ladder, ratio)
                self._mine.decide(order, now_ms)
                moved = True
        return moved

    def _close(self, led: Led, now_ms: int) -> bool:
        """Exit a mirror whose primary has closed, unless it is on its way out already."""
        ladder = led.ladder
        if led.primary.state is not State.CLOSED or ladder is None or ladder.state in _OVER:
            return False
        order = Order(
            id=f"{led.name}/close",
            ladder=led.name,
            kind=Kind.EXIT,
            by="mirror",
            reason="the primary has closed",
            priority=PRIORITIES[Kind.EXIT],
        )
        if self._journal.decision(order.id) is not None:
            return False
        self._mine.decide(order, now_ms)
        return True

    def _look_at_drift(self, led: Led, now_ms: int) -> None:
        """Tell once of a mirror that is off for a minute; whether its venue answers or not."""
        name, grid = led.name, self._grid(led)
        if grid is None or (led.ladder is None and self._too_small(led, grid)):
            return
        found = pure.drift(led.primary, led.ladder, led.mirror, grid.step)
        if found.part < DRIFT_PART:
            self._off_since_ms.pop(name, None)
            self._told.discard(name)
            return
        since_ms = self._off_since_ms.setdefault(name, now_ms)
        if now_ms - since_ms >= DRIFT_MS and name not in self._told:
            self._told.add(name)
            held, target = plain(found.held), plain(found.target)
            text = f"{_DRIFT} {found.part * 100:.1f} %: holds {held}, the target is {target}"
            self._alert(led, text, now_ms)

    def _alert(self, led: Led, text: str, now_ms: int) -> None:
        """Tell a person, and write it under the mirror's own name."""
        plan = mirror_name(led.primary.terms.spec.ladder, self._account)
        where = (now_ms, self._account, led.name, plan)
        self._journal.append([Draft(*where, "alert", {"text": text})])
        self._on_alert(led.name, text, now_ms)


def link(
    keepers: Mapping[str, Keeps],
    journal: Journal,
    on_alert: OnAlert = no_alert,
    wakes: Mapping[str, Callable[[], None]] | None = None,
) -> None:
    """Let every account's ladders be followed in every other one. ``wakes``: how to wake each."""
    for account, mine in keepers.items():
        others = [keeper for name, keeper in keepers.items() if name != account]
        if others:
            wake = (lambda: None) if wakes is None else wakes[account]
            mine.follower = Follower(mine, others, journal, on_alert, wake)
