"""The reader of transcripts."""

from __future__ import annotations

import pytest

from tests.fakes.transcript import Command, parse

TEXT = """\
=== tables
--- $ pfctl -a fw_guard -t banned -T add -f - <<EOF
in | 192.0.2.1
in |   198.51.100.0/24  
in | 
err| 2/2 addresses added.
rc=0
--- $ pfctl -vs Tables
out| -pa----^Ibanned
out| 
err| No ALTQ support in kernel
rc=0
=== words
--- $ ipfw table fw_guard add 
err| ipfw: hostname ``'' unknown
rc=68
"""  # noqa: W291 - blanks at the end of a line are part of a record


def test_every_stream_and_the_exit_code_of_a_command_are_read() -> None:
    first, second, third = parse(TEXT)
    assert first == Command(
        line=2,
        section="tables",
        text="pfctl -a fw_guard -t banned -T add -f -",
        stdin="192.0.2.1\n  198.51.100.0/24  \n\n",
        out="",
        err="2/2 addresses added.\n",
        code=0,
    )
    assert (second.out, second.err) == ("-pa----\tbanned\n\n", "No ALTQ support in kernel\n")
    assert (third.line, third.section, third.code) == (14, "words", 68)


def test_a_blank_at_the_end_is_an_empty_last_word() -> None:
    *_, last = parse(TEXT)
    assert last.words == ("ipfw", "table", "fw_guard", "add", "")


def test_several_blanks_between_words_are_one() -> None:
    (command,) = parse("--- $ ipfw  /dev/stdin\nrc=0\n")
    assert command.words == ("ipfw", "/dev/stdin")


def test_a_line_without_its_blank_after_the_bar_is_an_empty_line() -> None:
    (command,) = parse("--- $ pfctl -s info\nout|\nrc=0\n")
    assert command.out == "\n"


def test_an_empty_transcript_has_no_commands() -> None:
    assert parse("") == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("connected\n", "line 1: expected `===` or `--- $`, found 'connected'"),
        ("=== a\nout| x\n", "line 2: expected `===` or `--- $`, found 'out| x'"),
        ("--- $ pfctl -e\n", "line 1: the command has no `rc=` line"),
        ("--- $ pfctl -e\n=== b\nrc=0\n", "line 2: expected `in |`, `out|`, `err|` or `rc=`"),
        ("--- $ pfctl -e\nout|x\nrc=0\n", "line 2: expected `in |`, `out|`, `err|` or `rc=`"),
        ("--- $ pfctl -e\nin | x\nrc=0\n", "line 2: standard input for a command without"),
        ("--- $ pfctl -e\nrc=one\n", "line 2: expected a number after `rc=`, found 'one'"),
    ],
)
def test_a_line_without_meaning_is_named(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"^line \d") as caught:
        parse(text)
    assert str(caught.value).startswith(message)
