"""Drives one account whose market is a feed: when to look next, and the market's turn before ours.

At one instant the venue moves first, then the keeper polls and acts (SPEC §11). Bars that touch
nothing of ours are passed over without waking anybody.
"""

from __future__ import annotations

from controller.accounts import Account
from controller.clock import FeedClock
from controller.keeper import Keeper


class FeedRunner:
    """One account's timetable on a feed; without a poll interval it looks at every bar's close."""

    def __init__(
        self,
        keeper: Keeper,
        account: Account,
        clock: FeedClock,
        start_ms: int,
        resume_ms: int = 0,
        *,
        gets_out: bool = False,
    ) -> None:
        self._feeds = account.feeds
        self._keeper = keeper
        self._venue = account.venue
        self._clock = clock
        self._poll_ms = account.settings.poll_ms
        self._anchor_ms = start_ms
        self._gets_out = gets_out
        """What is open at the feed's end is exited there, at the last close."""
        self._ends_ms = max(feed.times[-1] for feed in account.feeds.values())
        self._resume_ms = resume_ms
        """When an earlier run was last at work: looked at once more before anything else."""
        self._ticket = clock.join()

    async def run(self) -> None:
        """Keep the account until its feed ends."""
        try:
            if self._resume_ms:
                await self._turn(self._resume_ms)
            while (wake_ms := self.next_wake_ms()) is not None:
                await self._turn(wake_ms)
            if self._gets_out:
                await self._keeper.get_out(self._clock.now_ms())
        finally:
            self._clock.leave(self._ticket)

    async def _turn(self, wake_ms: int) -> None:
        """Wait, let the market move, then let the keeper look."""
        await self._clock.sleep_until_ms(wake_ms, self._ticket)
        now_ms = self._clock.now_ms()
        self._venue.advance(now_ms)
        await self._keeper.settle(now_ms)

    def next_wake_ms(self) -> int | None:
        """Return when to look next, or None when the feed has ended."""
        bar_ms = self._venue.next_bar_ms()
        if bar_ms is None:
            return None
        now_ms = self._clock.now_ms()
        watches = self._keeper.watches
        exact = [w.at_ms for _, w in watches if w.at_ms is not None and w.at_ms > now_ms]
        if any(w.every_poll or w.touch is not None for _, w in watches) or self._keeper.eager(
            now_ms
        ):
            found = self._grid(bar_ms if self._poll_ms is None else now_ms + 1)
        else:
            found = self._next_change_ms(bar_ms)
        return min([found, *exact])

    def _next_change_ms(self, bar_ms: int) -> int:
        """Return the poll after the first bar that may change something, or a trading deadline."""
        limits: list[int] = self._keeper.starts_ms()
        limits += [max(at_ms, bar_ms) for at_ms in self._keeper.cycle_due_ms()]
        for ladder, watched in self._keeper.watches:
            if watched.trading_ms is not None:
                at_ms = self._when_traded_ms(ladder.terms.key.symbol, watched.trading_ms)
                if at_ms is not None:
                    limits.append(at_ms)
        limit = min((at for at in limits if at >= bar_ms), default=None)
        found = self._venue.next_ms(limit)
        return self._grid(bar_ms if found is None else found)

    def _when_traded_ms(self, symbol: str, trading_ms: int) -> int | None:
        """Return when a feed's trading time reaches ``trading_ms``: on candles, bars count."""
        return self._feeds[symbol].when_traded_ms(trading_ms)

    def _grid(self, at_ms: int) -> int:
        """Return the first poll at or after a time; to get out in time, the last close is one."""
        if self._poll_ms is None:
            return at_ms
        poll_ms = self._anchor_ms + -(-(at_ms - self._anchor_ms) // self._poll_ms) * self._poll_ms
        return min(poll_ms, max(at_ms, self._ends_ms)) if self._gets_out else poll_ms
