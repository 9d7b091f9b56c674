"""The book of a venue without reduce-only: what it is sent may never sell more than is held.

Like the simulated venue's: a stop-limit may be changed into a limit or an order at market, a pair
is two legs of which one fires, and nothing turns back into a stop. That no more is ever on sale
than is held is an assertion at every request.
"""

from decimal import Decimal

from msgspec.structs import replace

from machines.words import (
    ZERO,
    AmendOrder,
    Capabilities,
    Direction,
    ExitStyle,
    Fees,
    Instrument,
    Leg,
    Order,
    OrderStatus,
    OrderType,
    Outcome,
    PlaceOrder,
    PlacePair,
    Refusal,
    Role,
)
from tests.machines.book import ACCEPTED, Book, refused

STOPS = (OrderType.STOP_LIMIT, OrderType.PAIR)
PREFIX = 10
"""How much of an id says whose it is; the slot stands behind it."""


class RungBook(Book):
    """One venue position whose exits are orders of their own."""

    def __init__(
        self, direction: Direction, instrument: Instrument, fees: Fees, exits: ExitStyle
    ) -> None:
        super().__init__(direction, instrument, fees, position_stop=False)
        self.capabilities = Capabilities(
            exits=exits,
            position_stop=False,
            reduce_only=False,
            stop_limit=True,
            stop_market=False,
            amend_type=True,
            max_amendments=25,
            day_orders=True,
            pair_gap=Decimal("0.0025") if exits is ExitStyle.PAIRS else ZERO,
        )

    # -------------------------------------------------------------------------- what it shows

    def order(self, role: Role, n: int) -> Order:
        """The newest order of a slot; a rung's is its stop and its target in turn."""
        if role is Role.STOP_LOSS and n:
            role = Role.TAKE_PROFIT
        return self.orders[self.names[role, n]]

    def live(self, role: Role) -> list[tuple[int, Order]]:
        found: list[tuple[int, Order]] = []
        for (kind, n), cid in self.names.items():
            order = self.orders[cid]
            stops = order.type in STOPS
            shown = Role.STOP_LOSS if stops and kind is Role.TAKE_PROFIT else kind
            if shown is role and order.status.live:
                found.append((n, order))
        return sorted(found, key=lambda each: each[0])

    def suspend(self) -> None:
        for cid, order in self.orders.items():
            if order.status.live and order.type is not OrderType.PAIR:
                self.orders[cid] = replace(order, status=OrderStatus.SUSPENDED)

    def on_sale(self) -> Decimal:
        side = self.direction.exit_side
        return sum((o.leaves_qty for o in self.orders.values() if o.side is side), ZERO)

    # ---------------------------------------------------------------------- what it is sent

    def _place(self, asked: PlaceOrder) -> Outcome:
        entry = asked.role is Role.ENTRY
        side = self.direction.entry_side if entry else self.direction.exit_side
        cid = asked.client_order_id
        assert asked.key == self.key
        assert cid not in self.orders, f"twin of {cid}"
        assert asked.side is side, f"{asked}: wrong side"
        assert not asked.reduce_only, f"{asked}: there is no such order here"
        self._on_grid(asked)
        closed = not self.quote.in_session and asked.type is not OrderType.PAIR
        assert not closed, f"{asked}: outside a session"
        if not entry:
            assert self.on_sale() + asked.qty <= self.held, f"{asked}: sells more than is held"
        if asked.type in STOPS and self._reached(asked.trigger_px):
            return refused(Refusal.BEHIND_MARKET)
        if self._near(asked):
            return refused(Refusal.TOO_NEAR)
        self.names[self._slot(cid)] = cid
        self.orders[cid] = Order(
            cid,
            f"v{len(self.orders) + 1}",
            asked.side,
            asked.type,
            asked.qty,
            ZERO,
            OrderStatus.OPEN,
            asked.price,
            asked.trigger_px,
            target=asked.target if isinstance(asked, PlacePair) else None,
        )
        return ACCEPTED

    def _near(self, asked: PlaceOrder | AmendOrder) -> bool:
        """Tell whether a leg of a pair would be nearer to the last price than is allowed."""
        if not isinstance(asked, PlacePair | AmendOrder) or asked.target is None:
            return False
        last, gap = self.quote.last, self.capabilities.pair_gap
        legs = (asked.trigger_px or ZERO, asked.target.trigger_px)
        return any(abs(px - last) < gap * last for px in legs)

    def _slot(self, cid: str) -> tuple[Role, int]:
        letter, n = cid[PREFIX], int(cid[PREFIX + 1 :].partition("g")[0])
        if letter == "s":
            return Role.STOP_LOSS, 0
        return {"e": Role.ENTRY, "t": Role.TAKE_PROFIT, "x": Role.EXIT}[letter], n

    def _amend(self, asked: AmendOrder) -> Outcome:
        assert asked.key == self.key
        self._on_grid(asked)
        order = self.orders.get(asked.client_order_id)
        if order is None or not order.status.live:
            return refused(Refusal.UNKNOWN_ORDER)
        if asked.role is not Role.ENTRY:
            grows = asked.qty - order.qty
            # Others may have sold what it was for: then it may only shrink.
            room = self.held - self.on_sale()
            assert grows <= max(ZERO, room), f"{asked}: sells more than is held"
        if asked.type is OrderType.PAIR and order.type is not OrderType.PAIR:
            return refused(Refusal.UNKNOWN_ORDER)  # a leg has fired meanwhile
        if order.type is not asked.type:
            assert order.type is not OrderType.PAIR, f"{asked}: a pair cannot be converted"
            assert asked.type not in STOPS, f"{asked}: nothing turns back into a stop"
        if asked.trigger_px != order.trigger_px and self._reached(asked.trigger_px):
            return refused(Refusal.BEHIND_MARKET)
        if self._near(asked):
            return refused(Refusal.TOO_NEAR)
        same = order.type is asked.type
        order = replace(
            order,
            type=asked.type,
            qty=asked.qty,
            price=asked.price,
            trigger_px=asked.trigger_px,
            target=asked.target,
            status=order.status if same else OrderStatus.OPEN,
        )
        if order.qty <= order.filled_qty:
            order = replace(order, status=OrderStatus.FILLED)
        self.orders[order.client_order_id] = order
        return ACCEPTED

    # ----------------------------------------------------------------------- what happens to it

    def _fill_order(
        self, order: Order, role: Role, qty: Decimal | None, px: Decimal | None, at_ms: int
    ) -> None:
        if order.type is OrderType.PAIR:
            order = self._fired(order, role)
        if order.type is OrderType.STOP_LIMIT:
            order = replace(order, status=OrderStatus.TRIGGERED)
            px = px or order.trigger_px
        super()._fill_order(order, role, qty, px, at_ms)

    def _fired(self, pair: Order, role: Role) -> Order:
        """Let one leg of a pair place its order; the other leg is gone."""
        if role is Role.STOP_LOSS:
            return replace(pair, type=OrderType.STOP_LIMIT, target=None)
        assert pair.target is not None, "a pair has two legs"
        leg = pair.target
        return replace(pair, type=OrderType.LIMIT, price=leg.price, trigger_px=None, target=None)

    def person_moves(self, role: Role, n: int, qty: Decimal | None, px: Decimal | None) -> None:
        """Let a person change an order of ours; of a pair its target, or as `stop 2` its stop."""
        order = self.order(role, n)
        if role is not Role.TAKE_PROFIT or order.target is None or px is None:
            super().person_moves(role, n, qty, px)
            return
        limit = px + order.target.price - order.target.trigger_px
        moved = replace(order, target=Leg(px, limit), by_person=True)
        self.orders[order.client_order_id] = moved

    def end(self, role: Role, n: int, status: OrderStatus) -> None:
        order = self.order(role, n)
        if order.type is OrderType.PAIR and status in (OrderStatus.TRIGGERED, OrderStatus.OPEN):
            order = self._fired(order, role)
            self.orders[order.client_order_id] = order
        super().end(role, n, status)
