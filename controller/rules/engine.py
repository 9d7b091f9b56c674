"""Asks every rule of a position, in order, and keeps what may be decided (SPEC §7).

Built-in rules are pure; the user's are contained by `guests`. Reads no clock but the timer handed
in for the user's rules. What becomes of a proposal is the queue's affair. Invariants: at most one
booking a cycle, the highest tier; beside an exit nothing else; no stop that loosens; nothing at
all while the price is unknown or no orders are taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType

import msgspec

from controller.rules import guests
from controller.rules.builtin import RULES, square_off
from controller.rules.proposals import Proposal
from controller.rules.settings import EXIT, RuleSettings
from controller.rules.stops import allowed_stop, least_move
from controller.rules.views import PositionView
from machines.decision import Kind, Order
from machines.ladder import LIVE, State

_SQUARED_OFF = (State.PENDING_LIMITS, *LIVE, State.HALTED)
_NOTHING: Mapping[str, Decimal | None] = MappingProxyType({})


class Evaluation(msgspec.Struct, frozen=True):
    """What the rules of one position ask for, in their order, and what went wrong with them."""

    proposals: tuple[Proposal, ...] = ()
    alerts: tuple[str, ...] = ()


class Engine:
    """The rules of a configuration."""

    def __init__(
        self, settings: RuleSettings, folder: Path, timer: guests.Timer, *, on: bool = True
    ) -> None:
        """Read the user's rules from the configuration's folder. ``alerts``: those that fail.

        Not ``on``, only the square-off is looked after.
        """
        self._settings = settings
        self._enabled = settings.enabled if on else ()
        self._guests, self.alerts = guests.load(settings.user if on else (), folder, timer)

    def evaluate(
        self, view: PositionView, waiting: Mapping[str, Decimal | None] = _NOTHING
    ) -> Evaluation:
        """Ask the rules of one position.

        ``waiting`` are the rules whose last decision has not ended, each with its stop's price if
        it moves the stop: they ask again only for a stop that is worth more.
        """
        if view.exit_px is None or not view.in_session:
            return Evaluation()
        leaving = self._squared_off(view)
        if leaving is not None:
            return Evaluation(() if EXIT in waiting else (leaving,))
        found: list[Proposal] = []
        alerts: list[str] = []
        for name in self._rules_of(view):
            proposal, alert = self._ask(name, view)
            if alert:
                alerts.append(alert)
            if proposal is not None and _is_news(proposal, view, waiting):
                found.append(proposal)
        return Evaluation(_kept(found), tuple(alerts))

    def still_true(self, order: Order, view: PositionView) -> bool:
        """Tell, before it is sent, whether a rule would still decide what it did (SPEC §6)."""
        if view.exit_px is None or not view.in_session:
            return False
        if self._squared_off(view) is not None:
            return order.by == EXIT and order.kind is Kind.EXIT
        if order.by not in self._rules_of(view):
            return False
        proposal, _ = self._ask(order.by, view)
        if proposal is None or proposal.kind is not order.kind:
            return False
        if order.kind is not Kind.MOVE_STOP:
            return True
        # The rule may want another price by now: its own has to be one that may still be sent.
        return order.price is not None and allowed_stop(view, order.price) == order.price

    def _squared_off(self, view: PositionView) -> Proposal | None:
        leaving = square_off(view) if view.state in _SQUARED_OFF else None
        return None if leaving is None else msgspec.structs.replace(leaving, rule=EXIT)

    def _rules_of(self, view: PositionView) -> tuple[str, ...]:
        """Return the rules that look after a position, in order."""
        if view.state not in LIVE or view.rules is False:
            return ()
        chosen = view.rules
        if chosen is True:
            return self._enabled
        return tuple(name for name in self._enabled if name in chosen)

    def _ask(self, name: str, view: PositionView) -> tuple[Proposal | None, str]:
        if name in RULES:
            proposal, alert = RULES[name](view, self._settings), ""
        elif name in self._guests:
            answer = self._guests[name].ask(view)
            proposal, alert = _allowed(name, answer.proposal, view), answer.alert
        else:  # it could not be read, which has been told
            return None, ""
        if proposal is not None:
            proposal = msgspec.structs.replace(proposal, rule=name)
        return proposal, alert


def _allowed(name: str, proposal: Proposal | None, view: PositionView) -> Proposal | None:
    """Hold a user's wish to what every rule is held to."""
    if proposal is None:
        return None
    match proposal.kind:
        case Kind.BOOK:
            return None if view.is_spent(name) else proposal
        case Kind.SCALE_IN:
            return proposal if view.may_scale else None
        case Kind.MOVE_STOP:
            stop_px = None if proposal.price is None else allowed_stop(view, proposal.price)
            return None if stop_px is None else msgspec.structs.replace(proposal, price=stop_px)
        case _:
            return proposal


def _is_news(proposal: Proposal, view: PositionView, waiting: Mapping[str, Decimal | None]) -> bool:
    if proposal.rule not in waiting:
        return True
    waits_px = waiting[proposal.rule]
    if proposal.kind is not Kind.MOVE_STOP or proposal.price is None or waits_px is None:
        return False
    return view.ahead(proposal.price, waits_px) >= least_move(view, waits_px)


def _kept(found: list[Proposal]) -> tuple[Proposal, ...]:
    """Keep an exit alone, else the highest booking and everything that is none."""
    for proposal in found:
        if proposal.kind is Kind.EXIT:
            return (proposal,)
    bookings = [proposal for proposal in found if proposal.kind is Kind.BOOK]
    highest = max(bookings, key=lambda one: one.fraction or 0, default=None)
    return tuple(one for one in found if one.kind is not Kind.BOOK or one is highest)
