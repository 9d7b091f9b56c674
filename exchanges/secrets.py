"""Secrets by reference: where they are is configured, what they are is not.

Knows nothing of venues. Invariant: a secret looks like ``***`` wherever it is shown, joined or
encoded; only ``reveal`` tells it. *Source*: RELIABILITY §4.
"""

from __future__ import annotations

import os
import stat
from base64 import b64encode
from collections.abc import Callable, Mapping
from functools import cache
from hmac import compare_digest
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast
from urllib.parse import quote

from machines.errors import InvalidSpec

HIDDEN = "***"
SHORTEST = 4
"""Characters: what is shorter would be found in any text."""
_LONGEST = 64 * 1024
"""Bytes of a secret's file; an RSA key has about two thousand."""
_KINDS = 'a secret is named, not written: "env:NAME", "file:PATH" or "keyring:SERVICE/USER"'

_known: set[str] = set()


class Secret:
    """A value that shows itself as ``***``, and that ``redact`` finds in any text."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        _known.add(value)

    def reveal(self) -> str:
        """Return what is hidden. Only a venue's door calls this."""
        return self._value

    def __str__(self) -> str:
        return HIDDEN

    __repr__ = __str__

    def __format__(self, how: str) -> str:
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a secret is not copied out of the process")


def hide(value: object) -> str:
    """Encode a secret as ``***``: msgspec's ``enc_hook``. *Raises*: NotImplementedError else."""
    if isinstance(value, Secret):
        return HIDDEN
    raise NotImplementedError(f"{type(value).__name__} cannot be encoded")


def redact(text: str) -> str:
    """Put ``***`` wherever a secret stands in a text, plain or as an address or a header has it."""
    for value in sorted(_known, key=len, reverse=True):
        if len(value) >= SHORTEST:
            for shape in _shapes(value):
                text = text.replace(shape, HIDDEN)
    return text


@cache
def _shapes(value: str) -> tuple[str, ...]:
    encoded = b64encode(value.encode()).decode().rstrip("=")
    return tuple(dict.fromkeys((value, quote(value, safe=""), encoded)))


def secret_from(reference: str, folder: Path, env: Mapping[str, str], where: str) -> Secret:
    """Fetch what a reference names; a relative file lies in ``folder``.

    *Raises*: InvalidSpec naming ``where`` and what is wrong, never the value.
    """
    kind, _, name = reference.partition(":")
    if not name:
        raise InvalidSpec([f"{where}: {_KINDS}"])
    try:
        match kind:
            case "env":
                value = _from_env(name, env)
            case "file":
                value = _from_file(folder / name)
            case "keyring":
                value = _from_keyring(name)
            case _:
                raise ValueError(_KINDS)
    except ValueError as error:
        raise InvalidSpec([f"{where}: {error}"]) from None
    return Secret(value)


def _from_env(name: str, env: Mapping[str, str]) -> str:
    value = env.get(name, "").strip()
    if not value:
        raise ValueError(f"env:{name}: the variable is not set, or empty")
    return value


def _from_file(path: Path) -> str:
    """Read a file that nobody else may read."""
    try:
        # One descriptor for look and read: the file cannot be exchanged in between.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise ValueError(f"file:{path}: cannot be read: {error.strerror}") from None
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError(f"file:{path}: is not a file")
        if found.st_uid != os.geteuid():
            raise ValueError(f"file:{path}: belongs to user {found.st_uid}; must be yours")
        if found.st_mode & 0o077:
            mode = stat.S_IMODE(found.st_mode)
            raise ValueError(f"file:{path}: mode {mode:04o} lets others in; chmod 600")
        text = os.read(fd, _LONGEST + 1)
    finally:
        os.close(fd)
    try:
        value = text.decode().strip()
    except UnicodeDecodeError:
        raise ValueError(f"file:{path}: is not text") from None
    if not value or len(text) > _LONGEST:
        raise ValueError(f"file:{path}: is {'empty' if not value else 'too long for a secret'}")
    return value


class _Keyring(Protocol):
    get_password: Callable[[str, str], str | None]


def _from_keyring(name: str) -> str:
    service, _, user = name.partition("/")
    try:
        keyring = cast("_Keyring", import_module("keyring"))
    except ImportError:
        raise ValueError(f"keyring:{name}: the package keyring is not installed") from None
    value = keyring.get_password(service, user)
    if not value:
        raise ValueError(f"keyring:{name}: holds no such secret")
    return value
