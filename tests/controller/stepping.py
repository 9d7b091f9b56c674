"""One account stepped bar by bar, with somebody who decides things in between."""

from __future__ import annotations

from pathlib import Path

import anyio
import msgspec

from controller import app
from controller.accounts import build_accounts
from controller.config import parse
from controller.journal import Journal
from controller.keeper import Keeper
from exchanges.simulated import FaultyVenue, SimulatedVenue
from machines.decision import PRIORITIES, Decision, Kind, Order
from machines.ladder import Ladder

STEP_MS = 12_000


def order(name: str, kind: Kind, decision_id: str, **more: object) -> Order:
    """Write a decision as a person would, unless ``by`` says otherwise; money as text."""
    by_default = {"by": "person", "priority": PRIORITIES[kind]}
    return msgspec.convert(
        {**by_default, "id": decision_id, "ladder": name, "kind": kind, **more}, Order
    )


class Stepped:
    """A configuration's one account; time passes only when told to."""

    def __init__(self, text: str, folder: Path) -> None:
        config = parse(text, "stepped", folder, {})
        self.accounts = build_accounts(config)
        self.journal = Journal(config.controller.state)
        desks, _ = app.open_desks(config, self.accounts, self.journal)
        (desk,) = desks.values()
        self.keeper: Keeper = desk.keeper
        self.venue: SimulatedVenue | FaultyVenue = desk.account.venue
        self.now_ms = min(feed.times[0] for feed in desk.account.feeds.values())
        self.poll(0)

    def poll(self, later_ms: int = STEP_MS) -> None:
        """Let time pass, the market move, and the keeper look."""
        self.now_ms += later_ms
        self.venue.advance(self.now_ms)
        anyio.run(self.keeper.settle, self.now_ms)

    def decide(self, name: str, kind: Kind, **more: object) -> Decision:
        """Decide something, by an id of this moment."""
        return self.keeper.decide(order(name, kind, f"d{self.now_ms}-{kind}", **more), self.now_ms)

    def ladder(self, name: str) -> Ladder:
        return self.keeper.kept[name].ladder

    def told(self, decision_id: str) -> Decision | None:
        """Return a decision as the journal has it."""
        row = self.journal.decision(decision_id)
        return None if row is None else msgspec.json.decode(row.state, type=Decision)

    def close(self) -> None:
        self.journal.close()
