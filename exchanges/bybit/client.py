"""Bybit behind the port: one account's snapshots and requests, through pybit in threads.

Joins what the other files know. Invariants: a snapshot is one consistent cut or an error; each
mutation gets one outcome; what may have taken effect is never called refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

from anyio import create_task_group

from exchanges.bybit import classify, parse
from exchanges.bybit.capabilities import Found, capabilities, look_around
from exchanges.bybit.line import Failed, Lane, Line, Pacer, Unpaced
from exchanges.bybit.memory import Memory
from exchanges.bybit.parse import Misread
from exchanges.bybit.reader import PAUSES_S, Reader
from exchanges.bybit.render import Call, cannot, waves
from exchanges.bybit.sdk import Sdk
from exchanges.bybit.settings import BybitSettings, check
from exchanges.bybit.wire import Acknowledged
from machines.words import (
    Capabilities,
    Fees,
    Instrument,
    Key,
    Mutation,
    Outcome,
    OutcomeKind,
    Refusal,
    Snapshot,
)

_MAY_SHOW = {
    OutcomeKind.ACCEPTED: True,
    OutcomeKind.ALREADY_DONE: True,
    OutcomeKind.UNSURE: False,
    OutcomeKind.MALFORMED: False,
}
"""Outcomes after which a read may show the request, and whether it must."""


class BybitVenue:
    """One account at Bybit. Made by `open_account`."""

    def __init__(
        self,
        settings: BybitSettings,
        line: Line,
        found: Found,
        now_ms: Callable[[], int],
        pauses_s: Sequence[float],
    ) -> None:
        self.line = line
        self.found = found
        self._settings = settings
        self._now_ms = now_ms
        self._capabilities = capabilities(settings.stop_style)
        self._memory = Memory(found.mode)
        self._reader = Reader(line, self._memory, settings.symbols, now_ms, pauses_s)

    @property
    def account(self) -> str:
        """Name the account as the configuration does."""
        return self._settings.account

    @property
    def capabilities(self) -> Capabilities:
        """Say what this venue can do."""
        return self._capabilities

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """Return the known instruments by symbol."""
        return self.found.instruments

    def fees(self, symbol: str) -> Fees:
        """Return the fee rates of a symbol."""
        return self.found.fees[symbol]

    def key_for(self, symbol: str, ladder_key: str, side: str) -> Key:
        """Name the venue position a ladder of this symbol and side would own."""
        return Key(self.account, symbol, side if self.found.mode.hedge else "")

    async def snapshot(self, since_ms: int) -> Snapshot:
        """Read orders, fills, positions, stops and prices. *Raises*: VenueUnavailable."""
        started_ms = self._now_ms()
        views, quotes = await self._reader.read(since_ms)
        return Snapshot(self.account, started_ms, self._now_ms(), views, quotes)

    async def send(self, mutations: Sequence[Mutation]) -> list[Outcome]:
        """Send mutations, each position's in order, and return one outcome for each."""
        outcomes: dict[int, Outcome] = {}
        for index, mutation in enumerate(mutations):
            why = cannot(mutation)
            if why is not None:
                outcomes[index] = Outcome(OutcomeKind.REFUSED, Refusal.INVALID, why)
        for wave in waves(mutations):
            async with create_task_group() as group:
                for call in wave:
                    group.start_soon(self._do, call, outcomes)
        for index, mutation in enumerate(mutations):
            sure = _MAY_SHOW.get(outcomes[index].kind)
            if sure is not None:
                self._memory.sent(mutation, self._now_ms(), sure=sure)
        return [outcomes[index] for index in range(len(mutations))]

    async def _do(self, call: Call, outcomes: dict[int, Outcome]) -> None:
        lane = Lane.URGENT if call.urgent else Lane.NORMAL
        try:
            body = await self.line.ask(
                call.endpoint.value, call.params, op=call.op, lane=lane, cost=len(call.items)
            )
            found = _results(call, body)
        except Failed as error:
            verdict = error.verdict
            text = "" if verdict.kind is OutcomeKind.ALREADY_DONE else str(error)
            found = [Outcome(verdict.kind, verdict.refusal, text)] * len(call.of)
        except Misread as error:
            found = [Outcome(OutcomeKind.MALFORMED, None, str(error))] * len(call.of)
        outcomes.update(zip(call.of, found, strict=True))

    def close(self) -> None:
        """Let the connections go."""
        self.line.close()


def _results(call: Call, body: object) -> list[Outcome]:
    """Read what became of each item. *Raises*: Misread."""
    if not call.endpoint.batch:
        parse.read(body, Acknowledged)
        return [Outcome(OutcomeKind.ACCEPTED)]
    results = parse.results(body)
    if len(results) != len(call.items):
        raise Misread(f"{len(call.items)} items were sent and {len(results)} answered")
    return [classify.outcome(call.op, result.code, result.msg) for result in results]


async def open_account(
    settings: BybitSettings,
    now_ms: Callable[[], int],
    pacer: Pacer | None = None,
    pauses_s: Sequence[float] = PAUSES_S,
) -> BybitVenue:
    """Open an account: check the settings, the key, the clock and the mode, read the rules.

    ``pauses_s`` lie between the attempts at one consistent read.

    *Raises*: InvalidSpec before anything is sent, or when this key must not trade here;
    VenueUnavailable.
    """
    check(settings)
    sdk = Sdk(settings.http, settings.key, settings.secret)
    line = Line(sdk, now_ms, pacer or Unpaced())
    with ExitStack() as opened:
        opened.callback(line.close)
        found = await look_around(line, settings, now_ms)
        opened.pop_all()
    return BybitVenue(settings, line, found, now_ms, pauses_s)
