"""``rungkeeper diagram``: write the state machines as diagrams, or check that they are current."""

from __future__ import annotations

from pathlib import Path

import typer

from controller import diagrams


def diagram(fmt: str | None, out: Path, *, check: bool) -> int:
    """Write the diagrams of one format or of all, or compare what is there with the tables."""
    if check:
        differences = diagrams.check(out)
        for difference in differences:
            typer.echo(difference, err=True)
        if differences:
            return 1
        typer.echo(f"{out}: equal to the tables")
        return 0
    try:
        written = diagrams.write(out, fmt)
    except diagrams.NoGraphviz as error:
        typer.echo(str(error), err=True)
        return 1
    for path in written:
        typer.echo(str(path))
    return 0
