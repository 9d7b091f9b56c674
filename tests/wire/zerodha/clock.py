"""A clock that runs, and that a test can put forward instead of waiting."""

import time


class WireClock:
    """Milliseconds of UTC, shared by the server and by whoever talks to it."""

    def __init__(self, start_ms: int) -> None:
        self._ahead_ms = start_ms - self._real_ms()

    @staticmethod
    def _real_ms() -> int:
        return time.monotonic_ns() // 1_000_000

    def now_ms(self) -> int:
        return self._real_ms() + self._ahead_ms

    def jump(self, ms: int) -> None:
        """Let ``ms`` pass at once."""
        self._ahead_ms += ms

    async def sleep(self, seconds: float) -> None:
        """Wait by letting the time pass at once."""
        self.jump(int(seconds * 1_000))
