"""`rungkeeper preview` of plans at real venues: by the price of now, and nothing is sent."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner, Result

from controller.cli import app
from controller.codes import FINE, WRONG_INPUT
from tests.controller.test_live_bad_input import ENV, KITE, token
from tests.controller.test_live_run import CONFIG
from tests.wire.bybit.desk import PRICES, rules
from tests.wire.bybit.server import Loopback
from tests.wire.zerodha.rig import infy
from tests.wire.zerodha.server import serve


def preview(folder: Path, written: str, *words: str) -> Result:
    path = folder / "job.toml"
    path.write_text(written)
    return CliRunner().invoke(app, ["preview", str(path), *words], env=ENV)


def test_preview_at_bybit_when_asked_then_starts_from_the_last_trade(tmp_path: Path) -> None:
    venue = Loopback(rules(), PRICES)
    try:
        text = CONFIG.format(url=venue.url, stream="ws://127.0.0.1:9/v5/private")
        done = preview(tmp_path, text, "--filled", "0.66", "--json")
        assert done.exit_code == FINE, done.output
        (found,) = json.loads(done.stdout)
        rungs = [rung["qty"] for rung in found["at_filled"]["rungs"]]
        assert rungs == ["0.561", "0.033", "0.033", "0.033"]
        assert [entry["price"] for entry in found["entries"]] == ["104000", "103500", "104500"]
        assert venue.mutations() == []
        done = preview(tmp_path, text.replace('"104000"', '"104000.05"'))
        assert "btc-1: positions[1].entries[1].price = 104000.05: off the tick" in done.stderr
        assert done.exit_code == WRONG_INPUT
    finally:
        venue.close()


def test_preview_at_zerodha_when_asked_then_starts_from_the_last_trade(tmp_path: Path) -> None:
    venue = infy()
    with serve(venue):
        token(tmp_path)
        done = preview(tmp_path, KITE.format(url=venue.url))
        assert done.exit_code == FINE, done.output
        assert "infy-1: long INFY in kite, starting at 1500" in done.stdout
        assert venue.writes() == []
