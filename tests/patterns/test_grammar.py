"""The pattern language: what it reads."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fw_guard.patterns.compile import compile_pattern
from fw_guard.patterns.grammar import DEEPEST, PatternError, parse
from fw_guard.patterns.tree import Choice, Field, Node, Optional, Pattern, Text
from tests.patterns.trees import (
    UNTIMED,
    Nodes,
    every_field,
    fields,
    source_of,
    texts,
    trees,
    without_offsets,
)


def test_text_outside_braces_stands_for_itself() -> None:
    source = r"*7 [info] a|b <c> (d) \x16 100% :?"
    assert parse(source) == Pattern(source, (Text(source),))


def test_the_inetd_pattern_is_read_into_its_tree() -> None:
    source = "refused connection from {?{user:word}@}{host}, service {service:word} ({proto:word})"
    assert parse(source).pieces == (
        Text("refused connection from "),
        Optional(((Field("user", "word", 26), Text("@")),)),
        Field("host", "host", 39),
        Text(", service "),
        Field("service", "word", 55),
        Text(" ("),
        Field("proto", "word", 71),
        Text(")"),
    )


@pytest.mark.parametrize(
    ("source", "field"),
    [
        ("{host}", Field("host", "host", 0)),
        ("{port}", Field("port", "int", 0)),
        ("{pid}", Field("pid", "int", 0)),
        ("{status}", Field("status", "int", 0)),
        ("{times}", Field("times", "int", 0)),
        ("{method}", Field("method", "word", 0)),
        ("{net}", Field("net", "net", 0)),
        ("{address}", Field("address", "net", 0)),
        ("{time}", Field("time", "httpdate", 0)),
        ("{name}", Field("name", "name", 0)),
        ("{user}", Field("user", "text", 0)),
        ("{host_2}", Field("host_2", "text", 0)),
        ("{host:addr}", Field("host", "addr", 0)),
        ("{user:quoted}", Field("user", "quoted", 0)),
        ("{*}", Field(None, "text", 0)),
        ("{*:word}", Field(None, "word", 0)),
    ],
)
def test_a_field_has_the_type_it_names_or_that_of_its_name(source: str, field: Field) -> None:
    assert parse(source).pieces == (field,)


@pytest.mark.parametrize(
    ("source", "pieces"),
    [
        ("{{}", (Text("{"),)),
        ("{}}", (Text("}"),)),
        ("{|}", (Text("|"),)),
        ("a{{}b{}}c{|}d|e", (Text("a{b}c|d|e"),)),
        ("{{}{host}{}}", (Text("{"), Field("host", "host", 3), Text("}"))),
        ("{a{|}b|c}", (Choice(((Text("a|b"),), (Text("c"),))),)),
        ("{?{}}}", (Optional(((Text("}"),),)),)),
        ("{?{{}}", (Optional(((Text("{"),),)),)),
        ("{{|}|x}", (Choice(((Text("|"),), (Text("x"),))),)),
        ("{x|{}}}", (Choice(((Text("x"),), (Text("}"),))),)),
    ],
)
def test_a_brace_or_bar_in_braces_is_literal(source: str, pieces: Nodes) -> None:
    assert parse(source).pieces == pieces


@pytest.mark.parametrize(
    ("source", "pieces"),
    [
        ("{invalid|illegal}", (Choice(((Text("invalid"),), (Text("illegal"),))),)),
        ("{? ssh2}", (Optional(((Text(" ssh2"),),)),)),
        ("{?  a | b  }", (Optional(((Text("  a "),), (Text(" b  "),))),)),
        (
            "{? port {port}}",
            (Optional(((Text(" port "), Field("port", "int", 8)),)),),
        ),
        (
            "{?, TLS{?: {*:word}}}",
            (
                Optional(
                    ((Text(", TLS"), Optional(((Text(": "), Field(None, "word", 11)),))),),
                ),
            ),
        ),
        (
            "{{host}|{ a |{?b}c}}",
            (
                Choice(
                    (
                        (Field("host", "host", 1),),
                        (Choice(((Text(" a "),), (Optional(((Text("b"),),)), Text("c")))),),
                    )
                ),
            ),
        ),
        ("{error: x|fatal: y}", (Choice(((Text("error: x"),), (Text("fatal: y"),))),)),
        ("{*|-}", (Choice(((Text("*"),), (Text("-"),))),)),
    ],
)
def test_holes_nest_and_keep_their_blanks(source: str, pieces: Nodes) -> None:
    assert parse(source).pieces == pieces


def test_a_field_may_stand_once_in_each_branch() -> None:
    source = "{user {user}|{user} logged in{? as {name}}}{? from {host}|{? at {host}}}"
    assert [field.name for field in every_field(parse(source).pieces)] == [
        *("user", "user", "name", "host", "host")
    ]


def test_holes_may_lie_as_deep_as_the_limit() -> None:
    pieces: tuple[Node, ...] = (Text("x"),)
    for _ in range(DEEPEST):
        pieces = (Optional((pieces,)),)
    assert parse("{?" * DEEPEST + "x" + "}" * DEEPEST).pieces == pieces


PRINTABLE = st.characters(exclude_categories=("Cc", "Cs"))
LETTERS = st.sampled_from("{}|?*:ab ") | PRINTABLE


@UNTIMED
@given(trees(texts(LETTERS) | fields()))
def test_a_tree_written_down_reads_back_as_itself(nodes: Nodes) -> None:
    source = source_of(nodes)
    assert without_offsets(parse(source).pieces) == nodes


@UNTIMED
@given(trees(texts(LETTERS) | fields()))
def test_a_field_knows_where_its_brace_stands(nodes: Nodes) -> None:
    source = source_of(nodes)
    for field in every_field(parse(source).pieces):
        assert source.startswith(f"{{{field.name or '*'}", field.offset)


SHREDS = st.lists(
    st.sampled_from(
        [
            "{",
            "}",
            "|",
            "?",
            "*",
            ":",
            " ",
            "{{}",
            "{}}",
            "{|}",
            "{host}",
            "host",
            "int",
            "{a|",
            "\n",
        ]
    )
    | st.text(max_size=3)
).map("".join)


@UNTIMED
@given(st.text() | SHREDS)
def test_any_text_is_a_pattern_or_its_faults_lie_inside_it(source: str) -> None:
    faults = faults_of(source)
    assert all(0 <= offset <= len(source) for offset, _ in faults)
    assert [offset for offset, _ in faults] == sorted(offset for offset, _ in faults)
    assert all("; expected " in message for _, message in faults)


def faults_of(source: str) -> tuple[tuple[int, str], ...]:
    """Give the faults of ``source``, none for a pattern; let any other error through."""
    try:
        pattern = parse(source)
    except PatternError as error:
        return error.faults or ((-1, "an error without a fault"),)
    assert pattern.source == source
    return ()


def run(program: str) -> str:
    """Run ``program`` in an interpreter of its own, where a warning is an error."""
    command = [sys.executable, "-W", "error", "-c", program]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_reading_a_pattern_leaves_the_state_of_pyparsing_alone() -> None:
    program = """
