"""Secrets: fetched by reference, shown to nobody."""

import copy
from pathlib import Path

import msgspec
import pytest

from exchanges.secrets import Secret, hide, redact, secret_from
from machines.errors import InvalidSpec

CANARY = "canary-4711"


class Holder(msgspec.Struct):
    key: Secret


def fetch(reference: str, folder: Path = Path(), **env: str) -> Secret:
    return secret_from(reference, folder, env, "accounts.main.key")


def test_secret_when_shown_then_hides() -> None:
    secret = Secret(CANARY)
    shown = [str(secret), repr(secret), f"{secret:>9}", repr(Holder(secret)), f"{[secret]}"]
    shown.append(msgspec.json.encode(Holder(secret), enc_hook=hide).decode())
    assert not [text for text in shown if CANARY in text]
    assert shown[0] == "***"


def test_secret_when_encoded_unaware_then_nothing_is_written() -> None:
    with pytest.raises(TypeError):
        msgspec.json.encode(Holder(Secret(CANARY)))
    with pytest.raises(TypeError):
        copy.copy(Secret(CANARY))
    with pytest.raises(NotImplementedError):
        hide(object())


def test_secret_when_compared_then_by_value() -> None:
    assert Secret(CANARY) == Secret(CANARY)
    assert Secret(CANARY) != Secret("other")
    assert Secret(CANARY) != CANARY
    assert len({Secret(CANARY), Secret(CANARY)}) == 1


def test_text_when_redacted_then_no_secret_is_left_in_any_shape() -> None:
    Secret("canary/to+filter=")
    text = "a canary/to+filter= b canary%2Fto%2Bfilter%3D c Y2FuYXJ5L3RvK2ZpbHRlcj0= d"
    assert redact(text) == "a *** b *** c ***= d"


def test_text_when_redacted_then_what_is_too_short_for_a_secret_stays() -> None:
    Secret("usd")
    assert redact("usd") == "usd"


def test_reference_when_env_then_the_variable_is_read() -> None:
    assert fetch("env:KEY", KEY=f" {CANARY}\n").reveal() == CANARY


def test_reference_when_file_of_ours_then_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(CANARY + "\n")
    path.chmod(0o600)
    assert fetch("file:key", tmp_path).reveal() == CANARY


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_reference_when_file_lets_others_in_then_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    path.write_text(CANARY)
    path.chmod(mode)
    with pytest.raises(InvalidSpec, match=f"accounts.main.key: file:.*mode {mode:04o}") as caught:
        fetch("file:key", tmp_path)
    assert CANARY not in str(caught.value)


def test_reference_when_file_cannot_serve_then_says_why(tmp_path: Path) -> None:
    for name, content in (("empty", b"\n"), ("long", b"x" * 70_000), ("binary", b"\xff\xfe")):
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o600)
    for name, why in (
        *(("absent", "No such file"), ("empty", "is empty"), ("long", "too long")),
        *(("binary", "is not text"), ("", "env:NAME")),
    ):
        with pytest.raises(InvalidSpec, match=why):
            fetch(f"file:{name}", tmp_path)
    with pytest.raises(InvalidSpec, match="is not a file"):
        fetch("file:.", tmp_path)


@pytest.mark.parametrize("reference", [CANARY, "sesame:open", "env:", "", "env:ABSENT"])
def test_reference_when_it_names_nothing_then_refused_without_its_value(reference: str) -> None:
    with pytest.raises(InvalidSpec, match=r"accounts\.main\.key") as caught:
        fetch(reference)
    assert CANARY not in str(caught.value)


def test_reference_when_keyring_is_missing_then_says_so() -> None:
    with pytest.raises(InvalidSpec, match="keyring:bybit/main: the package keyring is not"):
        fetch("keyring:bybit/main")
