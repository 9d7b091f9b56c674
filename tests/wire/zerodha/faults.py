"""What may go wrong with one request, and which requests it goes wrong with.

A fault says whether the request takes effect and what is answered instead. *Source*: the venue
sheet §3 and §15.
"""

import enum
import random
import re
from dataclasses import dataclass, field


class Fault(enum.StrEnum):
    """The name says what happens; ``APPLIED_…`` takes effect first."""

    APPLIED_HANG = "applied_hang"
    HANG = "hang"
    LATE = "late"
    """Nothing is answered, and it takes effect seconds later."""
    APPLIED_RESET = "applied_reset"
    RESET = "reset"
    APPLIED_CUT = "applied_cut"
    APPLIED_400_TIMED_OUT = "applied_400_timed_out"
    APPLIED_504_HTML = "applied_504_html"
    HTML_502 = "html_502"
    HTML_429 = "html_429"
    JSON_429 = "json_429"
    JSON_503 = "json_503"
    APPLIED_503 = "applied_503"
    TOKEN_403 = "token_403"
    PERMISSION_403 = "permission_403"
    APPLIED_NO_CONTENT_TYPE = "applied_no_content_type"
    APPLIED_BAD_JSON = "applied_bad_json"
    APPLIED_DATA_NULL = "applied_data_null"
    APPLIED_NO_ERROR_TYPE = "applied_no_error_type"
    APPLIED_500_SUCCESS = "applied_500_success"
    REDIRECT = "redirect"
    TWIN = "twin"
    NOT_APPLIED_200 = "not_applied_200"
    STUCK = "stuck"

    @property
    def applies(self) -> bool:
        """Whether the request takes effect."""
        return self.startswith("applied") or self in (Fault.TWIN, Fault.STUCK)


WRITES = r"(POST|PUT|DELETE) /(orders|gtt)"
READS = r"GET /"


@dataclass
class Planned:
    """A fault for the next ``times`` requests that match, after ``skip`` others that do."""

    fault: Fault
    pattern: re.Pattern[str]
    times: int = 1
    skip: int = 0


@dataclass
class Faults:
    """The faults of one server: planned ones, and a share of all requests."""

    planned: list[Planned] = field(default_factory=list[Planned])
    share: float = 0.0
    kinds: tuple[Fault, ...] = ()
    pattern: str = WRITES
    seed: int = 0
    happened: dict[Fault, int] = field(default_factory=dict[Fault, int])

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def plan(self, fault: Fault, pattern: str = WRITES, *, times: int = 1, skip: int = 0) -> None:
        self.planned.append(Planned(fault, re.compile(pattern), times, skip))

    def pick(self, request: str) -> Fault | None:
        """Choose what goes wrong with ``METHOD /path``."""
        for plan in self.planned:
            if not plan.pattern.match(request) or not plan.times:
                continue
            if plan.skip:
                plan.skip -= 1
                continue
            plan.times -= 1
            return self._count(plan.fault)
        if self.share and re.match(self.pattern, request) and self._random.random() < self.share:
            return self._count(self._random.choice(self.kinds))
        return None

    def _count(self, fault: Fault) -> Fault:
        self.happened[fault] = self.happened.get(fault, 0) + 1
        return fault
