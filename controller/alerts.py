"""What a person should hear of, as log lines: who, what, when.

One line an alert on stderr, through the standard library's logging; the journal keeps the same
words. What is no alert is logged at a lower level. Knows nothing of why anything is an alert.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime

OnAlert = Callable[[str, str, int], None]
"""Called with the ladder's or account's name, the sentence, and UTC ms."""


def no_alert(name: str, text: str, at_ms: int) -> None:
    """Let an alert pass unheard."""
    del name, text, at_ms


def log_news(name: str, text: str, at_ms: int) -> None:
    """Write to the log what is no alert; nobody sees it unless `listen` was called."""
    logger = logging.getLogger("rungkeeper")
    if logger.isEnabledFor(logging.INFO):
        logger.info("%s  %s  %s", _stamp(at_ms), name, text)


def listen() -> None:
    """Let all of the log be seen on stderr, each strategy cycle too."""
    logger = logging.getLogger("rungkeeper")
    logger.setLevel(logging.INFO)
    if not logger.handlers:
        logger.addHandler(logging.StreamHandler())


def log_alert(name: str, text: str, at_ms: int) -> None:
    """Write an alert to the log, at the time at which it was noticed."""
    logging.getLogger("rungkeeper").warning("%s  %s  %s", _stamp(at_ms), name, text)


def _stamp(at_ms: int) -> str:
    if not at_ms:  # before any market or clock was looked at
        return "at the start"
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
