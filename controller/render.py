"""Tables and figures for the terminal, from plain rows.

Knows nothing of ladders, journals or venues: whoever shows something fills in rows. Money is
shortened for the eye here and nowhere else: what is computed or written as JSON keeps its digits.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Sequence
from decimal import Context, Decimal
from itertools import groupby
from typing import TextIO

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

_SHOWN = Context(prec=12)  # no venue quotes more digits; an average of fills may have 28
_CENTS = Decimal("0.01")
_MOST_LIVE_ROWS = 40  # about a screen; the rest is counted
_LOUD = {"HALTED": "bold red", "CLOSING": "yellow", "CLOSED": "dim"}
_PLAIN_WIDTH = 200  # of a pipe or a file, which have none
_GAP = 2


class PositionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One position as it is shown. Money is in the account's currency.

    *Shape*: ``rungs`` holds (hit, off) from the first to the last; ``reason`` says why it ended,
    empty while it has not.
    """

    name: str
    account: str
    symbol: str
    side: str
    state: str
    held: Decimal
    planned: Decimal
    entered: Decimal
    avg_px: Decimal | None
    stop_px: Decimal | None
    break_even: Decimal | None
    rungs: tuple[tuple[bool, bool], ...]
    realised: Decimal
    fees: Decimal
    last_event: str = ""
    reason: str = ""

    @property
    def net(self) -> Decimal:
        """Return what is left of the realised profit after fees."""
        return self.realised - self.fees


class _Column(msgspec.Struct, frozen=True):
    """A column; where there is no room the highest ``rank`` goes first, 0 never."""

    title: str
    cell: Callable[[PositionRow], str | Text]
    rank: int = 0
    right: bool = False


class _LastingConsole(Console):
    """A console whose reader may leave: rich would end the process, a controller goes on."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        with contextlib.suppress(OSError):  # a stream that is no file has nothing to redirect
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


def console_for(stream: TextIO) -> Console:
    """Make the console of a stream: colours and its width on a terminal, plain lines elsewhere.

    When its reader leaves it falls silent, and nothing else happens.
    """
    width = None if stream.isatty() else _PLAIN_WIDTH
    return _LastingConsole(file=stream, width=width, highlight=False, emoji=False, markup=False)


def short(value: Decimal | None) -> str:
    """Write a price or a quantity in as few digits as say it."""
    if value is None:
        return "-"
    shown = format(value.normalize(_SHOWN), "f")
    return "0" if shown == "-0" else shown


def money(value: Decimal) -> str:
    """Write an amount with two decimals; what is smaller keeps the two digits that count."""
    if value and abs(value) < _CENTS:
        return format(Context(prec=2).plus(value), "f")
    return format(value.quantize(_CENTS), "f")


def marks(rungs: Iterable[tuple[bool, bool]]) -> str:
    """Write the rungs as marks: ● hit, ○ open, · off."""
    return "".join("●" if hit else "·" if off else "○" for hit, off in rungs)


def live_table(
    rows: Sequence[PositionRow], *, caption: str = "", width: int | None = None
) -> Table:
    """Build the view of a running controller: live positions first, ended ones last.

    ``width`` is the room there is; without it no column is left out.
    """
    ordered = sorted(rows, key=lambda row: row.state == "CLOSED")
    shown = ordered[:_MOST_LIVE_ROWS]
    columns = _fitting(_LIVE, shown, width)
    table = _table(columns, caption)
    for row in shown:
        table.add_row(*[column.cell(row) for column in columns])
    if (more := len(ordered) - len(shown)) > 0:
        table.add_row(f"… {more} more", style="dim")
    return table


def summary_table(
    rows: Sequence[PositionRow], *, caption: str = "", width: int | None = None
) -> Table:
    """Build the account of every position, with one total for each account.

    An account has one currency; a total over two of them might add rupees to dollars.
    """
    columns = _fitting(_SUMMARY, rows, width)
    table = _table(columns, caption)
    for row in rows:
        table.add_row(*[column.cell(row) for column in columns])

    def account(row: PositionRow) -> str:
        return row.account

    by_account = [(name, list(own)) for name, own in groupby(sorted(rows, key=account), account)]
    table.add_section()
    for name, own in by_account:
        total = _total(f"total {name}" if len(by_account) > 1 else "total", own)
        table.add_row(*[total.get(column.title, "") for column in columns], style="bold")
    return table


def _total(title: str, rows: Sequence[PositionRow]) -> dict[str, str | Text]:
    zero = Decimal(0)
    return {
        "position": title,
        "realised": _signed(sum((row.realised for row in rows), zero)),
        "fees": money(sum((row.fees for row in rows), zero)),
        "net": _signed(sum((row.net for row in rows), zero)),
        "ended by": f"{len(rows)} position{'' if len(rows) == 1 else 's'}",
    }


def _fitting(
    columns: Sequence[_Column], rows: Sequence[PositionRow], width: int | None
) -> list[_Column]:
    """Leave out what matters least until the rest fits."""
    kept = list(columns)
    if width is None:
        return kept
    widths = {
        column.title: max(len(column.title), *(len(column.cell(row)) for row in rows), 0)
        for column in columns
    }
    for column in sorted((c for c in columns if c.rank), key=lambda c: -c.rank):
        if sum(widths[one.title] + _GAP for one in kept) <= width:
            break
        kept.remove(column)
    return kept


def _table(columns: Sequence[_Column], caption: str) -> Table:
    table = Table(
        box=SIMPLE_HEAD,
        padding=(0, _GAP - 1, 0, 0),
        pad_edge=False,
        show_edge=False,
        caption=caption or None,
        caption_justify="left",
    )
    for column in columns:
        table.add_column(
            column.title,
            justify="right" if column.right else "left",
            no_wrap=True,
            overflow="ellipsis",
        )
    return table


def _state(row: PositionRow) -> Text:
    return Text(row.state, style=_LOUD.get(row.state, ""))


def _signed(value: Decimal) -> Text:
    return Text(money(value), style="green" if value > 0 else "red" if value < 0 else "")


_LEADING = (
    _Column("position", lambda row: row.name),
    _Column("side", lambda row: row.side, 6),
    _Column("symbol", lambda row: row.symbol, 8),
    _Column("state", _state),
)
_LIVE = (
    *_LEADING,
    _Column("held", lambda row: f"{short(row.held)}/{short(row.planned)}", right=True),
    _Column("average", lambda row: short(row.avg_px), 3, right=True),
    _Column("stop", lambda row: short(row.stop_px), right=True),
    _Column("break-even", lambda row: short(row.break_even), 5, right=True),
    _Column("rungs", lambda row: marks(row.rungs)),
    _Column("realised", lambda row: _signed(row.realised), 2, right=True),
    _Column("fees", lambda row: money(row.fees), 7, right=True),
    _Column("last", lambda row: row.last_event, 4),
)
_SUMMARY = (
    *_LEADING,
    _Column("entered", lambda row: short(row.entered), 4, right=True),
    _Column("held", lambda row: short(row.held), 7, right=True),
    _Column("average", lambda row: short(row.avg_px), 3, right=True),
    _Column("stop", lambda row: short(row.stop_px), 5, right=True),
    _Column("rungs", lambda row: marks(row.rungs)),
    _Column("realised", lambda row: _signed(row.realised), 2, right=True),
    _Column("fees", lambda row: money(row.fees), 3, right=True),
    _Column("net", lambda row: _signed(row.net), right=True),
    _Column("ended by", lambda row: row.reason, 1),
)
