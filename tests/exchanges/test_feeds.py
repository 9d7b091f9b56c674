"""Feeds: what a candle file, a walk and a script give, and what is said of a bad one."""

import gzip
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchanges.errors import BadFeed
from exchanges.feeds import Bar, Feed, file, load, script, walk
from exchanges.feeds.bars import bar_fault
from tests.exchanges.desk import BTC, COIN, SYMBOL

HEADER = "ts,open,high,low,close,volume\n"
FIRST = "2025-06-01T13:58:00Z,100,101.5,99,100.25,7\n"
SECOND = "2025-06-01T13:59:00Z,100.25,102,100,101,0\n"
THIRD = "2025-06-01T14:01:00Z,101,101,100,100,12.5\n"
GOOD = HEADER + FIRST + SECOND + THIRD
AT_MS = 1_748_786_280_000  # 2025-06-01T13:58:00Z


def written(folder: Path, content: str | bytes, name: str = "candles.csv") -> Path:
    raw = content.encode() if isinstance(content, str) else content
    path = folder / name
    path.write_bytes(raw)
    return path


def bar(at_ms: int, *numbers: str) -> Bar:
    opened, high, low, close, volume = map(Decimal, numbers)
    return Bar(at_ms, opened, high, low, close, volume)


# -------------------------------------------------------------------------- candle files


BARS = [
    bar(AT_MS + 60_000, "100", "101.5", "99", "100.25", "7"),
    bar(AT_MS + 120_000, "100.25", "102", "100", "101", "0"),
    bar(AT_MS + 240_000, "101", "101", "100", "100", "12.5"),
]


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        GOOD.rstrip("\n"),
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("Z,", "+00:00,"),
        GOOD.replace(":00Z", ":00.000Z"),
        "\ufeff" + GOOD,
    ],
    ids=["plain", "no last newline", "CRLF", "offset", "milliseconds", "BOM"],
)
def test_file_when_sound_then_each_bar_is_known_by_its_close(tmp_path: Path, content: str) -> None:
    feed = file.read(written(tmp_path, content), SYMBOL)
    assert (feed.symbol, feed.bar_ms, len(feed)) == (SYMBOL, 60_000, 3)
    assert list(feed) == BARS


def test_file_when_gzipped_then_reads_the_same(tmp_path: Path) -> None:
    path = written(tmp_path, gzip.compress(GOOD.encode()), "candles.csv.gz")
    assert list(file.read(path, SYMBOL)) == BARS


def test_file_when_read_then_numbers_are_plain_and_exact(tmp_path: Path) -> None:
    line = "2025-06-01T{}:00Z,104217.5,104402.7000000001,104200,104300.10,477.6050\n"
    path = written(tmp_path, HEADER + line.format("13:58") + line.format("13:59"))
    first = file.read(path, SYMBOL)[0]
    assert list(map(str, first[1:])) == [
        *("104217.5", "104402.7000000001", "104200", "104300.1", "477.6050")
    ]


def test_file_when_larger_than_a_block_then_loses_nothing(tmp_path: Path) -> None:
    made = walk.walk(SYMBOL, BTC, 3, bars=2_000)
    lines = [
        f"{iso(one.close_ms - 60_000)},{one.open},{one.high},{one.low},{one.close},{one.volume}\n"
        for one in made
    ]
    assert list(file.read(written(tmp_path, HEADER + "".join(lines)), SYMBOL)) == list(made)


def iso(at_ms: int) -> str:
    minutes = at_ms // 60_000 - 28_928_160  # since 2025-01-01
    days, rest = divmod(minutes, 1440)
    return f"2025-01-{days + 1:02}T{rest // 60:02}:{rest % 60:02}:00Z"


