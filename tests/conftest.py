"""What every test may use: the recorded market data, and how hard hypothesis looks."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

CHECKOUT = Path(__file__).resolve().parent.parent
DATA_VARIABLE = "RUNGKEEPER_DATA"

# No deadline per example: a machine that is busy with something else is not a failure.
settings.register_profile("test", deadline=None)
settings.register_profile("prove", deadline=None, max_examples=10_000)
settings.load_profile("test")


def data_folder() -> Path:
    return Path(os.environ.get(DATA_VARIABLE) or CHECKOUT.parent / "shared" / "data").resolve()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Without the data, end the run once and clearly, before any test that wants them."""
    wanted = any("shared_data" in getattr(item, "fixturenames", ()) for item in session.items)
    if wanted and not data_folder().is_dir():
        pytest.exit(
            f"The recorded market data are not at {data_folder()}: "
            f"set {DATA_VARIABLE} to the folder that holds them.",
            returncode=1,
        )


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of recorded market data (read only)."""
    return data_folder()
