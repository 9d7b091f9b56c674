"""The command line at another time of day: ``python -m tests.controller.elsewhen MS run …``.

Venues have hours, tests have none. SIGUSR1 sets the clock an hour ahead, as a person would. The
last line tells which SDKs were loaded.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable

from controller import live_app
from controller.cli import main
from controller.clock import SystemClock

SDKS = {"pybit", "kiteconnect", "twisted"}
HOUR_MS = 3_600_000

ahead_ms = [0]


class Elsewhen(SystemClock):
    """The machine's clock, with another wall."""

    def __init__(self, on_jump: Callable[[int], None]) -> None:
        super().__init__(lambda: time.time_ns() // 1_000_000 + sum(ahead_ms), on_jump=on_jump)


if __name__ == "__main__":
    ahead_ms.append(int(sys.argv.pop(1)))
    signal.signal(signal.SIGUSR1, lambda *_: ahead_ms.append(HOUR_MS))
    live_app.SystemClock = Elsewhen
    try:
        main()
    finally:
        found = {name.partition(".")[0] for name in sys.modules} & SDKS
        sys.stdout.write(f"loaded: {' '.join(sorted(found))}\n")
