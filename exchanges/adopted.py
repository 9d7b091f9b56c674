"""A venue at which some orders go by another name: adopted ones, placed by somebody else.

A venue keeps an order's client order id for good, and a ladder knows its orders by ids of its own.
So they are renamed here, on the way in and on the way out, and nobody else needs to know.
Invariants: what is not renamed passes as the same object; a renamed order's quantities count from
its adoption, on both ways.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from msgspec.structs import replace

from exchanges.venue import Venue, VenueProxy
from machines.words import (
    ZERO,
    Alias,
    AmendOrder,
    Fill,
    Key,
    Mutation,
    Order,
    OrderStatus,
    Outcome,
    PlaceOrder,
    SetStop,
    Snapshot,
    View,
)


class AdoptedVenue(VenueProxy[Venue]):
    """One account's venue, with the names of adopted orders."""

    def __init__(self, venue: Venue, aliases: Iterable[Alias] = ()) -> None:
        super().__init__(venue)
        self._by_theirs: dict[str, Alias] = {}
        self._by_ours: dict[str, Alias] = {}
        self._views: dict[Key, tuple[View, View]] = {}
        """The last view of a key as the venue showed it, and renamed."""
        self._last: dict[str, Order] = {}
        """Orders whose end is not shown, by our names, as they were shown last."""
        self.adopt(aliases)

    def adopt(self, aliases: Iterable[Alias]) -> None:
        """Rename these too, from the next snapshot on."""
        for alias in aliases:
            self._by_theirs[alias.theirs] = self._by_ours[alias.ours] = alias
        self._views.clear()

    async def snapshot(self, since_ms: int) -> Snapshot:
        """Read everything, adopted orders by our names. *Raises*: VenueUnavailable."""
        snapshot = await super().snapshot(since_ms)
        if not self._by_theirs:
            return snapshot
        views = {key: self._renamed(view) for key, view in snapshot.views.items()}
        return replace(snapshot, views=views)

    def _renamed(self, view: View) -> View:
        before = self._views.get(view.key)
        if before is None or before[0] is not view:
            for order in view.orders:
                self._forget(order.client_order_id)
            before = self._views[view.key] = view, self._ended(renamed(view, self._by_theirs))
        return before[1]

    def _forget(self, ours: str) -> None:
        """Rename an order no more once another one goes by our name for it."""
        alias = self._by_ours.pop(ours, None)
        if alias is not None:
            del self._by_theirs[alias.theirs]

    def _ended(self, view: View) -> View:
        """Show the end of orders that are gone without a word: filled, or else cancelled.

        A snapshot holds every live order, so one that it does not hold has ended.
        """
        shown = {order.client_order_id: order for order in view.orders}
        more: list[Order] = []
        for name, alias in self._by_ours.items():
            if alias.order is None or alias.key != view.key:
                continue
            if name in shown:
                self._last[name] = shown[name]
                continue
            last = self._last.get(name, replace(alias.order, client_order_id=name))
            more.append(_gone(last, view))
        return replace(view, orders=(*more, *view.orders)) if more else view

    def as_shown(self, view: View) -> View:
        """Return what the venue itself showed, by its own names."""
        before = self._views.get(view.key)
        return before[0] if before is not None and before[1] is view else view

    async def send(self, mutations: Sequence[Mutation]) -> list[Outcome]:
        """Send mutations by the names that the venue knows and return one outcome for each."""
        return await super().send([self._their(mutation) for mutation in mutations])

    def _their(self, mutation: Mutation) -> Mutation:
        if isinstance(mutation, SetStop):
            return mutation
        alias = self._by_ours.get(mutation.client_order_id)
        if alias is None:
            return mutation
        if isinstance(mutation, PlaceOrder):
            self._forget(alias.ours)  # it is long gone: this is a new one, by our own name
            return mutation
        if isinstance(mutation, AmendOrder):
            mutation = replace(mutation, qty=mutation.qty + alias.filled_qty)
        return replace(mutation, client_order_id=alias.theirs)


def renamed(view: View, by_theirs: Mapping[str, Alias]) -> View:
    """Return a view in which adopted orders have our names; the same one where none is in it."""
    if not any(order.client_order_id in by_theirs for order in view.orders) and not any(
        fill.client_order_id in by_theirs for fill in view.fills
    ):
        return view
    orders = (_order(order, by_theirs) for order in view.orders)
    fills = (_fill(fill, by_theirs) for fill in view.fills)
    return replace(
        view,
        orders=tuple(orders),
        fills=tuple(fill for fill in fills if fill is not None),
    )


def _order(order: Order, by_theirs: Mapping[str, Alias]) -> Order:
    alias = by_theirs.get(order.client_order_id)
    if alias is None:
        return order
    before: Decimal = alias.filled_qty
    return replace(
        order,
        client_order_id=alias.ours,
        qty=order.qty - before,
        filled_qty=order.filled_qty - before,
    )


def _fill(fill: Fill, by_theirs: Mapping[str, Alias]) -> Fill | None:
    """Name a fill by its order's new name; one from before the adoption is nobody's."""
    alias = by_theirs.get(fill.client_order_id)
    if alias is None:
        return fill
    return None if fill.fill_id in alias.fills else replace(fill, client_order_id=alias.ours)


def _gone(last: Order, view: View) -> Order:
    """Return an order as it ended, by its fills; what they leave over, a person has cancelled."""
    fills = (fill.qty for fill in view.fills if fill.client_order_id == last.client_order_id)
    filled = sum(fills, ZERO)
    if filled >= last.qty:
        return replace(last, filled_qty=filled, qty=filled, status=OrderStatus.FILLED)
    return replace(last, filled_qty=filled, status=OrderStatus.CANCELLED, by_person=True)
