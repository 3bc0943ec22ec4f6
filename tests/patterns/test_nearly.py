"""Where a pattern stops matching a line, and what it expected there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fw_guard.patterns.grammar import parse
from fw_guard.patterns.nearly import END, matched_up_to
from fw_guard.patterns.tree import Pattern
from tests.patterns.trees import UNTIMED, Nodes, fields, texts, trees

INETD = "refused connection from {?{user:word}@}{host}, service {service:word} ({proto:word})"
SSHD = "Failed {method} for {?{invalid|illegal} user }{user} from {host} port {port} ssh2"

# Each case: the pattern, the message, a caret under the place, and what was expected there.
CASES = [
    (INETD, "refused connection from 192.0.2.7; service ftpd",
            "                                 ^", "', service '"),
    (INETD, "refused connect from 192.0.2.7, service ftpd (tcp)",
            "               ^", "'connection from '"),
    (INETD, "refused connection from a@, service ftpd (tcp)",
            "                          ^", "a host"),
    (INETD, "refused connection from ?, service ftpd (tcp)",
            "                        ^", "a host"),
    (INETD, "refused connection from 192.0.2.7, service ftpd (tcp) and more",
            "                                                     ^", END),
    (INETD, "refused connection from 192.0.2.7, service ftpd",
            "                                               ^", "' ('"),
    (INETD, "",
            "^", "'refused connection from '"),
    (SSHD,  "Failed password for root from 192.0.2.7 port 22 ssh1",
            "                                                   ^", "'ssh2'"),
    (SSHD,  "Failed password for illegal user root from 192.0.2.7 port ssh2",
            "                                                          ^", "a number"),
    (SSHD,  "Failed password for root form 192.0.2.7 port 22 ssh2",
            "                          ^", "'from '"),
    (SSHD,  "Accepted password for root from 192.0.2.7 port 22 ssh2",
            "^", "'Failed '"),
    ("from {host}{? port {port}} ssh2", "from 192.0.2.7 prot 22 ssh2",
                                        "                ^", "'port '"),
    ("from {host}{? port {port}}",      "from 192.0.2.7 prot 22",
                                        "                ^", "'port '"),
    ("from {host}{? port {port}}",      "from 192.0.2.7; port 22",
                                        "              ^", f"' port ' or {END}"),
    ("from {host}{? port {port}}",      "from 192.0.2.7 port x",
                                        "                    ^", "a number"),
    ("for {invalid|illegal} user",      "for ilegal user",
                                        "      ^", "'illegal'"),
    ("for {invalid|illegal} user",      "for root",
                                        "    ^", "'invalid' or 'illegal'"),
    ("for {invalid|illegal} user",      "for invalid  uwer",
                                        "              ^", "'user'"),
    ("{a {b|c}|x {{port}|{net}}}!",     "a d!",
                                        "  ^", "'b' or 'c'"),
    ("{a {b|c}|x {{port}|{net}}}!",     "x d!",
                                        "  ^", "a number or a network"),
    ("a{? b{? c}} d",                   "a bx",
                                        "   ^", "' c' or ' d'"),
    ("a{? b{? c}}",                     "a b d",
                                        "    ^", "'c'"),
    ("a{? b| c}{? d}",                  "a-",
                                        " ^", f"' b', ' c', ' d' or {END}"),
    ("{?{user:word}@}{host}!",          "-.-",
                                        "^", "a host"),
    ("at [{time:httpdate}]",            "at [7 Feb]",
                                        "    ^", "a time like 07/Feb/2017:02:32:54 +0900"),
    ("say {{}{user}{}}",                "say {a",
                                        "     ^", "'}'"),
    ("a  b",                            "a \t c",
                                        "    ^", "'b'"),
    ("it's {port}",                     "it is",
                                        "  ^", '"it\'s "'),
]  # fmt: skip


@pytest.mark.parametrize(("source", "message", "caret", "expected"), CASES)
def test_a_line_matches_up_to_here(source: str, message: str, caret: str, expected: str) -> None:
    assert matched_up_to(parse(source), message.encode()) == (caret.index("^"), expected)


def test_the_place_is_counted_in_bytes() -> None:
    pattern = parse("für „{user}“ von {host}")
    message = "für „\udcff“ vom 192.0.2.7".encode(errors="surrogateescape")
    # f 1, ü 2, r 1, blank 1, „ 3, the byte 1, “ 3, then " vo".
    assert matched_up_to(pattern, message) == (15, "'von '")


def test_a_newline_ends_what_can_match() -> None:
    assert matched_up_to(parse("a {*}"), b"a b\nc") == (3, END)
    assert matched_up_to(parse("a b c"), b"a b\nc") == (3, "' c'")


def test_a_line_that_matches_does_so_up_to_its_end() -> None:
    assert matched_up_to(parse("from {host}"), b"from 192.0.2.7 \t\r") == (14, END)


@UNTIMED
@given(trees(texts(st.sampled_from("ab ")) | fields()), st.binary(max_size=20))
def test_the_place_lies_in_the_message_whatever_that_is(nodes: Nodes, message: bytes) -> None:
    offset, expected = matched_up_to(Pattern("", nodes), message)
    assert 0 <= offset <= len(message)
    assert expected


@UNTIMED
@given(
    st.lists(st.text("abc", min_size=1), min_size=1, max_size=5),
    st.integers(0),
    st.integers(0),
    st.sampled_from("xyz"),
)
def test_a_wrong_letter_is_found_where_it_stands_and_its_whole_word_was_expected(
    words: list[str], which: int, place: int, letter: str
) -> None:
    which %= len(words)
    place %= len(words[which])
    wrong = words[which][:place] + letter + words[which][place + 1 :]
    message = " ".join([*words[:which], wrong, *words[which + 1 :]])
    at = len("".join(f"{word} " for word in words[:which])) + place
    expected = repr(" ".join(words[which:]))
    assert matched_up_to(parse(" ".join(words)), message.encode()) == (at, expected)
