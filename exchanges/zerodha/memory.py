"""What Kite does not remember for us: which GTT is which order of ours.

GTTs carry no tag, so a name is bound to Kite's number in a small file of our own. It is written
before a request leaves, whole or not at all; without a file it lives as long as the process.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from exchanges.zerodha.render import Pair
from machines.errors import InvalidSpec

KEEP_MS = 7 * 86_400_000
"""What Kite lists no more is forgotten after a week."""


class Bound(msgspec.Struct):
    """One pair that was asked for. ``number`` is Kite's, 0 while its outcome is unknown."""

    symbol: str
    pair: Pair
    asked_ms: int
    was: Pair | None = None
    """What it was before the last change, which may not have been done."""
    number: int = 0
    deleted: bool = False
    """We asked for its end, at ``asked_ms``."""


class Memory:
    """The pairs of one account by client order id. *Raises*: InvalidSpec naming a bad file."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.pairs: dict[str, Bound] = {}
        if path is None or not path.exists():
            return
        try:
            self.pairs = msgspec.json.decode(path.read_bytes(), type=dict[str, Bound])
        except (OSError, UnicodeDecodeError, msgspec.MsgspecError) as error:
            raise InvalidSpec([f"memory {path}: cannot be read: {error}"]) from error

    def keep(self) -> None:
        """Write everything down. *Raises*: InvalidSpec when it cannot be written."""
        if self._path is None:
            return
        fresh = self._path.with_name(self._path.name + ".new")
        try:
            with fresh.open("wb") as file:
                file.write(msgspec.json.encode(self.pairs))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
        except OSError as error:
            raise InvalidSpec([f"memory {self._path}: cannot be written: {error}"]) from error