NUMBER = "must be a number in plain decimal notation"
FAULTS = {
    "empty": ("", "is empty; the first line must be ts,open,high,low,close,volume"),
    "no header": (FIRST + SECOND, "line 1: header '2025-06-01T13:58:00Z,100"),
    "no column": (
        GOOD.replace(",volume", ""),
        "line 1: header 'ts,open,high,low,close': must be ts,open,high,low,close,volume",
    ),
    "no bars": (HEADER, "holds 0 bars; at least 2 are needed"),
    "one bar": (HEADER + FIRST, "holds 1 bars; at least 2 are needed"),
    "blank line": (HEADER + FIRST + "\n" + SECOND, "line 3: '' has 1 fields; must be 6"),
    "field too few": (GOOD.replace(",0\n", "\n"), "line 3: .* has 5 fields; must be 6"),
    "field too many": (GOOD.replace(",0\n", ",0,0\n"), "line 3: .* has 7 fields; must be 6"),
    "line broken": (GOOD.replace(",102,100", ",102\n,100"), "line 3: .* has 3 fields"),
    "lines joined": (GOOD.replace(",0\n", ",0,"), "line 3: .* has 12 fields"),
    "NaN": (GOOD.replace("102,", "NaN,"), f"line 3: high 'NaN': {NUMBER}"),
    "infinity": (GOOD.replace("102,", "inf,"), f"line 3: high 'inf': {NUMBER}"),
    "exponent": (GOOD.replace("102,", "1.02e2,"), f"line 3: high '1.02e2': {NUMBER}"),
    "underscore": (GOOD.replace("102,", "1_02,"), f"line 3: high '1_02': {NUMBER}"),
    "space": (GOOD.replace("102,", " 102,"), f"line 3: high ' 102': {NUMBER}"),
    "sign": (GOOD.replace("102,", "+102,"), f"line 3: high '\\+102': {NUMBER}"),
    "two points": (GOOD.replace("102,", "1.0.2,"), f"line 3: high '1.0.2': {NUMBER}"),
    "no digits before": (GOOD.replace("12.5", ".5"), f"line 4: volume '.5': {NUMBER}"),
    "no digits after": (GOOD.replace("102,", "102.,"), f"line 3: high '102.': {NUMBER}"),
    "nothing": (GOOD.replace("102,", ","), f"line 3: high '': {NUMBER}"),
    "other digits": (GOOD.replace("102,", "\uff1102,"), f"line 3: high '\uff1102': {NUMBER}"),
    "many digits": (GOOD.replace("102,", "9" * 25 + ","), f"line 3: high '9+': {NUMBER}"),
    "many decimals": (GOOD.replace("102,", "102.12345678901,"), f"line 3: high .*: {NUMBER}"),
    "long volume": (GOOD.replace("12.5", "1" * 25), f"line 4: volume .*: {NUMBER}"),
    "price zero": (GOOD.replace(",99,", ",0,"), "line 2: low 0: a price must be above 0"),
    "price below": (GOOD.replace(",99,", ",-9,"), "line 2: low -9: a price must be above 0"),
    "volume below": (GOOD.replace("12.5", "-1"), "line 4: volume -1: must be 0 or above"),
    "volume minus 0": (GOOD.replace("12.5", "-0"), "line 4: volume -0: must be 0 or above"),
    "high below open": (
        GOOD.replace("102,", "100.2,"),
        "line 3: high 100.2: must be at least open 100.25 and close 101",
    ),
    "high below close": (GOOD.replace("102,", "100.5,"), "line 3: high 100.5: must be at least"),
    "low above open": (
        GOOD.replace("102,100,", "102,100.5,"),
        "line 3: low 100.5: must be at most open 100.25 and close 101",
    ),
    "low above close": (GOOD.replace(",99,", ",101,"), "line 2: low 101: must be at most"),
    "time repeated": (HEADER + FIRST + FIRST, "line 3: ts .*: must be later than the line before"),
    "time backwards": (HEADER + SECOND + FIRST, "line 3: ts .*: must be later than the line"),
    "no zone": (GOOD.replace("13:59:00Z", "13:59:00"), "line 3: ts '2025-06-01T13:59:00': must be"),
    "other zone": (GOOD.replace("13:59:00Z", "13:59:00+05:30"), "line 3: ts .*: must be ISO-8601"),
    "zone west": (GOOD.replace("13:59:00Z", "13:59:00-05:00"), "line 3: ts .*: must be ISO-8601"),
    "no time": (GOOD.replace("2025-06-01T13:59:00Z", "1748786340"), "line 3: ts '1748786340'"),
    "no day": (GOOD.replace("06-01T13:59", "06-31T13:59"), "line 3: ts .*: must be ISO-8601 in"),
    "no separator": (GOOD.replace("T13:59", " 13:59"), "line 3: ts '2025-06-01 13:59:00Z'"),
    "part of a ms": (GOOD.replace("59:00Z", "59:00.0005Z"), "line 3: ts .*: must be ISO-8601"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_file_when_bad_then_the_error_names_file_line_value_and_what_is_allowed(
    tmp_path: Path, name: str
) -> None:
    content, says = FAULTS[name]
    path = written(tmp_path, content)
    with pytest.raises(BadFeed, match=f"candles.csv: {says}"):
        file.read(path, SYMBOL)


def test_file_when_not_utf8_then_the_error_names_the_line(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD.encode().replace(b"102,", b"10\xff,"))
    with pytest.raises(BadFeed, match="line 3: byte 0xff is not UTF-8"):
        file.read(path, SYMBOL)


def test_file_when_missing_then_the_error_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadFeed, match="gone\\.csv: there is no such file"):
        file.read(tmp_path / "gone.csv", SYMBOL)
    with pytest.raises(BadFeed, match="cannot be read: Is a directory"):
        file.read(tmp_path, SYMBOL)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda raw: raw[:-9], "the gzip file ends too early"),
        (lambda raw: raw[:20], "the gzip file ends too early"),
        (lambda raw: raw[:15] + bytes(9) + raw[24:], "not a sound gzip file"),
        (lambda raw: GOOD.encode(), "not a sound gzip file"),
        (lambda raw: b"", "is empty"),
    ],
    ids=["no end", "only a start", "damaged", "not gzip", "empty"],
)
def test_gzip_when_damaged_then_the_error_says_so(tmp_path: Path, damage, says: str) -> None:
    path = written(tmp_path, damage(gzip.compress(GOOD.encode())), "candles.csv.gz")
    with pytest.raises(BadFeed, match=says):
        file.read(path, SYMBOL)


