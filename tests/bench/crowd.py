"""Many positions on one market, stepped by hand: the load that benchmarks put on a keeper."""

from __future__ import annotations

import datetime
from pathlib import Path

import anyio

from controller import app
from controller.accounts import build_accounts
from controller.config import parse
from controller.journal import Journal
from controller.memory import search_seldom
from machines.ladder import Ladder, State

BAR_MS = 60_000
PRICES = ((100, 100, 100, 100), (100, 100, 100, 100), (100, 100, 97, 99), (99, 106, 99, 105))
ACCOUNT = """
[controller]
poll = "bar"
[accounts.paper]
venue = "simulated"
slots = "per-ladder"
feed = {{ K = "{feed}" }}
fees = {{ maker = "0.0002", taker = "0.0005" }}
instruments.K = {{ tick = "0.05", step = "0.001", min_qty = "0.001" }}
[ladder]
be_gap = "0%"
"""
POSITION = """
[[positions]]
name = "k{k}"
account = "paper"
symbol = "K"
side = "long"
entries = [{{ price = "{a}", qty = "0.5" }}, {{ price = "{b}", qty = "0.5" }}]
stop = "{stop}"
targets = [{targets}]
{more}
"""
STILL = {"a": "99", "b": "98", "stop": "90", "targets": '"105", "108", "109", "110"', "more": ""}
MOVING = {
    "a": "-0.05%", "b": "-0.1%", "stop": "-0.5%", "targets": '"0.2%", "0.3%", "0.4%", "0.5%"',
    "more": 'repeat = "when-flat"',
}  # fmt: skip


class Crowd:
    """``many`` ladders; ``walk``: on a random walk, opening anew whenever they are flat."""

    def __init__(self, folder: Path, many: int, *, walk: bool = False) -> None:
        feed = "random-walk:7" if walk else str(self._written(folder))
        fields = MOVING if walk else STILL
        text = ACCOUNT.format(feed=feed)
        text += "".join(POSITION.format(k=k, **fields) for k in range(many))
        search_seldom()  # as the command does
        config = parse(text, "crowd", folder, {})
        accounts = build_accounts(config)
        self._journal = Journal(config.controller.state)
        desks, _ = app.open_desks(config, accounts, self._journal)
        self._desk = desks["paper"]
        self._now_ms = accounts["paper"].feeds["K"].times[0]
        self._settle()

    def _written(self, folder: Path) -> Path:
        at = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)
        rows = ["ts,open,high,low,close,volume"]
        for k, bar in enumerate(PRICES):
            when = at + datetime.timedelta(minutes=k)
            rows.append(",".join([f"{when:%Y-%m-%dT%H:%M:%SZ}", *map(str, bar), "1000"]))
        path = folder / "still.csv"
        path.write_text("\n".join(rows) + "\n")
        return path

    def _settle(self) -> None:
        self._desk.account.venue.advance(self._now_ms)
        anyio.run(self._desk.keeper.settle, self._now_ms)

    def look(self) -> None:
        """Look once; nothing has changed."""
        anyio.run(self._desk.keeper.settle, self._now_ms)

    def _bar(self) -> None:
        self._now_ms += BAR_MS
        self._settle()

    def fill(self) -> None:
        """Let every entry fill, and see every position protected."""
        self._bar()
        self._bar()
        self._expect(State.FULLY_FILLED)

    def hit(self) -> None:
        """Let every first target fill, and see every stop at break-even."""
        self._bar()
        self._expect(State.STOP_AT_BREAK_EVEN)

    def _expect(self, state: State) -> None:
        found = {kept.ladder.state for kept in self._desk.keeper.kept.values()}
        assert found == {state}, found

    def play(self, bars: int) -> None:
        """Play many bars through the account's own timetable."""

        async def until() -> None:
            for _ in range(bars):
                self._now_ms += BAR_MS
                self._desk.account.venue.advance(self._now_ms)
                await self._desk.keeper.settle(self._now_ms)

        anyio.run(until)

    def any_ladder(self) -> Ladder:
        return next(iter(self._desk.keeper.kept.values())).ladder

    def close(self) -> None:
        self._journal.close()
        self._desk.account.venue.close()
