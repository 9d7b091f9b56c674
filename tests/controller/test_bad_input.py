"""Bad input at the command line: a sentence, an exit code, nothing sent and no state file left."""

import gzip
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from controller.cli import app

CANDLES = """\
ts,open,high,low,close,volume
2025-06-01T00:00:00Z,100,101,99,100,5
2025-06-01T00:01:00Z,100,101,99,100,5
2025-06-01T00:02:00Z,100,101,99,100,5
"""
HEADER, FIRST, SECOND, THIRD = CANDLES.splitlines(keepends=True)
JOB = """\
[controller]
state = "s.db"
[accounts.paper]
venue = "simulated"
feed = { BTC = "c.csv" }
instruments = { BTC = { tick = "0.1", step = "0.01", min_qty = "0.01", min_notional = "5" } }
[[positions]]
name = "btc-1"
account = "paper"
symbol = "BTC"
side = "long"
entries = [{ price = "-1%", qty = "0.33" }, { price = "-2%", qty = "0.33" }]
stop = "-5%"
targets = ["1%", "2%", "3%", "4%"]
"""
VENUE = 'venue = "simulated"'


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def changed(old: str, new: str) -> str:
    assert old in JOB
    return JOB.replace(old, new, 1)


def with_job(folder: Path, written: str | bytes = JOB) -> Path:
    (folder / "c.csv").write_text(CANDLES)
    path = folder / "job.toml"
    path.write_bytes(written if isinstance(written, bytes) else written.encode())
    return path


def refused(path: Path, code: int = 2) -> str:
    """Run what must be refused; return what is said, folders left out."""
    result = call("run", "--config", path, "--quiet")
    assert result.exit_code == code, result.stderr
    assert isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    return result.stderr.replace(f"{path.parent}/", "")


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"job.toml", "c.csv", "c.csv.gz", "acts"}


def test_job_when_nothing_is_wrong_then_runs(tmp_path: Path) -> None:
    assert call("run", "-q", "-c", with_job(tmp_path)).exit_code == 0
    assert {"s.db", "s.venue.db"} <= left(tmp_path)


# ------------------------------------------------------------------------------- the file itself

FILES: list[tuple[str | bytes, str]] = [
    ("", "job.toml: accounts: missing; at least one [accounts.NAME] is expected"),
    (bytes(range(1, 256)), "job.toml: not UTF-8: byte 0x80 at line 2, column 118"),
    (JOB.encode("utf-16"), "job.toml: not UTF-8: byte 0xff at line 1, column 1"),
    (JOB.replace("btc-1", "btc\0"), "job.toml: not TOML: Illegal character '\\x00' (at line 8"),
    (
        JOB + "[controller]\n",
        "job.toml: not TOML: Cannot declare ('controller',) twice (at line 15",
    ),
    (JOB + 'stop = "-6%"\n', "job.toml: not TOML: Cannot overwrite a value (at line 15"),
    (JOB + "anchor =\n", "job.toml: not TOML: Invalid value (at line 15"),
]


@pytest.mark.parametrize(("written", "message"), FILES, ids=[said for _, said in FILES])
def test_configuration_when_it_is_none_then_says_where_it_ends_to_be(
    tmp_path: Path, written: str | bytes, message: str
) -> None:
    assert refused(with_job(tmp_path, written)).startswith(message)
    assert left(tmp_path) == set()


