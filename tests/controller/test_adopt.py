"""`adopt`: first the plan of changes, then a ladder that the controller keeps."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path

from exchanges import sqlite
from machines.words import SetStop, Side
from tests.controller.handmade import (
    KEY,
    at_venue,
    by_hand,
    call,
    job,
    long_of,
    order,
    resting,
    rows,
    shown,
)

NAME = "btcusdt-adopted"
BY_HAND = {
    "hand-tp3": "0.033 @ 107000",
    "hand-tp1": "0.5 @ 105000",
    "hand-tp2": "0.033 @ 106000",
    "hand-tp4": "0.033 @ 108000",
    "hand-more": "0.34 @ 103000",
}


def adopt(path: Path, *more: str) -> list[str]:
    result = call("adopt", "paper", "BTCUSDT", "--config", path, *more)
    assert result.exit_code == 0, result.stderr
    return result.stdout.splitlines()


def refusal(path: Path, *more: str) -> str:
    result = call("adopt", "paper", "BTCUSDT", "--config", path, *more)
    assert result.exit_code == 2
    assert result.stdout == ""
    return result.stderr


def test_adopt_when_only_asked_then_shows_the_plan_of_changes_and_does_nothing(
    tmp_path: Path,
) -> None:
    path = job(tmp_path)
    by_hand(path, long_of())
    assert adopt(path) == [
        "btcusdt-adopted: long BTCUSDT in paper, 0.66 @ 104000 held, PARTIALLY_FILLED, rules off",
        "            price    rests   wanted           at the venue",
        "  entry 1   103000   0.34    0.34     keep    hand-more",
        "  TP1       105000   0.5     0.561    amend   hand-tp1",
        "  TP2       106000   0.033   0.033    keep    hand-tp2",
        "  TP3       107000   0.033   0.033    keep    hand-tp3",
        "  TP4       108000   0.033   0.033    keep    hand-tp4",
        "  stop      101500   0.66    0.66     keep    the position's own",
        "nothing was changed; --apply takes it over",
    ]
    assert resting(shown(path)) == BY_HAND
    assert not (tmp_path / "s.db").exists()


def test_adopt_when_applied_then_the_next_run_keeps_the_ladder_to_its_end(tmp_path: Path) -> None:
    path = job(tmp_path)
    by_hand(path, long_of())
    assert adopt(path, "--apply")[-1] == "adopted: kept from the next `rungkeeper run` on"
    assert resting(shown(path)) == BY_HAND
    assert call("run", "--config", path, "--quiet").exit_code == 0
    told = call("history", NAME, "--config", path).stdout.splitlines()
    assert told[0].endswith(f"{NAME}  decision  DONE adopt 0.66 104000 by person")
    # The entry fills, TP1 and TP2 are hit, the stop at break-even closes what is left.
    assert rows(path, NAME) == ["E3", "T2", "T5", "T3", "S1", "C1"]
    view = shown(path)
    assert view.net_qty == 0
    assert resting(view) == {}
    sold = {fill.client_order_id: fill.qty for fill in view.fills if fill.side is Side.SELL}
    assert sold == {"hand-tp1": Decimal("0.850"), "hand-tp2": Decimal("0.05"), "": Decimal("0.1")}
    (status,) = json.loads(call("status", NAME, "--config", path, "--json").stdout)
    assert (status["state"], status["held"]) == ("CLOSED", "0.000")


def test_adopt_when_applied_then_no_price_moves_until_a_rung_is_hit(tmp_path: Path) -> None:
    path = job(tmp_path, bars="104000 104000 104000 104000\n" * 6)
    before = by_hand(path, long_of())
    adopt(path, "--apply")
    assert call("run", "--config", path, "--quiet").exit_code == 0
    after = shown(path)
    assert after.stop == before.stop
    assert resting(after) == BY_HAND | {"hand-tp1": "0.561 @ 105000"}
    assert rows(path, NAME) == []


def test_adopt_when_asked_for_json_then_money_is_text(tmp_path: Path) -> None:
    path = job(tmp_path)
    by_hand(path, long_of())
    told = json.loads("\n".join(adopt(path, "--json")))
    assert told["applied"] is False
    assert told["held"] == "0.66"
    assert told["orders"][1] == {
        "order": "TP1",
        "price": "105000",
        "resting": "0.5",
        "wanted": "0.561",
        "change": "amend",
        "venue_order": "hand-tp1",
    }


def test_adopt_when_no_stop_rests_then_sets_the_one_named(tmp_path: Path) -> None:
    path = job(tmp_path)
    by_hand(path, [each for each in long_of() if not isinstance(each, SetStop)])
    assert "no stop rests" in refusal(path)
    assert "--stop no: " in refusal(path, "--stop", "no")
    lines = adopt(path, "--stop", "101000", "--apply")
    assert lines[-2].split() == ["stop", "101000", "0", "0.66", "place"]
    assert call("run", "--config", path, "--quiet").exit_code == 0
    assert rows(path, NAME)[0] == "E3"


def test_adopt_when_it_is_owned_already_then_names_the_owner(tmp_path: Path) -> None:
    path = job(tmp_path)
    by_hand(path, long_of())
    adopt(path, "--apply")
    assert refusal(path) == f"paper BTCUSDT: belongs to {NAME} already\n"


def test_adopt_when_it_was_closed_and_built_anew_then_has_another_name(tmp_path: Path) -> None:
    path = job(tmp_path)
    by_hand(path, long_of())
    adopt(path, "--apply")
    assert call("run", "--config", path, "--quiet").exit_code == 0
    again = [
        order("hand-again", Side.BUY, "0.1"),
        SetStop(KEY, Decimal(101_000), Decimal("0.1")),
        order("hand-out", Side.SELL, "0.1", "110000", out=True),
    ]
    by_hand(path, again, bar=8)
    assert adopt(path)[0].startswith("btcusdt-adopted2: long BTCUSDT in paper, 0.100 @ 103500 held")


def test_adopt_when_nothing_fits_then_says_so_and_writes_nothing(tmp_path: Path) -> None:
    path = job(tmp_path)
    assert refusal(path, "--apply").startswith("paper BTCUSDT: nothing rests there: no venue file")
    by_hand(path, [order("hand-in", Side.BUY, "0.66"), order("hand-out", Side.SELL, "1", "105000")])
    said = refusal(path, "--apply")
    assert "is not reduce-only, so it could open a position on the other side" in said
    assert "no stop rests" in said
    assert not (tmp_path / "s.db").exists()
    assert "--side up: allowed" in refusal(path, "--side", "up")
    assert "nothing is held and nothing rests" in refusal(path, "--side", "short")
    result = call("adopt", "papers", "BTCUSDT", "--config", path)
    assert result.stderr == 'papers: no account of that name; there are: "paper"\n'


def test_adopt_when_a_controller_holds_the_state_or_the_venue_then_names_it(tmp_path: Path) -> None:
    path = job(tmp_path)
    by_hand(path, long_of())
    for name in ("s.venue.db", "s.db"):
        handle = sqlite.hold(tmp_path / name)
        try:
            result = call("adopt", "paper", "BTCUSDT", "--config", path, "--apply")
        finally:
            sqlite.let_go(handle)
        assert result.exit_code == 3
        assert "held by another " in result.stderr
        assert str(os.getpid()) in result.stderr


def test_adopt_when_a_rung_has_sold_in_part_then_only_what_sells_after_is_counted(
    tmp_path: Path,
) -> None:
    bars = """\
104000 104000 104000 104000 100
104000 105000 104000 104000 0.4
104000 104000 104000 104000 100
104000 105100 104000 105050 100
105050 105050 103000 103000 100
"""
    path = job(tmp_path, more='fill_share = "0.5"', bars=bars)
    by_hand(path, [each for each in long_of("0.561") if getattr(each, "price", None) != 103_000])
    view = at_venue(path, lambda _: None, 2)
    assert view.net_qty == Decimal("0.46")  # TP1 has sold 0.2 of 0.561
    assert [line.split()[:5] for line in adopt(path, "--apply")[2:6]] == [
        ["TP1", "105000", "0.361", "0.361", "keep"],
        *([f"TP{n}", f"10{n + 4}000", "0.033", "0.033", "keep"] for n in (2, 3, 4)),
    ]
    assert call("run", "--config", path, "--quiet").exit_code == 0
    assert rows(path, NAME) == ["T2", "T5", "S1", "C1"]
    told = call("history", NAME, "--config", path, "--json").stdout.splitlines()
    fills = [one for one in map(json.loads, told) if one["kind"] == "fill"]
    assert [(fill["role"], fill["qty"]) for fill in fills] == [
        ("take_profit", "0.361"),
        ("stop_loss", "0.099"),
    ]
