"""One owner for each account: the second controller is refused, and told who is first."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from typer.testing import CliRunner

from controller.cli import app
from controller.codes import IN_USE
from controller.config import load
from controller.owners import AccountBusy, hold, hold_accounts
from exchanges.secrets import Secret

ROOT = Path(__file__).resolve().parents[2]
ENV = {"BYBIT_KEY": "some-key", "BYBIT_SECRET": "some-secret", "KITE_KEY": "some-key"}
LIVE = """
[controller]
state = "{state}"
[accounts.main]
venue = "bybit"
key = "env:BYBIT_KEY"
secret = "env:BYBIT_SECRET"
environment = "demo"
[accounts.cash]
venue = "zerodha"
key = "env:KITE_KEY"
secret = "env:BYBIT_SECRET"
access_token = "env:KITE_KEY"
product = "{product}"
"""
HOLD = """
import sys
from controller.owners import hold
held = hold("main", sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def live(folder: Path, state: str = "a.db", product: str = "CNC") -> Path:
    path = folder / f"{state}.toml"
    path.write_text(LIVE.format(state=state, product=product))
    return path


def test_account_when_it_is_held_then_the_second_is_told_by_whom(tmp_path: Path) -> None:
    identity = f"bybit {tmp_path}"  # nobody else's
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, identity],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as first:  # fmt: skip
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with pytest.raises(AccountBusy) as caught:
            hold("main", identity)
        assert str(caught.value) == (
            f"account main: owned by another controller (process {first.pid}); one owner at a time"
        )
        hold("main", f"{identity} other").close()
        first.kill()
    hold("main", identity).close()  # however it died


def test_accounts_when_two_of_one_configuration_are_one_then_says_so(tmp_path: Path) -> None:
    settings = load(live(tmp_path)).accounts
    key = Secret(str(tmp_path))
    secrets = {"accounts.main.key": key, "accounts.cash.key": key}
    with ExitStack() as opened:
        hold_accounts(settings.values(), secrets, opened)  # two venues are two accounts
        mis = load(live(tmp_path, product="MIS")).accounts["cash"]
        hold_accounts([mis], secrets, opened)  # and so are two products
        with pytest.raises(AccountBusy, match=f"^account main: .*{os.getpid()}, this one"):
            hold_accounts([settings["main"]], secrets, opened)
    with ExitStack() as opened:
        hold_accounts(settings.values(), secrets, opened)


@pytest.mark.parametrize("words", [("run",), ("adopt", "main", "BTCUSDT", "--apply")])
def test_command_when_another_controller_owns_the_account_then_exits_3_and_writes_nothing(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    env = ENV | {"BYBIT_KEY": str(tmp_path)}
    secrets = {f"accounts.{name}.key": Secret(str(tmp_path)) for name in ("main", "cash")}
    config = live(tmp_path, state="b.db")
    with ExitStack() as opened:
        hold_accounts(load(config).accounts.values(), secrets, opened)
        result = CliRunner().invoke(app, [*words, "--config", str(config)], env=env)
    assert result.exit_code == IN_USE
    assert result.stderr.startswith("account main: owned by another controller (process ")
    assert not (tmp_path / "b.db").exists()