@pytest.mark.parametrize("command", [("run", "-c"), ("preview",), ("history", "-c")])
def test_configuration_when_it_is_a_folder_or_missing_then_every_command_says_so(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    for path, message in ((tmp_path, "this is a folder"), (tmp_path / "no", "there is no such")):
        result = call(*command, path)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith(f"{path}: {message}")


# ------------------------------------------------------------------------------------- its values

P, E = "job.toml: btc-1: positions[1].", "job.toml: btc-1: positions[1].entries[1]."
PLAIN = 'a plain decimal in quotes is expected, like "0.33": no exponent, no underscore'
QUOTED = "numbers stand in quotes here, so that no digit is lost"
VALUES: list[tuple[str, str, str]] = [
    ("stop =", "stpo =", P + 'stpo = "-5%": unknown field; did you mean "stop"?'),
    ("stop =", "stpo =", P + 'stop: missing; a price like "104000" or a percentage like "-1.5%"'),
    ("[controller]", "[controler]", 'job.toml: controler = { state = "s.db" }: unknown field'),
    ('"0.33"', "0.33", E + f'qty = 0.33: {QUOTED}: "0.33"'),
    ('"0.33"', "1_000", E + f'qty = 1000: {QUOTED}: "1000"'),
    ('"0.33"', "nan", E + f'qty = nan: {QUOTED}: "nan"'),
    ('"0.33"', '"NaN"', E + f'qty = "NaN": {PLAIN}'),
    ('"0.33"', '"1e3"', E + f'qty = "1e3": {PLAIN}'),
    ('"0.33"', '"1_000"', E + f'qty = "1_000": {PLAIN}'),
    ('"0.33"', '"-1"', E + 'qty = "-1": no sign is allowed here'),
    ('"0.33"', '"0"', E + 'qty = "0": it must be above zero'),
    ('"0.33"', f'"{"9" * 16}"', "too long: at most 15 digits before the point and 12 after it"),
    ('"0.33"', '"0.335"', 'not a multiple of the step of BTC, 0.01; nearest: "0.33", "0.34"'),
    ('"0.33"', '"0.001"', "below the least quantity of BTC, 0.01"),
    ('"0.33"', '"0.05"', E + "qty = 0.05: must be at least 0.06 at 99"),
    ('tick = "0.1"', 'tick = "0"', 'job.toml: accounts.paper.instruments.BTC.tick = "0": it must'),
    ('tick = "0.1"', 'tick = "0.00000000001"', 'too fine: at least "0.0000000001" is expected'),
    ('"4%"]', '"4%"]\nshares = ["0.85", "0.05", "0.05", "0.04"]', "they sum to 0.99; they must su"),
    ('["1%"', '["-3%"', P + 'targets[1] = "-3%": on the wrong side; a long\'s targets lie above'),
    ('["1%"', '["98.5"', P + "targets[1] = 98.5: is 98.5, on the wrong side; a long's targets lie"),
    ('"2%", "3%"', '"3%", "2%"', P + "targets[3] = 2%: is 102.0, out of order; must lie above"),
    ('"-5%"', '"5%"', P + 'stop = "5%": the stop of a long lies below the entry: like "-1.5%"'),
    ('"-5%"', '"-1.5%"', P + "stop = -1.5%: is 98.5, inside the entries; a long's stop lies below"),
    ('"-5%"', '"98.5"', P + "stop = 98.5: is 98.5, inside the entries; a long's stop lies below a"),
    ('"c.csv"', '"d.csv"', 'job.toml: accounts.paper.feed.BTC = "d.csv": there is no file d.csv'),
    ('"c.csv"', f'"{"d" * 300}"', "a feed is a candle file,"),
    ('"c.csv"', '"."', "is a folder; a feed is a candle file,"),
    ('"c.csv"', '"live:kite"', 'live prices are Bybit\'s: "live:bybit"'),
    ('feed = { BTC = "c.csv" }', "", "no feed for it; accounts.paper.feed has none"),
    ("{ BTC = { tick", "{ ETH = { tick", 'no such instrument; accounts.paper.instruments has "ETH'),
    ('symbol = "BTC"', 'symbol = "btc"', P + 'symbol = "btc": accounts.paper has neither instr'),
    ('account = "paper"', 'account = "real"', P + 'account = "real": there is no [accounts.real]'),
    ('"btc-1"', '"BTC-1"', 'positions[1].name = "BTC-1": a name is made of a-z, 0-9 and -'),
    ('"btc-1"', f'"{"b" * 21}"', "a name has at most 20 characters; this has 21"),
    ("[[positions]]", "[positions]", "a list of tables is expected, like [ { … } ] or [[brackets]"),
    ('"s.db"', '"."', "job.toml: controller.state = \".\": "),
    ('"s.db"', '"/dev/null"', 'job.toml: controller.state = "/dev/null": /dev/null is no plain fi'),
    ('"s.db"', '"no/s.db"', 'job.toml: controller.state = "no/s.db": there is no folder no'),
    ('"s.db"', f'"{"s" * 201}"', "too long: the name of a file has at most 200 bytes"),
    ("[[pos", '[[positions]]\nname = "btc-1"\n[[pos', "positions[1] has this name already; every"),
    ('"4%"]', '"4%"]\nnot_before = "2035-01-01T00:00Z"', "the feed of BTC ends earlier, at 2025-0"),
    ('"4%"]', '"4%"]\nnot_before = 2025-06-01', "a time in UTC is expected, in quotes, like "),
    ('"4%"]', '"4%"]\nmirrors = [{ account = "b", ratio = "1" }]', "there is no [accounts.b]; "),
    (VENUE, 'venue = "bybit"', "job.toml: accounts.paper.key: missing; where a secret is, like"),
    (VENUE, VENUE + '\nexits = "pair"', 'accounts.paper.exits = "pair": did you mean "pairs"?'),
    (VENUE, VENUE + '\nfaults = { late = "5" }', 'accounts.paper.faults.late = "5": must be like'),
    (VENUE, VENUE + '\nacts = "none"', 'accounts.paper.acts = "none": there is no file none'),
    (VENUE, VENUE + '\nbook = "s.db"', "controller.state is this file; every file has one owner"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message"), VALUES, ids=[f"{n}: {m}" for _, n, m in VALUES])
def test_value_when_bad_then_file_field_value_and_what_is_allowed_are_said(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    said = refused(with_job(tmp_path, changed(old, new)))
    assert message in said
    assert all(
        line.startswith("job.toml: ") for line in said.splitlines() if "nothing was" not in line
    )
    assert left(tmp_path) == set()


def test_faults_when_there_are_many_then_one_error_lists_and_counts_them(tmp_path: Path) -> None:
    spoilt = changed('"-1%"', "-1").replace('"1%"', '"1 %"').replace("side =", "sde =")
    said = refused(with_job(tmp_path, spoilt)).splitlines()
    assert said[-1] == "4 faults; nothing was sent."
    assert [line.split(" ")[2].rstrip(":") for line in said[:-1]] == [
        f"positions[1].{field}" for field in ("side", "entries[1].price", "targets[1]", "sde")
    ]


def test_second_plan_when_its_key_is_live_then_is_refused_by_name_and_exits_1(
    tmp_path: Path,
) -> None:
    second = JOB[JOB.index("[[positions]]") :].replace("btc-1", "btc-2")
    result = call("run", "-q", "-c", with_job(tmp_path, JOB + second))
    assert result.exit_code == 1
    assert (
        "btc-2 refused: paper BTC belongs to btc-1; wait until it is closed, or set when_busy"
        in (result.stdout)
    )


# --------------------------------------------------------------------------------------- its feed

FEEDS: list[tuple[str | bytes, str]] = [
    ("", "c.csv: is empty; the first line must be ts,open,high,low,close,volume"),
    (HEADER, "c.csv: holds 0 bars; at least 2 are needed"),
    (HEADER + FIRST, "c.csv: holds 1 bars; at least 2 are needed"),
    (FIRST + SECOND, "c.csv: line 1: header '2025-06-01T00:00:00Z,100,101,99,100,5': must be ts,"),
    (CANDLES.replace(",", ";"), "c.csv: line 1: header 'ts;open;high;low;close;volume': must be"),
    (CANDLES.replace(",5\n", ",5,6\n"), "c.csv: line 2: '2025-06-01T00:00:00Z,100,101,99,100,5,6'"),
    (CANDLES[:-9], "c.csv: line 4: '2025-06-01T00:02:00Z,100,101,' has 4 fields; must be 6: ts,op"),
    (HEADER + SECOND + FIRST, "c.csv: line 3: ts '2025-06-01T00:00:00Z': must be later than the"),
    (HEADER + SECOND + SECOND, "c.csv: line 3: ts '2025-06-01T00:01:00Z': must be later than the"),
    (CANDLES.replace("101", "NaN", 1), "c.csv: line 2: high 'NaN': must be a number in plain"),
    (CANDLES.replace("101", "1e2", 1), "c.csv: line 2: high '1e2': must be a number in plain"),
    (CANDLES.replace("99", "0", 1), "c.csv: line 2: low 0: a price must be above 0"),
    (CANDLES.replace("101", "98", 1), "c.csv: line 2: high 98: must be at least open 100 and clos"),
    (CANDLES.replace(",5\n", ",-5\n", 1), "c.csv: line 2: volume -5: must be 0 or above"),
    (CANDLES.replace("01:00Z", "01:00"), "c.csv: line 3: ts '2025-06-01T00:01:00': must be ISO-86"),
    (HEADER + FIRST + "\n" + SECOND, "c.csv: line 3: '' has 1 fields; must be 6"),
    (CANDLES.encode() + b"\xe9", "c.csv: line 5: byte 0xe9 is not UTF-8"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "message"), FEEDS, ids=[said for _, said in FEEDS])
def test_feed_when_malformed_then_file_line_field_and_value_are_said(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    path = with_job(tmp_path)
    (tmp_path / "c.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert refused(path).startswith(message)
    assert left(tmp_path) == set()


PACKED = gzip.compress(CANDLES.encode(), mtime=0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (PACKED[:-12], "the gzip file ends too early; copy it again"),
        (PACKED[:20], "the gzip file ends too early; copy it again"),
        (PACKED[:-6] + b"\0\0" + PACKED[-4:], "not a sound gzip file (CRC check failed)"),
        (CANDLES.encode(), "not a sound gzip file (Not a gzipped file"),
        (b"", "is empty; the first line must be ts,open,high,low,close,volume"),
    ],
)
def test_feed_when_its_gzip_is_broken_then_says_so(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = with_job(tmp_path, changed('"c.csv"', '"c.csv.gz"'))
    (tmp_path / "c.csv.gz").write_bytes(content)
    assert refused(path).startswith(f"c.csv.gz: {message}")
    assert left(tmp_path) == set()


@pytest.mark.parametrize(
    ("acts", "messages"),
    [
        (
            "2025-06-01T00:02Z canel BTC\nnow buy BTC 1\n2025-06-01T00:02Z buy BTC -1\n",
            [
                "acts: line 1: deed 'canel': must be one of cancel, move, stop, buy, sell, close,",
                "acts: line 2: time 'now': must be UTC, like 2025-06-01T10:00Z",
                "acts: line 3: qty '-1': must be a plain number above 0",
            ],
        ),
        (
            "2035-06-01T00:02Z buy BTC 1\n2025-06-01T00:02Z buy ETH 1\n",
            [
                "acts: account paper: act 1 (buy): symbol 'ETH': not traded here; there are BTC",
                "acts: account paper: act 2 (buy): 2035-06-01T00:02:00Z: the feed's bars close fro",
            ],
        ),
    ],
)
def test_acts_when_wrong_then_every_line_is_said(
    tmp_path: Path, acts: str, messages: list[str]
) -> None:
    path = with_job(tmp_path, changed(VENUE, VENUE + '\nacts = "acts"'))
    (tmp_path / "acts").write_text(acts)
    said = refused(path).splitlines()
    assert said[-1] == f"{len(messages)} faults; nothing was sent."
    for line, message in zip(said[:-1], messages, strict=True):
        assert line.startswith(message)
    assert left(tmp_path) == set()


# ------------------------------------------------------------------- what is kept between two runs


def someone_elses(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE notes (text)")
    connection.close()


KEPT: list[tuple[str, Callable[[Path], object], str]] = [
    ("s.db", lambda path: path.write_text("x = 1\n"), "state s.db: "),
    ("s.db", lambda path: path.write_bytes(b"no database" * 999), "file is not a database"),
    ("s.db", someone_elses, "state s.db: not a Rungkeeper state file"),
    ("s.db", lambda path: path.symlink_to("/nowhere/s.db"), "unable to open"),
    ("s.db.lock", Path.mkdir, "state s.db: cannot be locked: Is a directory"),
    ("s.venue.db", lambda path: path.write_text("x"), "venue file s.venue.db: is cut short; resto"),
    ("s.venue.db", lambda path: path.write_bytes(b"x" * 9999), "venue file s.venue.db: cannot be"),
    ("s.venue.db", someone_elses, "venue file s.venue.db: is not a simulated venue's file; name a"),
    ("s.venue.db", Path.mkdir, "venue file s.venue.db: cannot be opened: unable to open"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "make", "message"), KEPT, ids=[said for _, _, said in KEPT])
def test_kept_file_when_it_is_not_ours_then_is_named_left_alone_and_exits_4(
    tmp_path: Path, name: str, make: Callable[[Path], object], message: str
) -> None:
    path = with_job(tmp_path)
    made = tmp_path / name
    make(made)
    before = made.read_bytes() if made.is_file() else b""
    assert message in refused(path, 4)
    assert left(tmp_path) - {"s.db.lock", "s.venue.db.lock"} <= {name}
    assert not made.is_file() or made.read_bytes() == before


# ----------------------------------------------------------------- what is allowed, and looks wrong


@pytest.mark.parametrize(
    ("old", "new", "warning"),
    [
        (
            '"-5%"',
            '"5"',
            "the stop at 5 is 94.9% away from the average entry; a percentage is written like -5%",
        ),
        (
            '["1%"',
            '["-0.5%"',
            "would be refused at this start: targets[1] = -0.5%: the market (100) is already there",
        ),
    ],
)
def test_preview_when_a_plan_is_allowed_but_odd_then_warns(
    tmp_path: Path, old: str, new: str, warning: str
) -> None:
    result = call("preview", with_job(tmp_path, changed(old, new)))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[-1] == f"  warning: {warning}"
