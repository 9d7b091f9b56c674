"""A disk of which the n-th write, sync or cut fails, for whoever opens a file meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager

import apsw

BASE = "unix"


class Disk(apsw.VFS):
    """The system's disk until the ``fails_at``-th change, which raises ``error``."""

    def __init__(self, fails_at: int, error: type[apsw.Error]) -> None:
        self.changes = 0
        self.fails_at = fails_at
        self.error = error
        super().__init__("failing-disk", BASE, makedefault=True)

    def change(self) -> None:
        self.changes += 1
        if self.changes == self.fails_at:
            raise self.error("the disk fails")

    def xOpen(self, name, flags):  # noqa: N802 - SQLite's name
        return _File(self, name, flags)


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: object, flags: list[int]) -> None:
        self._disk = disk
        super().__init__(BASE, name, flags)  # pyright: ignore[reportArgumentType]

    def xWrite(self, data, offset):  # noqa: N802
        self._disk.change()
        super().xWrite(data, offset)

    def xSync(self, flags):  # noqa: N802
        self._disk.change()
        return super().xSync(flags)

    def xTruncate(self, newsize):  # noqa: N802
        self._disk.change()
        super().xTruncate(newsize)


@contextmanager
def failing_disk(fails_at: int, error: type[apsw.Error]) -> Iterator[Disk]:
    """Let every file that SQLite opens inside be on such a disk."""
    disk = Disk(fails_at, error)
    try:
        yield disk
    finally:
        disk.unregister()