@given(st.data())
def test_file_when_any_bytes_change_then_is_a_feed_or_named_as_bad(data: st.DataObject) -> None:
    raw = bytearray(GOOD.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        where = data.draw(st.integers(0, len(raw) - 1))
        new = data.draw(st.sampled_from([b"", b"\n", b",", b".", b"-", b"0", b"7", b"Z", b"\xc3"]))
        raw[where : where + data.draw(st.integers(0, 2))] = new
    try:
        feed = file.parse(bytes(raw), SYMBOL, "here")
    except BadFeed as error:
        assert str(error).startswith("here: ")  # noqa: PT017
        return
    assert all(bar_fault(one) is None for one in feed)
    assert sorted(set(feed.times)) == feed.times
    lines = [line.split(",") for line in raw.decode().splitlines()[1:]]
    assert [list(map(Decimal, line[1:])) for line in lines] == [list(one[1:]) for one in feed]


# --------------------------------------------------------------------------------- walks


def test_walk_when_made_then_is_a_week_of_sound_minutes_on_the_tick() -> None:
    feed = walk.walk(SYMBOL, BTC, 7)
    assert len(feed) == 7 * 1440
    assert feed.bar_ms == 60_000
    assert feed.times == list(range(feed.times[0], feed.times[-1] + 1, 60_000))
    assert feed.times[0] == walk.START_MS + 60_000
    before = None
    for one in feed:
        assert bar_fault(one) is None
        assert all(px % BTC.tick == 0 for px in one[1:5])
        assert one.volume % BTC.step == 0
        assert before is None or one.open == before
        before = one.close
    assert max(feed[i].high for i in range(1440)) > min(feed[i].low for i in range(1440)) * Decimal(
        "1.005"
    )


def test_walk_when_parameters_are_given_then_keeps_to_them() -> None:
    feed = walk.walk(
        SYMBOL, COIN, 1, bars=50, start_px=Decimal("60.7"), volatility_ppm=100_000, start_ms=0
    )
    assert len(feed) == 50
    assert feed[0].close_ms == 60_000
    assert feed[0].open == Decimal("60.5")  # floored to the tick


@given(st.integers(0, 10**18), st.integers(1, 400_000))
def test_walk_when_wild_then_stays_positive_and_within_bounds(seed: int, ppm: int) -> None:
    feed = walk.walk(SYMBOL, COIN, seed, bars=60, start_px=Decimal(50), volatility_ppm=ppm)
    for one in feed:
        assert bar_fault(one) is None
        assert Decimal("2.5") <= one.low <= one.high <= 1000


def test_walk_when_made_in_another_process_then_is_the_same() -> None:
    program = (
        "from exchanges.feeds import walk; from tests.exchanges.desk import BTC, SYMBOL;"
        "print(walk.walk(SYMBOL, BTC, 11, bars=500)[499])"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path.cwd())},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert printed == {f"{walk.walk(SYMBOL, BTC, 11, bars=500)[499]}\n"}


