"""How one configured value is written: money, ratios, durations, prices, times, choices.

Each reader takes what TOML gave and returns the typed value, or raises Wrong with what is allowed.
Knows nothing of files, fields or of what a plan means. Invariant: money never passes through a
float, and nothing is guessed: one way to write a thing, and every other is refused by name.
"""

from __future__ import annotations

import difflib
import enum
import os
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TypeVar, cast

import msgspec

from machines.spec import Price
from machines.words import ZERO, Direction

T = TypeVar("T")
Choice = TypeVar("Choice", bound=enum.StrEnum)

# 15 + 12 digits: a sum or a product of two such numbers stays exact enough in the 28 digits that
# decimal arithmetic carries, and no instrument needs more.
_NUMBER = re.compile(r"([+-]?)([0-9]{1,15})(\.[0-9]{1,12})?")
_DURATION = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?(\.[0-9]{1,3})?Z")
_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_SHOWN = 60
_LONGEST_NAME = 20  # SPEC §11: it becomes part of an order id
_LONGEST_TEXT = 4_096
_LONGEST_FILE_NAME = 200  # file systems take 255, and SQLite and a lock stand beside it


class Wrong(Exception):
    """Say what is wrong with one value and what is allowed. Never leaves the reader."""


class Unquoted(msgspec.Struct, frozen=True):
    """A TOML number with a point, kept as it was written (a float would lose digits)."""

    text: str


def show(value: object) -> str:
    """Write a value the way TOML would, shortened when long."""
    match value:
        case bool():
            shown = "true" if value else "false"
        case str():
            shown = '"' + "".join(c if c.isprintable() else repr(c)[1:-1] for c in value) + '"'
        case Unquoted(text=text):
            shown = text
        case list():
            items = cast(list[object], value)[:9]
            shown = "[" + ", ".join(show(item) for item in items) + "]"
        case dict():
            pairs = cast(dict[str, object], value).items()
            shown = "{ " + ", ".join(f"{key} = {show(item)}" for key, item in pairs) + " }"
        case _:
            shown = str(value)
    return shown if len(shown) <= _LONGEST_SHOWN else shown[: _LONGEST_SHOWN - 1] + "…"


def listed(names: Iterable[str]) -> str:
    """Write names as a list in a sentence."""
    return ", ".join(f'"{name}"' for name in names) or "none"


def meant(name: str, known: Iterable[str]) -> str:
    """Suggest what a misspelt name may have meant, else list what is known."""
    by_lower = {one.lower(): one for one in known}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    if near:
        return f'did you mean "{by_lower[near[0]]}"?'
    return f"allowed: {listed(by_lower.values())}"


def text(value: object) -> str:
    """Read text that is not empty."""
    if not isinstance(value, str):
        raise Wrong("text in quotes is expected")
    if not value or value != value.strip() or not value.isprintable():
        raise Wrong("some text without blanks around it is expected")
    if len(value) > _LONGEST_TEXT:
        raise Wrong(f"too long: at most {_LONGEST_TEXT} characters")
    return value


def is_folder(path: Path) -> bool:
    """Tell whether a folder is there."""
    return os.path.isdir(path)  # noqa: PTH112 - pathlib raises when a name is too long


def is_file(path: Path) -> bool:
    """Tell whether a file is there."""
    return os.path.isfile(path)  # noqa: PTH113 - pathlib raises when a name is too long


def file_in(folder: Path) -> Callable[[object], Path]:
    """Read the name of a file, there or to be made, that counts from ``folder``."""

    def read(value: object) -> Path:
        path = folder / text(value)
        if len(path.name.encode()) > _LONGEST_FILE_NAME:
            raise Wrong(f"too long: the name of a file has at most {_LONGEST_FILE_NAME} bytes")
        if is_folder(path):
            raise Wrong(f"{path} is a folder; a file is expected")
        if not is_folder(path.parent):
            raise Wrong(f"there is no folder {path.parent}")
        if path.exists() and not is_file(path):
            raise Wrong(f"{path} is no plain file")
        return path

    return read


def flag(value: object) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise Wrong("true or false is expected, without quotes")
    return value


