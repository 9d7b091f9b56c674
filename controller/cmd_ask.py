"""``rungkeeper open``, ``decide``, ``rebalance``, ``release``: what a running controller is asked.

Reads the words a person types; what comes of them is the controller's answer, given when it is
durable.
"""

from __future__ import annotations

import secrets
from decimal import Decimal
from pathlib import Path

import typer

from controller.codes import CHECK_FAILED, FINE, WRONG_INPUT
from controller.config import ControllerSettings, load, read_text
from controller.config_values import Wrong, duration_ms, positive, signed_ratio
from controller.control import Decide, Open, Reply, Request, ask
from machines.decision import Kind
from machines.errors import InvalidSpec

WORDS = "book 50% | scale 25% | scale QTY | stop PRICE | exit"


def open_plans(file: Path, config: Path | None) -> int:
    """Hand the plans of a file to the running controller."""
    return _say(_ask(config, Open(read_text(file), str(file))))


def decide(
    name: str,
    words: list[str],
    config: Path | None,
    *,
    decision_id: str | None,
    expires: str | None,
    dry_run: bool,
) -> int:
    """Hand a decision to the running controller. *Raises*: InvalidSpec."""
    kind, more = _read(words)
    life_ms = 0 if expires is None else _duration(expires)
    asked = Decide(
        id=decision_id or f"{name}-{secrets.token_hex(6)}",
        ladder=name,
        kind=kind,
        fraction=more.get("fraction"),
        qty=more.get("qty"),
        price=more.get("price"),
        life_ms=life_ms,
        dry_run=dry_run,
    )
    return _say(_ask(config, asked))


def _duration(text: str) -> int:
    try:
        return duration_ms(text)
    except Wrong as wrong:
        raise InvalidSpec([f"--expires {text}: {wrong}"]) from None


def _read(words: list[str]) -> tuple[Kind, dict[str, Decimal]]:
    """Read what was decided from the words of the command line. *Raises*: InvalidSpec."""
    shown = " ".join(words)
    try:
        match words:
            case ["book", part]:
                return Kind.BOOK, {"fraction": _fraction(part)}
            case ["scale", part] if part.endswith("%"):
                return Kind.SCALE_IN, {"fraction": _fraction(part)}
            case ["scale", qty]:
                return Kind.SCALE_IN, {"qty": positive(qty)}
            case ["stop", price]:
                return Kind.MOVE_STOP, {"price": positive(price)}
            case ["exit"]:
                return Kind.EXIT, {}
            case ["rebalance"]:
                return Kind.REBALANCE, {}
            case ["release"]:
                return Kind.RELEASE, {}
            case _:
                raise InvalidSpec([f"{shown or 'nothing'}: one of {WORDS} is expected"])
    except Wrong as wrong:
        raise InvalidSpec([f"{shown}: {wrong}"]) from None


def _fraction(text: str) -> Decimal:
    found = signed_ratio(text)
    if not 0 < found <= 1:
        raise Wrong("a part between 0% and 100% is expected")
    return found


def _ask(config: Path | None, request: Request) -> Reply:
    settings = ControllerSettings() if config is None else load(config).controller
    return ask(settings.socket, request)


def _say(reply: Reply) -> int:
    for line in reply.told:
        typer.echo(line)
    for fault in reply.faults:
        typer.echo(fault, err=True)
    if reply.faults:
        return WRONG_INPUT
    return CHECK_FAILED if reply.data.get("state") == "REFUSED" else FINE