def test_walk_when_seeds_differ_then_walks_differ() -> None:
    assert walk.walk(SYMBOL, BTC, 1, bars=9).closes != walk.walk(SYMBOL, BTC, 2, bars=9).closes


# ------------------------------------------------------------------------------- scripts


SCRIPT = """
# A comment, and an empty line

start 2025-06-01T13:58:00Z bar 5m   # the first bar's open
100 101.5 99 100.25 7
100.25 102 100 101                  # no volume
"""


def test_script_when_read_then_gives_its_bars(tmp_path: Path) -> None:
    feed = script.read(written(tmp_path, SCRIPT, "bars.txt"), SYMBOL)
    assert feed.bar_ms == 300_000
    assert list(feed) == [
        bar(AT_MS + 300_000, "100", "101.5", "99", "100.25", "7"),
        bar(AT_MS + 600_000, "100.25", "102", "100", "101", "0"),
    ]


def test_script_when_it_has_no_start_then_begins_where_the_constant_says() -> None:
    feed = script.parse("100 100 100 100", SYMBOL)
    assert (feed.times, feed.bar_ms) == ([script.START_MS + 60_000], 60_000)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "here: holds no bar"),
        ("# nothing\n", "here: holds no bar"),
        ("100 101 99", "line 1: '100 101 99': must be: open high low close"),
        ("1 1 1 1 1 1", "line 1: '1 1 1 1 1 1': must be: open high"),
        ("100 101 99 1e2", "line 1: close '1e2': must be a plain decimal number"),
        ("\n100 99 99 100", "line 2: high 99: must be at least open 100 and close 100"),
        ("start 2025 bar 1m\n", "line 1: start '2025': must be ISO-8601 in UTC"),
        ("start 2025-06-01T00:00:00Z bar 0m", "line 1: bar '0m': must be a number and"),
        ("start 2025-06-01T00:00:00Z", "line 1: .*: must be like: start 2025"),
        ("1 1 1 1\nstart 2025-06-01T00:00:00Z bar 1m", "line 2: open 'start': must be a plain"),
    ],
)
def test_script_when_bad_then_the_error_names_the_line(text: str, says: str) -> None:
    with pytest.raises(BadFeed, match=says):
        script.parse(text, SYMBOL, "here")


def test_script_when_it_cannot_be_read_then_the_error_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadFeed, match="gone: there is no such file"):
        script.read(tmp_path / "gone", SYMBOL)
    with pytest.raises(BadFeed, match="cannot be read"):
        script.read(tmp_path, SYMBOL)
    with pytest.raises(BadFeed, match="byte 4 is not UTF-8"):
        script.read(written(tmp_path, b"100 \xff"), SYMBOL)


# ---------------------------------------------------------------------------- dispatching


def test_load_when_a_file_is_named_then_is_looked_for_beside_the_configuration(
    tmp_path: Path,
) -> None:
    written(tmp_path, GOOD)
    written(tmp_path, SCRIPT, "bars.txt")
    assert list(load("candles.csv", SYMBOL, BTC, tmp_path)) == BARS
    assert len(load("script:bars.txt", SYMBOL, BTC, tmp_path)) == 2
    assert list(load(str(tmp_path / "candles.csv"), SYMBOL, BTC, Path())) == BARS


def test_load_when_a_walk_is_named_then_its_seed_decides() -> None:
    feed: Feed = load("random-walk:7", SYMBOL, BTC, Path())
    assert feed.closes == walk.walk(SYMBOL, BTC, 7).closes


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("random-walk:", "feed of BTCUSDT: seed '': must be a whole number"),
        ("random-walk:-1", "seed '-1': must be a whole number"),
        ("random-walk:x", "seed 'x': must be a whole number"),
        ("live:bybit", "feed of BTCUSDT: 'live:bybit': live prices come as they are made"),
        ("gone.csv", "gone.csv: there is no such file"),
    ],
)
def test_load_when_it_names_nothing_that_is_there_then_the_error_says_so(
    text: str, says: str
) -> None:
    with pytest.raises(BadFeed, match=says):
        load(text, SYMBOL, BTC, Path())
