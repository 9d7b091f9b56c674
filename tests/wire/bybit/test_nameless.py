"""Orders that were placed by hand, without an id of anybody's: adopted, changed, filled, gone."""

from __future__ import annotations

from decimal import Decimal

from exchanges.adopted import AdoptedVenue
from exchanges.venue import Venue
from machines.adoption import Wish, infer
from machines.ladder import Ladder
from machines.planning import Setting
from machines.words import (
    NAMELESS,
    AmendOrder,
    Order,
    OrderStatus,
    OrderType,
    OutcomeKind,
    Role,
    Side,
    View,
)
from tests.machines.resting import BASE
from tests.wire.bybit.desk import Asker, now_ms, opened
from tests.wire.bybit.server import Loopback

BUY, SELL = Side.BUY, Side.SELL


async def built_by_hand(venue: Loopback) -> None:
    """Hold 0.66 with a stop and two rungs, none of which has a name."""
    async with opened(venue) as account:
        hand = Asker(account)
        await hand.done(hand.market("in", BUY, "0.66"))
        await hand.done(hand.set_stop("101500"))
        await hand.done(hand.limit("near", SELL, "0.5", "105000", closes=True))
        await hand.done(hand.limit("far", SELL, "0.033", "106000", closes=True))
    exchange = venue.exchange
    with exchange.lock:
        for meta in exchange.metas.values():
            meta.link_id = ""
        exchange.engine.changed.update(range(len(exchange.engine.account.books)))
        exchange.settle()  # shown anew, without names


class Adopter:
    """An account whose one position is adopted."""

    def __init__(self, account: Venue) -> None:
        self.venue = AdoptedVenue(account)
        self.began_ms = now_ms()

    async def view(self) -> View:
        (view,) = (await self.venue.snapshot(self.began_ms)).views.values()
        return view

    async def adopt(self) -> Ladder:
        snapshot = await self.venue.snapshot(self.began_ms)
        (view,) = snapshot.views.values()
        symbol = view.key.symbol
        setting = Setting(
            self.venue.instruments[symbol], self.venue.fees(symbol), self.venue.capabilities
        )
        wish = Wish("adopted", BASE)
        ladder = infer(view, snapshot.quotes[symbol], setting, wish, self.began_ms).ladder
        self.venue.adopt(ladder.terms.adopted)
        return ladder

    async def rungs(self) -> list[Order]:
        """Return the rungs as they are shown, nearest first."""
        orders = (await self.view()).orders
        return sorted(
            (each for each in orders if each.reduce_only), key=lambda each: each.price or Decimal(0)
        )


async def test_nameless_order_when_adopted_then_is_amended_by_the_venues_own_id(
    venue: Loopback,
) -> None:
    await built_by_hand(venue)
    async with opened(venue) as account:
        adopter = Adopter(account)
        ladder = await adopter.adopt()
        assert [alias.theirs[0] for alias in ladder.terms.adopted] == [NAMELESS, NAMELESS]
        near, far = await adopter.rungs()
        assert near.client_order_id == f"{ladder.terms.prefix}t1g1"
        assert far.client_order_id == f"{ladder.terms.prefix}t2g1"
        asked = AmendOrder(
            *(ladder.terms.key, near.client_order_id, Role.TAKE_PROFIT, 1, OrderType.LIMIT),
            *(Decimal("0.627"), Decimal(105_000)),
        )
        (outcome,) = await adopter.venue.send([asked])
        assert outcome.kind is OutcomeKind.ACCEPTED
        working = venue.exchange.working("near")
        assert working is not None
        assert working.order is not None
        assert working.order.qty == Decimal("0.627")
        assert [each.qty for each in await adopter.rungs()] == [Decimal("0.627"), Decimal("0.033")]


async def test_nameless_order_when_it_fills_or_a_person_cancels_it_then_its_end_is_shown(
    venue: Loopback,
) -> None:
    await built_by_hand(venue)
    async with opened(venue) as account:
        adopter = Adopter(account)
        ladder = await adopter.adopt()
        venue.exchange.person_cancels("far")
        venue.exchange.move("BTCUSDT", "105100")
        near, far = await adopter.rungs()
        assert (near.status, near.filled_qty) == (OrderStatus.FILLED, Decimal("0.5"))
        assert (far.status, far.filled_qty, far.by_person) == (OrderStatus.CANCELLED, 0, True)
        fills = [(each.client_order_id, each.qty) for each in (await adopter.view()).fills]
        assert (f"{ladder.terms.prefix}t1g1", Decimal("0.5")) in fills
    async with opened(venue) as account:  # after a restart nobody has seen them live
        again = Adopter(account)
        again.began_ms = adopter.began_ms
        again.venue.adopt(ladder.terms.adopted)
        assert await again.rungs() == [near, far]
