"""One filter tried on logs: what each pattern read, and the lines that were nearly read."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fw_guard import filterfiles, misses, nearest
from fw_guard.logs.reader import LogError
from fw_guard.misses import Miss, Misses
from fw_guard.nearest import Reach
from fw_guard.text import printable, width, window
from fw_guard.tomlfile import Document
from fw_guard.trying import Trial
from fw_guard.tryviews import miss_view, misses_view, summary_view

if TYPE_CHECKING:
    from fw_guard.filters import Filter

NOON = 1772625600  # 2026-03-04T12:00:00Z
FILTER = """\
title = 'mine'
service = 'mine'
log = { format = 'syslog', program = ['mine'] }

[[match]]
name = 'failed'
pattern = [
    'login of {user:word} failed from {host} port {port}',
    'login of {user:word} refused by {rule:word} from {host}',
]

[[match]]
name = 'limit'
pattern = '{host} knocked {count:int} times'
where = { count = [3, 4] }

[[match]]
name = 'good'
kind = 'success'
pattern = 'login of {user:word} accepted from {host}'

[[sample]]
line = 'Mar  4 03:12:55 gw mine[8]: login of anna failed from 192.0.2.7 port 4711'
host = '192.0.2.7'
[[sample]]
line = 'Mar  4 03:12:55 gw mine[8]: login of anna refused by rule7 from 192.0.2.7'
host = '192.0.2.7'
[[sample]]
line = 'Mar  4 03:12:55 gw mine[8]: 192.0.2.7 knocked 3 times'
host = '192.0.2.7'
[[sample]]
line = 'Mar  4 03:12:55 gw mine[8]: login of anna accepted from 192.0.2.7'
host = '192.0.2.7'
[[sample]]
line = 'Mar  4 03:12:55 gw mine[8]: login of anna refused from 192.0.2.7'
match = false
"""
HEADER = "Mar  4 03:12:55 gw mine[8]: "


def filter_of(text: str) -> Filter:
    """Give the filter of a text that has no fault."""
    document = Document("mine.toml", text)
    found = filterfiles.read(document)
    document.check()
    return found


def trial_of(path: Path, lines: list[str], text: str = FILTER) -> Trial:
    """Give what was counted over a log of these lines."""
    path.write_text("".join(f"{line}\n" for line in lines))
    trial = Trial(filter_of(text), NOON, explain=True)
    for _ in trial.read(str(path), lambda *_: None):
        pass
    return trial


def misses_of(*messages: str, text: str = FILTER) -> list[Miss]:
    """Give the near misses among messages of the program."""
    found = filter_of(text)
    collected = Misses(found)
    for number, message in enumerate(messages, 1):
        collected.add("log", number, message.encode(), found.matches)
    return collected.found()


def test_each_line_counts_for_the_pattern_that_reads_it(tmp_path: Path) -> None:
    trial = trial_of(
        tmp_path / "log",
        [
            HEADER + "login of anna refused by r1 from 192.0.2.7",
            HEADER + "login of anna accepted from 192.0.2.7",
            HEADER + "login of bert refused by r1 from 192.0.2.8",
            HEADER + "starting",
        ],
    )
    assert (trial.lines, trial.matched) == (4, 3)
    assert trial.read_by == {"failed": [0, 2], "limit": [0], "good": [1]}
    assert trial.unused() == ["failed#1", "limit"]


def test_a_repeat_counts_for_the_pattern_that_read_the_line_before(tmp_path: Path) -> None:
    trial = trial_of(
        tmp_path / "log",
        [
            HEADER + "login of anna refused by r1 from 192.0.2.7",
            "Mar  4 03:12:56 gw last message repeated 2 times",
            "Mar  4 03:12:57 gw mine[8]: message repeated 2 times: "
            "[ login of anna failed from 192.0.2.7 port 9]",
        ],
    )
    assert trial.read_by["failed"] == [1, 2]


def test_what_keeps_lines_from_being_read_is_counted(tmp_path: Path) -> None:
    trial = trial_of(
        tmp_path / "log",
        [
            "Mar  4 03:12:55 gw yours[8]: login of anna failed from 192.0.2.7 port 9",
            "no header at all",
            "Feb 31 03:12:55 gw mine[8]: login of anna failed from 192.0.2.7 port 9",
            HEADER + "x" * 9000,
        ],
    )
    counts = (trial.foreign, trial.headless, trial.undated, trial.long, trial.matched)
    assert counts == (1, 1, 1, 1, 0)


def test_counts_go_on_over_several_logs_and_a_miss_says_where_it_is(tmp_path: Path) -> None:
    trial = Trial(filter_of(FILTER), NOON, explain=True)
    for name, host in (("one", "192.0.2.7"), ("two", "192.0.2.8")):
        path = tmp_path / name
        path.write_text(f"{HEADER}login of x refused by a b from {host}\n{HEADER}ok\n")
        assert list(trial.read(str(path), lambda *_: None)) == []
    assert trial.lines == 4
    assert [(miss.log, miss.number, miss.lines) for miss in trial.misses.found()] == [
        (str(tmp_path / "one"), 1, 2)
    ]


def test_without_explaining_lines_and_hits_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(
        f"{HEADER}login of anna accepted from 192.0.2.7\n{HEADER}login of anna failed\n"
    )
    trial = Trial(filter_of(FILTER), NOON, explain=False)
    assert len(list(trial.read(str(path), lambda *_: None))) == 1
    assert (trial.lines, trial.matched, trial.misses.found()) == (2, 1, [])


def test_a_reader_hears_how_far_the_log_is_read(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(f"{HEADER}one\n" * 3)
    told: list[tuple[str, int, int]] = []
    trial = Trial(filter_of(FILTER), NOON, explain=False)
    list(trial.read(str(path), lambda *heard: told.append(heard)))
    size = 3 * (len(HEADER) + 4)
    assert told == [(str(path), size, size)]


# Each case: a message, a caret under the place where the nearest pattern stops, the pattern, and
# what it expected there; or no caret for a message that is not near.
NEAR = [
    ("login of anna failed from 192.0.2.7 prot 4711",
     "                                     ^", "failed#1", "'port '"),
    ("login of anna failed from 192.0.2.7 port 4711 twice",
     "                                             ^", "failed#1", "the end of the line"),
    ("login of anna refused by some rule from 192.0.2.7",
     "                              ^", "failed#2", "'from '"),
    ("login of anna failed from ? port 4711",
     "                          ^", "failed#1", "a host"),
    ("login of anna accepted from 1.2.3",
     "                            ^", "good", "an address or a name"),
]  # fmt: skip
FAR = [
    "",
    "starting",
    "login",
    "log rotated",
    "anna logged in from 192.0.2.7",
    "login of anna failed from 192.0.2.7 port 4711",  # read
    "192.0.2.7 knocked 5 times",  # read, and left out by `where`
    "accepted from 192.0.2.7",
]


@pytest.mark.parametrize(("message", "caret", "label", "expected"), NEAR)
def test_a_line_is_near_where_a_pattern_has_found_text_of_its_own(
    message: str, caret: str, label: str, expected: str
) -> None:
    (miss,) = misses_of(message)
    assert miss.reaches[0] == Reach(caret.index("^"), label, expected)


@pytest.mark.parametrize("message", FAR)
def test_an_ordinary_line_is_not_near(message: str) -> None:
    found = filter_of(FILTER)
    collected = Misses(found)
    if found.read((HEADER + message).encode()) is None:
        collected.add("log", 1, message.encode(), found.matches)
    assert collected.found() == []


def test_lines_of_one_shape_are_one_miss_shown_by_the_first() -> None:
    (miss,) = misses_of(
        "login of anna failed from 192.0.2.7 prot 4711",
        "login of b.c@example.com failed from 198.51.100.77 prot 9",
        "login of carl failed from 203.0.113.4  prot 9\r",
    )
    assert (miss.number, miss.lines) == (1, 3)
    assert miss.message == b"login of anna failed from 192.0.2.7 prot 4711"


def test_what_no_pattern_knows_is_folded_and_what_one_knows_is_not() -> None:
    collected = Misses(filter_of(FILTER))
    shape = collected.shape(
        b"login  of anna maria failed from 2001:db8::7 (192.0.2.7) port 47: accepted"
    )
    assert shape == b"login of * failed from * (*) port *: accepted"


def test_the_nearest_shape_comes_first_and_that_of_a_sample_last() -> None:
    found = misses_of(
        "login of anna refused from 192.0.2.9",
        "login of anna failed by mistake",
        "login of anna failed from 192.0.2.7 prot",
    )
    assert [(miss.number, miss.meant) for miss in found] == [(3, False), (2, False), (1, True)]


def test_patterns_that_stop_at_one_place_for_one_reason_are_told_together() -> None:
    assert nearest.in_order(
        [
            Reach(9, "a", "a host"),
            Reach(9, "b", "a number"),
            Reach(12, "c", "a number"),
            Reach(9, "d", "a host"),
        ]
    ) == [Reach(12, "c", "a number"), Reach(9, "a, d", "a host"), Reach(9, "b", "a number")]


def test_no_more_shapes_are_kept_than_can_be_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(misses, "KEPT", 3)
    found = filter_of(FILTER)
    collected = Misses(found)
    for number in range(1, 6):
        message = f"login of anna refused from {'(' * number}"
        collected.add("log", number, message.encode(), found.matches)
        collected.add("log", number, message.encode(), found.matches)
    assert [miss.lines for miss in collected.found()] == [2, 2, 2]
    assert collected.untold() == 4


def test_a_flood_of_shapes_costs_bounded_memory_and_explanations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(misses, "EXPLAINED", 2)
    found = filter_of(FILTER)
    collected = Misses(found)
    for number in (1, 2, 2, 3, 3, 3):
        message = f"login of anna refused from {'(' * number}"
        collected.add("log", number, message.encode(), found.matches)
    assert {miss.lines for miss in collected.found()} == {2, 3}
    assert collected.untold() == 1


JSON = """\
title = 'json'
service = 'json'
log = { format = 'json', time = 'ts', message = 'msg' }

