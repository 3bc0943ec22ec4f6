"""The forge proof: what it refuses is forged before your eyes, what it passes cannot be."""

from __future__ import annotations

import itertools
import random
import re

import pytest

from fw_guard.patterns.compile import canonical, compile_pattern
from fw_guard.patterns.grammar import parse
from fw_guard.patterns.proof import Proposal, forgery
from fw_guard.patterns.shapes import sequence
from fw_guard.patterns.tree import Choice, Field, Node, Optional, Pattern, Text
from tests.patterns.readings import hosts
from tests.patterns.trees import Nodes, merged, source_of


def proposals(*sources: str) -> tuple[Proposal, ...]:
    """Give patterns as they are proved."""
    return tuple(Proposal(compile_pattern(parse(source)).shape) for source in sources)


@pytest.mark.parametrize(
    "source",
    [
        "Invalid user {user} from {host}",
        "Invalid user {user} from {host}{? port {port}}",
        "refused connection from {?{user:word}@}{host}, service {service:word} ({proto:word})",
        "refused connect from {*} ({host})",
        "error: PAM: authentication error for {?{illegal|invalid} user }{user} from {host}",
        "error: PAM: authentication error for {user} from {host}{? via {*:addr}}",
        "Failed {method} for {user} from {host} port {port}{? ssh2}",
        "Failed {method} for {user} from {host} port {port} ssh2{?: {*:word} {*:word}}",
        "{*:word}[{host}]: SASL {method:word} authentication failed: {*}",
        '[{user}] FAIL LOGIN: Client "{host}"',
        "{host} {user}",
        "[client {host:ipv4}{?:{port}}] user {user}: {*}",
        "[client {host:ipv6}:{port}] user {user}: {*}",
        "{host}",
        "(?@{host}) {*}",
    ],
)
def test_a_bounded_pattern_is_proved(source: str) -> None:
    assert forgery(proposals(source)) is None


# Each with a line that has two hosts, made by hand.
FORGEABLE = [
    (
        "Failed {method} for {user} from {host}{? port {port}}{? ssh2}{?: {*:word} {*:word}}",
        "Failed password for x from 192.0.2.1: from 198.51.100.9",
    ),
    ("{user} from {host}{*}", "x from 192.0.2.1 from 198.51.100.9"),
    ("{user} from {host}: {*}", "x from 192.0.2.1: from 198.51.100.9: x"),
    ("user <{user}>, rip={host}, {*}", "user <x>, rip=192.0.2.1, x>, rip=198.51.100.9, x"),
    ("{*}{host}", "198.51.100.9"),
    ("{host}{*}", "198.51.100.9"),
    ("from {host}{?:{port}}", "from 2001:db8::7:4711"),
    ("{?{user} }{host}{? {*}}", "192.0.2.1 192.0.2.2"),
    (
        "User {user} from {host} not allowed because {*}",
        "User x from 192.0.2.1 not allowed because y from 192.0.2.2 not allowed because z",
    ),
    ("{{host} for {user}|{user} for {host}}", "192.0.2.1 for 192.0.2.2"),
    ("{a} [{host}] {b:quoted}", "x [192.0.2.1] [192.0.2.2] y"),
]


@pytest.mark.parametrize(("source", "line"), FORGEABLE)
def test_a_forgeable_pattern_is_refused_with_a_line_of_two_hosts(source: str, line: str) -> None:
    nodes = parse(source).pieces
    assert len(hosts(nodes, canonical(line.encode()))) > 1
    found = forgery(proposals(source))
    assert found is not None
    shown = {(reading.start, reading.end) for reading in found.readings}
    assert len(shown) == 2
    assert shown <= hosts(nodes, found.line)


def test_two_patterns_of_one_filter_can_forge_each_other() -> None:
    one, other = "{user} failed from {host}", "from {host} failed {user}"
    assert forgery(proposals(one)) is None
    assert forgery(proposals(other)) is None
    found = forgery(proposals(one, other))
    assert found is not None
    assert {reading.number for reading in found.readings} == {0, 1}
    for reading in found.readings:
        nodes = parse((one, other)[reading.number]).pieces
        assert (reading.start, reading.end) in hosts(nodes, found.line)


def test_a_failure_that_can_look_like_a_good_login_is_refused() -> None:
    failed, accepted = proposals("{user} from {host}", "accepted {user} from {host}")
    failed = Proposal(failed.shape, "failure")
    assert forgery((failed, Proposal(accepted.shape, "failure"))) is None
    found = forgery((failed, Proposal(accepted.shape, "success")))
    assert found is not None
    assert found.line.startswith(b"accepted ")


