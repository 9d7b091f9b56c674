"""What a look at an account finds: one thing each, how bad it is, and what to do about it."""

from __future__ import annotations

import enum

import msgspec


class Verdict(enum.StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    """Trading is safe; a person should look."""
    FAULT = "fault"
    """Trading is not safe, or not what was asked for."""


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at. ``todo`` is empty where nothing is to be done."""

    check: str
    verdict: Verdict
    text: str
    todo: str = ""


def fine(check: str, text: str) -> Finding:
    """Find nothing wrong."""
    return Finding(check, Verdict.OK, text)


def warning(check: str, text: str, todo: str = "") -> Finding:
    """Find something that a person should look at."""
    return Finding(check, Verdict.WARNING, text, todo)


def fault(check: str, text: str, todo: str = "") -> Finding:
    """Find something that makes trading unsafe."""
    return Finding(check, Verdict.FAULT, text, todo)


def budget(asked: int, each_ms: int, limit: int, span_ms: int, what: str) -> Finding:
    """Judge what looking once every ``each_ms`` takes of ``limit`` requests in ``span_ms``."""
    share = asked * span_ms / (each_ms * limit)
    text = f"{asked} reads every {each_ms / 1000:g} s are {share:.0%} of {what}"
    if share <= 1:
        return fine("rate limit", text)
    return warning("rate limit", text, "reads will wait for their turn; poll less often")
