"""A venue of a few lines, told what happens: the other side of every scenario.

It holds one position's orders and stop, does at once what it is sent, and fills nothing by itself.
Like the simulated venue it refuses a stop at or beyond the last price and an exit without a
position, and it leaves reduce-only orders resting when the position is gone. What no venue should
ever be sent (a wrong side, a twin id, a price off the tick) is an assertion.
"""

from copy import copy
from decimal import Decimal

from msgspec.structs import replace

from machines.words import (
    ZERO,
    AmendOrder,
    CancelOrder,
    Capabilities,
    Direction,
    Fees,
    Fill,
    Instrument,
    Key,
    Liquidity,
    Mutation,
    Order,
    OrderStatus,
    OrderType,
    Outcome,
    OutcomeKind,
    PlaceOrder,
    PositionStop,
    Quote,
    Refusal,
    Role,
    SetStop,
    View,
)

ACCEPTED = Outcome(OutcomeKind.ACCEPTED)
ON_A_PRICE = (OrderType.STOP_MARKET, OrderType.STOP_LIMIT)


def refused(refusal: Refusal) -> Outcome:
    return Outcome(OutcomeKind.REFUSED, refusal)


class Book:
    """One venue position. ``held`` is unsigned; ``stop`` is the position's own."""

    def __init__(
        self, direction: Direction, instrument: Instrument, fees: Fees, position_stop: bool
    ) -> None:
        self.direction = direction
        self.instrument = instrument
        self.fees = fees
        self.capabilities = Capabilities(position_stop=position_stop)
        self.key = Key("paper", instrument.symbol)
        self.orders: dict[str, Order] = {}
        self.names: dict[tuple[Role, int], str] = {}
        """The newest order of each role and number."""
        self.fills: list[Fill] = []
        self.untold: list[Fill] = []
        """Executed, and not in the list that the venue shows."""
        self.held = ZERO
        """Toward the ladder's direction; negative once somebody has turned the position round."""
        self.cost = ZERO
        self.stop: PositionStop | None = None
        self.visible = True
        """Whether the venue's order desk sees the position that its fills have made."""
        self.quote = Quote(instrument.symbol, ZERO, 0, 0)

    def fork(self) -> "Book":
        """A book that is as this one is now, and goes its own way."""
        other = copy(self)
        other.orders, other.names = dict(self.orders), dict(self.names)
        other.fills, other.untold = list(self.fills), list(self.untold)
        return other

    # -------------------------------------------------------------------------- what it shows

    def view(self) -> View:
        sign = self.direction.entry_side.sign
        average = self.cost / self.held if self.held else ZERO
        orders = tuple(self.orders.values())
        return View(self.key, sign * self.held, average, orders, tuple(self.fills), self.stop)

    def order(self, role: Role, n: int) -> Order:
        return self.orders[self.names[role, n]]

    def live(self, role: Role) -> list[tuple[int, Order]]:
        """The live orders of a role by their number, in order."""
        found = [(n, self.orders[cid]) for (kind, n), cid in self.names.items() if kind is role]
        return sorted((n, order) for n, order in found if order.status.live)

    # ---------------------------------------------------------------------- what it is sent

    def apply(self, mutation: Mutation) -> Outcome:
        match mutation:
            case PlaceOrder():
                return self._place(mutation)
            case AmendOrder():
                return self._amend(mutation)
            case CancelOrder():
                return self._cancel(mutation)
            case SetStop():
                return self._set_stop(mutation)

    def _place(self, asked: PlaceOrder) -> Outcome:
        entry = asked.role is Role.ENTRY
        side = self.direction.entry_side if entry else self.direction.exit_side
        assert asked.key == self.key
        assert asked.client_order_id not in self.orders, f"twin of {asked.client_order_id}"
        assert asked.side is side, f"{asked}: wrong side"
        assert asked.reduce_only is not entry, f"{asked}: only an entry may grow a position"
        self._on_grid(asked)
        if not entry and not (self.held > ZERO and self.visible):
            return refused(Refusal.NO_POSITION)
        if asked.type in ON_A_PRICE and self._reached(asked.trigger_px):
            return refused(Refusal.BEHIND_MARKET)
        self.names[asked.role, asked.n] = asked.client_order_id
        self.orders[asked.client_order_id] = Order(
            asked.client_order_id,
            f"v{len(self.orders) + 1}",
            asked.side,
            asked.type,
            asked.qty,
            ZERO,
            OrderStatus.OPEN,
            asked.price,
            asked.trigger_px,
            asked.reduce_only,
        )
        return ACCEPTED

    def _amend(self, asked: AmendOrder) -> Outcome:
        assert asked.key == self.key
        self._on_grid(asked)
        order = self.orders.get(asked.client_order_id)
        if order is None or not order.status.live:
            return refused(Refusal.UNKNOWN_ORDER)
        if asked.trigger_px != order.trigger_px and self._reached(asked.trigger_px):
            return refused(Refusal.BEHIND_MARKET)
        order = replace(order, qty=asked.qty, price=asked.price, trigger_px=asked.trigger_px)
        if order.qty <= order.filled_qty:
            order = replace(order, status=OrderStatus.FILLED)
        self.orders[order.client_order_id] = order
        return ACCEPTED

    def _cancel(self, asked: CancelOrder) -> Outcome:
        assert asked.key == self.key
        order = self.orders.get(asked.client_order_id)
        if order is None or not order.status.live:
            return refused(Refusal.UNKNOWN_ORDER)
        self.orders[order.client_order_id] = replace(order, status=OrderStatus.CANCELLED)
        return ACCEPTED

    def _set_stop(self, asked: SetStop) -> Outcome:
        assert asked.key == self.key
        assert self.capabilities.position_stop, "positions have no stop of their own here"
        assert asked.trigger_px % self.instrument.tick == 0, f"{asked}: off the tick"
        if not (self.held > ZERO and self.visible):
            return refused(Refusal.NO_POSITION)
        if self._reached(asked.trigger_px):
            return refused(Refusal.BEHIND_MARKET)
        self.stop = PositionStop(asked.trigger_px)
        return ACCEPTED

    def _reached(self, trigger_px: Decimal | None) -> bool:
        if trigger_px is None:
            return False
        return not self.direction.beyond(self.quote.last, trigger_px)

    def _on_grid(self, asked: PlaceOrder | AmendOrder) -> None:
        instrument = self.instrument
        assert asked.qty > ZERO, f"{asked}: nothing asked for"
        assert asked.qty % instrument.step == 0, f"{asked}: off the step"
        assert asked.qty >= instrument.min_qty, f"{asked}: too small"
        for px in (asked.price, asked.trigger_px):
            assert px is None or px % instrument.tick == 0, f"{asked}: off the tick"

    # ----------------------------------------------------------------------- what happens to it

    def fill(
        self,
        role: Role,
        n: int,
        qty: Decimal | None,
        px: Decimal | None,
        at_ms: int,
        untold: bool = False,
    ) -> None:
        """Fill an order, all that is left of it unless told otherwise."""
        if role is Role.STOP_LOSS and self.capabilities.position_stop:
            self._fill_position_stop(qty, px, at_ms)
        else:
            order = self.order(role, n)
            assert order.status.live, f"{role} {n} is {order.status}: it cannot fill"
            self._fill_order(order, role, qty, px, at_ms)
        if untold:
            self.untold.append(self.fills.pop())

    def tell(self) -> None:
        """Show the fills that were not shown yet."""
        self.fills += self.untold
        self.untold = []

    def report(self, role: Role, n: int, px: Decimal | None, at_ms: int) -> None:
        """Report, after the end of an order, that the rest of it had filled before."""
        order = self.order(role, n)
        assert not order.status.live, f"{role} {n} is {order.status}: it has not ended"
        live = replace(order, status=OrderStatus.OPEN)
        self._fill_order(live, role, None, px, at_ms)

    def _fill_order(
        self, order: Order, role: Role, qty: Decimal | None, px: Decimal | None, at_ms: int
    ) -> None:
        wanted = order.leaves_qty if qty is None else qty
        assert wanted <= order.leaves_qty, f"{order} has not that much left"
        done = min(wanted, max(ZERO, self.held)) if order.reduce_only else wanted
        maker = order.type is OrderType.LIMIT
        price = px or order.price or order.trigger_px or self.quote.last
        if done:
            self._execute(order.client_order_id, role, price, done, maker, at_ms)
        order = replace(order, filled_qty=order.filled_qty + done)
        if not order.leaves_qty:
            order = replace(order, status=OrderStatus.FILLED)
        elif done < wanted:
            order = replace(order, status=OrderStatus.CANCELLED)
        self.orders[order.client_order_id] = order

    def _fill_position_stop(self, qty: Decimal | None, px: Decimal | None, at_ms: int) -> None:
        assert self.stop is not None or px is not None, "no stop rests"
        price = px or (self.stop.trigger_px if self.stop else ZERO)
        self._execute("", Role.STOP_LOSS, price, qty or self.held, maker=False, at_ms=at_ms)
        self.stop = None

    def _execute(
        self, cid: str, role: Role, price: Decimal, qty: Decimal, maker: bool, at_ms: int
    ) -> None:
        entry = role is Role.ENTRY
        rate = self.fees.maker if maker else self.fees.taker
        fill = Fill(
            f"f{len(self.fills) + len(self.untold) + 1}",
            cid,
            self.direction.entry_side if entry else self.direction.exit_side,
            price,
            qty,
            price * qty * rate,
            Liquidity.MAKER if maker else Liquidity.TAKER,
            at_ms,
            by_position_stop=not cid,
        )
        self.fills.append(fill)
        self._move(qty if entry else -qty, price)

    def _move(self, change: Decimal, price: Decimal) -> None:
        """Move the position, and its cost by its average where it shrinks."""
        average = self.cost / self.held if self.held else ZERO
        grows = change > ZERO or self.held + change < ZERO
        self.held += change
        self.cost = (
            self.held * price
            if self.held < ZERO
            else self.cost + change * (price if grows else average)
        )
        if self.held <= ZERO:
            self.stop = None

    def others(
        self, qty: Decimal, px: Decimal | None, at_ms: int, *, grows: bool, shown: bool
    ) -> None:
        """Let somebody else's order, or the venue itself, trade on the position."""
        direction, price = self.direction, px or self.quote.last
        if shown:
            side = direction.entry_side if grows else direction.exit_side
            name = f"f{len(self.fills) + len(self.untold) + 1}"
            self.fills.append(Fill(name, "", side, price, qty, ZERO, Liquidity.TAKER, at_ms))
        self._move(qty if grows else -qty, price)

    def person_cancels(self, role: Role, n: int) -> None:
        """Let a person cancel an order of ours, or remove the position's stop."""
        if role is Role.STOP_LOSS and self.capabilities.position_stop:
            self.stop = None
            return
        self.end(role, n, OrderStatus.CANCELLED)
        self._touched(role, n)

    def person_moves(self, role: Role, n: int, qty: Decimal | None, px: Decimal | None) -> None:
        """Let a person change an order of ours, or the position's stop."""
        assert px is None or px % self.instrument.tick == 0, f"{px}: off the tick"
        if role is Role.STOP_LOSS and self.capabilities.position_stop:
            assert px is not None, "the position's stop has no size"
            self.stop = PositionStop(px, by_person=True)
            return
        order = self.order(role, n)
        assert order.status.live, f"{role} {n} is {order.status}: it cannot be moved"
        if qty is not None:
            order = replace(order, qty=order.filled_qty + qty)
        if px is not None:
            what = "price" if order.trigger_px is None else "trigger_px"
            order = replace(order, **{what: px})
        self.orders[order.client_order_id] = order
        self._touched(role, n)

    def _touched(self, role: Role, n: int) -> None:
        order = self.order(role, n)
        self.orders[order.client_order_id] = replace(order, by_person=True)

    def suspend(self) -> None:
        raise AssertionError("orders here do not end with a session")

    def revive_stop(self) -> None:
        """Let the conditional stop before the present one rest again."""
        before = [cid for cid, order in self.orders.items() if order.type in ON_A_PRICE][-2]
        self.orders[before] = replace(self.orders[before], status=OrderStatus.OPEN)

    def end(self, role: Role, n: int, status: OrderStatus) -> None:
        """End an order, or change its status, without a fill."""
        order = self.order(role, n)
        if status is OrderStatus.FILLED:  # amended down to what it had filled
            order = replace(order, qty=order.filled_qty)
        self.orders[order.client_order_id] = replace(order, status=status)
