"""Read ``[rules.NAME]``: the thresholds of the built-in rules and the user's own rules (SPEC §7).

Invariant: what leaves here has a sound value in every field; what is wrong is kept by its table.
Looks whether the file of a user's rule is there, and does not run it.
"""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

from controller.config_table import Table
from controller.config_values import (
    Wrong,
    choice,
    count,
    duration_ms,
    flag,
    is_file,
    meant,
    positive,
    ratio,
    share,
    text,
)
from controller.rules import settings as names
from controller.rules.settings import (
    Behind,
    BookSettings,
    ExitSettings,
    LockSettings,
    RuleSettings,
    ScaleSettings,
    TightenSettings,
    TrailSettings,
    UserRule,
    VolatilitySettings,
    file_of,
)
from machines.spec import Price


def read_rules(table: Table, folder: Path) -> RuleSettings:
    """Read every rule's section; a rule without one has its defaults.

    User rules count from ``folder``, the configuration's.
    """
    default = RuleSettings()
    user: list[UserRule] = []
    for name in table.raw:
        if name in names.NAMES:
            continue
        rule = table.table(name)
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,39}", name):
            table.fault(name, "a rule's name is made of A-Z, a-z, 0-9 and _, at most 40")
        elif "function" in rule:
            user.append(_read_user(name, rule, folder))
        elif table.sound(name):
            table.fault(name, 'no rule of Rungkeeper, and no "function" makes it your own; '
                              f"{meant(name, names.NAMES)}")  # fmt: skip
    return RuleSettings(
        book_50=_read_book(table.table(names.BOOK_50), default.book_50),
        book_75=_read_book(table.table(names.BOOK_75), default.book_75),
        scale=_read_scale(table.table(names.SCALE), default.scale),
        lock=_read_lock(table.table(names.LOCK), default.lock),
        tighten=_read_tighten(table.table(names.TIGHTEN), default.tighten),
        volatility=_read_volatility(table.table(names.VOLATILITY), default.volatility),
        trail=_read_trail(table.table(names.TRAIL), default.trail),
        exit=_read_exit(table.table(names.EXIT), default.exit),
        user=tuple(user),
    )


def _enabled(rule: Table, default: bool) -> bool:
    if "function" in rule:
        rule.read("function", _taken, None)
    return rule.read("enabled", flag, default)


def _taken(_: object) -> None:
    raise Wrong("this rule is Rungkeeper's own; give yours another name")


def _read_book(rule: Table, default: BookSettings) -> BookSettings:
    read = BookSettings(
        enabled=_enabled(rule, default.enabled),
        profit=rule.read("profit", _threshold, default.profit),
        age_ms=rule.read("age", duration_ms, default.age_ms),
        book=rule.read("book", share, default.book),
    )
    rule.close()
    return read


def _read_scale(rule: Table, default: ScaleSettings) -> ScaleSettings:
    read = ScaleSettings(
        enabled=_enabled(rule, default.enabled),
        profit=rule.read("profit", _threshold, default.profit),
        change=rule.read("change", _threshold, default.change),
        volume=rule.read("volume", positive, default.volume),
        add=rule.read("add", share, default.add),
    )
    rule.close({"max_scalings": "[ladder]"})
    return read


def _read_lock(rule: Table, default: LockSettings) -> LockSettings:
    read = LockSettings(
        enabled=_enabled(rule, default.enabled),
        profit=rule.read("profit", _threshold, default.profit),
        lock=rule.read("lock", ratio, default.lock),
    )
    if rule.sound("profit", "lock") and read.lock >= read.profit:
        rule.fault(
            "lock" if "lock" in rule else "profit",
            f"the stop, at {_percent(read.lock)}, would not lie below the profit that moves it, "
            f"{_percent(read.profit)}",
        )
    rule.close()
    return read


def _read_tighten(rule: Table, default: TightenSettings) -> TightenSettings:
    read = TightenSettings(
        enabled=_enabled(rule, default.enabled),
        age_ms=rule.read("age", duration_ms, default.age_ms),
        every_ms=rule.read("every", duration_ms, default.every_ms),
        steps=rule.read("steps", _some, default.steps),
    )
    rule.close()
    return read


def _read_volatility(rule: Table, default: VolatilitySettings) -> VolatilitySettings:
    read = VolatilitySettings(
        enabled=_enabled(rule, default.enabled),
        ratio=rule.read("ratio", positive, default.ratio),
        atr=rule.read("atr", positive, default.atr),
        sessions=rule.read("sessions", _sessions, default.sessions),
    )
    rule.close()
    return read


def _read_trail(rule: Table, default: TrailSettings) -> TrailSettings:
    read = TrailSettings(
        enabled=_enabled(rule, default.enabled),
        profit=rule.read("profit", _threshold, default.profit),
        rung=rule.read("rung", _some, default.rung),
        behind=rule.read("behind", choice(Behind), default.behind),
        atr=rule.read("atr", positive, default.atr),
        distance=rule.read("distance", share, default.distance),
    )
    rule.close()
    return read


def _read_exit(rule: Table, default: ExitSettings) -> ExitSettings:
    read = ExitSettings(
        enabled=_enabled(rule, default.enabled),
        max_age_ms=rule.read("max_age", duration_ms, default.max_age_ms),
    )
    rule.close()
    return read


def _read_user(name: str, rule: Table, folder: Path) -> UserRule:
    def function(value: object) -> str:
        return _function(value, folder)

    read = UserRule(
        name=name,
        enabled=rule.read("enabled", flag, True),
        function=rule.read("function", function, ""),
    )
    rule.close()
    return read


def _threshold(value: object) -> Decimal:
    """Read a profit or a change that a rule waits for."""
    read = ratio(value)
    if not read:
        raise Wrong('above "0" is expected; "15%" is percent, "0.15" the same as a fraction')
    if read >= 10:
        raise Wrong('below "10" (1000%) is expected; "15%" is percent, "0.15" a fraction')
    return read


def _percent(fraction: Decimal) -> str:
    return str(Price(fraction, percent=True))


def _some(value: object) -> int:
    read = count(value)
    if not 1 <= read <= 100:
        raise Wrong("allowed: 1 to 100")
    return read


def _sessions(value: object) -> int:
    read = count(value)
    if not 1 <= read <= 250:  # a year; every one of its ATRs is kept in memory
        raise Wrong("allowed: 1 to 250")
    return read


def _function(value: object, folder: Path) -> str:
    written = text(value)
    module, colon, function = written.partition(":")
    if (
        not colon
        or not function.isidentifier()
        or not all(part.isidentifier() for part in module.split("."))
    ):
        raise Wrong('a function is named "module:function"')
    path = file_of(written, folder)
    if not is_file(path):
        raise Wrong(f"there is no file {path}; a module counts from the configuration's folder")
    return written
