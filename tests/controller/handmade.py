"""A position that somebody else has built at a simulated venue, beside any controller."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import anyio
from typer.testing import CliRunner, Result

from controller.accounts import build_account, with_book
from controller.cli import app
from controller.config import load
from exchanges.simulated import FaultyVenue, SimulatedVenue
from machines.words import (
    Key,
    Mutation,
    OrderType,
    OutcomeKind,
    PlaceOrder,
    Role,
    SetStop,
    Side,
    View,
)

KEY = Key("paper", "BTCUSDT")
JOB = """
[controller]
state = "s.db"
poll = "bar"
{controller}
[accounts.paper]
venue = "simulated"
book = "s.venue.db"
feed = {{ BTCUSDT = "script:bars" }}
fees = {{ maker = "0.0002", taker = "0.00055" }}
instruments.BTCUSDT = {{ tick = "0.10", step = "0.001", min_qty = "0.001", min_notional = "5" }}
{more}
"""
QUIET = "104000 104000 104000 104000\n"
BARS = (
    QUIET * 4
    + """\
104000 104000 102900 103500
103500 105100 103500 105050
105050 106050 105050 106050
106050 106050 103500 103500
"""
)


def job(folder: Path, controller: str = "", more: str = "", bars: str = BARS) -> Path:
    """Write a configuration without positions, and its market."""
    (folder / "bars").write_text(bars)
    path = folder / "job.toml"
    path.write_text(JOB.format(controller=controller, more=more))
    return path


def order(
    cid: str, side: Side, qty: str, px: str | None = None, *, out: bool = False
) -> PlaceOrder:
    kind = OrderType.MARKET if px is None else OrderType.LIMIT
    price = None if px is None else Decimal(px)
    asked = (KEY, cid, Role.ENTRY, 1, side, kind, Decimal(qty), price)
    return PlaceOrder(*asked, reduce_only=out)


def long_of(first: str = "0.5") -> list[Mutation]:
    """Return what makes a long of 0.66 with four rungs, a stop, and an entry that waits."""
    return [
        order("hand-in", Side.BUY, "0.66"),
        SetStop(KEY, Decimal(101_500), Decimal("0.66")),
        order("hand-tp3", Side.SELL, "0.033", "107000", out=True),
        order("hand-tp1", Side.SELL, first, "105000", out=True),
        order("hand-tp2", Side.SELL, "0.033", "106000", out=True),
        order("hand-tp4", Side.SELL, "0.033", "108000", out=True),
        order("hand-more", Side.BUY, "0.34", "103000"),
    ]


def at_venue(
    path: Path, act: Callable[[SimulatedVenue | FaultyVenue], None], bar: int | None = None
) -> View:
    """Do something at the venue, at the close of a bar; return how it stands then."""
    config = load(path)
    account = with_book(build_account(config.accounts["paper"], config.base_dir))
    try:
        if bar is not None:
            account.venue.advance(account.feeds["BTCUSDT"].times[bar - 1])
        act(account.venue)
        return anyio.run(account.venue.snapshot, 0).views.get(KEY, View(KEY))
    finally:
        account.venue.close()


def by_hand(path: Path, mutations: list[Mutation], bar: int = 1) -> View:
    def act(venue: SimulatedVenue | FaultyVenue) -> None:
        outcomes = anyio.run(venue.send, mutations)
        assert {outcome.kind for outcome in outcomes} == {OutcomeKind.ACCEPTED}

    return at_venue(path, act, bar)


def shown(path: Path) -> View:
    return at_venue(path, lambda _: None)


def resting(view: View) -> dict[str, str]:
    """Name what rests, by client order id: quantity and price."""
    return {
        each.client_order_id: f"{each.leaves_qty:f} @ {each.price or each.trigger_px:f}"
        for each in view.orders
        if each.status.live
    }


def call(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def rows(path: Path, name: str) -> list[str]:
    """Return the rows that a position took."""
    told = call("history", name, "--config", path, "--json").stdout.splitlines()
    found = [json.loads(line) for line in told]
    return [each["row"] for each in found if each["kind"] == "transition"]
