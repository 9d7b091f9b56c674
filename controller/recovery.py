"""Starting up is recovering: the last record of each ladder, then the venue's word (DESIGN law 4).

There is no other start. Whatever was in flight when we died may have left, so it is unknown until
a read tells; a plan that a ladder came of, or that was refused, is not tried again. Sends nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from controller.journal import Journal, JournalError
from controller.keeper import Kept
from controller.openings import Waiting
from machines.dispatch import Turn
from machines.errors import InvalidSpec
from machines.flights import restarted
from machines.ladder import Ladder, State
from machines.spec import LadderSpec
from machines.watch import Watch
from machines.words import View


class Where(msgspec.Struct, frozen=True):
    """Where an account's venue stands. *Units*: UTC ms, ms."""

    now_ms: int
    """Zero where its market has not begun."""
    window_ms: int


class Recovered(msgspec.Struct, frozen=True):
    """What one account goes on with."""

    kept: tuple[Kept, ...]
    plans: tuple[Waiting, ...]
    notes: tuple[str, ...]
    """What a person should know: plans that ended, or were refused, in an earlier run."""
    resume_ms: int
    """When it was last at work; zero when it has not begun."""


def recover(
    journal: Journal, venues: Mapping[str, Where], plans: Sequence[LadderSpec]
) -> dict[str, Recovered]:
    """Read the journal and sort out, for each account, what lives and what waits.

    *Raises*: JournalError at a record that cannot be read; InvalidSpec when a live plan was edited
    or its account is not configured.
    """
    ladders = _ladders(journal)
    plans = [*plans, *_opened(journal, plans)]
    faults = [fault for plan in plans for fault in _edited(plan, ladders)]
    faults += [
        f"{name}: is live in account {ladder.terms.key.account}, which is not configured; "
        "configure it again, or close the position first"
        for name, ladder in ladders.items()
        if ladder.terms.key.account not in venues and ladder.state is not State.CLOSED
    ]
    if faults:
        raise InvalidSpec(faults)
    refused = {r.position: str(r.data["text"]) for r in journal.find("alert", _REFUSED)}
    closed_by = _closing_rows(journal)
    found: dict[str, Recovered] = {}
    for account, where in venues.items():
        last_ms = journal.last_ms(account)
        resume_ms = max(where.now_ms, last_ms)
        turn = Turn(resume_ms, where.window_ms)
        mine = [
            _kept(ladder, turn, closed_by.get(name, ""))
            for name, ladder in ladders.items()
            if ladder.terms.key.account == account
        ]
        waiting, notes = _waiting([p for p in plans if p.account == account], ladders, refused)
        found[account] = Recovered(tuple(mine), tuple(waiting), tuple(notes), resume_ms)
    return found


_REFUSED = '"refused":true'


def _ladders(journal: Journal) -> dict[str, Ladder]:
    """Return every ladder by name, as its last record left it, oldest first."""
    found: dict[str, Ladder] = {}
    decoder = msgspec.json.Decoder(Ladder)
    for saved in journal.latest():
        try:
            found[saved.position] = decoder.decode(saved.state)
        except msgspec.DecodeError as error:
            raise JournalError(
                f"state: the last record of {saved.position} cannot be read: {error}"
            ) from error
    return found


def _kept(ladder: Ladder, turn: Turn, closing_row: str) -> Kept:
    """Hold a ladder as after a crash: what was in flight may have left (D6)."""
    ladder = restarted(ladder, turn)
    watch = Watch(every_poll=ladder.state is not State.CLOSED)
    return Kept(ladder, View(ladder.terms.key), watch, closing_row=closing_row)


def _opened(journal: Journal, plans: Sequence[LadderSpec]) -> list[LadderSpec]:
    """Return the plans that a person opened while an earlier run ran."""
    names = {plan.name for plan in plans}
    found = [
        msgspec.convert(record.data["spec"], LadderSpec)
        for record in journal.find("decision", '"decision":"open"')
    ]
    return [plan for plan in found if plan.name not in names]


def _closing_rows(journal: Journal) -> dict[str, str]:
    """Find which row led each ladder to CLOSING."""
    return {
        record.position: str(record.data["row"])
        for record in journal.find("transition", '"to":"CLOSING"')
        if record.data["from"] != State.CLOSING
    }


def _waiting(
    plans: Sequence[LadderSpec], ladders: Mapping[str, Ladder], refused: Mapping[str, str]
) -> tuple[list[Waiting], list[str]]:
    waiting: list[Waiting] = []
    notes: list[str] = []
    for plan in plans:
        runs = [n for n in ladders if ladders[n].terms.spec.ladder == plan.ladder]
        said = refused.get(plan.name)
        if said is not None:
            notes.append(f"{said} (in an earlier run)")
        elif plan.repeat is not None:
            last = runs[-1] if runs else ""
            opened_ms = ladders[last].terms.opened_ms if runs else None
            waiting.append(Waiting(plan, len(runs), last, opened_ms))
        elif not runs:
            waiting.append(Waiting(plan))
        elif ladders[plan.name].state is State.CLOSED:
            notes.append(f"{plan.name}: finished in an earlier run; a name is never opened again")
    return waiting, notes


def _edited(plan: LadderSpec, ladders: Mapping[str, Ladder]) -> list[str]:
    """Say what differs when a plan is not the one that its live ladder came of."""
    faults: list[str] = []
    for ladder in ladders.values():
        old = ladder.terms.spec
        if old.ladder != plan.ladder or ladder.state is State.CLOSED:
            continue
        now = msgspec.structs.replace(plan, name=old.name)
        differing = [
            f"{name} = {_shown(getattr(now, name))}, opened with {_shown(getattr(old, name))}"
            for name in plan.__struct_fields__
            if getattr(now, name) != getattr(old, name)
        ]
        if differing:
            faults.append(
                f"{old.name}: is live and its plan was edited: {'; '.join(differing)}. Restore it, "
                "or close the position and use another name"
            )
    return faults


def _shown(value: object) -> str:
    return msgspec.json.encode(value).decode()
