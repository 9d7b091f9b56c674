"""The last filter before a terminal or a log: no secret leaves in a line, whoever wrote it.

Loads nothing: where no secret was fetched there is nothing to hide. *Source*: RELIABILITY §4.6.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO, cast

if TYPE_CHECKING:
    from types import ModuleType


class Redacting:
    """A text stream that writes ``***`` where a secret stands."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text without its secrets; a caller writes whole lines."""
        secrets: ModuleType | None = sys.modules.get("exchanges.secrets")
        if secrets is not None:
            text = secrets.redact(text)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


def hide_secrets() -> None:
    """Let whatever goes to stderr from now on, logs and tracebacks too, pass the filter."""
    sys.stderr = cast("TextIO", Redacting(sys.stderr))
