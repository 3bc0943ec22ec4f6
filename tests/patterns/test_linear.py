"""The linear proof: what it passes takes steps by the length of the line, counted one by one."""

from __future__ import annotations

import random
import sys

import pytest

from fw_guard.patterns.compile import canonical, compile_pattern
from fw_guard.patterns.grammar import parse
from fw_guard.patterns.linear import MOST, stall
from fw_guard.patterns.shapes import Repeat, none_of, one_of, sequence
from fw_guard.patterns.tree import Choice, Field, Node, Optional, Pattern, Text
from tests.patterns.readings import Steps
from tests.patterns.trees import Nodes, merged, source_of

LINEAR = [
    "Invalid user {user} from {host}",
    "Failed {method} for {?{invalid|illegal} user }{user} from {host} port {port} ssh2",
    "{user} from {host}",
    "{user}{? port {port}}",
    "{host}: {user}: {*}",
    "x {host} {*}",
    "user={user}",
    "a{?x {*} }y {*}",
    "{*:word} {*:word} {*:word} {*:word}",
    '{host} "{*:quoted}" "{*:quoted}"{*:quoted}',
    "{? {*:word}{? {*:word}{? {*:word}}}} x",
    "{*}",
]

# Each with what to repeat. Written by hand: the steps below show that it is slow.
SLOW = [
    ("{*}a{*}b", "a"),
    ("{*}a{*}b{*}c", "ab"),
    ("{user} for {*} in {host}", " for"),
    ("{a:word}{b:word}!", "x"),
    ("{*:word}-{*:word}-{*:word} x", "-"),
    ('{*}"{*:quoted}" x', '\\"'),
    ("{x}{y} !", "a"),
    ("<{*}>{?{*}}<", ">"),
]


@pytest.mark.parametrize("source", LINEAR)
def test_a_pattern_without_rivals_is_proved(source: str) -> None:
    assert stall(compile_pattern(parse(source)).shape) is None


@pytest.mark.parametrize(("source", "pump"), SLOW)
def test_a_pattern_whose_holes_can_trade_text_is_refused(source: str, pump: str) -> None:
    found = stall(compile_pattern(parse(source)).shape)
    assert found is not None
    assert found.proved
    assert found.pump


@pytest.mark.parametrize(("source", "pump"), SLOW)
def test_what_is_refused_is_slow(source: str, pump: str) -> None:
    sys.setrecursionlimit(10_000)
    steps = Steps(compile_pattern(parse(source)).shape)
    begin = source.partition("{")[0]
    short, long = (steps.on(f"{begin}{pump * number}~ ".encode()) for number in (15, 45))
    assert long > 5 * short


def test_the_pumping_string_is_slow() -> None:
    shape = compile_pattern(parse("from {host} by {*} for {*} in {x:int}")).shape
    found = stall(shape)
    assert found is not None
    steps = Steps(shape)
    short, long = (steps.on(found.before + found.pump * number + b"~ ") for number in (15, 45))
    assert long > 5 * short


def test_too_many_ways_are_refused_though_they_do_not_grow() -> None:
    assert stall(sequence(*[Repeat(one_of(b"a"), 0, 2)] * 8, b"b")) is not None
    assert stall(sequence(*[Repeat(one_of(b"a"), 0, 2)] * 2, b"b")) is None


def test_a_pattern_with_too_much_to_count_is_refused() -> None:
    # Which of the last sixteen letters was an a: few ways, and as many counts as sets of letters.
    shape = sequence(Repeat(none_of(b"\n")), b"a", Repeat(none_of(b"\n"), 16, 16), b"b")
    found = stall(shape)
    assert found is not None
    assert not found.proved


def random_nodes(source: random.Random, depth: int = 0) -> Nodes:
    return merged(tuple(random_node(source, depth) for _ in range(source.randint(1, 4))))


def random_node(source: random.Random, depth: int) -> Node:
    kind = source.random()
    if kind < 0.4:
        return Text("".join(source.choices('a- "', k=source.randint(1, 2))))
    if kind < 0.8 or depth > 1:
        return Field(None, source.choice(["text", "word", "quoted", "int", "host"]), 0)
    count = source.randint(1, 2)
    if kind < 0.9:
        return Optional(tuple(random_nodes(source, depth + 1) for _ in range(count)))
    return Choice(tuple(random_nodes(source, depth + 1) for _ in range(count + 1)))


@pytest.mark.parametrize("seed", range(4))
def test_a_proved_pattern_takes_a_bounded_number_of_steps_for_each_byte(seed: int) -> None:
    source = random.Random(seed)
    proved = refused = 0
    sys.setrecursionlimit(10_000)
    while proved < 150:
        nodes = random_nodes(source)
        if not source_of(nodes).strip():
            continue
        shape = compile_pattern(Pattern("", nodes)).shape
        if stall(shape) is not None:
            refused += 1
            continue
        proved += 1
        steps = Steps(shape)
        for _ in range(6):
            pump = "".join(source.choices('a- "1:.\\', k=source.randint(1, 4)))
            line = canonical((pump * 40)[: source.choice([40, 80])].encode() + b"~")
            # A way may go through several holes and branches between one byte and the next.
            assert steps.on(line) <= (len(line) + 1) * MOST * 8, (source_of(nodes), line)
    assert refused > 20
