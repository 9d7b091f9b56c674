"""What is written down: events, rows, intents and outcomes as journal drafts (SPEC §12).

One place decides the shape of `history --json`. Money is text in plain decimal.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from controller.journal import Draft
from machines.core import Advance, Taken
from machines.decision import TAG, Decision, Kind, Standing
from machines.dispatch import Flight
from machines.grammar import Row
from machines.ladder import Ladder, State, parse_order_id
from machines.spec import LadderSpec
from machines.words import (
    AmendOrder,
    CancelOrder,
    Event,
    Fill,
    Mutation,
    Outcome,
    OutcomeKind,
    PlaceOrder,
    Role,
    Trigger,
    plain,
)


def _op(mutation: Mutation) -> str:
    return str(mutation.__struct_config__.tag)


def describe(mutation: Mutation) -> dict[str, object]:
    """Describe a mutation: op, role, rung, quantities and prices that it sets."""
    found: dict[str, object] = {"op": _op(mutation), "role": mutation.role}
    if mutation.role is Role.TAKE_PROFIT:
        found["rung"] = mutation.n
    elif mutation.role is Role.ENTRY:
        found["n"] = mutation.n
    if isinstance(mutation, PlaceOrder | AmendOrder):
        found["type"] = mutation.type
        found["client_order_id"] = mutation.client_order_id
        _put(found, price=mutation.price, trigger_px=mutation.trigger_px)
        found["qty"] = plain(mutation.qty)
    if isinstance(mutation, PlaceOrder):
        found["side"] = mutation.side
    elif isinstance(mutation, CancelOrder):
        found["client_order_id"] = mutation.client_order_id
    elif not isinstance(mutation, AmendOrder):
        _put(found, trigger_px=mutation.trigger_px, qty=mutation.qty)
    return found


def _put(found: dict[str, object], **money: Decimal | None) -> None:
    found.update({name: plain(value) for name, value in money.items() if value is not None})


class Scribe:
    """Writes one ladder's drafts; carries its names so that callers need not."""

    def __init__(self, ladder: Ladder, at_ms: int) -> None:
        spec = ladder.terms.spec
        self._ladder = ladder
        self._names = (at_ms, spec.account, spec.name, spec.ladder)
        self.drafts: list[Draft] = []
        self.alerts: list[str] = []
        """What a person should hear of, as sentences."""

    def _write(self, kind: str, data: dict[str, object], state: bytes | None = None) -> None:
        self.drafts.append(Draft(*self._names, kind, data, state))

    def rows(
        self, taken: tuple[Taken, ...], repairs: tuple[Flight, ...], heard: Sequence[Trigger] = ()
    ) -> None:
        """Write fills, the rows they took, alerts, and an intent for each mutation to be sent.

        What is in ``heard`` is no alert again.
        """
        intents: list[dict[str, object]] = []
        for step in taken:
            if step.event.fill is not None:
                self._write("fill", _fill(self._ladder, step.event))
            if step.event.by_person and not step.event.decision:
                self._write("person", _person(step.event))
            if step.event.trigger in _EXTERNAL:
                self._write("external", _external(step.event))
            told = [describe(flight.mutation) for flight in step.flights]
            intents += map(_intent, step.flights, told)
            if isinstance(step.cell, Row):
                self._write("transition", _transition(step, told))
                if step.cell.alert and step.event.trigger not in heard:
                    self.alert(_sentence(step), row=step.cell.label)
        for flight in repairs:
            intents.append({**_intent(flight, describe(flight.mutation)), "repair": True})
        for intent in intents:
            self._write("intent", intent)

    def outcome(self, flight: Flight, outcome: Outcome) -> None:
        """Write what a request was answered."""
        data = _intent(flight, describe(flight.mutation)) | {"outcome": outcome.kind}
        if outcome.kind is OutcomeKind.REFUSED:
            data["reason"] = outcome.refusal.value if outcome.refusal else "other"
            data["text"] = outcome.text
        self._write("outcome", data)

    def gave_up(self, flight: Flight) -> None:
        """Write that a request was tried too often: a dead letter (DESIGN law 8)."""
        mutation, why = flight.mutation, flight.heard[-1].partition(": ")[2]
        what = f"{_op(mutation)} {mutation.role} {mutation.n}"
        self.alert(f"gave up after {flight.tries} tries: {what} ({why})", intent=flight.intent)

    def alert(self, text: str, **more: str) -> None:
        """Write something a person should hear of."""
        self._write("alert", {**more, "text": text})
        self.alerts.append(text)

    def state(self, ladder: Ladder) -> None:
        """Put the resulting ladder on the last draft."""
        if self.drafts:
            encoded = msgspec.json.encode(ladder)
            self.drafts[-1] = msgspec.structs.replace(self.drafts[-1], state=encoded)


def refusal_draft(spec: LadderSpec, text: str, now_ms: int) -> Draft:
    """Write that a plan was refused at its start; it is not tried again after a restart."""
    data: dict[str, object] = {"refused": True, "text": text}
    return Draft(now_ms, spec.account, spec.name, spec.ladder, "alert", data)


def plan_draft(spec: LadderSpec, now_ms: int) -> Draft:
    """Write a plan that a person opened while the controller ran; a restart takes it up."""
    data: dict[str, object] = {
        "decision": "open",
        "by": "person",
        "spec": msgspec.to_builtins(spec),
    }
    return Draft(now_ms, spec.account, spec.name, spec.ladder, "decision", data)


