"""What loggers put around a message: a pattern is proved within all of it."""

from __future__ import annotations

import re

import pytest

from fw_guard import filterfiles, wrappers
from fw_guard.logs.headers import header, repeated
from fw_guard.patterns.compile import canonical, compile_pattern
from fw_guard.patterns.grammar import parse
from fw_guard.patterns.shapes import regex, sequence
from fw_guard.tomlfile import Document


def forged(formats: str, *patterns: str) -> list[str]:
    """Give the forged lines that the author of a filter of these patterns is shown."""
    matches = "".join(
        f"[[match]]\nname = 'm{number}'\npattern = '{pattern}'\n"
        for number, pattern in enumerate(patterns)
    )
    head = f"title = 'x'\nservice = 'x'\nlog = {{ {formats} }}\n"
    document = Document("mine.toml", head + matches)
    filterfiles.read(document)
    return [
        fault.detail.splitlines()[0].strip()
        for fault in document.faults
        if fault.message.startswith("forgeable")
    ]


SYSLOG = "format = 'syslog', program = ['mine']"
BOTH = "format = ['syslog', 'plain'], program = ['mine']"

# Patterns of which each line has one host, until something around it is taken off.
AROUND = [
    (SYSLOG, "{user} by {host}]", "from {host} by {*:addr}", "message repeated "),
    (SYSLOG, "{user} by {host}]", "from {host} by {*:ipv4} ", "message repeated "),
    (SYSLOG, "[{user}] failed from {host}", "from {host} for {user}", "[ID "),
    ("format = 'syslog'", "({user}) failed from {host}", "from {host} for {user}", "("),
    (BOTH, "no {user} from {host}", "from {host} for {user}", "TIME "),
]


@pytest.mark.parametrize(("formats", "one", "other", "begin"), AROUND)
def test_what_stands_around_a_message_is_no_way_to_forge_it(
    formats: str, one: str, other: str, begin: str
) -> None:
    lines = forged(formats, one, other)
    assert lines
    assert all(line.startswith(begin) for line in lines)


@pytest.mark.parametrize(("formats", "one", "other", "begin"), AROUND)
def test_where_nothing_is_taken_off_the_same_patterns_are_sound(
    formats: str, one: str, other: str, begin: str
) -> None:
    assert forged("format = 'plain'", one, other) == []


def test_patterns_that_begin_with_words_of_their_own_are_sound_in_syslog() -> None:
    assert forged(SYSLOG, "no {user} by {host}]", "from {host} by {*:addr}") == []
    assert forged(SYSLOG, "no [{user}] failed from {host}", "from {host} for {user}") == []


def test_a_line_of_the_access_log_begins_with_no_stamp() -> None:
    both = "format = ['syslog', 'clf'], program = ['mine']"
    assert forged(both, "{host:addr} {user} [{time}] x", "mine from {host} for {user}") == []


MESSAGES = ["by 192.0.2.7", "by 192.0.2.7  ", "by 192.0.2.7 \t"]


@pytest.mark.parametrize("message", MESSAGES)
@pytest.mark.parametrize("source", ["by {host}", "by {host} ", "by {host} {?x}", "by {host}{? x }"])
def test_the_shape_takes_every_repeated_message_that_is_read(source: str, message: str) -> None:
    pattern = compile_pattern(parse(source))
    line = f"message repeated 12 times: [ {message}] ".encode()
    _, start, end = repeated(line)
    assert pattern.match(line[start:end]) is not None
    assert re.fullmatch(regex(wrappers.repeated(pattern.shape)), line)


LINES = [
    b"Mar  4 03:12:55 gw mine[87]: by 192.0.2.7",
    b"Mar  4 03:12:55 gw mine: by 192.0.2.7",
    b"Mar  4 03:12:55 mine: by 192.0.2.7",
    b"Mar  4 03:12:55 gw mine[87]: [ID 800047 auth.info] by 192.0.2.7",
    b"Mar  4 03:12:55 gw by 192.0.2.7",
    b"Mar  4 03:12:55 <auth.info> gw mine: by 192.0.2.7",
]


@pytest.mark.parametrize("line", LINES)
def test_the_shape_takes_every_line_that_syslog_reads(line: bytes) -> None:
    found = header("syslog")(line)
    assert found is not None
    pattern = compile_pattern(parse("by {host}"))
    assert pattern.match(line[found.start :]) is not None
    inner = wrappers.numbered(pattern.shape) if b"[ID" in line else pattern.shape
    shape = sequence(b"Mar  4 03:12:55 ", wrappers.tagged(inner, ("mine", "mi*", "")))
    assert re.fullmatch(regex(shape), canonical(line))
