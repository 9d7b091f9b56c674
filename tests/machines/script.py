"""Reads a scenario: what was asked, what the venue said, and what must follow.

    # A comment, anywhere.
    long 0.33 @ 104000, 0.34 at market
    stop 101500
    targets 105000 106000 107000 108000
    late_entry keep

    > opened at 104500
    E1 NEW → PENDING_LIMITS
      place entry 1 0.33 @ 104000
      place entry 2 0.34 at market

    > 12s later; fill entry 2
    …

The header is the plan and the venue (`HEADER`). A line with `>` says what happens, several things
of one poll joined by semicolons (`tests.machines.happenings` lists the verbs); the lines below it
say exactly what follows: rows, mutations indented, in order; or `nothing`. Lines with `=` say what
the book shows then.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import msgspec

from machines.spec import (
    Anchor,
    BreakEven,
    EntrySpec,
    LadderSpec,
    LateEntry,
    NakedPolicy,
    Price,
    Rounding,
    RoundingSpec,
    WhenBehind,
)
from machines.words import Direction, ExitStyle, Fees, Instrument

NUMBER = re.compile(r"(?<![\w.:])-?\d+\.\d+(?![\w.:])")
MINUTE_MS = 60_000


class Step(msgspec.Struct, frozen=True):
    """What happens in one poll, and the lines that must follow; ``line`` is where it is written."""

    line: int
    happens: tuple[str, ...]
    follows: tuple[str, ...]


class Script(msgspec.Struct, frozen=True):
    """One scenario as it is written."""

    name: str
    spec: LadderSpec
    instrument: Instrument
    fees: Fees
    position_stop: bool
    steps: tuple[Step, ...]
    exits: ExitStyle = ExitStyle.POOLED


class Misread(AssertionError):
    """A scenario that says what nobody understands."""


def tidy(line: str) -> str:
    """Write every number the one way: 0.330 and 0.33 are the same."""

    def short(found: re.Match[str]) -> str:
        return found.group().rstrip("0").rstrip(".")

    return NUMBER.sub(short, line.rstrip())


def price(word: str) -> Price:
    """Read an absolute price or a percent."""
    if word.endswith("%"):
        return Price(Decimal(word[:-1]) / 100, percent=True)
    return Price(Decimal(word))


def duration_ms(word: str) -> int:
    """Read `90s`, `240m` or `239:59` (minutes and seconds)."""
    if ":" in word:
        minutes, seconds = word.split(":")
        return int(minutes) * MINUTE_MS + int(seconds) * 1000
    unit = {"ms": 1, "s": 1000, "m": MINUTE_MS, "h": 60 * MINUTE_MS}
    found = re.fullmatch(r"(\d+)(ms|s|m|h)", word)
    if found is None:
        raise Misread(f"{word}: is no duration (90s, 240m, 239:59)")
    return int(found[1]) * unit[found[2]]


def _pairs(words: list[str]) -> dict[str, Decimal]:
    """Read `tick 0.1, step 0.001` as a dictionary."""
    clean = [word.strip(",") for word in words]
    return dict(zip(clean[::2], map(Decimal, clean[1::2]), strict=True))


def _entries(words: list[str]) -> tuple[EntrySpec, ...]:
    """Read `0.33 @ 104000, 0.34 at market`."""
    found: list[EntrySpec] = []
    for entry in " ".join(words).split(","):
        qty, how, at = entry.split()
        if how not in ("@", "at") or (how == "at") is not (at == "market"):
            raise Misread(f"{entry}: an entry is `QTY @ PRICE` or `QTY at market`")
        found.append(EntrySpec(None if at == "market" else price(at), Decimal(qty)))
    return tuple(found)


def _instrument(words: list[str]) -> Instrument:
    said = _pairs(words)
    return Instrument("BTCUSDT", said["tick"], said["step"], said["min"], said["notional"])


HEADER: dict[str, Callable[[list[str]], dict[str, object]]] = {
    "long": lambda words: {"side": Direction.LONG, "entries": _entries(words)},
    "short": lambda words: {"side": Direction.SHORT, "entries": _entries(words)},
    "stop": lambda words: {"stop": price(words[0])},
    "targets": lambda words: {"targets": tuple(price(word.strip(",")) for word in words)},
    "shares": lambda words: {"shares": tuple(Decimal(word.strip(",")) for word in words)},
    "anchor": lambda words: {"anchor": Anchor(words[0])},
    "exits": lambda words: {"rounding": RoundingSpec(exits=Rounding(words[0]))},
    "break_even": lambda words: {"break_even": BreakEven(words[0])},
    "be_gap": lambda words: {"be_gap": price(words[0]).value},
    "be_slippage": lambda words: {"be_slippage": price(words[0]).value},
    "when_break_even_is_behind": lambda words: {"when_break_even_is_behind": WhenBehind(words[0])},
    "late_entry": lambda words: {"late_entry": LateEntry(words[0])},
    "entry_ttl": lambda words: {"entry_ttl_ms": duration_ms(words[0])},
    "cancel_if_missed": lambda _: {"cancel_if_missed": True},
    "step_stop": lambda _: {"step_stop": True},
    "scale_after_tp1": lambda _: {"scale_after_tp1": True},
    "max_qty": lambda words: {"max_qty": Decimal(words[0])},
    "instrument": lambda words: {"instrument": _instrument(words)},
    "fees": lambda words: {"fees": Fees(**_pairs(words))},
    "naked_policy": lambda words: {"naked_policy": NakedPolicy(words[0])},
    "external_growth": lambda words: {"external_growth": words[0]},
    "conditional": lambda _: {"position_stop": False},
    "per-rung": lambda _: {"exits_in": ExitStyle.PER_RUNG},
    "pairs": lambda _: {"exits_in": ExitStyle.PAIRS},
    "touch_slack": lambda words: {"touch_slack": int(words[0])},
}
"""Header lines by their first word. `conditional stop`: the venue has no stop of the position.
`per-rung exits`, `pairs of exits`: it has no reduce-only, and an order for each rung."""

DEFAULTS: dict[str, object] = {
    "instrument": Instrument(
        "BTCUSDT", Decimal("0.1"), Decimal("0.001"), Decimal("0.001"), Decimal(5)
    ),
    "fees": Fees(),
    "position_stop": True,
    "exits_in": ExitStyle.POOLED,
}


def read(path: Path) -> Script:
    """Read a scenario file."""
    return parse(path.stem, path.read_text(encoding="utf-8"))


def parse(name: str, told: str) -> Script:
    """Read a scenario.

    *Raises*: Misread, naming the file and the line.
    """
    said = dict(DEFAULTS)
    steps: list[Step] = []
    for number, line in enumerate(told.splitlines(), start=1):
        text = tidy(line)
        if not text or text.startswith("#"):
            continue
        if text.startswith(">"):
            happens = tuple(part.strip() for part in text[1:].split(";"))
            steps.append(Step(number, happens, ()))
        elif steps:
            steps[-1] = msgspec.structs.replace(steps[-1], follows=(*steps[-1].follows, text))
        else:
            word, *rest = text.split()
            if word not in HEADER:
                raise Misread(f"{name}.ladder:{number}: {word}: the header knows {sorted(HEADER)}")
            said |= HEADER[word](rest)
    instrument, fees, position_stop, exits = (said.pop(k) for k in DEFAULTS)
    given = {"name": "btc-1", "ladder": "btc-1", "account": "paper", "symbol": "BTCUSDT"}
    spec = LadderSpec(**(given | said))  # pyright: ignore[reportArgumentType]  # from HEADER
    return Script(name, spec, instrument, fees, position_stop, tuple(steps), exits)  # pyright: ignore[reportArgumentType]  # from DEFAULTS
