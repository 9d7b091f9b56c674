"""Keeps one failure from becoming everybody's (DESIGN §9): the only broad ``except`` there is.

A ladder that fails is parked, an account that fails stops; the others go on. What concerns the
journal or a venue's own file is not caught: nothing may be sent after it.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager

from controller.journal import JournalError
from exchanges.errors import VenueFileError
from exchanges.secrets import redact


@contextmanager
def supervised(report: Callable[[str], None]) -> Generator[None]:
    """Let what fails inside be reported, in one line, instead of spreading."""
    try:
        yield
    except (JournalError, VenueFileError):
        raise
    except Exception as error:  # noqa: BLE001 (the supervisor: whatever it is, the others go on)
        where = traceback.extract_tb(error.__traceback__)[-1]
        told = f"{type(error).__name__}: {error} ({where.name}, line {where.lineno})"
        report(redact(told))  # it goes to the journal, too
