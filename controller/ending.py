"""How a command ends: its exit code, and what a person reads when it failed.

Invariant: our own errors are plain sentences on stderr; a traceback is a fault of ours.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import NoReturn

import typer

from controller.codes import IN_USE, INTERNAL, NO_VENUE, STORAGE_FAILED, WRONG_INPUT
from machines.errors import InvalidSpec, RungkeeperError


def finish(work: Callable[[], int]) -> NoReturn:
    """Do a command's work and leave with its exit code; our own errors become sentences."""
    code = INTERNAL
    try:
        code = work()
    except* RungkeeperError as group:  # one alone, or several tasks' at once
        code = _report(list(_leaves(group)))
    raise typer.Exit(code)


def _leaves(group: BaseExceptionGroup[RungkeeperError]) -> Iterator[RungkeeperError]:
    for error in group.exceptions:
        if isinstance(error, RungkeeperError):
            yield error
        else:
            yield from _leaves(error)


def _report(errors: list[RungkeeperError]) -> int:
    """Say what is wrong, a line each, and return the gravest code."""
    for error in errors:
        lines = error.faults if isinstance(error, InvalidSpec) else [str(error)]
        for line in lines:
            typer.echo(line, err=True)
        if len(lines) > 1:
            typer.echo(f"{len(lines)} faults; nothing was sent.", err=True)
    return max(_code_of(error) for error in errors)


def _code_of(error: RungkeeperError) -> int:
    from controller.journal import JournalBusy, JournalError
    from controller.owners import AccountBusy
    from exchanges.errors import BadFeed, VenueFileBusy, VenueFileError, VenueUnavailable

    match error:
        case InvalidSpec() | BadFeed():
            return WRONG_INPUT
        case JournalBusy() | VenueFileBusy() | AccountBusy():
            return IN_USE
        case JournalError() | VenueFileError():
            return STORAGE_FAILED
        case VenueUnavailable():
            return NO_VENUE
        case _:
            raise error  # a table or an invariant of ours is broken: an internal error


def last_words(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Be Python's hook for what nobody caught: log it, and leave with a code of its own."""
    traceback.print_exception(kind, error, trace, file=sys.stderr)
    sys.stderr.write(
        "rungkeeper: internal error. Orders that rest at a venue stay there; the journal keeps "
        "what was done.\n"
    )
    raise SystemExit(INTERNAL)
