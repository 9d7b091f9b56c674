"""What the tests of the venue's own file share."""

import shutil
from pathlib import Path

import apsw
import msgspec

from exchanges.simulated import SimulatedVenue
from tests.exchanges.desk import BUY, SELL, Desk

CALM = "100 100 100 100\n"
WILD = CALM + "100 103 97 101\n101 106 100 105\n105 105 94 95\n95 101 92 100\n" * 3
START_MS = 1_735_689_600_000
MINUTE_MS = 60_000


def tree(found: SimulatedVenue) -> bytes:
    return msgspec.json.encode(found.state)


def image(path: Path, name: str) -> Path:
    """Copy the file as a killed process would leave it."""
    copy = path.with_name(name)
    for suffix in ("", "-wal"):
        if (part := path.with_name(path.name + suffix)).exists():
            shutil.copy(part, copy.with_name(name + suffix))
    return copy


def entries(desk: Desk) -> int:
    file = desk.venue._record.file
    assert file is not None
    return file._seq


def sql(path: Path, statement: str) -> None:
    connection = apsw.Connection(str(path))
    connection.execute(statement)
    connection.close()


def written(path: Path | None) -> Desk:
    """Write a short history into a file and close it."""
    desk = Desk(WILD, path=path)
    desk.bar()
    desk.limit("a", BUY, 2, 98)
    desk.limit("b", BUY, 1, 93)
    desk.bar()
    desk.set_stop(94)
    desk.limit("c", SELL, 1, 104, reduce_only=True)
    desk.bar(2)
    desk.venue.close()
    return desk
