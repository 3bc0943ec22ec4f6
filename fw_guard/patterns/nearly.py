"""How far a pattern got with a message that it does not match, for the person who mends it.

    ... refused connection from 192.0.2.7; service ftpd
                                         ^ matched up to here; expected ', service '

A pattern can be cut off at every place where it may fail. The longest beginning that the message
starts with tells the place, and what comes next tells what was expected; of a text that stops
within a word, the whole word. A choice that fails is
looked into, and so is an optional right before the place. This is for showing, not for a pass:
every beginning that is tried is compiled.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from fw_guard.patterns.compile import compile_pattern, shape_of
from fw_guard.patterns.fields import TYPES
from fw_guard.patterns.shapes import regex
from fw_guard.patterns.tree import Choice, Field, Node, Optional, Pattern, Text
from fw_guard.tomlfile import listed

if TYPE_CHECKING:
    from collections.abc import Iterator

END = "the end of the line"
BLANKS = re.compile(" +")
# What text may be cut between: a run of blanks matches as one.
ATOM = re.compile(" +|[^ ]")


@dataclass(frozen=True, slots=True)
class _Cut:
    """A place where a sequence of nodes may fail.

    ``before`` is what matches up to there, ``index`` the node that comes next, ``expected`` what
    it could begin with, in words.
    """

    before: tuple[Node, ...]
    index: int
    expected: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Reach:
    """How far a sequence of nodes gets: the byte offset, and what could have stood there.

    ``literal`` says whether text of theirs was found on the way, and not fields alone.
    """

    offset: int
    expected: tuple[str, ...]
    literal: bool


def matched_up_to(pattern: Pattern, message: bytes) -> tuple[int, str]:
    """Give the byte offset that ``pattern`` reaches in ``message``, and what it expects there.

    What is expected is said in words: ``', service '``, ``a host``, ``the end of the line``. For
    a message that matches, that is its end, not counting blanks.
    """
    line = message.partition(b"\n")[0]
    if compile_pattern(pattern).match(line) is not None:
        return len(line.rstrip(b" \t\r")), END
    reach = _reach((), pattern.pieces, line, (END,))
    return reach.offset, listed(dict.fromkeys(reach.expected))


def _reach(
    context: tuple[Node, ...], nodes: tuple[Node, ...], message: bytes, after: tuple[str, ...]
) -> _Reach:
    """Give how far ``nodes`` get behind ``context``, which ``message`` does start with.

    ``after`` is what may come behind them, in words.
    """
    cuts = tuple(_cuts(nodes, after))
    matching = bisect_left(cuts, True, key=lambda cut: _end(context + cut.before, message) is None)
    cut = cuts[matching - 1]
    here = _Reach(
        _end(context + cut.before, message) or 0,
        cut.expected,
        any(isinstance(node, Text) for node in cut.before),
    )
    if cut.index < len(nodes) and isinstance(choice := nodes[cut.index], Choice):
        inside = context + cut.before
        here = _furthest([_reach(inside, way, message, after) for way in choice.branches])
    skipped = [
        reach
        for reach in _skipped(context, nodes, cut.index, message, after)
        if reach.offset == here.offset or (reach.offset > here.offset and reach.literal)
    ]
    return _furthest([*skipped, here])


def _cuts(nodes: tuple[Node, ...], after: tuple[str, ...]) -> Iterator[_Cut]:
    """Give every place where ``nodes`` may fail, and their end."""
    for index, node in enumerate(nodes):
        before = nodes[:index]
        if isinstance(node, Text):
            for atom in ATOM.finditer(node.text):
                done = node.text[: atom.start()]
                word = atom.start() if atom[0].startswith(" ") else done.rfind(" ") + 1
                left = (_quoted(node.text[word:]),)
                yield _Cut((*before, Text(done)) if done else before, index, left)
        elif not isinstance(node, Optional):
            yield _Cut(before, index, _first((node,), ()))
    yield _Cut(nodes, len(nodes), after)


def _end(nodes: tuple[Node, ...], message: bytes) -> int | None:
    """Give where ``nodes`` end in ``message``, or None when it does not start with them."""
    found = _machine(nodes).match(message)
    return found.end() if found else None


@lru_cache(maxsize=2048)
def _machine(nodes: tuple[Node, ...]) -> re.Pattern[bytes]:
    """Compile ``nodes`` once: one pattern is often held against many lines."""
    return re.compile(regex(shape_of(nodes, whole=False)))


def _skipped(
    context: tuple[Node, ...],
    nodes: tuple[Node, ...],
    failed: int,
    message: bytes,
    after: tuple[str, ...],
) -> Iterator[_Reach]:
    """Give how far the branches get of the optionals right before the node that ``failed``."""
    start = failed
    while start and isinstance(nodes[start - 1], Optional):
        start -= 1
    for index, node in enumerate(nodes[start:failed], start):
        if isinstance(node, Optional):
            behind = _first(nodes[index + 1 :], after)
            for branch in node.branches:
                yield _reach(context + nodes[:index], branch, message, behind)


def _first(nodes: tuple[Node, ...], after: tuple[str, ...]) -> tuple[str, ...]:
    """Give in words what ``nodes`` may begin with; ``after`` is what may come behind them."""
    if not nodes:
        return after
    match nodes[0]:
        case Text(text):
            return (_quoted(text),)
        case Field(_, kind):
            return (TYPES[kind].noun,)
        case Choice(branches):
            return tuple(word for branch in branches for word in _first(branch, ()))
        case Optional(branches):
            inside = tuple(word for branch in branches for word in _first(branch, ()))
            return inside + _first(nodes[1:], after)


def _quoted(text: str) -> str:
    return repr(BLANKS.sub(" ", text))


def _furthest(reaches: list[_Reach]) -> _Reach:
    """Give the furthest of ``reaches``; those that get equally far expect one or the other."""
    offset = max(reach.offset for reach in reaches)
    best = [reach for reach in reaches if reach.offset == offset]
    return _Reach(
        offset,
        tuple(word for reach in best for word in reach.expected),
        any(reach.literal for reach in best),
    )
