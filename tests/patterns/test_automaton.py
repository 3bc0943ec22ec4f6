"""The automaton takes the very lines that the regular expression takes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fw_guard.patterns.automaton import Automaton, automaton, byte_set, liked
from fw_guard.patterns.compile import compile_pattern
from fw_guard.patterns.fields import TYPES
from fw_guard.patterns.shapes import Repeat, Shape, one_of, optional, regex, sequence
from fw_guard.patterns.tree import Pattern
from tests.patterns.trees import UNTIMED, Nodes, compiled, fields, texts, trees

LETTERS = st.sampled_from("ab:1 []")
TREE = trees(texts(LETTERS) | fields())


def takes(graph: Automaton, line: bytes) -> bool:
    """Say whether a line can be laid on positions from a first to a last one."""
    reached = set(graph.first)
    taken: set[int] = set()
    for byte in line:
        taken = {each for each in reached if graph.bytes_at[each] >> byte & 1}
        reached = {after for each in taken for after in graph.after[each]}
    return bool(graph.empty) if not line else any(each in graph.last for each in taken)


@st.composite
def walk(draw: st.DrawFn, graph: Automaton) -> bytes:
    """Give a line that a walk through the automaton makes."""
    line = b""
    ways = sorted(graph.first)
    while ways:
        position = draw(st.sampled_from(ways))
        line += bytes([draw(st.sampled_from(members(graph.bytes_at[position])))])
        ways = sorted(graph.after[position])
        if position in graph.last and (len(line) > 40 or draw(st.booleans())):
            return line
        if len(line) > 120:
            # Out of a loop by the shortest way.
            return line + shortest_end(graph, position)
    return line


def members(taken: int) -> list[int]:
    """Give the bytes of a set, letters and digits first."""
    return sorted(
        (byte for byte in range(256) if taken >> byte & 1), key=lambda b: not 48 <= b < 123
    )


def shortest_end(graph: Automaton, position: int) -> bytes:
    """Give the shortest line from behind ``position`` to an end."""
    lines = {position: b""}
    waiting = [position]
    while waiting:
        here = waiting.pop(0)
        if here in graph.last:
            return lines[here]
        for after in graph.after[here]:
            if after not in lines:
                lines[after] = lines[here] + bytes([liked(graph.bytes_at[after])])
                waiting.append(after)
    raise AssertionError("no end can be reached")


@UNTIMED
@given(st.data(), TREE)
def test_what_the_automaton_makes_the_regex_matches(data: st.DataObject, nodes: Nodes) -> None:
    pattern = compile_pattern(Pattern("", nodes))
    line = data.draw(walk(automaton((pattern.shape,))))
    assert re.fullmatch(pattern.regex, line)


@settings(UNTIMED, max_examples=60)
@given(st.data(), TREE)
def test_what_the_regex_makes_the_automaton_takes(data: st.DataObject, nodes: Nodes) -> None:
    pattern = compile_pattern(Pattern("", nodes))
    line = data.draw(st.from_regex(re.compile(pattern.regex), fullmatch=True))
    assert takes(automaton((pattern.shape,)), line)


@UNTIMED
@given(TREE, st.lists(st.text(LETTERS, max_size=8).map(str.encode), min_size=20, max_size=20))
def test_both_take_and_refuse_the_same_short_lines(nodes: Nodes, lines: list[bytes]) -> None:
    pattern = compile_pattern(Pattern("", nodes))
    graph = automaton((pattern.shape,))
    for line in lines:
        assert takes(graph, line) is (re.fullmatch(pattern.regex, line) is not None)


@pytest.mark.parametrize("kind", TYPES)
@UNTIMED
@given(data=st.data())
def test_every_type_is_one_and_the_same_in_both(kind: str, data: st.DataObject) -> None:
    graph = automaton((TYPES[kind].shape,))
    made = data.draw(walk(graph))
    assert re.fullmatch(TYPES[kind].regex, made)
    assert takes(graph, data.draw(st.from_regex(re.compile(TYPES[kind].regex), fullmatch=True)))


def test_the_bytes_of_the_host_are_marked_and_no_others() -> None:
    pattern = compiled("by {user:int} from {host:ipv4}.")
    graph = automaton((pattern.shape,))
    dots = [each for each, taken in enumerate(graph.bytes_at) if taken == byte_set(frozenset(b"."))]
    assert [graph.in_host[each] for each in dots] == [True, True, True, False]
    assert not any(graph.in_host[each] for each in graph.first)


def test_ways_that_take_no_byte_are_counted() -> None:
    shape: Shape = optional(optional(one_of(b"a")))
    graph = automaton((shape,))
    # Nothing: the outer is absent, or it is there and the inner is absent.
    assert graph.empty == {0}
    # Between the two letters nothing may stand in two ways, and so may it at the end.
    between = automaton((sequence(b"x", shape, b"y", shape),))
    letter = {chr(liked(taken)): each for each, taken in enumerate(between.bytes_at)}
    assert between.after[letter["x"]][letter["y"]] == 2
    assert between.last[letter["y"]] == 2
    doubled = automaton((optional(Repeat(one_of(b"a"), 0, 2)), one_of(b"b")))
    assert [doubled.owner[each] for each in sorted(doubled.first)] == [0, 1]


def test_an_endless_repeat_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no end"):
        automaton((Repeat(optional(one_of(b"a"))),))


def test_the_byte_shown_is_one_of_the_set_and_reads_well() -> None:
    assert chr(liked(byte_set(frozenset(range(256))))) == "x"
    assert chr(liked(byte_set(frozenset(b"\x00;")))) == ";"
    assert liked(byte_set(frozenset(b"\x03\x04"))) == 3


def test_the_regex_of_a_shape_has_no_construct_that_an_automaton_lacks() -> None:
    for kind in TYPES.values():
        assert not re.search(rb"\\[1-9bBAZdDsSwW]|\(\?[^:]", regex(kind.shape))