def adoption_draft(ladder: Ladder, now_ms: int) -> Draft:
    """Write that a person has handed over what rested already; with the ladder it became."""
    spec = ladder.terms.spec
    data: dict[str, object] = {
        "decision": "adopt",
        "by": "person",
        "state": Standing.DONE.value,
        "qty": plain(ladder.held),
        "price": plain(ladder.avg_px),
        "into": ladder.state.value,
        "orders": {alias.ours: alias.theirs for alias in ladder.terms.adopted},
    }
    state = msgspec.json.encode(ladder)
    return Draft(now_ms, spec.account, spec.name, spec.ladder, "decision", data, state)


def alert_draft(ladder: Ladder, text: str, now_ms: int) -> Draft:
    """Write something a person should hear of that no row has brought about."""
    spec = ladder.terms.spec
    return Draft(now_ms, spec.account, spec.name, spec.ladder, "alert", {"text": text})


def told(done: Advance) -> list[str]:
    """Say in a few lines what a step would do: its rows, then what it would send."""
    lines: list[str] = []
    for step in done.taken:
        cell = step.cell
        if isinstance(cell, Row):
            lines.append(f"{cell.label} {step.before} → {step.after}: {cell.says}")
        else:
            lines.append(f"refused: {cell.reason}")
    for mutation in done.mutations:
        words = [f"{name} {value}" for name, value in describe(mutation).items() if name != "op"]
        lines.append(f"  {_op(mutation)} {', '.join(words)}")
    return lines or ["nothing would be done"]


def _sentence(step: Taken) -> str:
    assert isinstance(step.cell, Row)
    reason = step.event.reason
    return f"{step.cell.says} ({reason})" if reason else step.cell.says


def decision_data(decision: Decision) -> dict[str, object]:
    """Describe how far a decision has come (SPEC §12, kind ``decision``)."""
    order = decision.order
    data: dict[str, object] = {
        "id": order.id,
        "decision": order.kind.value,
        "by": order.by,
        "reason": order.reason,
        "priority": order.priority.name.lower(),
        "state": decision.standing.value,
        "tag": TAG,
        "retries": decision.retries,
    }
    if decision.reason:
        data["why"] = decision.reason
    if decision.partial:
        data["partial"] = True
    _put(data, fraction=order.fraction, qty=order.qty, price=order.price)
    if decision.filled_qty:
        data["px"] = plain(decision.filled_cost / decision.filled_qty)
        data["filled"] = plain(decision.filled_qty)
    return data


def as_line(decision: Decision, ladder: Ladder) -> str:
    """Say what a decision that has just been taken does; a rule says so itself."""
    order, symbol = decision.order, ladder.terms.spec.symbol
    if order.reason and not order.by_person:
        return order.reason
    qty, held = decision.asked_qty, ladder.held
    match order.kind:
        case Kind.BOOK:
            does = f"booking: sell {_short(qty)}, {_short(held - qty)} remain"
        case Kind.SCALE_IN:
            does = f"scaling in: buy {_short(qty)}, {_short(held + qty)} held"
        case Kind.MOVE_STOP:
            does = "stop" if decision.asked_px is None else f"stop to {_short(decision.asked_px)}"
        case Kind.EXIT | Kind.REBALANCE | Kind.RELEASE:
            does = order.kind.value
    why = f" ({order.reason})" if order.reason else ""
    return f"{symbol} {does}, by {order.by}{why}"


def _short(value: Decimal) -> str:
    """Write a number for the eye, without zeros at the end."""
    return plain(value.normalize())


_EXTERNAL = (Trigger.FOREIGN_GROWN, Trigger.FOREIGN_SHRUNK)


def _person(event: Event) -> dict[str, object]:
    assert event.role is not None
    found: dict[str, object] = {"what": event.trigger.value, "role": event.role.value}
    if event.role is Role.TAKE_PROFIT:
        found["rung"] = event.n
    elif event.role is Role.ENTRY:
        found["n"] = event.n
    _put(found, price=event.price, qty=event.qty or None)
    return found


def _external(event: Event) -> dict[str, object]:
    found: dict[str, object] = {"what": event.trigger.value}
    _put(found, qty=event.qty, price=event.price)
    return found


def _intent(flight: Flight, told: dict[str, object]) -> dict[str, object]:
    data: dict[str, object] = {"intent": flight.intent, **told}
    if flight.tries > 1:
        data["try"] = flight.tries
    return data


def _transition(step: Taken, told: list[dict[str, object]]) -> dict[str, object]:
    assert isinstance(step.cell, Row)
    before = None if step.before == State.NEW else str(step.before)
    data: dict[str, object] = {
        "row": step.cell.label,
        "trigger": step.event.trigger,
        "from": before,
        "to": str(step.after),
        "mutations": told,
    }
    if step.event.reason:
        data["reason"] = step.event.reason
    return data


def _fill(ladder: Ladder, event: Event) -> dict[str, object]:
    fill: Fill | None = event.fill
    assert fill is not None
    assert event.role is not None
    data: dict[str, object] = {"role": event.role}
    if event.role is Role.TAKE_PROFIT:
        data["rung"] = event.n
    elif event.role is Role.ENTRY:
        data["n"] = event.n
    data |= {
        "side": fill.side,
        "price": plain(fill.price),
        "qty": plain(fill.qty),
        "fee": plain(fill.fee),
        "liquidity": fill.liquidity,
        "fill_id": fill.fill_id,
        "client_order_id": fill.client_order_id,
    }
    if parse_order_id(ladder.terms, fill.client_order_id) is None:
        del data["client_order_id"]
    return data