def count(value: object) -> int:
    """Read a whole number of things (not money: it stands without quotes)."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise Wrong("a whole number without quotes is expected")
    if not 0 <= value <= 1_000_000:
        raise Wrong("allowed: 0 to 1000000")
    return value


def number(value: object) -> Decimal:
    """Read a signed plain decimal in quotes."""
    match value:
        case bool():
            pass
        case int() | Unquoted():
            raise Wrong(f'numbers stand in quotes here, so that no digit is lost: "{show(value)}"')
        case str() if found := _NUMBER.fullmatch(value):
            return Decimal(found[0])
        case str() if re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", value):
            raise Wrong("too long: at most 15 digits before the point and 12 after it")
        case _:
            pass
    raise Wrong('a plain decimal in quotes is expected, like "0.33": no exponent, no underscore')


def _looks_numeric(value: object) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(r"[+-]?[0-9.]+%?", value))


def amount(value: object) -> Decimal:
    """Read a number that is not negative and bears no sign."""
    read = number(value)
    if isinstance(value, str) and value[0] in "+-":
        raise Wrong("no sign is allowed here")
    return read


def positive(value: object) -> Decimal:
    """Read an amount above zero."""
    read = amount(value)
    if read == ZERO:
        raise Wrong("it must be above zero")
    return read


def at_least_one(value: object) -> Decimal:
    """Read a multiple of the plan that is not below the plan."""
    read = amount(value)
    if read < 1:
        raise Wrong('it multiplies the planned quantity: "1" or more is expected')
    return read


def signed_ratio(value: object) -> Decimal:
    """Read a fraction: ``"0.2%"`` is percent, ``"0.002"`` the same as a fraction."""
    if isinstance(value, str) and value.endswith("%"):
        # scaleb: a division would be as exact, but this cannot lose a digit
        return number(value[:-1]).scaleb(-2)
    return number(value)


def ratio(value: object) -> Decimal:
    """Read a fraction that is not negative and bears no sign."""
    read = signed_ratio(value)
    if isinstance(value, str) and value[0] in "+-":
        raise Wrong("no sign is allowed here")
    return read


def small_ratio(value: object) -> Decimal:
    """Read a fraction from 0 to below 1."""
    read = ratio(value)
    if read >= 1:
        raise Wrong('"0" to below "1" (100%) is expected; "0.2%" is percent, "0.002" a fraction')
    return read


def fee_rate(value: object) -> Decimal:
    """Read a fee as a fraction of notional; a rebate is negative."""
    read = signed_ratio(value)
    if not -1 < read < 1:
        raise Wrong('between "-1" and "1" is expected; "0.055%" is percent, "0.00055" a fraction')
    return read


def share(value: object) -> Decimal:
    """Read one rung's share."""
    read = ratio(value)
    if not 0 < read <= 1:
        raise Wrong('a share is above "0" and at most "1"')
    return read


def price(value: object) -> Price:
    """Read an absolute price, or a signed percentage of a reference."""
    if isinstance(value, str) and value.endswith("%"):
        fraction = signed_ratio(value)
        if fraction <= -1:
            raise Wrong('a percentage is above "-100%"')
        return Price(fraction, percent=True)
    if not isinstance(value, int | Unquoted) and not _looks_numeric(value):
        raise Wrong('a price in quotes is expected, like "104000", or a percentage, like "-1.5%"')
    return Price(positive(value))


def entry_price(value: object) -> Price | None:
    """Read an entry's price; ``"market"`` is None."""
    if value == "market":
        return None
    try:
        return price(value)
    except Wrong as wrong:
        if isinstance(value, int | Unquoted) or _looks_numeric(value):
            raise
        raise Wrong(f'{wrong}, or "market"') from None


def stop_price(side: Direction | None) -> Callable[[object], Price]:
    """Read a stop's price, whose percentage lies on the losing side, if the side is known."""

    def read(value: object) -> Price:
        found = price(value)
        if side is None or not found.percent:
            return found
        up = side is Direction.SHORT
        if found.value == ZERO or (found.value > ZERO) != up:
            where, example = ("above", "1.5%") if up else ("below", "-1.5%")
            raise Wrong(f'the stop of a {side} lies {where} the entry: like "{example}"')
        return found

    return read


def duration_ms(value: object) -> int:
    """Read a duration above zero."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise Wrong('a duration is expected: a whole number and ms, s, m, h or d, like "12s"')
    if int(found[1]) == 0:
        raise Wrong("it must be above zero")
    read = int(found[1]) * _UNIT_MS[found[2]]
    if read > 3_660 * _UNIT_MS["d"]:
        raise Wrong('too long: at most "3660d"')
    return read


def poll_ms(value: object) -> int | None:
    """Read how often to poll; None is once a bar."""
    if value == "bar":
        return None
    try:
        return duration_ms(value)
    except Wrong as wrong:
        raise Wrong(f'{wrong}, or "bar" with a candle feed') from None


def time_ms(value: object) -> int:
    """Read a moment in UTC."""
    expected = 'a time in UTC is expected, in quotes, like "2025-06-02T00:00:00Z"'
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise Wrong(expected)
    try:
        return (datetime.fromisoformat(value) - _EPOCH) // timedelta(milliseconds=1)
    except ValueError as error:
        raise Wrong(f"{expected} ({error})") from None


def speed(value: object) -> Decimal | None:
    """Read simulated seconds per real second; None is as fast as it goes."""
    if value == "max":
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)  # no money: quotes are welcome, not required
    try:
        return positive(value)
    except Wrong as wrong:
        raise Wrong(f'{wrong}; or "max"') from None


def name(value: object) -> str:
    """Read a position's name."""
    if not isinstance(value, str) or not re.fullmatch(r"[a-z0-9-]+", value):
        raise Wrong("a name is made of a-z, 0-9 and -")
    if len(value) > _LONGEST_NAME:
        raise Wrong(f"a name has at most {_LONGEST_NAME} characters; this has {len(value)}")
    return value


def choice(
    choices: type[Choice], unbuilt: dict[Choice, int] | None = None
) -> Callable[[object], Choice]:
    """Read one of a few words; those of ``unbuilt`` are refused with the step that brings them."""
    steps = unbuilt or {}
    built = [word for word in choices if word not in steps]

    def read(value: object) -> Choice:
        if not isinstance(value, str):
            raise Wrong(f"allowed: {listed(choices)}")
        if value not in list(choices):
            raise Wrong(meant(value, built))
        word = choices(value)
        if word in steps:
            raise Wrong(f"not built yet (step {steps[word]}); allowed today: {listed(built)}")
        return word

    return read
