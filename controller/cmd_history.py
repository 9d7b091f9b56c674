"""``rungkeeper history``: the journal, a record a line, for people or for programs.

Reads and never writes, so it may look on while a controller runs. Knows the shape of records
(SPEC §12); a kind it does not know is still shown, field by field.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import cast

import msgspec

from controller import journal
from controller.config_values import meant
from controller.demo import state_file
from controller.journal import Record
from machines.decision import Standing
from machines.errors import InvalidSpec

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_NAMES = 20
_NAME_WIDTH = 10  # of most; a longer one shifts its line
_LABEL_WIDTH = 7  # "outcome"; a decision shifts its line


def history(name: str | None, config: Path | None, *, as_json: bool) -> int:
    """Write the records of every position, or of one name.

    *Raises*: InvalidSpec when there is no state file, or nothing of that name in it.
    """
    path = state_file(config)
    write = as_json_line if as_json else as_line
    try:
        for record in _named(journal.read(path), name, path):
            sys.stdout.write(write(record) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough: `rungkeeper history | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _named(records: Iterator[Record], name: str | None, path: Path) -> Iterator[Record]:
    """Choose a position's records, or those of every repeat of a plan."""
    if name is None:
        yield from records
        return
    known: dict[str, None] = {}
    found = False
    for record in records:
        known[record.ladder] = None
        if name in (record.position, record.ladder):
            found = True
            yield record
    if not found:
        near = meant(name, list(known)[:_MOST_NAMES])
        raise InvalidSpec([f"{name}: {path} has no records of that name; {near}"])


def as_json_line(record: Record) -> str:
    """Write a record as one JSON object (SPEC §12)."""
    line = {
        "seq": record.seq,
        "at_ms": record.at_ms,
        "position": record.position,
        "ladder": record.ladder,
        "kind": record.kind,
        **record.data,
    }
    return msgspec.json.encode(line).decode()


def as_line(record: Record) -> str:
    """Write a record as one line to be read."""
    data = record.data
    match record.kind:
        case "transition":
            label, text = str(data.get("row", "")), _transition(data)
        case "fill":
            label, text = "fill", _fill(data)
        case "intent":
            again = " (it did not rest yet)" if data.get("repair") else ""
            label, text = "intent", mutation(data) + again
        case "outcome":
            ended = ": ".join(_words(data, "outcome", "reason", "text"))
            label, text = "outcome", f"{mutation(data)}: {ended}"
        case "decision":
            label, text = "decision", _decision(data)
        case "alert":
            label, text = "alert", " ".join(_words(data, "row", "text"))
        case kind:
            label = kind
            text = "  ".join(f"{key}={_value(value)}" for key, value in data.items())
    where = f"{_stamp(record.at_ms)} {record.position:<{_NAME_WIDTH}}"
    return f"{where}  {label:<{_LABEL_WIDTH}}  {text}".rstrip()


def _transition(data: Mapping[str, object]) -> str:
    before, after = data.get("from"), data.get("to")
    states = f"→ {after}" if before is None else f"{before} → {after}"
    if before == after:
        states = f"in {after}"
    text = f"{data.get('trigger', '')}  {states}"
    if done := cast(Sequence[Mapping[str, object]], data.get("mutations", ())):
        text += "   " + "; ".join(mutation(one) for one in done)
    return text + (f"   ({data['reason']})" if data.get("reason") else "")


def _fill(data: Mapping[str, object]) -> str:
    parts = [_which(data), *_words(data, "side", "qty"), "@", *_words(data, "price")]
    return " ".join(parts) + f"   fee {data.get('fee', '0')} {data.get('liquidity', '')}".rstrip()


def _decision(data: Mapping[str, object]) -> str:
    """Say what is decided and by whom; at first also why, at last what came of it."""
    what = [str(data.get("state", "")), *_words(data, "decision")]
    fraction = data.get("fraction")
    what += [] if fraction is None else [f"{(100 * Decimal(str(fraction))).normalize():f}%"]
    what += [*_words(data, "qty", "price"), "by", *_words(data, "by")]
    ended = _words(data, "why")
    if data.get("filled"):
        ended.insert(0, f"{data['filled']} @ {data['px']}")
    text = " ".join(what) + (f": {', '.join(ended)}" if ended else "")
    asked = data.get("state") == Standing.QUEUED and data.get("reason")
    return f"{text}   ({data['reason']})" if asked else text


def mutation(data: Mapping[str, object]) -> str:
    """Say what was asked of the venue, in a few words."""
    op, which = str(data.get("op", "")), _which(data)
    verb = "" if op == "set_stop" else f"{op} "
    qty, price = data.get("qty"), data.get("trigger_px") or data.get("price")
    text = verb + which
    if op == "cancel":
        return text
    if qty is not None:
        text += f" {qty}"
    if price is not None:
        return f"{text} @ {price}"
    return f"{text} at market" if data.get("type") == "market" else text


def _which(data: Mapping[str, object]) -> str:
    """Name an order the way a trader does."""
    match data.get("role"):
        case "take_profit":
            return f"TP{data.get('rung', '?')}"
        case "stop_loss":
            return f"stop of TP{data['rung']}" if data.get("rung") else "stop"
        case "entry":
            return f"entry {data.get('n', '?')}"
        case role:
            return str(role)


def _words(data: Mapping[str, object], *keys: str) -> list[str]:
    return [str(data[key]) for key in keys if data.get(key) not in (None, "")]


def _value(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _stamp(at_ms: int) -> str:
    moment = _EPOCH + timedelta(milliseconds=at_ms)
    return moment.strftime("%Y-%m-%d %H:%M:%S") + (f".{at_ms % 1000:03}" if at_ms % 1000 else "")
