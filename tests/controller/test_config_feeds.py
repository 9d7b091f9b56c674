"""A tick file in a configuration, alone and with its best bids and asks."""

from pathlib import Path

import pytest

from controller.accounts import build_account
from machines.errors import InvalidSpec
from tests.controller.plans import changed, read

TICKS = "ts_ms,price,qty,side\n1000,104500,1,buy\n2000,104600,1,\n"
QUOTES = "ts_ms,bid,bid_qty,ask,ask_qty\n1500,104500,1,104500.1,1\n"


@pytest.mark.parametrize(("feed", "ticks"), [("t.csv", 2), ("t.csv+q.csv", 3), ("a+b.csv", 2)])
def test_feed_when_ticks_are_named_then_they_move_the_market(
    tmp_path: Path, feed: str, ticks: int
) -> None:
    for name, content in (("t.csv", TICKS), ("a+b.csv", TICKS), ("q.csv", QUOTES)):
        (tmp_path / name).write_text(content)
    config = read(changed("random-walk:7", feed), base_dir=tmp_path)
    found = build_account(config.accounts["paper"], tmp_path).feeds["BTCUSDT"]
    assert (len(found), found.quoted) == (ticks, feed == "t.csv+q.csv")


def test_feed_when_the_quotes_are_missing_then_the_error_names_their_file(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(TICKS)
    with pytest.raises(InvalidSpec, match=r"there is no file .*none\.csv; a feed is a candle file"):
        read(changed("random-walk:7", "t.csv+none.csv"), base_dir=tmp_path)
