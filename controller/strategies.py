"""Makes an account's strategy cycle of its configuration: which rules, on which market, and where.

Rules run where the configuration has a ``[rules]`` table. The square-off of intraday positions runs
whatever it says: the broker's own would cost money (SPEC §7). Holds no behaviour of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping

import msgspec

from controller.alerts import log_news
from controller.config import Config
from controller.config_accounts import AccountSettings
from controller.config_live import ZerodhaAccount
from controller.cycle import Cycle, Voice
from controller.journal import Journal
from controller.rules.candles import FedMarket
from controller.rules.desk import RuleDesk, SeesMarket
from controller.rules.engine import Engine
from controller.rules.views import Memory, Place
from exchanges.feeds import Feed
from exchanges.feeds.bars import MINUTE_MS
from exchanges.simulated import Product

SquareOff = Callable[[str, int], int | None]
"""When a symbol's intraday positions are to be closed, at a moment; None where nothing is."""
SQUARE_OFF_MS = 25 * MINUTE_MS
"""How long before a simulated session's end. *Source*: SPEC §9, 15:05 of a session to 15:30."""


def fed_cycle(
    config: Config,
    settings: AccountSettings,
    feeds: Mapping[str, Feed],
    journal: Journal,
    live: Collection[str],
    voice: Voice,
) -> Cycle:
    """Make the cycle of an account whose market is a feed; ``live`` are its open ladders."""
    sessions = config.rules.volatility.sessions
    markets = {symbol: FedMarket(feed, sessions) for symbol, feed in feeds.items()}
    intraday = settings.product is Product.MIS and settings.session is not None
    return _cycle(
        *(config, settings, journal, live, voice, markets),
        _square_off(settings) if intraday else None,
    )


def live_cycle(
    config: Config,
    settings: AccountSettings,
    markets: Mapping[str, SeesMarket],
    journal: Journal,
    live: Collection[str],
    voice: Voice,
    square_off: SquareOff,
) -> Cycle:
    """Make the cycle of an account in real time."""
    at = settings.live
    intraday = isinstance(at, ZerodhaAccount) and at.settings.product.value == Product.MIS.value
    mine = square_off if intraday else None
    return _cycle(config, settings, journal, live, voice, markets, mine)


def _cycle(
    config: Config,
    settings: AccountSettings,
    journal: Journal,
    live: Collection[str],
    voice: Voice,
    markets: Mapping[str, SeesMarket],
    square_off: SquareOff | None,
) -> Cycle:
    every_ms, name = config.controller.cycle_ms, settings.name
    voice = msgspec.structs.replace(voice, log=log_news)
    owned = config.controller.enhanced_tp_sl  # else the rebalancer's, which decides nothing
    if not owned or not (config.rules_on or square_off):
        return Cycle(journal, name, None, voice, every_ms)
    engine = Engine(config.rules, config.base_dir, time.perf_counter_ns, on=config.rules_on)
    for text in engine.alerts:
        voice.alert(name, text, 0)

    def place(symbol: str, now_ms: int) -> Place:
        off_ms = None if square_off is None else square_off(symbol, now_ms)
        return Place(settings.venue, off_ms)

    memories = {
        each.position: msgspec.json.decode(each.state, type=Memory)
        for each in journal.memories(name)
        if each.position in live
    }
    desk = RuleDesk(engine, config.rules, markets, place, memories)
    return Cycle(journal, name, desk, voice, every_ms)


def _square_off(settings: AccountSettings) -> SquareOff:
    session = settings.session
    assert session is not None, "intraday is what ends with a session"

    def square_off(symbol: str, now_ms: int) -> int | None:
        del symbol
        # A bar that closes at midnight belongs to the day before.
        return session.on_day_of(now_ms - 1)[1] - SQUARE_OFF_MS

    return square_off