import pyparsing as pp
state = lambda: (pp.ParserElement.DEFAULT_WHITE_CHARS, pp.ParserElement._packratEnabled,
                 pp.ParserElement._left_recursion_enabled, pp.ParserElement._literalStringClass,
                 pp.ParserElement.verbose_stacktrace, str(pp.__diag__.__dict__))
before = state()
from fw_guard.patterns.grammar import parse
print(len(parse("from {host}{? port {port}}").pieces), state() == before)
"""
    assert run(program) == "3 True\n"


def test_a_caller_who_changed_pyparsing_reads_the_same_tree() -> None:
    program = """
import pyparsing as pp
pp.ParserElement.set_default_whitespace_chars(" abc")
pp.ParserElement.enable_packrat()
from fw_guard.patterns.grammar import parse
print(parse("a b{? c {host}}").pieces)
"""
    pieces = (Text("a b"), Optional(((Text(" c "), Field("host", "host", 8)),)))
    assert run(program) == f"{pieces}\n"


def test_a_pattern_of_very_many_holes_is_refused_rather_than_run_deep() -> None:
    with pytest.raises(PatternError) as caught:
        parse("{host}" + "{?a}" * 1000)
    assert caught.value.faults == (
        (6 + 4 * 99, "more than 100 holes; expected several patterns instead"),
    )
    compiled = compile_pattern(parse("{host}" + "{?a}" * 99))
    assert compiled.match(b"192.0.2.7" + b"a" * 99) is not None
