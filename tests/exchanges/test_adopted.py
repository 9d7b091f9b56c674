"""Adopted orders at the port: our names inside, the venue's outside, quantities from then on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from msgspec.structs import replace

from exchanges.adopted import AdoptedVenue
from machines.words import (
    Alias,
    AmendOrder,
    CancelOrder,
    Capabilities,
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
    Role,
    SetStop,
    Side,
    Snapshot,
    View,
)
from tests.exchanges.desk import at_once

KEY = Key("paper", "BTCUSDT")
BTC = Instrument("BTCUSDT", Decimal("0.1"), Decimal("0.001"), Decimal("0.001"))
RUNG = Order(
    *("hand", "v1", Side.SELL, OrderType.LIMIT, Decimal("0.5"), Decimal("0.2"), OrderStatus.OPEN),
    price=Decimal(105_000),
    reduce_only=True,
)
BEFORE = Fill(
    *("f1", "hand", Side.SELL, Decimal(105_000), Decimal("0.2"), Decimal(0), Liquidity.MAKER, 1),
)
ALIAS = Alias("laddert1g1", "hand", Decimal("0.2"), ("f1",))
NAMELESS = Alias("laddert1g1", "@v1", order=replace(RUNG, filled_qty=Decimal(0)), key=KEY)
OTHER = replace(RUNG, client_order_id="other", venue_order_id="v2")
AMEND = AmendOrder(
    KEY, "laddert1g1", Role.TAKE_PROFIT, 1, OrderType.LIMIT, Decimal("0.4"), Decimal(105_000)
)


class Shown:
    """A venue that shows what it is told to, and keeps what it is sent."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.sent: list[Mutation] = []
        self.account, self.capabilities = "paper", Capabilities()
        self.instruments: Mapping[str, Instrument] = {"BTCUSDT": BTC}

    def fees(self, symbol: str) -> Fees:
        del symbol
        return Fees()

    def key_for(self, symbol: str, ladder_key: str, side: str) -> Key:
        del ladder_key, side
        return Key("paper", symbol)

    async def snapshot(self, since_ms: int) -> Snapshot:
        return Snapshot("paper", since_ms, since_ms, {KEY: self.view}, {})

    async def send(self, mutations: Sequence[Mutation]) -> list[Outcome]:
        self.sent += mutations
        return [Outcome(OutcomeKind.ACCEPTED) for _ in mutations]


def rig(*orders: Order, fills: tuple[Fill, ...] = ()) -> Shown:
    return Shown(View(KEY, Decimal(1), Decimal(104_000), orders, fills))


def adopted(shown: Shown, alias: Alias = ALIAS) -> AdoptedVenue:
    return AdoptedVenue(shown, [alias])


def view(venue: AdoptedVenue) -> View:
    return at_once(venue.snapshot(0)).views[KEY]


def names(venue: AdoptedVenue) -> list[str]:
    return [order.client_order_id for order in view(venue).orders]


def test_adopted_order_when_shown_then_has_our_name_and_counts_from_the_adoption() -> None:
    after = replace(BEFORE, fill_id="f2", qty=Decimal("0.1"))
    shown = rig(replace(RUNG, filled_qty=Decimal("0.3")), OTHER, fills=(BEFORE, after))
    found = view(adopted(shown))
    rung, other = found.orders
    assert (rung.client_order_id, rung.qty, rung.filled_qty, rung.leaves_qty) == (
        "laddert1g1",
        Decimal("0.3"),
        Decimal("0.1"),
        Decimal("0.2"),
    )
    assert other is OTHER
    assert [(fill.fill_id, fill.client_order_id) for fill in found.fills] == [("f2", "laddert1g1")]


def test_adopted_order_when_it_is_changed_then_the_venue_hears_its_own_name_and_total() -> None:
    shown = rig(RUNG)
    venue = adopted(shown)
    cancel = CancelOrder(KEY, "laddert1g1", Role.TAKE_PROFIT, 1)
    ours = replace(cancel, client_order_id="laddert2g1")
    stop = SetStop(KEY, Decimal(101_000), Decimal(1))
    at_once(venue.send([AMEND, cancel, ours, stop]))
    assert shown.sent == [
        replace(AMEND, client_order_id="hand", qty=Decimal("0.6")),
        replace(cancel, client_order_id="hand"),
        ours,
        stop,
    ]


def test_view_when_nothing_has_changed_then_is_the_same_object() -> None:
    shown = rig(RUNG)
    venue = adopted(shown)
    first = view(venue)
    assert view(venue) is first
    assert venue.as_shown(first) is shown.view
    shown.view = replace(shown.view, net_qty=Decimal(2))
    assert view(venue) is not first
    other = rig(OTHER)
    assert view(adopted(other)) is other.view
    assert view(AdoptedVenue(other)) is other.view


def test_order_without_a_name_when_it_is_gone_then_its_end_is_shown() -> None:
    nameless = replace(RUNG, client_order_id="@v1", filled_qty=Decimal(0))
    fill = replace(BEFORE, client_order_id="@v1")
    shown = rig(nameless, fills=(fill,))
    venue = adopted(shown, NAMELESS)
    assert names(venue) == ["laddert1g1"]
    shown.view = replace(shown.view, orders=(OTHER,))
    gone = view(venue).orders[0]
    assert (gone.status, gone.filled_qty, gone.by_person) == (
        OrderStatus.CANCELLED,
        Decimal("0.2"),
        True,
    )
    rest = replace(fill, fill_id="f2", qty=Decimal("0.3"))
    shown.view = replace(shown.view, fills=(fill, rest))
    gone = view(venue).orders[0]
    assert (gone.status, gone.filled_qty, gone.leaves_qty) == (
        OrderStatus.FILLED,
        Decimal("0.5"),
        0,
    )


def test_adopted_name_when_another_order_bears_it_then_is_an_alias_no_more() -> None:
    place = PlaceOrder(
        *(KEY, "laddert1g1", Role.TAKE_PROFIT, 1, Side.SELL, OrderType.LIMIT, Decimal("0.4")),
        Decimal(105_000),
    )
    shown = rig()
    venue = adopted(shown)
    at_once(venue.send([place, AMEND]))
    assert shown.sent == [place, AMEND]
    ours = replace(RUNG, client_order_id="laddert1g1")
    again = rig(ours, RUNG)  # after a restart
    venue = adopted(again)
    assert names(venue) == ["laddert1g1", "hand"]
    at_once(venue.send([AMEND]))
    assert again.sent == [AMEND]
