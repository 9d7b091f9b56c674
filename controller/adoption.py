"""Takes over what rests at a venue already: first the plan of changes, then the ladder (SPEC §8).

Finds the one position that is meant, has it read as a ladder, and says what keeping it would
change. Nothing is sent from here: an adopted ladder is a record, and its keeper does the rest.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal

import msgspec

from exchanges.adopted import AdoptedVenue, renamed
from machines import core, observe
from machines.adoption import Wish, infer
from machines.errors import InvalidSpec
from machines.ladder import DeclaredOrder, Ladder, Standing, order_id
from machines.planning import Setting
from machines.rebalance import rebalance
from machines.spec import LadderSpec
from machines.words import (
    ZERO,
    AmendOrder,
    CancelOrder,
    Direction,
    Key,
    Mutation,
    Order,
    PlaceOrder,
    Role,
    SetStop,
    Snapshot,
    View,
    plain,
)

NAME_LENGTH = 20


class Adopt(msgspec.Struct, tag_field="do", tag="adopt", forbid_unknown_fields=True):
    """Ask for an adoption; without ``apply`` the plan of changes is shown and nothing is done."""

    account: str
    symbol: str
    side: Direction | None = None
    """Which of several positions of the symbol."""
    stop: Decimal | None = None
    hit: int | None = None
    apply: bool = False


class Books(msgspec.Struct, frozen=True):
    """What the controller knows already."""

    owners: Mapping[Key, str]
    """Names of open ladders by what they own."""
    names: Collection[str]
    """Every name that was ever used."""


class Line(msgspec.Struct, frozen=True):
    """One order of the plan of changes. *Shape*: money as text, as in every JSON of ours."""

    order: str
    price: str | None
    resting: str
    wanted: str
    change: str
    """keep, amend, place or cancel."""
    venue_order: str


class Proposal(msgspec.Struct, frozen=True):
    """A ladder made of what rests, and what keeping it changes."""

    ladder: Ladder
    lines: tuple[Line, ...]
    notes: tuple[str, ...]


def propose(
    asked: Adopt,
    base: LadderSpec,
    venue: AdoptedVenue,
    snapshot: Snapshot,
    books: Books,
    now_ms: int,
    *,
    enhanced: bool,
) -> Proposal:
    """Read what rests as a ladder and plan its changes.

    ``enhanced``: by the state machine; else quantities alone, by the conservative rebalancer.
    *Raises*: InvalidSpec with everything that stands in the way.
    """
    view = venue.as_shown(_find(asked, snapshot))
    quote, instrument = snapshot.quotes.get(asked.symbol), venue.instruments.get(asked.symbol)
    if quote is None or instrument is None:
        raise InvalidSpec([f"{asked.symbol}: the venue shows no price for it yet; try again"])
    owner = books.owners.get(view.key)
    if owner is not None:
        raise InvalidSpec([f"{asked.account} {asked.symbol}: belongs to {owner} already"])
    name = _name(asked.symbol, books.names)
    wish = Wish(name, base, asked.stop, asked.hit)
    setting = Setting(instrument, venue.fees(asked.symbol), venue.capabilities)
    found = infer(view, quote, setting, wish, now_ms)
    aliases = {alias.theirs: alias for alias in found.ladder.terms.adopted}
    shown = renamed(view, aliases)
    if enhanced:
        done = core.advance(found.ladder, shown, quote, now_ms, setting.capabilities)
        mutations, notes = done.mutations, found.notes
    else:
        here = observe.scene(shown, quote, now_ms, setting.capabilities)
        balanced = rebalance(found.ladder, here)
        mutations, notes = balanced.amendments, (*found.notes, *balanced.notes)
    return Proposal(found.ladder, tuple(_lines(found.ladder, shown, mutations)), notes)


def _find(asked: Adopt, snapshot: Snapshot) -> View:
    """Return the one position that is meant. *Raises*: InvalidSpec."""
    views = [view for key, view in snapshot.views.items() if key.symbol == asked.symbol]
    taken = [v for v in views if v.net_qty or any(o.status.live for o in v.orders)]
    if asked.side is not None:
        sign = asked.side.entry_side.sign
        taken = [view for view in taken if view.net_qty * sign > ZERO]
    if len(taken) > 1:
        held = ", ".join(f"{plain(v.net_qty)} in {v.key.slot or 'the account'}" for v in taken)
        raise InvalidSpec(
            [f"{asked.symbol}: {len(taken)} positions are there ({held}); say --side long or short"]
        )
    return taken[0] if taken else View(Key(asked.account, asked.symbol))


def _name(symbol: str, used: Collection[str]) -> str:
    """Name the ladder by its symbol; a name is never used again."""
    slug = re.sub(r"[^a-z0-9]+", "-", symbol.lower()).strip("-")
    for k in range(1, len(used) + 2):
        suffix = "-adopted" if k == 1 else f"-adopted{k}"
        name = slug[: NAME_LENGTH - len(suffix)] + suffix
        if name not in used:
            return name
    raise AssertionError("one more number than there are names")


# --------------------------------------------------------------------------------- the plan


def _lines(ladder: Ladder, shown: View, mutations: Iterable[Mutation]) -> Iterable[Line]:
    """Yield a line for each declared order, and for whatever else would be asked for."""
    resting = {order.client_order_id: order for order in shown.orders if order.status.live}
    theirs = {alias.ours: alias.theirs for alias in ladder.terms.adopted}
    asked = {_slot(mutation): mutation for mutation in mutations}
    stop = () if ladder.stop is None else (ladder.stop,)
    for declared in (*ladder.entries, *ladder.rungs, *stop):
        cid = order_id(ladder.terms, declared)
        own_stop = declared.role is Role.STOP_LOSS and cid not in resting
        mutation = asked.pop("stop" if own_stop else cid, None)
        if declared.standing in (Standing.FILLED, Standing.HIT):
            continue
        yield _line(declared, resting.get(cid), shown, mutation, theirs.get(cid, ""))
    for mutation in asked.values():
        yield _other(mutation)


def _slot(mutation: Mutation) -> str:
    return "stop" if isinstance(mutation, SetStop) else mutation.client_order_id


def _line(
    declared: DeclaredOrder,
    order: Order | None,
    shown: View,
    mutation: Mutation | None,
    venue_order: str,
) -> Line:
    price = declared.price if declared.trigger_px is None else declared.trigger_px
    qty = ZERO if order is None else order.leaves_qty
    wanted = qty
    if declared.role is Role.STOP_LOSS and order is None and shown.stop is not None:
        qty = wanted = abs(shown.net_qty)  # the position's own covers all of it
    change = "keep"
    match mutation:
        case AmendOrder():
            change = "amend"
            wanted = mutation.qty - (ZERO if order is None else order.filled_qty)
        case PlaceOrder() | SetStop():
            change = "place" if order is None and not qty else "amend"
            wanted = mutation.qty
        case CancelOrder():
            change, wanted = "cancel", ZERO
        case None:
            pass
    return Line(
        order=_title(declared.role, declared.n),
        price=None if price is None else plain(price),
        resting=plain(qty),
        wanted=plain(wanted),
        change=change,
        venue_order=venue_order or ("the position's own" if shown.stop is not None else ""),
    )


def _other(mutation: Mutation) -> Line:
    """Describe what would be asked for beside the orders that rest: an exit, a second look."""
    qty = ZERO if isinstance(mutation, CancelOrder) else mutation.qty
    return Line(_title(mutation.role, mutation.n), None, "0", plain(qty), "place", "")


def _title(role: Role, n: int) -> str:
    match role:
        case Role.ENTRY:
            return f"entry {n - 1}"  # the first is what is held
        case Role.TAKE_PROFIT:
            return f"TP{n}"
        case Role.STOP_LOSS:
            return "stop"
        case Role.EXIT:
            return "exit"


def as_data(proposal: Proposal) -> dict[str, object]:
    """Return a plan of changes ready for JSON."""
    ladder = proposal.ladder
    return {
        "name": ladder.terms.spec.name,
        "account": ladder.terms.key.account,
        "symbol": ladder.terms.key.symbol,
        "side": ladder.direction.value,
        "state": ladder.state.value,
        "held": plain(ladder.held),
        "avg_px": plain(ladder.avg_px),
        "orders": [msgspec.to_builtins(line) for line in proposal.lines],
        "notes": list(proposal.notes),
    }


def as_lines(proposal: Proposal) -> list[str]:
    """Return a plan of changes as lines to be read."""
    ladder = proposal.ladder
    rows = [["", "price", "rests", "wanted", "", "at the venue"]]
    rows += [
        [line.order, line.price or "-", line.resting, line.wanted, line.change, line.venue_order]
        for line in proposal.lines
    ]
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    held = f"{plain(ladder.held)} @ {plain(round(ladder.avg_px, 8).normalize())}"
    head = (
        f"{ladder.terms.spec.name}: {ladder.direction} {ladder.terms.key.symbol} in "
        f"{ladder.terms.key.account}, {held} held, {ladder.state}, rules off"
    )
    lines = ["  " + "   ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return [head, *lines, *(f"  note: {note}" for note in proposal.notes)]
