"""A primary and its mirror, stepped together poll by poll; either's line can be cut."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import anyio
import msgspec

from controller.accounts import build_accounts
from controller.config import parse
from controller.cycle import Cycle, Voice
from controller.journal import Journal
from controller.keeper import Keeper
from controller.mirrors import link
from controller.recovery import Where, recover
from exchanges.simulated import SimulatedVenue
from machines.decision import Decision, Kind
from machines.ladder import Ladder
from machines.mirror import mirror_name
from machines.words import Key, Mutation, View
from tests.controller.cut_line import CutLine
from tests.controller.stepping import order

JOB = """
[controller]
poll = "bar"
[accounts.paper]
venue = "simulated"
feed = {{ BTCUSDT = "script:bars" }}
fees = {{ maker = "0.0002", taker = "0.00055" }}
instruments.BTCUSDT = {{ tick = "0.10", step = "0.001", min_qty = "0.001", min_notional = "5" }}
[accounts.second]
venue = "simulated"
feed = {{ BTCUSDT = "script:bars" }}
fees = {{ maker = "0.0002", taker = "0.00055" }}
instruments.BTCUSDT = {{ tick = "0.10", step = "0.001", min_qty = "{least}", min_notional = "5" }}
[[positions]]
name = "btc"
account = "paper"
symbol = "BTCUSDT"
side = "long"
entries = {entries}
stop = "-2%"
targets = ["1%", "2%", "3%", "4%"]
mirrors = {mirrors}
{more}
"""
ENTRIES = '[ { price = "market", qty = "3.3" }, { price = "-0.5%", qty = "3.3" } ]'
MIRRORS = '[ { account = "second", ratio = "0.5" } ]'
BTC, TWIN = "btc", mirror_name("btc", "second")
MINUTE_MS = 60_000


def bars(*closes: int) -> str:
    """Write bars that go from close to close, one a minute."""
    before = (closes[0], *closes)
    pairs = zip(before, closes, strict=False)
    return "".join(f"{a} {max(a, b)} {min(a, b)} {b}\n" for a, b in pairs)


class Twins:
    """Two accounts and the journal that they share."""

    def __init__(
        self, folder: Path, closes: tuple[int, ...], least: str = "0.001", entries: str = ENTRIES,
        mirrors: str = MIRRORS, more: str = "",
    ) -> None:  # fmt: skip
        (folder / "bars").write_text(bars(*closes))
        text = JOB.format(least=least, entries=entries, mirrors=mirrors, more=more)
        self.config = parse(text, "twins", folder, {})
        self.venues: dict[str, SimulatedVenue] = {}
        for name, account in build_accounts(self.config).items():
            assert isinstance(account.venue, SimulatedVenue)
            self.venues[name] = account.venue
        self.lines = {name: CutLine(venue) for name, venue in self.venues.items()}
        feeds = build_accounts(self.config)["paper"].feeds
        self.now_ms = feeds["BTCUSDT"].times[0] - MINUTE_MS
        self.alerts: list[str] = []
        self.sent: dict[str, list[tuple[int, list[Mutation]]]] = {name: [] for name in self.lines}
        """What has reached each venue, by time."""
        self.start()

    def start(self) -> None:
        """Start a controller on what the journal and the venues hold."""
        self.journal = Journal(self.config.controller.state)
        where = {name: Where(self.now_ms, 7_000) for name in self.lines}
        found = recover(self.journal, where, self.config.positions)
        voice = Voice(self._alert)
        self.keepers = {
            name: Keeper(
                line, self.journal, found[name].plans, found[name].kept,
                on_alert=self._alert, cycle=Cycle(self.journal, name, voice=voice),
            )
            for name, line in self.lines.items()
        }  # fmt: skip
        link(self.keepers, self.journal, self._alert)

    def restart(self) -> None:
        """Let the controller die and start again."""
        self.journal.close()
        self.start()

    def _alert(self, name: str, text: str, at_ms: int) -> None:
        del at_ms
        self.alerts.append(f"{name}: {text}")

    def step(self, minutes: int = 1) -> None:
        """Let bars happen, and each account look at every one."""
        for _ in range(minutes):
            self.now_ms += MINUTE_MS
            for name in self.keepers:
                self.look(name)

    def look(self, name: str) -> None:
        self.venues[name].advance(self.now_ms)
        before = len(self.lines[name].sent)
        anyio.run(self.keepers[name].settle, self.now_ms)
        sent = self.lines[name].sent[before:]
        if sent:
            self.sent[name].append((self.now_ms, sent))

    def decide(self, kind: Kind, name: str = BTC, **more: object) -> Decision:
        asked = order(name, kind, f"d{self.now_ms}{kind}", **more)
        account = "second" if "@" in name else "paper"
        return self.keepers[account].decide(asked, self.now_ms)

    def told(self, decision_id: str) -> Decision | None:
        row = self.journal.decision(decision_id)
        return None if row is None else msgspec.json.decode(row.state, type=Decision)

    def ladder(self, name: str = BTC) -> Ladder:
        account = "second" if "@" in name else "paper"
        return self.keepers[account].kept[name].ladder

    @property
    def twin(self) -> Ladder:
        return self.ladder(TWIN)

    @property
    def held(self) -> tuple[Decimal, Decimal]:
        """What the primary and its mirror hold."""
        return self.ladder().held, self.twin.held

    def view(self, account: str) -> View:
        views: Mapping[Key, View] = anyio.run(self.venues[account].snapshot, 0).views
        (view,) = views.values()
        return view

    def close(self) -> None:
        self.journal.close()
