"""Orders that rest already, read as one ladder (SPEC §8 *Adoption*).

Roles are inferred from what a venue shows of one position: entry limits, reduce-only limits as
rungs, nearest first, and the stop. What cannot be read as one ladder is refused, every fault by
name. Invariant: each trigger price is declared as it rests; only quantities may differ from what
rests, by the sharing of SPEC §4. Sends nothing: the difference is what `core.advance` plans.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from machines.errors import InvalidSpec
from machines.ladder import (
    DeclaredOrder,
    Ladder,
    Standing,
    State,
    break_even_px,
    ladder_prefix,
    open_shares,
    order_id,
    replace,
)
from machines.planning import Setting
from machines.sharing import share_out
from machines.spec import EntrySpec, LadderSpec, Price
from machines.terms import Terms
from machines.words import (
    NAMELESS,
    ZERO,
    Alias,
    Direction,
    ExitStyle,
    Order,
    OrderStatus,
    OrderType,
    Quote,
    Role,
    View,
    plain,
)

STOPS = (OrderType.STOP_MARKET, OrderType.STOP_LIMIT)


class Wish(msgspec.Struct, frozen=True):
    """What the person says beside what rests. ``base`` has the ladder options, shares too."""

    name: str
    base: LadderSpec
    stop_px: Decimal | None = None
    """Where to put a stop if none rests."""
    hit: int | None = None
    """How many rungs have been hit; None: inferred."""


class Adoption(msgspec.Struct, frozen=True):
    """A ladder made of what rests, and what was inferred beyond the plain reading."""

    ladder: Ladder
    notes: tuple[str, ...]


class _Roles(msgspec.Struct, frozen=True):
    """Live orders by role, entries and rungs nearest to the market first."""

    side: Direction
    entries: tuple[Order, ...]
    rungs: tuple[Order, ...]
    stops: tuple[Order, ...]


def infer(view: View, quote: Quote, setting: Setting, wish: Wish, now_ms: int) -> Adoption:
    """Read one position's orders as a ladder that holds it from now on, its rules off.

    *Raises*: InvalidSpec with everything that cannot be read as part of one ladder.
    """
    if not view.net_qty:
        raise InvalidSpec([_nothing_held(view)])
    roles = _roles(view)
    faults = [*_order_faults(view, roles), *_stop_faults(view, roles, setting, wish)]
    hit, note = _hit(view, roles, wish)
    faults += _rung_faults(roles, wish, hit)
    if setting.capabilities.exits is not ExitStyle.POOLED:
        faults.append(
            f"{view.key.symbol}: the exits of this account are {setting.capabilities.exits}; only "
            "pooled exits (reduce-only rungs beside one stop) can be adopted"
        )
    if faults:
        raise InvalidSpec(faults)
    ladder = _ladder(view, quote, setting, wish, roles, hit, now_ms)
    return Adoption(ladder, (note,) if note else ())


def _nothing_held(view: View) -> str:
    live = sum(order.status.live for order in view.orders)
    if not live:
        return f"{view.key.symbol}: nothing is held and nothing rests there"
    return (
        f"{view.key.symbol}: nothing is held, {live} orders rest; without a position no ladder can "
        "be told from them: cancel them and open a plan"
    )


def _roles(view: View) -> _Roles:
    side = Direction.LONG if view.net_qty > ZERO else Direction.SHORT
    live = [order for order in view.orders if order.status.live]
    sign = 1 if side is Direction.LONG else -1

    def distance(order: Order) -> Decimal:
        return sign * (ZERO if order.price is None else order.price)

    entries = [o for o in live if o.side is side.entry_side]
    exits = [o for o in live if o.side is side.exit_side]
    rungs = [o for o in exits if o.type is OrderType.LIMIT]
    return _Roles(
        side,
        tuple(sorted(entries, key=distance, reverse=True)),
        tuple(sorted(rungs, key=distance)),
        tuple(o for o in exits if o.type in STOPS),
    )


def named(order: Order) -> str:
    """Name an order as a person would find it at the venue."""
    px = order.trigger_px if order.price is None else order.price
    at = "" if px is None else f" @ {plain(px)}"
    name = order.client_order_id or order.venue_order_id
    return f"{order.side} {order.type} {plain(order.leaves_qty)}{at} ({name})"


def _order_faults(view: View, roles: _Roles) -> Iterator[str]:
    """Yield each live order that has no place in a ladder of this side."""
    for order in view.orders:
        if not order.status.live:
            continue
        entry = order.side is roles.side.entry_side
        if order.status is not OrderStatus.OPEN:
            yield f"{named(order)}: is {order.status}; wait until it has ended"
        elif not order.client_order_id:
            yield f"{named(order)}: was placed without a client order id, which it is kept by"
        elif entry and order.type is not OrderType.LIMIT:
            yield f"{named(order)}: only limits can be adopted as entries of a {roles.side}"
        elif entry and order.reduce_only:
            yield f"{named(order)}: is reduce-only, but would add to the {roles.side} that is held"
        elif not entry and not order.reduce_only:
            yield (
                f"{named(order)}: is not reduce-only, so it could open a position on the other "
                "side; orders of both sides are no ladder"
            )
        elif not entry and order not in (*roles.rungs, *roles.stops):
            yield f"{named(order)}: is neither a rung (a limit) nor a stop"


def _stop_faults(view: View, roles: _Roles, setting: Setting, wish: Wish) -> Iterator[str]:
    """Yield what is wrong with the stop: a ladder has one, where its account keeps stops."""
    shown = [named(order) for order in roles.stops]
    if view.stop is not None:
        shown.append(f"the position's own @ {plain(view.stop.trigger_px)}")
    if len(shown) > 1:
        yield f"{len(shown)} stops rest, a ladder has one: {', '.join(shown)}"
        return
    own = setting.capabilities.position_stop
    if shown and own is not (view.stop is not None):
        where = "on the position" if own else "as orders of their own"
        yield f"the stop rests as {shown[0]}; this account keeps stops {where} (stop_style)"
    if shown and wish.stop_px is not None:
        yield f"a stop rests already: {shown[0]}; its price is kept, so name none"
    if not shown and wish.stop_px is None:
        yield "no stop rests: set one at the venue, or name its price with --stop"
    if not shown and wish.stop_px is not None and wish.stop_px % setting.instrument.tick:
        yield f"--stop {plain(wish.stop_px)}: off the tick {plain(setting.instrument.tick)}"


def _hit(view: View, roles: _Roles, wish: Wish) -> tuple[int, str]:
    """Infer how many rungs are gone because they were hit; say so where it is not plain."""
    missing = len(wish.base.shares) - len(roles.rungs)
    if wish.hit is not None or not roles.rungs or missing <= 0 or roles.entries:
        return wish.hit or 0, ""
    stop_px = _stop_px(view, roles, wish)
    kept = f"{len(roles.rungs)} of {len(wish.base.shares)} rungs rest"
    if stop_px is None or roles.side.beyond(view.avg_px, stop_px):
        return 0, f"{kept}: the furthest are taken as never placed (the stop is behind the entry)"
    return missing, f"{kept}: the nearest are taken as hit (the stop is at the entry or better)"


def _rung_faults(roles: _Roles, wish: Wish, hit: int) -> Iterator[str]:
    shares = len(wish.base.shares)
    if len(roles.rungs) + hit > shares:
        gone = f" and {hit} are hit" if hit else ""
        yield f"{len(roles.rungs)} rungs rest{gone}, shares name {shares}"
    if hit and roles.entries:
        yield f"{named(roles.entries[0])}: entries end with the first rung that is hit; cancel it"


def _stop_px(view: View, roles: _Roles, wish: Wish) -> Decimal | None:
    if view.stop is not None:
        return view.stop.trigger_px
    return roles.stops[0].trigger_px if roles.stops else wish.stop_px


# ------------------------------------------------------------------------------- the ladder


def _ladder(
    view: View, quote: Quote, setting: Setting, wish: Wish, roles: _Roles, hit: int, now_ms: int
) -> Ladder:
    held, avg_px = abs(view.net_qty), view.avg_px
    entered = _entered(held, roles, wish, hit)
    terms = _terms(view, quote, setting, wish, roles, hit, now_ms)
    rungs = tuple(_hit_rung(n) for n in range(1, hit + 1)) + tuple(
        _rung(n, order) for n, order in enumerate(roles.rungs, hit + 1)
    )
    first = DeclaredOrder(
        Role.ENTRY, 1, OrderType.LIMIT, ZERO, avg_px, filled_qty=entered, standing=Standing.FILLED
    )
    entries = (first, *(_entry(n, order) for n, order in enumerate(roles.entries, 2)))
    state = State.PARTIALLY_FILLED if roles.entries else State.FULLY_FILLED
    stop = _stop(view, roles, wish, held)
    assert stop.trigger_px is not None, "a ladder without a stop is refused"
    ladder = Ladder(
        terms,
        State.STOP_AT_BREAK_EVEN if hit else state,
        entries,
        rungs,
        stop,
        held=held,
        held_cost=avg_px * held,
        entered_qty=entered,
        entered_cost=avg_px * entered,
        entered_ms=now_ms,
        # What the entries cost is not told: the dearer rate errs to the safe side of break-even.
        entry_fees=avg_px * entered * setting.fees.taker,
        cash=-roles.side.entry_side.sign * avg_px * held,
        sent_stops=(stop.trigger_px,),
        stop_seen=view.stop is not None or bool(roles.stops),
        seen_fills=tuple(fill.fill_id for fill in view.fills),
    )
    if hit:
        ladder = replace(ladder, break_even=break_even_px(ladder))
    return _aliased(_shared(ladder), view, roles)


def _entered(held: Decimal, roles: _Roles, wish: Wish, hit: int) -> Decimal:
    """Return E of SPEC §4: what is held and was sold by open rungs, scaled by what is hit."""
    sold = sum((order.filled_qty for order in roles.rungs), ZERO)
    shares = wish.base.shares[hit : hit + len(roles.rungs)]
    return (held + sold) / sum(shares, ZERO) if hit and shares else held + sold


def _terms(
    view: View, quote: Quote, setting: Setting, wish: Wish, roles: _Roles, hit: int, now_ms: int
) -> Terms:
    base, key = wish.base, view.key
    targets = [Price(view.avg_px)] * hit
    targets += [Price(ZERO if order.price is None else order.price) for order in roles.rungs]
    stop_px = _stop_px(view, roles, wish)
    slippage = base.be_slippage
    spec = replace(
        base,
        name=wish.name,
        ladder=wish.name,
        account=key.account,
        symbol=key.symbol,
        side=roles.side,
        entries=(
            EntrySpec(Price(view.avg_px), abs(view.net_qty)),
            *(EntrySpec(Price(o.price or ZERO), o.leaves_qty) for o in roles.entries),
        ),
        stop=Price(ZERO if stop_px is None else stop_px),
        targets=tuple(targets),
        shares=base.shares[: len(targets)],
        rules=False,
        mirrors=(),
        not_before_ms=None,
        repeat=None,
    )
    return Terms(
        spec=spec,
        instrument=setting.instrument,
        fees=setting.fees,
        key=key,
        prefix=ladder_prefix(key.account, wish.name, now_ms),
        be_slippage=setting.capabilities.be_slippage if slippage is None else slippage,
        opened_ms=now_ms,
        opened_trading_ms=quote.trading_ms,
        start_px=quote.last,
        merges=setting.capabilities.exits is ExitStyle.POOLED,
        exits=setting.capabilities.exits,
    )


def _hit_rung(n: int) -> DeclaredOrder:
    return DeclaredOrder(Role.TAKE_PROFIT, n, OrderType.LIMIT, ZERO, standing=Standing.HIT)


def _rung(n: int, order: Order) -> DeclaredOrder:
    assert order.price is not None, "a limit has a price"
    return DeclaredOrder(
        *(Role.TAKE_PROFIT, n, OrderType.LIMIT, order.leaves_qty, order.price),
        filled_qty=order.filled_qty,
        by_person=True,
        sent_px=(order.price,),
    )


def _entry(n: int, order: Order) -> DeclaredOrder:
    assert order.price is not None, "a limit has a price"
    px = order.price
    return DeclaredOrder(Role.ENTRY, n, OrderType.LIMIT, order.leaves_qty, px, sent_px=(px,))


def _stop(view: View, roles: _Roles, wish: Wish, held: Decimal) -> DeclaredOrder:
    """Declare the stop where it is: a person set it, so nothing is imposed on it by itself."""
    shown = roles.stops[0] if roles.stops else None
    return DeclaredOrder(
        Role.STOP_LOSS,
        1,
        OrderType.STOP_MARKET if shown is None else shown.type,
        held,
        price=None if shown is None else shown.price,
        trigger_px=_stop_px(view, roles, wish),
        by_person=True,
    )


def _shared(ladder: Ladder) -> Ladder:
    """Share what is held over the open rungs (SPEC §4)."""
    rungs, shares = open_shares(ladder)
    wanted = share_out(ladder.held, ladder.entered_qty, shares, ladder.terms.instrument)
    done = {rung.n: replace(rung, qty=qty) for rung, qty in zip(rungs, wanted, strict=True)}
    return replace(ladder, rungs=tuple(done.get(rung.n, rung) for rung in ladder.rungs))


def _aliased(ladder: Ladder, view: View, roles: _Roles) -> Ladder:
    """Note what each adopted order is called at the venue."""
    stop = () if ladder.stop is None else (ladder.stop,)
    pairs = [
        *zip(ladder.entries[1:], roles.entries, strict=True),
        *zip(ladder.rungs[len(ladder.rungs) - len(roles.rungs) :], roles.rungs, strict=True),
        *zip(stop[: len(roles.stops)], roles.stops, strict=True),
    ]
    aliases = tuple(
        Alias(
            order_id(ladder.terms, declared),
            order.client_order_id,
            order.filled_qty,
            tuple(f.fill_id for f in view.fills if f.client_order_id == order.client_order_id),
            _as_ours(order) if order.client_order_id.startswith(NAMELESS) else None,
            view.key,
        )
        for declared, order in pairs
    )
    return replace(ladder, terms=replace(ladder.terms, adopted=aliases))


def _as_ours(order: Order) -> Order:
    """Return an order as it is from its adoption on."""
    return replace(order, qty=order.leaves_qty, filled_qty=ZERO)
