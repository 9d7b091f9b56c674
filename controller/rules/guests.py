"""Rules of the user's own: functions named in the configuration, kept from harming the others.

A function ``module:function`` of the configuration's folder takes a `PositionView` and returns a
`Proposal` or None. One that raises, returns something else, or takes longer than 50 ms is told of
by name; after three failures in a row it is asked no more until a restart, and one that does not
return within two seconds at once. What one does while it runs cannot be undone: it runs in this
process, so it is trusted as the configuration is.
"""

from __future__ import annotations

import importlib.util
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import msgspec

from controller.rules.proposals import Proposal
from controller.rules.settings import UserRule, file_of
from controller.rules.views import PositionView
from controller.supervisor import supervised

SLOWEST_NS = 50_000_000
LONGEST_S = 2.0
"""Nobody waits longer for a rule: stops are kept by the same loop."""
MOST_FAILURES = 3
"""In a row; then a rule is asked no more. *Source*: DESIGN law 8, a retry always ends."""
_LONGEST_TOLD = 200
_NAMESPACE = "rungkeeper_user_rules"

Timer = Callable[[], int]
"""Reads nanoseconds that only grow."""


class Answer(msgspec.Struct, frozen=True):
    """What a user's rule said. ``alert`` is empty where there is nothing to tell."""

    proposal: Proposal | None = None
    alert: str = ""


class Guest:
    """One rule of the user's."""

    def __init__(self, name: str, function: Callable[[PositionView], object], timer: Timer) -> None:
        self.name = name
        self._function = function
        self._timer = timer
        self._failures = 0

    @property
    def is_off(self) -> bool:
        """Tell whether it has failed too often."""
        return self._failures >= MOST_FAILURES

    def ask(self, view: PositionView) -> Answer:
        """Ask it about one position; nothing that it raises leaves here."""
        if self.is_off:
            return Answer()
        proposal, wrong = self._called(view)
        if not wrong:
            self._failures = 0
            return Answer(proposal)
        self._failures += 1
        # A rule that fails is told of when it begins to, not at every position and cycle.
        told = f"rule {self.name}: {view.name}: {wrong}" if self._failures == 1 else ""
        if self.is_off:
            many = f"{MOST_FAILURES} failures in a row, " if self._failures == MOST_FAILURES else ""
            told = f"rule {self.name}: {many}it is off: {wrong}"
        return Answer(proposal, told)

    def _called(self, view: PositionView) -> tuple[Proposal | None, str]:
        failed: list[str] = []
        answers: list[object] = []
        began = self._timer()
        # A thread of its own, as a loop without an end can be left behind only there.
        call = threading.Thread(target=self._call, args=(view, answers, failed), daemon=True)
        call.start()
        call.join(LONGEST_S)
        if not answers and not failed:
            self._failures = MOST_FAILURES  # and this one: off at once
            return None, f"did not return within {LONGEST_S:g} s"
        took = self._timer() - began
        if failed:
            return None, " ".join(failed[0].split())[:_LONGEST_TOLD]
        said = answers[0]
        if said is not None and not isinstance(said, Proposal):
            return None, f"returned {type(said).__name__}: a Proposal or None is expected"
        slow = f"took {took // 1_000_000} ms: at most {SLOWEST_NS // 1_000_000} are expected"
        return said, slow if took > SLOWEST_NS else ""

    def _call(self, view: PositionView, answers: list[object], failed: list[str]) -> None:
        try:
            with supervised(failed.append):
                answers.append(self._function(view))
        except SystemExit:
            failed.append("asked the controller to end")


def load(
    rules: Sequence[UserRule], folder: Path, timer: Timer
) -> tuple[dict[str, Guest], list[str]]:
    """Read the user's rules that are switched on, and tell of each that cannot be read."""
    guests: dict[str, Guest] = {}
    alerts: list[str] = []
    for rule in rules:
        if not rule.enabled:
            continue
        failed: list[str] = []
        try:
            with supervised(failed.append):
                guests[rule.name] = Guest(rule.name, _function(rule.function, folder), timer)
        except SystemExit:
            failed.append("asked the controller to end")
        alerts += [f"rule {rule.name}: {rule.function} cannot be read: {why}" for why in failed]
    return guests, alerts


def _function(function: str, folder: Path) -> Callable[[PositionView], object]:
    module_name, _, name = function.partition(":")
    path = file_of(function, folder)
    spec = importlib.util.spec_from_file_location(f"{_NAMESPACE}.{module_name}", path)
    assert spec is not None, "a file named .py has a loader"
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # as importing does: dataclasses look their module up
    spec.loader.exec_module(module)
    found: object = getattr(module, name, None)
    if not callable(found):
        raise TypeError(f"{path} has no function {name}")
    return cast(Callable[[PositionView], object], found)
