"""``rungkeeper --version``."""

from __future__ import annotations

import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def version_text() -> str:
    """Return the version that is installed, or that of the checkout being run."""
    try:
        return version("rungkeeper")
    except PackageNotFoundError:
        project = Path(__file__).resolve().parent.parent / "pyproject.toml"
        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])
