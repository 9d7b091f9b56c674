"""Lets a test run without coverage's tracer.

What a proof repeats a hundred thousand times covers nothing that one scenario does not, and the
tracer would double its time.
"""

import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

P = ParamSpec("P")


def untraced(test: Callable[P, None]) -> Callable[P, None]:
    """Suspend whatever traces while a test runs."""

    @wraps(test)
    def runs(*args: P.args, **kwargs: P.kwargs) -> None:
        tracer = sys.gettrace()
        sys.settrace(None)
        try:
            test(*args, **kwargs)
        finally:
            sys.settrace(tracer)

    return runs
