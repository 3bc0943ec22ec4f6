"""What a pattern means for a line: blanks, branches, fields, and random patterns."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fw_guard.patterns.compile import compile_pattern
from fw_guard.patterns.fields import TYPES
from fw_guard.patterns.grammar import parse
from fw_guard.patterns.tree import Choice, Field, Node, Optional, Pattern, Text
from tests.patterns.trees import UNTIMED, Nodes, compiled, fields, matched, source_of, texts, trees


@pytest.mark.parametrize(
    ("source", "message", "fields"),
    [
        ("a{?b{?c{?d}}}", "a", {}),
        ("a{?b{?c{?d}}}", "abcd", {}),
        ("a{?b{?c{?d}}}", "abd", None),
        ("a{?{b|c}{d|e}}", "ace", {}),
        ("a{?{b|c}{d|e}}", "ac", None),
        ("{{a|b}|{c|{d|e}}}", "e", {}),
        ("{a|ab}{c|bc}", "abc", {}),
        ("{x {user:word}|y {user:int}}{? {port}}", "y 12 34", {"user": "12", "port": "34"}),
        ("{{user:word} a|{user:word} b}", "u b", {"user": "u"}),
        ("{{}{host}{}}", "{192.0.2.7}", {"host": "192.0.2.7"}),
        ("a|b{?{|}c}", "a|b|c", {}),
        (r"\d+ [a-z] ^$ .* (x)? #", r"\d+ [a-z] ^$ .* (x)? #", {}),
        (r"\d+ [a-z] ^$ .* (x)? #", "1 a  x x #", None),
        ("Ab", "ab", None),
    ],
)
def test_holes_in_holes(source: str, message: str, fields: dict[str, str] | None) -> None:
    assert matched(source, message) == fields


@pytest.mark.parametrize(
    ("source", "message", "fits"),
    [
        ("a b", "a b", True),
        ("a b", "a \t  b", True),
        ("a b", "a\tb", True),
        ("a   b", "a b", True),
        ("a b", "ab", False),
        ("a b", "a\rb", False),
        ("a b", "a\u00a0b", False),
        (" a", " a", True),
        (" a", "a", False),
        ("a {?b }c", "a  c", True),
        ("a {?b }c", "a b c", True),
        ("a{? b}", "ab", False),
        ("a", "a \t\r", True),
        ("a", "a\r", True),
        ("a", "a\r \r", True),
        ("a", " a", False),
        ("a ", "a ", True),
        ("a ", "a", True),
        ("a {?b}", "a \t", True),
        ("a {?b}", "a  \r", True),
        ("a", "a\n", False),
        ("a", "a\n ", False),
        ("a", "a \n", False),
        ("{*}", "a\nb", False),
        ("{*}", "", True),
        ("a\u00a0b", "a\u00a0b", True),
    ],
)
def test_a_blank_stands_for_a_run_of_them(source: str, message: str, fits: bool) -> None:
    assert (matched(source, message) is not None) is fits


def test_a_newline_makes_no_pattern_go_back_and_forth() -> None:
    # With the end of the line in sight nothing has to be tried again; with a newline before it all.
    assert compiled("{*}x{*}").match(b"x" * 100_000 + b"\n.") is None


def test_text_takes_no_blanks_from_the_ends_of_a_line() -> None:
    assert matched("by {user}", "by  a b \t\r") == {"user": "a b"}


def test_literals_are_utf8_and_values_are_whatever_bytes_the_log_holds() -> None:
    pattern = compiled("Zugriff verweigert für „{user}“ von {host}")
    message = "Zugriff verweigert für „".encode() + b"\xff\xfe\x00" + "“ von 192.0.2.7".encode()
    assert pattern.match(message) == {"user": b"\xff\xfe\x00", "host": b"192.0.2.7"}
    assert pattern.match(message.replace("ü".encode(), "ü".encode("latin-1"))) is None


def test_text_takes_as_little_and_word_as_much_as_it_can() -> None:
    assert matched("{a}-{b}", "1-2-3") == {"a": "1", "b": "2-3"}
    assert matched("{a:word}-{b:word}", "1-2-3") == {"a": "1-2", "b": "3"}


def test_the_first_branch_that_fits_is_taken_and_presence_before_absence() -> None:
    assert matched("{{a:word}|{b:word}}", "x") == {"a": "x"}
    assert matched("x{?{a:int}}{b}", "x12") == {"a": "12", "b": ""}


def test_a_branch_that_was_tried_and_left_again_gives_no_field() -> None:
    assert matched("{{a:word};|{b:word}:}", "x:") == {"b": "x"}
    assert matched("{?{a:word}@}{b:word}", "x") == {"b": "x"}


def test_groups_are_plain_and_stand_in_the_order_of_the_fields() -> None:
    pattern = compiled("{{user:word}@|{user:word}!}{host} {*} {x|{port}}")
    assert pattern.fields == ("user", "user", "host", "port")
    assert re.compile(pattern.regex).groups == 4
    assert re.compile(pattern.regex).groupindex == {}


def test_the_regex_is_a_body_to_be_built_into_another() -> None:
    one, other = compiled("a {host}{? x}"), compiled("b|c")
    both = re.compile(b"<(?:%b|%b)>" % (one.regex, other.regex))
    assert both.fullmatch(b"<b|c>")
    found = both.fullmatch(b"<a 192.0.2.7>")
    assert found is not None
    assert found.groups() == (b"192.0.2.7",)
    assert both.fullmatch(b"<b>") is None


# The cost of these grows with the cube of the line when a run of blanks can be shared out between
# a text and the blanks around it: then this does not come to an end.
@pytest.mark.parametrize(
    "source",
    [
        "Invalid user {user} from {host}",
        "Failed {method} for {?{invalid|illegal} user }{user} from {host} port {port} ssh2",
        "by {user}, {*}",
        "by {user}{? port {port}}",
        "{user} from {host}",
    ],
)
def test_a_long_run_of_blanks_does_not_stall_a_pattern(source: str) -> None:
    start = source.partition("{")[0].encode()
    assert compiled(source).match(start + b" " * 20_000 + b"x" + b" " * 20_000 + b"\n") is None


# A second, plain way to write a pattern as a regular expression: each type just as it is described.
WRITTEN = {"text": b"[^\n]*?", "word": b"[^ \t\r\n]+", "int": b"[0-9]{1,18}"}


def plainly(nodes: Nodes) -> bytes:
    """Write ``nodes`` down as a regular expression with named groups for the named fields."""
    return b"".join(map(_plainly, nodes))


def _plainly(node: Node) -> bytes:
    match node:
        case Text(text):
            return re.sub(rb"(\\ )+", rb"[ \\t]+", re.escape(text.encode()))
        case Field(name, kind):
            group = b"?P<%b>" % name.encode() if name else b"?:"
            return b"(%b%b)" % (group, WRITTEN[kind])
        case Optional(branches):
            return b"(?:%b)?" % b"|".join(map(plainly, branches))
        case Choice(branches):
            return b"(?:%b)" % b"|".join(map(plainly, branches))


FEW = trees(texts(st.sampled_from("ab  ")) | fields(st.sampled_from(sorted(WRITTEN))))


def plain_match(nodes: Nodes, line: str) -> dict[str, bytes] | None:
    """Match ``line``, which ends with no blank, as the plain regular expression does."""
    found = re.fullmatch(plainly(nodes) + b" ?", line.encode() + b" ")
    return found and {name: text for name, text in found.groupdict().items() if text is not None}


@UNTIMED
@given(FEW, st.text("ab1 \t", max_size=10).map(lambda line: line.rstrip(" \t")))
def test_the_care_for_blanks_changes_no_match(nodes: Nodes, line: str) -> None:
    assert compile_pattern(Pattern("", nodes)).match(line.encode()) == plain_match(nodes, line)


SHORT_LINES = [
    line
    for length in range(8)
    for line in map("".join, itertools.product("ab ", repeat=length))
    if not line.endswith(" ")
]


@pytest.mark.parametrize(
    "source",
    [
        *("{x}", "{x} b", "a {x}", "a {x} b", "a {x}b", "a{x} b", "{x} {y}", "{x}{y} b"),
        *("a {x}{y} b", "a {x}{*:word} b", "a {x} {y} b", " {x} {y} ", "a {*} b", "{*} {*} b"),
        *("{x}{? b}", "{x}{? b}a", "{x}{? b} a", "{x}{? a|b}", "a {x}{? b}", "a {x}{? b} a"),
        *("{x}{ a| b}", "{x}{ a|b}", "a {x}{ a| b}", "{?a }{x}", "{?a }{x} b", "a {?b }{x} b"),
        *("a {?b}{x} b", "a{? }{x} b", "{a |b }{x} b", "{a |b}{x} b", "a {{x}|b{y}} b"),
        *("a {?{x} }b", "a {?{x} }{y} b", "a {?b {x}} b", "a{? {x}}{? b}", "a{?{? b}{? a}} {x} b"),
        *("{x}{?{? a} b}", "{x}{?{?a} b}", "{?{?a }b }{x}b", "{?{?a}b }{x}b", "a {? b}{x} b"),
        *("{?{x}}b", "{{x}|a}b", "a {?{x}}b", "{?a{x}}{? b}"),
    ],
)
def test_no_short_line_is_matched_otherwise_for_the_care_for_blanks(source: str) -> None:
    nodes = parse(source).pieces
    pattern = compiled(source)
    wrong = [
        line for line in SHORT_LINES if pattern.match(line.encode()) != plain_match(nodes, line)
    ]
    assert wrong == []


def test_every_type_has_a_value_to_try() -> None:
    assert set(VALUES) == set(TYPES)


VALUES: dict[str, st.SearchStrategy[bytes]] = {
    "addr": st.sampled_from([b"192.0.2.7", b"2001:db8::7", b"[2001:db8::7]", b"fe80::7%em0"]),
    "ipv4": st.sampled_from([b"192.0.2.7", b"203.0.113.4"]),
    "ipv6": st.sampled_from([b"2001:db8::7", b"[2001:db8::7]", b"::ffff:192.0.2.7"]),
    "host": st.sampled_from([b"192.0.2.7", b"2001:db8::7", b"www.example.com", b"::ffff:1.2.3.4"]),
    "name": st.sampled_from([b"192.0.2.7", b"www.example.com", b"UNKNOWN", b"a-b.example.net."]),
    "net": st.sampled_from([b"192.0.2.0/24", b"2001:db8::/32", b"192.0.2.7"]),
    "int": st.integers(0, 10**18 - 1).map(lambda number: b"%d" % number),
    "word": st.binary(min_size=1, max_size=5).map(
        lambda value: value.translate(None, b" \t\r\n<>") or b"w"
    ),
    "text": st.binary(max_size=5).map(lambda value: value.translate(None, b"\r\n<>")),
    "quoted": st.sampled_from([b"", b"a b", rb"\"", rb"\\", rb"say \"hi\""]),
    "httpdate": st.just(b"07/Feb/2017:02:32:54 +0900"),
    "isotime": st.sampled_from([b"2017-02-07T02:32:54+09:00", b"2017-02-07 02:32:54,123"]),
}


def line_of(nodes: Nodes, draw: st.DrawFn) -> tuple[bytes, dict[str, bytes]]:
    """Make up a line that ``nodes`` cover, and say which values stand in it."""
    line, values = b"", {}
    for node in nodes:
        match node:
            case Text(text):
                blanks = draw(st.sampled_from([b" ", b"  ", b"\t", b" \t"]))
                line += re.sub(b" +", blanks, text.encode())
            case Field(name, kind):
                value = draw(VALUES[kind])
                line += value
                if name is not None:
                    values[name] = value
            case Optional(branches) | Choice(branches):
                absent = [()] if isinstance(node, Optional) else []
                inside, more = line_of(draw(st.sampled_from([*branches, *absent])), draw)
                line += inside
                values |= more
    return line, values


LETTERS = st.sampled_from("ab {}|?*: ") | st.characters(exclude_categories=("Cc", "Cs"))
ANY_TREE = trees(texts(LETTERS) | fields())


@UNTIMED
@given(st.data(), ANY_TREE)
def test_a_pattern_matches_a_line_made_from_it(data: st.DataObject, nodes: Nodes) -> None:
    line, _ = data.draw(st.composite(lambda draw: line_of(nodes, draw))())
    assert compiled(source_of(nodes)).match(line) is not None


# One way alone: holes whose every branch starts with a number of its own and ends with a mark.
@st.composite
def told_apart(draw: st.DrawFn) -> Nodes:
    """Give a pattern that reads its own lines in one way only."""
    numbers = iter(range(1000))

    def marked(nodes: Nodes) -> Nodes:
        out: list[Node] = []
        for node in nodes:
            match node:
                case Field(_, kind):
                    number = next(numbers)
                    out += [Text(f"<{number}<"), Field(f"f{number}", kind, 0), Text(f">{number}>")]
                case Optional(branches) | Choice(branches):
                    out.append(
                        type(node)(
                            tuple(
                                (Text(f"<{next(numbers)}<"), *marked(branch), Text(">>"))
                                for branch in branches
                            )
                        )
                    )
                case _:
                    out.append(node)
        return tuple(out)

    return marked(draw(trees(texts(st.sampled_from("ab ")) | fields())))


@UNTIMED
@given(st.data(), told_apart())
def test_a_line_gives_back_the_values_it_was_made_from(data: st.DataObject, nodes: Nodes) -> None:
    line, values = data.draw(st.composite(lambda draw: line_of(nodes, draw))())
    assert compiled(source_of(nodes)).match(line) == values


def test_compiling_costs_no_parser() -> None:
    program = """
import sys
import fw_guard.patterns.compile
print(sorted({"pyparsing", "fw_guard.patterns.grammar"} & set(sys.modules)))
"""
    command = [sys.executable, "-W", "error", "-c", program]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "[]\n"
