"""The command line: what may be typed, and the exit code that answers it.

Knows each command's words and nothing of its work: that is in `controller.cmd_*`, imported when it
is called, so that ``--help`` costs no more than this file. Invariant: a person reads plain
sentences on stderr; a traceback is shown only for a fault of ours (exit code 70).
"""

from __future__ import annotations

import enum
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from typer.main import get_command

from controller.codes import FINE
from controller.ending import finish, last_words
from controller.redacting import hide_secrets

_EPILOG = """\b
Exit codes:
  0   done
  1   a check failed, a plan was refused at its start, or a position asks for a person
  2   wrong usage, configuration, plan or feed; nothing was sent
  3   the state file, a venue's own file or an account is in use by another
      process
  4   the journal, or a venue's own file, cannot be read or written;
      nothing more was sent
  5   a venue cannot be reached, or asks for a login; nothing was sent
  70  an internal error
"""

app = typer.Typer(
    name="rungkeeper",
    epilog=_EPILOG,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: loading rich would cost more than all the rest
    context_settings={"help_option_names": ["-h", "--help"]},
)

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", metavar="FILE", help="Configuration file (TOML)."),
]
ConfigNeeded = Annotated[
    Path, typer.Option("--config", "-c", metavar="FILE", help="Configuration file (TOML).")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON; money is quoted text.")]


class DiagramFormat(enum.StrEnum):
    """What a diagram is written as."""

    MERMAID = "mermaid"
    DOT = "dot"
    MARKDOWN = "markdown"
    SVG = "svg"


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Keep ladders of orders: scaled entries, take-profit rungs and the stop."""
    if version:
        from controller.cmd_version import version_text

        typer.echo(f"rungkeeper {version_text()}")
        raise typer.Exit(FINE)


@app.command()
def run(
    config: ConfigOption = None,
    speed: Annotated[
        str | None,
        typer.Option(metavar="N|max", help="Simulated seconds per real second."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No live view.")] = False,
    log: Annotated[
        bool, typer.Option("--log", help="Log each strategy cycle too, on stderr.")
    ] = False,
) -> None:
    """Run the controller; without a configuration, a demonstration.

    Ctrl-C ends it; the orders that rest stay where they are.
    """

    def work() -> int:
        from controller import cmd_run

        return cmd_run.run(config, speed, quiet=quiet, log=log)

    finish(work)


@app.command()
def preview(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Configuration file (TOML).")],
    position: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only the position of this name.")
    ] = None,
    filled: Annotated[
        str | None,
        typer.Option(metavar="QTY", help="Also show QTY filled, entries in listed order."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what each plan would declare; nothing is sent."""

    def work() -> int:
        from controller import cmd_preview

        return cmd_preview.preview(file, position, filled, as_json=as_json)

    finish(work)


@app.command()
def history(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A position, or a plan that repeats.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the journal: fills, transitions, what was sent.

    Without a configuration: of rungkeeper.db in this folder, else of the demonstration.
    """

    def work() -> int:
        from controller import cmd_history

        return cmd_history.history(name, config, as_json=as_json)

    finish(work)


@app.command()
def status(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A position, or a plan that repeats.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how every position stands, also while a controller runs."""

    def work() -> int:
        from controller import cmd_status

        return cmd_status.status(name, config, as_json=as_json)

    finish(work)


@app.command(name="open")
def open_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Plans: [[positions]], [ladder].")],
    config: ConfigOption = None,
) -> None:
    """Hand more plans to the running controller."""

    def work() -> int:
        from controller import cmd_ask

        return cmd_ask.open_plans(file, config)

    finish(work)


IdOption = Annotated[
    str | None, typer.Option("--id", metavar="ID", help="Asked twice with one ID, done once.")
]
DryOption = Annotated[bool, typer.Option("--dry-run", help="Show the effect; do nothing.")]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A position.")]


@app.command()
def decide(
    name: NameArgument,
    words: Annotated[
        list[str],
        typer.Argument(metavar="WHAT", help="book 50% | scale 25% | stop PRICE | exit"),
    ],
    config: ConfigOption = None,
    decision_id: IdOption = None,
    expires: Annotated[
        str | None, typer.Option(metavar="TIME", help="Its life, such as 5m (the default).")
    ] = None,
    dry_run: DryOption = False,
) -> None:
    """Decide something for a position of the running controller."""
    _decide(name, words, config, decision_id, expires, dry_run=dry_run)


@app.command()
def rebalance(
    name: NameArgument,
    config: ConfigOption = None,
    decision_id: IdOption = None,
    dry_run: DryOption = False,
) -> None:
    """Open rungs that are off again and share anew what is held."""
    _decide(name, ["rebalance"], config, decision_id, None, dry_run=dry_run)


@app.command()
def release(
    name: NameArgument,
    config: ConfigOption = None,
    decision_id: IdOption = None,
    dry_run: DryOption = False,
) -> None:
    """Let a position go, its orders left resting; or a halted one go on."""
    _decide(name, ["release"], config, decision_id, None, dry_run=dry_run)


def _decide(
    name: str,
    words: list[str],
    config: Path | None,
    decision_id: str | None,
    expires: str | None,
    *,
    dry_run: bool,
) -> NoReturn:
    def work() -> int:
        from controller import cmd_ask

        return cmd_ask.decide(
            name, words, config, decision_id=decision_id, expires=expires, dry_run=dry_run
        )

    finish(work)


@app.command()
def report(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="A position.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what was decided, what came of it and what it was worth."""

    def work() -> int:
        from controller import cmd_report

        return cmd_report.report(name, config, as_json=as_json)

    finish(work)


@app.command()
def adopt(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="As the configuration does.")],
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="What is held there.")],
    config: ConfigNeeded,
    apply: Annotated[bool, typer.Option("--apply", help="Take it over; else only show.")] = False,
    side: Annotated[
        str | None, typer.Option(metavar="long|short", help="Which of two positions.")
    ] = None,
    stop: Annotated[
        str | None, typer.Option(metavar="PRICE", help="Where to set a stop if none rests.")
    ] = None,
    hit: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="How many rungs have been hit.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Take over what rests at a venue: show the plan of changes, or apply it."""

    def work() -> int:
        from controller import cmd_adopt

        asked = cmd_adopt.read(account, symbol, side, stop, hit, apply=apply)
        return cmd_adopt.adopt(asked, config, as_json=as_json)

    finish(work)


