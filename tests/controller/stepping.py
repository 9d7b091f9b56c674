"""One account stepped bar by bar, with somebody who decides things in between."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import anyio
import msgspec

from controller import app
from controller.accounts import build_accounts
from controller.config import parse
from controller.cycle import Voice
from controller.journal import Journal, Record, read
from controller.keeper import Keeper
from exchanges.simulated import FaultyVenue, SimulatedVenue
from machines.decision import PRIORITIES, Decision, Kind, Order
from machines.ladder import Ladder

STEP_MS = 12_000
HELD = """
[controller]
state = "s.db"
poll = "12s"
[accounts.paper]
venue = "simulated"
slots = "per-ladder"
feed = { BTCUSDT = "script:bars" }
instruments.BTCUSDT = { tick = "0.10", step = "0.001", min_qty = "0.001", min_notional = "5" }
"""
"""An account whose market is a script of bars of twelve seconds, one a poll."""
PLAN = """
[[positions]]
name = "{name}"
account = "paper"
symbol = "BTCUSDT"
side = "long"
entries = [ { price = "market", qty = "1" } ]
stop = "-10%"
targets = ["60%", "70%", "80%", "90%"]
"""
"""A plan that is filled at once, and leaves the market room."""


def plan(name: str = "btc-1") -> str:
    return PLAN.replace("{name}", name)


def write_bars(folder: Path, closes: Iterable[str]) -> None:
    """Write a market that goes straight from each close to the next, a bar a poll.

    A close may be followed by its bar's volume.
    """
    lines, last = ["start 2025-01-01T00:00:00Z bar 12s"], ""
    for close, volume in (f"{each} 1000".split()[:2] for each in closes):
        last = last or close
        top, bottom = max(last, close, key=float), min(last, close, key=float)
        lines.append(f"{last} {top} {bottom} {close} {volume}")
        last = close
    (folder / "bars").write_text("\n".join(lines) + "\n")


def order(name: str, kind: Kind, decision_id: str, **more: object) -> Order:
    """Write a decision as a person would, unless ``by`` says otherwise; money as text."""
    by_default = {"by": "person", "priority": PRIORITIES[kind]}
    return msgspec.convert(
        {**by_default, "id": decision_id, "ladder": name, "kind": kind, **more}, Order
    )


class Stepped:
    """A configuration's one account; time passes only when told to."""

    def __init__(self, text: str, folder: Path) -> None:
        self.config = parse(text, "stepped", folder, {})
        self.accounts = build_accounts(self.config)
        self.alerts: list[str] = []
        self.news: list[str] = []
        self.start()
        self.now_ms = min(feed.times[0] for feed in self.desk.account.feeds.values())
        self.poll(0)

    def start(self) -> None:
        """Take up the journal, as the first start and every later one does."""
        self.journal = Journal(self.config.controller.state)
        voice = Voice(self._alerted, self._heard)
        desks, _ = app.open_desks(self.config, self.accounts, self.journal, voice=voice)
        (self.desk,) = desks.values()
        self.keeper: Keeper = self.desk.keeper
        self.venue: SimulatedVenue | FaultyVenue = self.desk.account.venue

    def restart(self) -> None:
        """Lose all that is only in memory; the venue outlives it."""
        self.journal.close()
        self.start()

    def poll(self, later_ms: int = STEP_MS, times: int = 1) -> None:
        """Let time pass, the market move, and the keeper look."""
        for _ in range(times):
            self.now_ms += later_ms
            self.venue.advance(self.now_ms)
            anyio.run(self.keeper.settle, self.now_ms)

    def look_once(self) -> None:
        """Let the keeper read and act once, as if it died before it looks again."""
        self.venue.advance(self.now_ms)
        anyio.run(self.keeper.look_once, self.now_ms)

    def decide(self, name: str, kind: Kind, **more: object) -> Decision:
        """Decide something, by an id of this moment unless one is given."""
        decision_id = str(more.pop("id", f"d{self.now_ms}-{kind}"))
        return self.keeper.decide(order(name, kind, decision_id, **more), self.now_ms)

    def ladder(self, name: str = "btc-1") -> Ladder:
        return self.keeper.kept[name].ladder

    def told(self, decision_id: str) -> Decision:
        """Return a decision as the journal has it."""
        row = self.journal.decision(decision_id)
        assert row is not None, f"{decision_id} is not in the journal"
        return msgspec.json.decode(row.state, type=Decision)

    def ended(self, decision_id: str) -> str:
        """Return how a decision has ended, with the reason where there is one."""
        decision = self.told(decision_id)
        return " ".join([decision.standing.value, decision.reason]).strip()

    def records(self, kind: str) -> list[Record]:
        """Return the records of a kind."""
        return [each for each in read(self.config.controller.state) if each.kind == kind]

    def close(self) -> None:
        self.journal.close()

    def _alerted(self, name: str, text: str, at_ms: int) -> None:
        del at_ms
        self.alerts.append(f"{name}: {text}")

    def _heard(self, name: str, text: str, at_ms: int) -> None:
        del name, at_ms
        self.news.append(text)
