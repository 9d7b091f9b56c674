"""`mirrors` as written: which accounts follow a plan, and what is wrong with them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from controller.config import parse
from machines.errors import InvalidSpec
from machines.spec import Mirror
from tests.controller.twins import ENTRIES, JOB, MIRRORS, bars


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bars").write_text(bars(100_000))
    return tmp_path


WRONG = [
    ('[ { account = "third", ratio = "1" } ]', "there is no [accounts.third]"),
    ('[ { account = "paper", ratio = "1" } ]', "paper is the plan's own account; another one"),
    ('[ { account = "second", ratio = "0" } ]', 'mirrors[1].ratio = "0": it must be above zero'),
    ('[ { account = "second", ratio = 1 } ]', "mirrors[1].ratio = 1: "),
    ('[ { account = "second" } ]', "mirrors[1].ratio: missing"),
    ('[ { ratio = "1" } ]', "mirrors[1].account: missing"),
    ('[ { account = "second", ratio = "1", x = 1 } ]', "mirrors[1].x = 1: unknown field"),
    (
        '[ { account = "second", ratio = "1" }, { account = "second", ratio = "2" } ]',
        'mirrors[2].account = "second": follows already',
    ),
    ('{ account = "second", ratio = "1" }', "a list of tables is expected"),
]


@pytest.mark.parametrize(("mirrors", "said"), WRONG, ids=[said for _, said in WRONG])
def test_mirrors_when_written_wrong_then_says_how(folder: Path, mirrors: str, said: str) -> None:
    text = JOB.format(least="0.001", entries=ENTRIES, mirrors=mirrors, more="")
    with pytest.raises(InvalidSpec) as caught:
        parse(text, "twins", folder, {})
    assert len(caught.value.faults) == 1
    assert said in caught.value.faults[0]


def test_mirrors_when_the_other_account_does_not_trade_it_then_says_so(folder: Path) -> None:
    text = JOB.format(least="0.001", entries=ENTRIES, mirrors=MIRRORS, more="")
    head, _, tail = text.partition("[accounts.second]")
    with pytest.raises(InvalidSpec) as caught:
        parse(f"{head}[accounts.second]{tail.replace('BTC', 'ETH', 2)}", "twins", folder, {})
    assert any("accounts.second has no instrument BTCUSDT" in one for one in caught.value.faults)


def test_mirrors_when_a_ladder_default_names_them_then_every_plan_has_them(folder: Path) -> None:
    text = JOB.format(least="0.001", entries=ENTRIES, mirrors=MIRRORS, more="")
    written = text.replace(f"mirrors = {MIRRORS}", "")
    config = parse(f"{written}\n[ladder]\nmirrors = {MIRRORS}\n", "twins", folder, {})
    assert config.positions[0].mirrors == (Mirror("second", Decimal("0.5")),)
