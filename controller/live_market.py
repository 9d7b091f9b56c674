"""What rules see of a market in real time: the venue's candles, or candles of prices as seen.

Bybit gives its candles away: those that count are fetched at the start, and each when it has
closed. Kite's cost extra, so candles there are made of quotes, whose volume of the day tells what
has traded in between. Asks in the background and concludes nothing from silence: without fresh
candles a rule that needs them does not fire.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

from controller.clock import Clock
from controller.config import Config
from controller.config_accounts import AccountSettings
from controller.config_live import ZerodhaAccount
from controller.live import DOZE_MS
from controller.rules import settings as names
from controller.rules.candles import (
    ATR_CANDLE_MS,
    ATR_PERIODS,
    CANDLE_MS,
    CANDLES,
    Atr,
    Market,
    MarketData,
)
from controller.rules.desk import SeesMarket
from exchanges.errors import VenueUnavailable
from exchanges.feeds import Bar
from exchanges.feeds.bars import DAY_MS

Ask = Callable[[str, int, int], Awaitable[Sequence[Bar]]]
"""Asks for a symbol's closed candles of a length that begin at a moment or later, oldest first.

*Units*: ms. *Raises*: VenueUnavailable."""

SETTLE_MS = 1_000
"""A candle is asked for this long after its end, when the venue has summed it up."""
RETRY_MS = 30_000
"""After a failure; the candles that count are five minutes long."""


class FetchedMarket:
    """One symbol's candles as the venue tells them."""

    def __init__(self, sessions: int = 20) -> None:
        self._sessions = sessions
        self._candles: deque[Bar] = deque(maxlen=CANDLES)
        self._atr = Atr(sessions)
        self._closed_ms = dict.fromkeys((CANDLE_MS, ATR_CANDLE_MS), 0)
        """When the last candle of a length ended that was taken in."""

    async def fetch(self, symbol: str, ask: Ask, now_ms: int) -> None:
        """Take in what has closed since the last time. *Raises*: VenueUnavailable."""
        for length_ms, last_ms in self._closed_ms.items():
            since_ms = last_ms or self._begins_ms(length_ms, now_ms)
            if since_ms + length_ms > now_ms:
                continue
            for bar in await ask(symbol, length_ms, since_ms):
                if length_ms == CANDLE_MS:
                    self._candles.append(bar)
                else:
                    self._atr.add(bar)
                self._closed_ms[length_ms] = bar.close_ms

    def _begins_ms(self, length_ms: int, now_ms: int) -> int:
        """Return where the candles that count begin: whole sessions, and what ATR needs before."""
        if length_ms == CANDLE_MS:
            return now_ms // length_ms * length_ms - CANDLES * length_ms
        today_ms = now_ms // DAY_MS * DAY_MS
        return today_ms - self._sessions * DAY_MS - ATR_PERIODS * length_ms

    def at(self, now_ms: int) -> Market:
        """Return what rules see at a moment; nothing of candles that another should follow."""
        late = {length for length, at in self._closed_ms.items() if now_ms - at > 2 * length}
        candles = () if CANDLE_MS in late else tuple(self._candles)
        if ATR_CANDLE_MS in late:
            return Market(candles)
        return Market(candles, self._atr.value, self._atr.usual)


class LiveMarket:
    """What the rules of one account in real time see of its symbols."""

    def __init__(self, config: Config, settings: AccountSettings, symbols: Collection[str]) -> None:
        volatility = config.rules.volatility
        self._fetched: dict[str, FetchedMarket] = {}
        self.seen: Mapping[str, SeesMarket] = self._fetched
        self.lacks = ""
        """What a person should know of rules that cannot fire for now; empty where all can."""
        if isinstance(settings.live, ZerodhaAccount):
            self.seen = {symbol: MarketData(volatility.sessions) for symbol in symbols}
            if config.rules_on and volatility.enabled and symbols:
                self.lacks = (
                    f"{names.VOLATILITY} is silent until {volatility.sessions} sessions have been "
                    "seen in one run: Kite's past candles are a paid API"
                )
        else:
            self._fetched |= {symbol: FetchedMarket(volatility.sessions) for symbol in symbols}

    async def fill(self, ask: Ask, clock: Clock, tell: Callable[[str], None]) -> None:
        """Fetch candles as they close, until cancelled; a failure is told once while it lasts."""
        ticket, failed = clock.join(), False
        try:
            while True:
                fault = await self._fetch(ask, clock)
                if fault and not failed:
                    tell(f"no candles, rules that need them are silent: {fault}")
                elif failed and not fault:
                    tell("candles are back")
                failed, now_ms = bool(fault), clock.now_ms()
                next_ms = now_ms // CANDLE_MS * CANDLE_MS + CANDLE_MS + SETTLE_MS
                until_ms = min(next_ms, now_ms + RETRY_MS) if failed else next_ms
                while clock.now_ms() < until_ms:
                    await clock.sleep_until_ms(min(until_ms, clock.now_ms() + DOZE_MS), ticket)
        finally:
            clock.leave(ticket)

    async def _fetch(self, ask: Ask, clock: Clock) -> str:
        """Fetch what has closed; return what went wrong with the last symbol that failed."""
        fault = ""
        for symbol, market in self._fetched.items():
            try:
                await market.fetch(symbol, ask, clock.now_ms())
            except VenueUnavailable as error:
                fault = str(error)
        return fault