[[match]]
name = 'failed'
where = { event = 'login' }
pattern = 'password failed from {host} port {port}'

[[match]]
name = 'field'
where = { event = 'field' }
fields = { host = 'ip' }

[[sample]]
line = '{"ts": 1772625600, "event": "login", "msg": "password failed from 192.0.2.7 port 9"}'
host = '192.0.2.7'
[[sample]]
line = '{"ts": 1772625600, "event": "field", "ip": "192.0.2.7"}'
host = '192.0.2.7'
[[sample]]
line = '{"ts": 1772625600, "event": "logout", "msg": "bye"}'
match = false
"""


def test_in_json_the_text_that_a_pattern_is_for_is_looked_at(tmp_path: Path) -> None:
    trial = trial_of(
        tmp_path / "log",
        [
            '{"ts": 1772625600, "event": "field", "ip": "192.0.2.7"}',
            '{"ts": 1772625600, "event": "login", "msg": "password failed from 192.0.2.7 prot 9"}',
            '{"ts": 1772625600, "event": "other", "msg": "password failed from 192.0.2.7 prot 9"}',
            "no JSON",
        ],
        JSON,
    )
    assert trial.read_by == {"failed": [0], "field": [1]}
    (miss,) = trial.misses.found()
    assert (miss.number, miss.lines) == (2, 1)
    assert miss.reaches == (Reach(32, "failed", "'port '"),)
    assert trial.headless == 1


def test_the_label_of_a_pattern_is_its_match_s_name_with_a_number_in_a_list() -> None:
    failed, limit, _ = filter_of(FILTER).matches
    assert failed.labels == ("failed#1", "failed#2")
    assert limit.labels == ("limit",)


LOG = [
    HEADER + "login of anna failed from 192.0.2.7 port 4711",
    HEADER + "login of anna failed from 192.0.2.7 port 4712",
    HEADER + "login of anna accepted from 192.0.2.7",
    HEADER + "login of anna failed from 192.0.2.7 prot 4711",
    HEADER + "login of bert failed from 192.0.2.8 prot 4711",
    HEADER + "login of bert refused from 192.0.2.8",
    HEADER + "starting",
    "Mar  4 03:12:55 gw yours[8]: hello",
    "hello",
]
SUMMARY = """
MATCH   KIND     LINES
failed  failure  2
good    success  1