def test_patterns_that_are_both_excused_may_forge_each_other() -> None:
    one, other = proposals("{user} failed from {host}", "from {host} failed {user}")
    excused = [Proposal(each.shape, excused=True) for each in (one, other)]
    assert forgery((excused[0], excused[1])) is None
    assert forgery((excused[0], other)) is not None


def test_other_shapes_of_a_proposal_are_readings_of_it() -> None:
    one, other = proposals("{user} by {host}]", "from {host} by {*:addr}")
    assert forgery((one, other)) is None
    wrapped = sequence(b"+ ", other.shape, b"]")
    found = forgery((one, Proposal(other.shape, others=(wrapped,))))
    assert found is not None
    assert found.line.startswith(b"+ from ")


def test_the_forged_line_holds_addresses_where_it_can() -> None:
    found = forgery(proposals("{user} from {host}: {*}"))
    assert found is not None
    assert set(found.hosts) == {b"198.51.100.9", b"host.example.net"}


# Random patterns over a few letters, of which every short line is tried.
def random_nodes(source: random.Random, depth: int = 0) -> Nodes:
    """Give a few nodes, one of them often the host."""
    return merged(tuple(random_node(source, depth) for _ in range(source.randint(1, 3))))


def random_node(source: random.Random, depth: int) -> Node:
    kind = source.random()
    if kind < 0.35:
        return Text("".join(source.choices("a. ", k=source.randint(1, 2))))
    if kind < 0.6:
        return Field("host", "host", 0)
    if kind < 0.8 or depth > 1:
        return Field(None, source.choice(["text", "text", "word", "quoted", "int"]), 0)
    count = source.randint(1, 2)
    if kind < 0.9:
        return Optional(tuple(random_nodes(source, depth + 1) for _ in range(count)))
    return Choice(tuple(random_nodes(source, depth + 1) for _ in range(count + 1)))


def once(nodes: Nodes) -> bool:
    """Say whether the host stands once on every way, as the grammar and a filter want it."""
    return all(way == 1 for way in ways(nodes))


def ways(nodes: Nodes) -> set[int]:
    """Give how often the host may stand on a way through ``nodes``."""
    found = {0}
    for node in nodes:
        match node:
            case Field("host"):
                more = {1}
            case Optional(branches):
                more = {0}.union(*map(ways, branches))
            case Choice(branches):
                more = set[int]().union(*map(ways, branches))
            case _:
                more = {0}
        found = {one + other for one in found for other in more}
    return found


SHORT_LINES = [
    canonical(line.encode())
    for length in range(8)
    for line in map("".join, itertools.product("a. ", repeat=length))
    if not line.endswith(" ")
]


@pytest.mark.parametrize("seed", range(8))
def test_the_proof_agrees_with_trying_every_short_line(seed: int) -> None:
    source = random.Random(seed)
    proved = forged = 0
    while proved + forged < 250:
        nodes = random_nodes(source)
        if not once(nodes):
            continue
        found = forgery((Proposal(compile_pattern(Pattern("", nodes)).shape),))
        if found is None:
            proved += 1
            two = [line for line in SHORT_LINES if len(hosts(nodes, line)) > 1]
            assert two == [], source_of(nodes)
        else:
            forged += 1
            shown = {(reading.start, reading.end) for reading in found.readings}
            assert len(shown) == 2
            assert shown <= hosts(nodes, found.line), source_of(nodes)
    # Neither answer comes so seldom that the comparison says nothing.
    assert min(proved, forged) > 30


@pytest.mark.parametrize("seed", range(4))
def test_what_the_regex_takes_for_the_host_of_a_proved_pattern_is_the_only_one(seed: int) -> None:
    source = random.Random(100 + seed)
    proved = 0
    while proved < 100:
        nodes = random_nodes(source)
        if not once(nodes):
            continue
        pattern = compile_pattern(Pattern("", nodes))
        if forgery((Proposal(pattern.shape),)) is not None:
            continue
        proved += 1
        machine = re.compile(pattern.regex)
        group = [index for index, name in enumerate(pattern.fields, 1) if name == "host"]
        for line in SHORT_LINES:
            found = machine.fullmatch(line)
            there = hosts(nodes, line)
            assert (found is not None) is bool(there), (source_of(nodes), line)
            if found is not None:
                assert {found.span(each) for each in group if found[each] is not None} == there
