"""Kite's rate limits as it counts them: calendar seconds, minutes and days of its own clock."""

from collections import Counter

DAY_MS = 86_400_000
LIMITS = {
    "order": ((1_000, 10), (60_000, 400), (DAY_MS, 5_000)),
    "quote": ((1_000, 1),),
    "other": ((1_000, 10),),
}


def kind_of(method: str, path: str) -> str:
    """Tell what a request counts as; GTTs count as orders."""
    if path.startswith("/quote"):
        return "quote"
    orders = path.startswith(("/orders", "/gtt"))
    return "order" if orders and method != "GET" else "other"


class Rates:
    """Counts requests by window."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, int, int]] = Counter()
        self.refused = 0
        self.on = True

    def allow(self, kind: str, now_ms: int) -> bool:
        """Count a request, and tell whether it is within its windows."""
        windows = [(kind, span, now_ms // span) for span, _ in LIMITS[kind]]
        for window in windows:
            self._counts[window] += 1
        fine = all(
            self._counts[window] <= most
            for window, (_, most) in zip(windows, LIMITS[kind], strict=True)
        )
        self.refused += not fine
        return fine or not self.on