read no line: failed#2, limit

1 line of other programs
1 line not of the format syslog
1 other line

nearly read, nearest first

log:4 and 1 line like it
    login of anna failed from 192.0.2.7 prot 4711
                                         ^ failed#1 matched up to here; expected 'port '

log:6, which a sample says must not match
    login of bert refused from 192.0.2.8
                          ^ failed#2 matched up to here; expected 'by '
"""


def test_a_summary_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    trial = trial_of(Path("log"), LOG)
    said = list(summary_view(trial, 100, color=False, whole=False))
    assert "".join(f"{line}\n" for line in said) == SUMMARY


def test_the_summary_of_a_log_without_any_such_line_says_so(tmp_path: Path) -> None:
    trial = trial_of(tmp_path / "log", [HEADER + "starting"])
    said = list(summary_view(trial, 80, color=False, whole=False))
    assert said == ["", "no pattern read a line", "", "1 other line"]


def test_a_summary_adds_up(tmp_path: Path) -> None:
    lines = [
        *(HEADER + "login of anna failed from 192.0.2.7 port 4711" for _ in range(2)),
        *(HEADER + f"login of anna failed from 192.0.2.{n} prot 4711" for n in range(3)),
        *(HEADER + "192.0.2.7 knocked 5 times" for _ in range(4)),  # left out by `where`
        *(HEADER + "starting" for _ in range(5)),
        *("Mar  4 03:12:55 gw yours[8]: hello" for _ in range(6)),
        *("hello" for _ in range(7)),
        *(HEADER + "x" * 9000 for _ in range(8)),
    ]
    said = list(summary_view(trial_of(tmp_path / "log", lines), 99, color=False, whole=False))
    assert "failed  failure  2" in said
    start = said.index("6 lines of other programs")
    assert said[start : start + 4] == [
        "6 lines of other programs",
        "7 lines not of the format syslog",
        "8 lines too long to be read",
        "9 other lines",
    ]
    assert f"{tmp_path}/log:3 and 2 lines like it" in said
    assert len(lines) == 2 + 3 + 6 + 7 + 8 + 9


def test_a_json_line_with_two_texts_that_are_nearly_read_is_one_line(tmp_path: Path) -> None:
    second = JSON.replace(
        "\n[[sample]]",
        "\n[[match]]\nname = 'twin'\nin = 'err'\npattern = 'password refused from {host} now'\n"
        '[[sample]]\nline = \'{"ts": 1772625600, "err": "password refused from 192.0.2.7 now"}\'\n'
        "host = '192.0.2.7'\n[[sample]]",
        1,
    )
    near = (
        '{"ts": 1772625600, "event": "login", "msg": "password failed from 192.0.2.7 prot 9",'
        ' "err": "password refused from 192.0.2.7 then"}'
    )
    trial = trial_of(tmp_path / "log", [near, '{"ts": 1772625600}'], second)
    said = list(summary_view(trial, 99, color=False, whole=False))
    assert "1 other line" in said
    assert [line for line in said if line.startswith(str(tmp_path))] == [f"{tmp_path}/log:1"]


DOUBTS = FILTER.replace(
    "name = 'good'", "name = 'good'\ndoubtful = 'anybody may write it'"
).replace("name = 'failed'", "name = 'failed'\ndoubtful = 'names may hold line breaks'")


def test_the_filter_s_own_reason_for_doubt_is_told_once_where_lines_were_read(
    tmp_path: Path,
) -> None:
    lines = [HEADER + f"login of anna failed from 192.0.2.7 port {port}" for port in (1, 2, 3)]
    trial = trial_of(tmp_path / "log", lines, DOUBTS)
    said = list(summary_view(trial, 99, color=False, whole=False))
    assert [line for line in said if "doubtful" in line] == [
        "doubtful: failed: names may hold line breaks"
    ]


def test_matches_that_are_doubtful_for_one_reason_are_told_together(tmp_path: Path) -> None:
    lines = [LOG[0], LOG[2]]
    text = DOUBTS.replace("anybody may write it", "names may hold line breaks")
    said = list(summary_view(trial_of(tmp_path / "log", lines, text), 99, color=False, whole=False))
    assert "doubtful: failed, good: names may hold line breaks" in said


COMPRESSED = [
    (gzip.compress(b"x\n"), "gzip", "zcat"),
    (bz2.compress(b"x\n"), "bzip2", "bzcat"),
    (bz2.compress(b"x\n", 1), "bzip2", "bzcat"),
    (bz2.compress(b""), "bzip2", "bzcat"),
    (lzma.compress(b"x\n"), "xz", "xzcat"),
    # A frame of zstd's: its magic number, then the header of one raw block of two bytes.
    (bytes.fromhex("28b52ffd 20 02 110000") + b"x\n", "zstd", "zstdcat"),
]


@pytest.mark.parametrize(("content", "by", "tool"), COMPRESSED)
def test_a_compressed_log_is_refused_with_what_reads_it(
    tmp_path: Path, content: bytes, by: str, tool: str
) -> None:
    path = tmp_path / "log.1"
    path.write_bytes(content)
    trial = Trial(filter_of(FILTER), NOON, explain=True)
    with pytest.raises(LogError) as refused:
        list(trial.read(str(path), lambda *_: None))
    assert str(refused.value) == (
        f"{path}: is compressed by {by}; expected text,"
        f" as `{tool} FILE | fw-guard try FILTER -` gives"
    )
    assert refused.value.status == 66


@pytest.mark.parametrize("text", ["BZh9 is a word", "BZhello", "(\u00b5/ is a word"])
def test_a_text_that_begins_nearly_as_a_compressed_file_is_read(tmp_path: Path, text: str) -> None:
    assert trial_of(tmp_path / "log", [text]).lines == 1


def test_five_shapes_are_shown_and_more_on_demand() -> None:
    every = [
        Miss("log", number, b"a line", 1, (Reach(3, "x", f"'{number}'"),), meant=False)
        for number in range(1, 9)
    ]
    few = list(misses_view(every, 80, color=False, whole=False))
    whole = list(misses_view(every, 80, color=False, whole=True))
    assert few[0] == "nearly read, nearest first (5 of 8 shapes; -v shows all)"
    assert [line for line in few if line.startswith("log:")] == [f"log:{n}" for n in range(1, 6)]
    assert whole[0] == "nearly read, nearest first"
    assert [line for line in whole if line.startswith("log:")] == [f"log:{n}" for n in range(1, 9)]


def test_lines_of_shapes_that_are_too_many_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(misses, "KEPT", 1)
    lines = [f"{HEADER}login of anna refused from {end}" for end in ("(", "((", "(((")]
    said = list(summary_view(trial_of(tmp_path / "log", lines), 99, color=False, whole=False))
    assert said[-1] == "and 2 lines of other shapes, too many to be told"


def test_of_shapes_that_stop_for_one_reason_the_first_is_shown(tmp_path: Path) -> None:
    ends = ("prot 1", "prot 1 (x)", "prot 1 [x]")
    lines = [f"{HEADER}login of anna failed from 192.0.2.7 {end}" for end in ends]
    said = list(summary_view(trial_of(tmp_path / "log", lines), 99, color=False, whole=False))
    assert "nearly read, nearest first (1 of 3 shapes; -v shows all)" in said


LONG = Miss("log", 7, b"a" * 60 + b"\x1b" + b"b" * 60, 1, (Reach(61, "x", "'c'"),), meant=False)


def test_on_a_narrow_terminal_a_line_is_cut_around_the_caret() -> None:
    # Of the 44 columns that are left, three quarters lie before the caret, at column 64 of 124.
    assert list(miss_view(LONG, 48)) == [
        "log:7",
        "    ..." + "a" * 26 + "\\x1b" + "b" * 8 + "...",
        " " * 37 + "^",
        "    x matched up to here; expected 'c'",
    ]


@given(st.binary(max_size=300), st.data())
def test_no_line_of_a_summary_is_wider_than_the_terminal_or_obeyed_by_it(
    message: bytes, data: st.DataObject
) -> None:
    offset = data.draw(st.integers(0, len(message)))
    reaches = (Reach(offset, "failed", "'x'"),)
    for line in miss_view(Miss("log", 1, message, 1, reaches, meant=False), 60):
        assert printable(line) == line
        assert width(line) <= 60


@given(st.text("ab日\u0301", max_size=80), st.data())
def test_a_window_is_as_wide_as_the_room_and_holds_the_caret(
    text: str, data: st.DataObject
) -> None:
    caret = width(text[: data.draw(st.integers(0, len(text)))])
    shown, start = window(text, caret, 30)
    assert width(shown) <= 30
    assert start <= caret < start + 30 or caret == width(text) == start + 30


@pytest.mark.parametrize(
    ("caret", "shown", "start"),
    [
        (0, "abcdefg...", 0),
        (6, "abcdefg...", 0),
        (7, "...efgh...", 1),
        (20, "...rstu...", 14),
        (26, "...xyz", 20),
    ],
)
def test_dots_stand_where_a_window_cuts(caret: int, shown: str, start: int) -> None:
    assert window("abcdefghijklmnopqrstuvwxyz", caret, 10) == (shown, start)
