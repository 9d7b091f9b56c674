"""Walk one TOML table field by field and keep every fault, so that one error lists them all.

msgspec's own decoding would stop at the first fault and name no file; here a bad value is noted,
its default stands in, and reading goes on. Knows nothing of what the fields mean. Invariant: a
field that nobody asked for is unknown, and refused. In a path the first of a list is ``[1]``, as
entry 1 and TP1 are everywhere else.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar, cast

from controller.config_values import Wrong, meant, show

T = TypeVar("T")


class Faults:
    """Every fault of one source, in the order found."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.found: list[str] = []

    def add(self, where: str, wrong: str) -> None:
        """Keep a fault."""
        self.found.append(f"{self.source}: {where}: {wrong}")


class Table:
    """One table being read.

    ``path`` is how the user finds it, empty at the top; ``owner`` the plan that it belongs to,
    which says more than a number does.
    """

    def __init__(self, raw: dict[str, object], path: str, faults: Faults, owner: str = "") -> None:
        if not owner and isinstance(own := raw.get("name"), str) and own.isprintable():
            owner = own
        self.raw = raw
        self.path = path
        self.owner = owner
        self.faults = faults
        self._known: dict[str, None] = {}  # a set that keeps its order, for messages
        self._bad: set[str] = set()

    def __contains__(self, key: str) -> bool:
        """Tell whether the user wrote this field."""
        return key in self.raw

    def path_of(self, key: str) -> str:
        """Name a field the way the user finds it."""
        name = key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else show(key)
        return f"{self.path}.{name}" if self.path else name

    def _where(self, key: str) -> str:
        value = f" = {show(self.raw[key])}" if key in self.raw else ""
        return (f"{self.owner}: " if self.owner else "") + self.path_of(key) + value

    def sound(self, *keys: str) -> bool:
        """Tell whether nothing was wrong with these fields so far (absent ones are sound)."""
        return self._bad.isdisjoint(keys)

    def fault(self, key: str, wrong: str) -> None:
        """Note what is wrong with a field that was read."""
        self._bad.add(key)
        self.faults.add(self._where(key), wrong)

    def read(self, key: str, reader: Callable[[object], T], default: T) -> T:
        """Read a field; the default stands in when it is absent or bad."""
        self._known[key] = None
        if key not in self.raw:
            return default
        try:
            return reader(self.raw[key])
        except Wrong as wrong:
            self.fault(key, str(wrong))
            return default

    def maybe(self, key: str, reader: Callable[[object], T]) -> T | None:
        """Read a field that may be left out."""
        return self.read(key, cast(Callable[[object], T | None], reader), None)

    def need(self, key: str, reader: Callable[[object], T], expected: str) -> T | None:
        """Read a field that may not be left out; None when it is, or is bad."""
        if key not in self.raw:
            self._known[key] = None
            self.fault(key, f"missing; {expected}")
            return None
        return self.maybe(key, reader)

    def table(self, key: str) -> Table:
        """Open a table inside; an absent or bad one is empty."""
        self._known[key] = None
        raw = self.raw.get(key, {})
        if not isinstance(raw, dict):
            self.fault(key, "a table is expected, like { … } or a section in [brackets]")
            raw = {}
        return Table(cast(dict[str, object], raw), self.path_of(key), self.faults, self.owner)

    def tables(self) -> dict[str, Table]:
        """Open every field as a table, for those whose fields are names."""
        opened = {key: self.table(key) for key in self.raw}
        return {key: table for key, table in opened.items() if self.sound(key)}

    def list_of_tables(self, key: str) -> list[Table]:
        """Open a list of tables; an absent or bad one is empty."""
        self._known[key] = None
        raw = self.raw.get(key, [])
        if not isinstance(raw, list):
            self.fault(key, "a list of tables is expected, like [ { … } ] or [[brackets]]")
            return []
        found: list[Table] = []
        for n, item in enumerate(cast(list[object], raw), 1):
            path = f"{self.path_of(key)}[{n}]"
            if isinstance(item, dict):
                found.append(Table(cast(dict[str, object], item), path, self.faults, self.owner))
            else:
                self.fault_of_item(key, n, "a table is expected, like { … }")
        return found

    def values(self, key: str, reader: Callable[[object], T]) -> tuple[T, ...] | None:
        """Read a list of values; None when it is absent or any of it is bad."""
        self._known[key] = None
        if key not in self.raw:
            return None
        raw = self.raw[key]
        if not isinstance(raw, list):
            self.fault(key, "a list is expected, like [ … ]")
            return None
        found: list[T] = []
        for n, item in enumerate(cast(list[object], raw), 1):
            try:
                found.append(reader(item))
            except Wrong as wrong:
                self.fault_of_item(key, n, str(wrong))
        return tuple(found) if self.sound(key) else None

    def fault_of_item(self, key: str, n: int, wrong: str) -> None:
        """Note what is wrong with the n-th of a list that was read."""
        self._bad.add(key)
        item = cast(list[object], self.raw[key])[n - 1]
        owner = f"{self.owner}: " if self.owner else ""
        self.faults.add(f"{owner}{self.path_of(key)}[{n}] = {show(item)}", wrong)

    def close(self, elsewhere: dict[str, str] | None = None) -> None:
        """Refuse what nobody asked for. ``elsewhere`` says where a field of that name belongs."""
        for key in self.raw:
            if key in self._known:
                continue
            if elsewhere and key in elsewhere:
                self.fault(key, f"unknown field here; it belongs in {elsewhere[key]}")
            else:
                self.fault(key, f"unknown field; {meant(key, self._known)}")
