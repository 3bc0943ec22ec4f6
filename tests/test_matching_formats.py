"""Lines of several formats, and of JSON, become hits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fw_guard import filterfiles
from fw_guard.config import DEFAULTS, Jail
from fw_guard.filters import LONGEST_JSON, LONGEST_LINE
from fw_guard.hosts import Names
from fw_guard.logs.clock import Clock
from fw_guard.matching import Scanner
from fw_guard.tomlfile import Document

if TYPE_CHECKING:
    from fw_guard.filters import Filter
    from fw_guard.hits import Hit

NOW = 1_772_600_000
MOMENT = 1_772_593_975  # 2026-03-04T03:12:55Z

PLAIN = """\
title = 'plain'
service = 'mine'
log = { format = 'plain' }
[[match]]
name = 'failed'
pattern = '{?{*:word}: }bad login from {host}'
[[sample]]
line = '2026-03-04 03:12:55 bad login from 192.0.2.7'
host = '192.0.2.7'
[[sample]]
line = 'good login'
match = false
"""
SYSLOG = PLAIN.replace("plain", "syslog").replace("2026-03-04 03:12:55", "Mar  4 03:12:55 gw x:")
EITHER = PLAIN.replace("format = 'plain'", "format = ['syslog', 'nginx', 'plain']")
DATED = PLAIN.replace("from {host}", "from {host} at {time}").replace(
    "192.0.2.7'\nhost", "192.0.2.7 at 04/Mar/2026:03:12:55 +0000'\nhost"
)
JSON = """\
title = 'json'
service = 'mine'
log = { format = 'json', time = 'ts' }
[[match]]
name = 'failed'
fields = { host = 'ip', user = 'user', port = 'port' }
where = { event = 'failed' }
[[sample]]
line = '{"ts":"2026-03-04T03:12:55Z","event":"failed","ip":"192.0.2.7"}'
host = '192.0.2.7'
[[sample]]
line = '{"ts":"2026-03-04T03:12:55Z","event":"passed","ip":"192.0.2.7"}'
match = false
"""
LINE = b'{"ts":1772593975.5,"event":"failed","ip":"192.0.2.7","user":"anna","port":4711}'


def loaded(text: str, name: str) -> Filter:
    """Give the filter of a sound text, under a name."""
    document = Document(f"{name}.toml", text)
    found = filterfiles.read(document)
    document.check()
    return found


def jail(*texts: str) -> Jail:
    """A jail of filters of these texts."""
    filters = tuple(loaded(text, f"f{number}") for number, text in enumerate(texts))
    return replace(DEFAULTS, name="mine", filters=filters)


def scan(jails: list[Jail], *lines: bytes) -> tuple[list[Hit], Scanner]:
    """Scan lines as they are."""
    scanner = Scanner(jails, Clock(NOW).epoch, Names())
    return list(scanner.hits(b"".join(line + b"\n" for line in lines))), scanner


def test_a_json_line_gives_a_hit_with_its_fields_and_its_time() -> None:
    (hit,), scanner = scan([jail(JSON)], LINE)
    assert (hit.address, hit.time, hit.user, hit.port) == ("192.0.2.7", MOMENT, "anna", 4711)
    assert (hit.filter, hit.match, hit.pid, hit.line) == ("f0", "failed", "", LINE.decode())
    assert (scanner.lines, scanner.matched, scanner.long) == (1, 1, 0)


def test_json_lines_may_have_blanks_around_them() -> None:
    hits, _ = scan([jail(JSON)], b"  " + LINE + b" \r", b"\t" + LINE)
    assert [hit.address for hit in hits] == ["192.0.2.7", "192.0.2.7"]


def test_what_is_no_json_is_passed_over() -> None:
    hits, scanner = scan([jail(JSON)], b"", b"text", b"{", b"[" * 9, LINE[:-1], LINE + b"x", LINE)
    assert len(hits) == 1
    assert (scanner.lines, scanner.matched) == (7, 1)


def test_a_json_line_may_have_64_kibibytes_and_no_more() -> None:
    padding = LONGEST_JSON - len(LINE) - len(b',"x":""')
    longest = LINE[:-1] + b',"x":"' + b"a" * padding + b'"}'
    assert len(longest) == LONGEST_JSON
    hits, scanner = scan([jail(JSON)], longest, longest + b" ", b"x" * (LONGEST_LINE + 1))
    assert len(hits) == 1
    assert len(hits[0].line) == LONGEST_LINE
    assert scanner.long == 2
    assert scanner.tail == b""


def test_a_long_line_is_for_json_filters_alone() -> None:
    line = b'{"x":"' + b"a" * LONGEST_LINE + b'": bad login from 192.0.2.7'
    hits, scanner = scan([jail(PLAIN, JSON)], line)
    assert (hits, scanner.long) == ([], 0)
    hits, scanner = scan([jail(PLAIN)], line)
    assert (hits, scanner.long) == ([], 1)


def test_a_json_line_without_a_time_is_counted_as_undated() -> None:
    lines = [
        LINE.replace(b"1772593975.5", each)
        for each in (b"null", b'"yesterday"', b"[1772593975]", b"true", b"17", b"4102444800")
    ]
    hits, scanner = scan([jail(JSON)], *lines, LINE.replace(b'"ts"', b'"at"'))
    assert (hits, scanner.undated) == ([], 7)


def test_a_json_line_gives_its_time_in_many_ways() -> None:
    ways = (b"1772593975", b"1772593975.999", b"1772593975123", b'"2026-03-04T03:12:55.1Z"')
    more = (b'"2026-03-04T04:12:55+01:00"', b'"1772593975.5"', b'"04/Mar/2026:03:12:55 +0000"')
    hits, _ = scan([jail(JSON)], *(LINE.replace(b"1772593975.5", each) for each in ways + more))
    assert [hit.time for hit in hits] == [MOMENT] * 7


def test_a_plain_line_has_the_time_of_its_stamp() -> None:
    hits, scanner = scan(
        [jail(PLAIN)],
        b"2026-03-04T03:12:55Z bad login from 192.0.2.7",
        b"[1772593975.5] bad login from 192.0.2.8",
        b"bad login from 192.0.2.9",
    )
    assert [(hit.address, hit.time) for hit in hits] == [
        ("192.0.2.7", MOMENT),
        ("192.0.2.8", MOMENT),
    ]
    assert scanner.undated == 1


def test_a_time_inside_the_message_is_better_than_the_stamp() -> None:
    hits, _ = scan(
        [jail(DATED)],
        b"bad login from 192.0.2.7 at 04/Mar/2026:03:12:55 +0000",
        b"2026-03-04 09:00:00Z bad login from 192.0.2.8 at 04/Mar/2026:03:12:55 +0000",
    )
    assert [hit.time for hit in hits] == [MOMENT, MOMENT]


def test_each_line_of_a_mixed_log_is_read_by_the_format_that_it_has() -> None:
    hits, _ = scan(
        [jail(EITHER)],
        b"2026-03-04T03:12:55Z gw x[8]: bad login from 192.0.2.1",
        b"2026/03/04 03:12:55 [error] 9#9: bad login from 192.0.2.2",
        b"2026-03-04 03:12:55Z bad login from 192.0.2.3",
    )
    assert [(hit.address, hit.pid) for hit in hits] == [
        ("192.0.2.1", "8"),
        ("192.0.2.2", "9"),
        ("192.0.2.3", ""),
    ]


def test_a_line_that_two_filters_of_a_jail_read_in_two_formats_is_one_hit() -> None:
    line = b"2026-03-04T03:12:55Z gw x: bad login from 192.0.2.7"
    message_too = PLAIN.replace("{?{*:word}: }", "gw x: ")
    message_too = message_too.replace("55 bad", "55 gw x: bad")
    hits, _ = scan([jail(SYSLOG, message_too)], line)
    assert [hit.filter for hit in hits] == ["f0"]
    hits, _ = scan([jail(message_too, SYSLOG)], line)
    assert [hit.filter for hit in hits] == ["f0"]
    hits, _ = scan([jail(SYSLOG), jail(message_too)], line)
    assert len(hits) == 2


def test_nobody_repeats_the_line_of_another_by_writing_what_syslogd_does() -> None:
    repeat = b"Mar  4 03:12:56 peer last message repeated 9 times"
    line = b"2026-03-04T03:12:55Z x: bad login from 192.0.2.7"
    hits, _ = scan([jail(PLAIN)], line, repeat)
    assert [hit.times for hit in hits] == [1]
    scanner = Scanner([jail(PLAIN)], Clock(NOW).epoch, Names(), line)
    assert list(scanner.hits(repeat + b"\n")) == []
    hits, _ = scan([jail(SYSLOG)], b"2026-03-04T03:12:55Z gw x: bad login from 192.0.2.7", repeat)
    assert [hit.times for hit in hits] == [1, 9]
