"""The demonstration's configuration, and where a command without one looks."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from controller.config import Config, ControllerSettings, load, parse
from machines.errors import InvalidSpec


def demo_config() -> Config:
    """Return the demonstration's configuration: a seeded market, six plans and more."""
    text = files("controller").joinpath("demo.toml").read_text(encoding="utf-8")
    return parse(text, "the demonstration", Path.cwd(), {})


def state_file(config: Path | None) -> Path:
    """Return the state file of a configuration, or that of the last run here.

    *Raises*: InvalidSpec when there is none.
    """
    path = _of_the_last_run() if config is None else load(config).controller.state
    if not path.is_file():
        raise InvalidSpec([f"{path}: there is no such state file; `rungkeeper run` writes it"])
    return path


def _of_the_last_run() -> Path:
    """Return the usual state file, or the demonstration's where that alone is there."""
    usual, shown = ControllerSettings().state, demo_config().controller.state
    return shown if shown.is_file() and not usual.is_file() else usual
