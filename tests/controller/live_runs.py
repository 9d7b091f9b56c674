"""`rungkeeper run` in a process of its own, at a loopback venue, at a chosen time of day."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from controller import journal
from controller.codes import FINE

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 20
"""A run that has not come so far by then never will."""


class Street:
    """A venue and a configuration beside each other, and a way to wait for what happens there."""

    def __init__(self, config: Path, text: str, env: Mapping[str, str], ahead_ms: int = 0) -> None:
        config.write_text(text)
        self.config = config
        self.env = env
        self.ahead_ms = ahead_ms
        """How far the controller's clock is ahead of this machine's."""
        self._answered = threading.Condition()

    def tell(self, line: str = "") -> None:
        """Hear that a request was done."""
        del line
        with self._answered:
            self._answered.notify_all()

    def until(self, true: Callable[[], bool]) -> None:
        """Wait until something holds after a request."""
        with self._answered:
            assert self._answered.wait_for(true, PATIENCE_S), "it did not come to that"

    def states(self) -> list[str]:
        """Return the states of the ladder in order, from the journal, without repetitions."""
        state = self.config.with_suffix(".db")
        records = [each for each in journal.read(state) if each.kind == "transition"]
        return list(dict.fromkeys(str(each.data["to"]) for each in records))

    def command(self, *words: str) -> list[str]:
        """Make a command line; ``words`` are a command and its arguments."""
        here = [sys.executable, "-u", "-m", "tests.controller.elsewhen", str(self.ahead_ms)]
        return [*here, *words, "--config", str(self.config)]


@contextmanager
def started(street: Street) -> Generator[subprocess.Popen[str]]:
    """Run the controller; whoever asks for it ends it."""
    with subprocess.Popen(
        street.command("run"),
        cwd=ROOT, env=os.environ | street.env, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as run:  # fmt: skip
        try:
            yield run
        except BaseException:
            run.kill()
            raise


@contextmanager
def running(street: Street, ending: signal.Signals) -> Generator[subprocess.Popen[str]]:
    """Run the controller, and end it by a signal; nothing worth an alert may happen."""
    with started(street) as run:
        yield run
        run.send_signal(ending)
        assert run.stderr is not None
        said = run.stderr.read()
    code = FINE if ending is signal.SIGTERM else -ending
    assert (said, run.returncode) == ("", code), (said, run.returncode)


def told(run: subprocess.Popen[str], row: str) -> None:
    """Read on until a row is printed."""
    assert run.stdout is not None
    for line in run.stdout:
        if row in line:
            return
    raise AssertionError(f"{row} was not taken")


def alerted(run: subprocess.Popen[str], words: str) -> str:
    """Read the next alert, which must hold these words."""
    assert run.stderr is not None
    line = run.stderr.readline()
    assert words in line, line
    return line


def loaded(run: subprocess.Popen[str]) -> str:
    """End the controller in peace and return which SDKs it had loaded."""
    run.send_signal(signal.SIGTERM)
    assert run.stdout is not None
    return run.stdout.read().splitlines()[-1].removeprefix("loaded: ")
