"""Text made harmless, and faults as a person sees them."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fw_guard import text
from fw_guard.faults import Fault, FaultsError, in_order

HOSTILE = ("\x1b[2J", "\x07", "\r", "\n", "\x9b31m", "\u202e", "\u2066", "\u200f", "\u2028", "\0")
HARMLESS = "".join(map(chr, range(0x20, 0x7F)))


@given(st.text(alphabet=st.characters()))
def test_nothing_that_a_terminal_could_obey_survives(given_text: str) -> None:
    for char in text.printable(given_text):
        assert char == " " or unicodedata.category(char)[0] not in "CZ"


@pytest.mark.parametrize("hostile", HOSTILE)
def test_escapes_and_direction_marks_are_spelled_out(hostile: str) -> None:
    shown = text.printable(f"a{hostile}b")
    assert hostile not in shown
    assert shown.startswith("a\\")
    assert shown.endswith("b")


def test_what_is_spelled_out_can_be_told() -> None:
    assert text.printable("\x1b[31m\u202e\ud800\xa0") == r"\x1b[31m\u202e\ud800\xa0"


@given(st.text(alphabet=HARMLESS))
def test_printable_ascii_stays_as_it_is(given_text: str) -> None:
    assert text.printable(given_text) == given_text


def test_letters_of_any_script_stay_as_they_are() -> None:
    assert text.printable("größer 日本語 العربية") == "größer 日本語 العربية"


@given(st.text(alphabet=st.characters()))
def test_printable_text_is_printable_already(given_text: str) -> None:
    once = text.printable(given_text)
    assert text.printable(once) == once


def test_a_line_that_is_no_utf8_is_decoded_all_the_same() -> None:
    assert text.decoded(b"caf\xc3\xa9 caf\xe9") == "café caf\\xe9"


@given(st.binary())
def test_a_decoded_line_holds_no_half_characters(line: bytes) -> None:
    shown = text.decoded(line)
    assert not any(0xD800 <= ord(char) <= 0xDFFF for char in shown)
    if line.isascii():
        assert shown == line.decode("ascii")


@pytest.mark.parametrize(
    ("number", "expected"), [(0, "0 hits"), (1, "1 hit"), (2, "2 hits"), (1000, "1000 hits")]
)
def test_one_is_counted_in_the_singular(number: int, expected: str) -> None:
    assert text.count(number, "hit") == expected


@pytest.mark.parametrize(
    ("shown", "columns"),
    [("", 0), ("abc", 3), ("größe", 5), ("日本", 4), ("ｱ", 1), ("Ａ", 2), ("e\u0301", 1)],
)
def test_the_width_of_a_text_is_what_it_takes_on_a_terminal(shown: str, columns: int) -> None:
    assert text.width(shown) == columns


def fault(column: int, source: str, **more: str) -> str:
    return str(Fault("filters/door.toml", 12, column, "no such type", source, **more))


def test_a_fault_shows_place_message_line_and_caret() -> None:
    assert fault(7, "from {host:ipp}") == (
        "filters/door.toml:12:7: no such type\n"
        "   12 | from {host:ipp}\n"
        "      |       ^"
    )  # fmt: skip


def test_a_fault_of_a_whole_file_has_no_line() -> None:
    assert str(Fault("a.toml", 0, 0, "cannot be read")) == "a.toml: cannot be read"


def test_a_fault_without_a_source_has_no_caret() -> None:
    assert fault(1, "") == "filters/door.toml:12:1: no such type"


def test_the_detail_of_a_fault_stands_below_it() -> None:
    assert fault(1, "a = 1", detail="      more") == (
        "filters/door.toml:12:1: no such type\n"
        "   12 | a = 1\n"
        "      | ^\n"
        "      more"
    )  # fmt: skip
    assert str(Fault("a.toml", 0, 0, "bad", detail="why")) == "a.toml: bad\nwhy"


def test_a_tab_before_the_caret_counts_as_one_blank() -> None:
    assert fault(3, "\t\tx = 1").splitlines()[1:] == [
        "   12 |   x = 1",
        "      |   ^",
    ]


def test_wide_characters_before_the_caret_push_it_along() -> None:
    assert fault(4, "日本語x").splitlines()[1:] == [
        "   12 | 日本語x",
        "      |       ^",
    ]


def test_what_a_terminal_obeys_is_spelled_out_and_the_caret_follows() -> None:
    assert fault(3, "\x1bax").splitlines()[1:] == [
        r"   12 | \x1bax",
        "      |      ^",
    ]


def test_hostile_text_in_path_and_message_is_spelled_out() -> None:
    shown = str(Fault("a\x1b.toml", 1, 1, "unknown key `\u202e`", "x"))
    assert shown.splitlines()[0] == r"a\x1b.toml:1:1: unknown key `\u202e`"


def test_of_a_very_long_line_the_part_around_the_caret_is_shown() -> None:
    line = "a" * 1000 + "!" + "b" * 1000
    _, shown, caret = fault(1001, line).splitlines()
    assert shown == "   12 | " + "a" * 80 + "!" + "b" * 79
    assert caret == "      | " + " " * 80 + "^"


def test_a_caret_behind_the_end_of_a_line_stands_at_its_end() -> None:
    assert fault(99, "ab").splitlines()[2] == "      |   ^"


def test_faults_come_in_the_order_of_files_lines_and_columns_each_once() -> None:
    first = Fault("a.toml", 0, 0, "whole file")
    second = Fault("a.toml", 2, 9, "late in the line")
    third = Fault("a.toml", 10, 1, "a later line")
    fourth = Fault("b.toml", 1, 1, "another file")
    assert in_order([fourth, third, second, first, third, fourth]) == (first, second, third, fourth)


def test_two_faults_at_one_place_stay_in_the_order_in_which_they_were_found() -> None:
    one, other = Fault("a.toml", 1, 1, "z"), Fault("a.toml", 1, 1, "a")
    assert in_order([one, other]) == (one, other)


def test_an_error_says_every_fault() -> None:
    error = FaultsError((Fault("a.toml", 0, 0, "one"), Fault("b.toml", 0, 0, "two")))
    assert str(error) == "a.toml: one\nb.toml: two"
