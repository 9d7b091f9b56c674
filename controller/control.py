"""The door to a running controller: a socket in the file system, for its owner alone.

One JSON object a line each way. What changes anything is answered only when it is durable. Knows
the keepers; decides nothing itself. *Source*: RELIABILITY §4.3.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path

import anyio
import msgspec
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

from controller.adoption import Adopt, Books, as_data, as_lines, propose
from controller.config import Config, parse_plans
from controller.config_values import listed
from controller.keeper import Keeper
from controller.kept import is_open
from machines.decision import PRIORITIES, Kind, Order
from machines.errors import InvalidSpec, RungkeeperError
from machines.planning import check
from machines.spec import LadderSpec

MAX_LINE = 65_536
LOOK_AGAIN_S = 2.0
"""A venue that can be asked has answered by then."""


class Decide(msgspec.Struct, tag_field="do", tag="decide", forbid_unknown_fields=True):
    """Decide something; ``life_ms`` zero takes the default. ``dry_run`` shows and does nothing."""

    id: str
    ladder: str
    kind: Kind
    fraction: Decimal | None = None
    qty: Decimal | None = None
    price: Decimal | None = None
    life_ms: int = 0
    reason: str = ""
    dry_run: bool = False


class Open(msgspec.Struct, tag_field="do", tag="open", forbid_unknown_fields=True):
    """Open the plans of a file, whose text this is."""

    text: str
    source: str


class Hello(msgspec.Struct, tag_field="do", tag="hello", forbid_unknown_fields=True):
    """Ask whether anybody is there."""


Request = Decide | Open | Hello | Adopt


class Reply(msgspec.Struct):
    """An answer: ``faults`` say what is wrong with the request, else ``told`` what was done."""

    faults: list[str] = []
    told: list[str] = []
    data: dict[str, object] = {}


class Control:
    """Answers the requests of one socket."""

    def __init__(
        self,
        config: Config,
        keepers: Mapping[str, Keeper],
        now_ms: Callable[[], int],
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._config = config
        self._keepers = keepers
        self._now_ms = now_ms
        self._wake = wake
        self._decoder: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)

    async def serve(self, path: Path, listening: Callable[[], object]) -> None:
        """Serve until cancelled, and say so when it begins; the file is the caller's to remove.

        *Raises*: InvalidSpec when the socket cannot be made.
        """
        try:
            listener = await anyio.create_unix_listener(path, mode=0o600)
        except OSError as error:
            raise InvalidSpec([f"socket {path}: cannot be made: {error.strerror}"]) from None
        async with listener:
            listening()
            await listener.serve(self._talk)

    async def _talk(self, stream: SocketStream) -> None:
        async with stream:
            if not _is_owner(stream):
                return
            lines = BufferedByteReceiveStream(stream)
            with anyio.move_on_after(60):
                while True:
                    try:
                        line = await lines.receive_until(b"\n", MAX_LINE)
                    except (anyio.EndOfStream, anyio.IncompleteRead, anyio.DelimiterNotFound):
                        return
                    await stream.send(msgspec.json.encode(await self.answer(line)) + b"\n")

    async def answer(self, line: bytes) -> Reply:
        """Do what a line asks and say what came of it."""
        try:
            request = self._decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return Reply(faults=[f"request: {error}"])
        try:
            match request:
                case Decide():
                    return self._decide(request)
                case Open():
                    return self._open(request)
                case Hello():
                    return Reply(told=[f"process {os.getpid()}"])
                case Adopt():
                    return await self._adopt(request)
        except InvalidSpec as error:
            return Reply(faults=error.faults)
        except RungkeeperError as error:
            return Reply(faults=[str(error)])

    def _keeper_of(self, ladder: str) -> Keeper:
        for keeper in self._keepers.values():
            if ladder in keeper.kept:
                return keeper
        known = ", ".join(
            k.ladder.terms.spec.name for kp in self._keepers.values() for k in kp.open
        )
        raise InvalidSpec([f"{ladder}: no position of that name; open are: {known or 'none'}"])

    def _decide(self, asked: Decide) -> Reply:
        keeper = self._keeper_of(asked.ladder)
        now_ms = self._now_ms()
        order = Order(
            id=asked.id,
            ladder=asked.ladder,
            kind=asked.kind,
            by="person",
            reason=asked.reason,
            priority=PRIORITIES[asked.kind],
            fraction=asked.fraction,
            qty=asked.qty,
            price=asked.price,
            expires_ms=now_ms + asked.life_ms if asked.life_ms else 0,
        )
        if asked.dry_run:
            return Reply(told=keeper.would(order, now_ms))
        decision = keeper.decide(order, now_ms)
        self._wake()
        word = f" ({decision.reason})" if decision.reason else ""
        return Reply(
            told=[f"{order.id}: {decision.standing}{word}"],
            data={"id": order.id, "state": decision.standing.value, "why": decision.reason},
        )

    def _open(self, asked: Open) -> Reply:
        plans = parse_plans(asked.text, asked.source, self._config)
        for plan in plans:
            check_plan(self._keepers[plan.account], plan)
        now_ms = self._now_ms()
        for plan in plans:
            self._keepers[plan.account].add_plan(plan, now_ms)
        self._wake()
        return Reply(told=[f"{plan.name}: accepted for {plan.account}" for plan in plans])

    async def _adopt(self, asked: Adopt) -> Reply:
        keeper = self._keepers.get(asked.account)
        if keeper is None:
            known = listed(self._keepers)
            raise InvalidSpec([f"{asked.account}: no account of that name; there are: {known}"])
        await self._look_again(keeper)
        snapshot = keeper.reading.last
        if snapshot is None or keeper.reading.missed:
            raise InvalidSpec([f"{asked.account}: the venue has not answered; try again"])
        keepers = self._keepers.values()
        books = Books(
            {each.ladder.terms.key: name for name, each in keeper.kept.items() if is_open(each)},
            {name for each in keepers for name in each.names},
        )
        proposal = propose(
            *(asked, self._config.ladder, keeper.venue, snapshot, books, self._now_ms()),
            enhanced=self._config.controller.enhanced_tp_sl,
        )
        if asked.apply:
            keeper.adopt(proposal.ladder, self._now_ms())
            self._wake()
        return Reply(told=as_lines(proposal), data=as_data(proposal))

    async def _look_again(self, keeper: Keeper) -> None:
        """Let the venue be read now; on a feed nothing can have changed unseen."""
        self._wake()
        with anyio.move_on_after(LOOK_AGAIN_S):
            await keeper.reading.heard()


def check_plan(keeper: Keeper, spec: LadderSpec) -> None:
    """Refuse a plan that could not be opened here. *Raises*: InvalidSpec."""
    if spec.name in keeper.names:
        raise InvalidSpec([f"{spec.name}: was used before; a name is never opened again"])
    snapshot = keeper.reading.last
    quote = None if snapshot is None else snapshot.quotes.get(spec.symbol)
    if quote is None:
        raise InvalidSpec([f"{spec.name}: {spec.symbol} has no price yet; try again"])
    faults = check(spec, quote.last, keeper.setting(spec.symbol))
    if faults:
        raise InvalidSpec([f"{spec.name}: {fault}" for fault in faults])


def _is_owner(stream: SocketStream) -> bool:
    """Tell whether the other end is a process of ours (RELIABILITY §4.3)."""
    raw = stream.extra(SocketAttribute.raw_socket)  # noqa: S610 (no database here)
    size = struct.calcsize("3i")
    _, uid, _ = struct.unpack("3i", raw.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return uid in (os.getuid(), 0)


def ask(path: Path, request: Request) -> Reply:
    """Ask a running controller. *Raises*: InvalidSpec when none listens there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(30)
        try:
            line.connect(str(path))
            line.sendall(msgspec.json.encode(request) + b"\n")
            with line.makefile("rb") as answers:
                told = answers.readline()
        except OSError as error:
            raise InvalidSpec(
                [f"socket {path}: no controller listens there ({error.strerror or error}); "
                 "start one with `rungkeeper run`"]
            ) from None  # fmt: skip
    if not told:
        raise InvalidSpec([f"socket {path}: the controller closed the line without an answer"])
    return msgspec.json.decode(told, type=Reply)