@app.command()
def doctor(
    config: ConfigNeeded,
    as_json: JsonOption = False,
) -> None:
    """Say whether it is safe to trade: 0 when it is, 1 when not; nothing is sent."""

    def work() -> int:
        from controller import cmd_doctor

        return cmd_doctor.doctor(config, as_json=as_json)

    finish(work)


class Broker(enum.StrEnum):
    """Where a person logs in every day."""

    ZERODHA = "zerodha"


@app.command()
def login(
    broker: Annotated[Broker, typer.Argument(metavar="zerodha", help="Where to log in.")],
    config: ConfigNeeded,
    account: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which account, if there are several.")
    ] = None,
    request_token: Annotated[
        str | None, typer.Option(metavar="TOKEN", help="Do not ask: the token, or the address.")
    ] = None,
) -> None:
    """Get the day's access token; a running controller takes it by itself."""
    del broker

    def work() -> int:
        from controller import cmd_login

        return cmd_login.login(config, account, request_token)

    finish(work)


@app.command()
def diagram(
    fmt: Annotated[
        DiagramFormat | None,
        typer.Option("--format", help="What to write; all but svg without it."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail if the files differ.")
    ] = False,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the diagrams.")] = Path(
        "diagrams"
    ),
) -> None:
    """Draw the state machines from their tables."""

    def work() -> int:
        from controller import cmd_diagram

        return cmd_diagram.diagram(None if fmt is None else fmt.value, out, check=check)

    finish(work)


def main() -> None:
    """Answer the command line and leave with an exit code."""
    sys.excepthook = last_words
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a mark that cannot be shown is no error
    hide_secrets()
    get_command(app)(prog_name="rungkeeper")
