"""What every test may use: the recorded market data, and how hard hypothesis looks."""

import os
import sys
import threading
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

CHECKOUT = Path(__file__).resolve().parent.parent
DATA_VARIABLE = "RUNGKEEPER_DATA"

# No deadline per example: a machine that is busy with something else is not a failure.
# The same examples at every run of `make test`; `make prove` draws new ones.
settings.register_profile("test", deadline=None, derandomize=True)
settings.register_profile("prove", deadline=None, max_examples=5_000, derandomize=False)
settings.load_profile("test")


def recorded() -> Path:
    return Path(os.environ.get(DATA_VARIABLE) or CHECKOUT.parent / "shared" / "data").resolve()


def pytest_report_header() -> str:
    found = "" if recorded().is_dir() else f" (missing: set {DATA_VARIABLE})"
    return f"recorded data: {recorded()}{found}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without the data, leave out the tests that want them: one check fails, not dozens.

    The check is `test_recorded_data_when_sought_then_are_there` in test_tidy.py.
    """
    if recorded().is_dir():
        return
    wanting = [item for item in items if "shared_data" in getattr(item, "fixturenames", ())]
    items[:] = [item for item in items if item not in wanting]
    config.hook.pytest_deselected(items=wanting)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Count lines in `tests/machines` alone, where every one of them is to be covered.

    Elsewhere the tracer would more than double a test's time, and prove nothing of them.
    """
    if item.path.is_relative_to(CHECKOUT / "tests" / "machines"):
        return (yield)
    tracer, of_threads = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)  # type: ignore[arg-type]  # its own default
    try:
        return (yield)
    finally:
        sys.settrace(tracer)
        threading.settrace(of_threads)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Where the recorded market data should be, there or not."""
    return recorded()


@pytest.fixture(scope="session")
def shared_data(data_folder: Path) -> Path:
    """The folder of recorded market data (read only); a test that asks for it runs only with it."""
    return data_folder
