"""Every way to read a line, found by trying: slow, plain, and written apart from the program."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fw_guard.patterns.fields import TYPES
from fw_guard.patterns.shapes import Captured, Either, Literal, OneOf, Repeat, Sequence, Shape
from fw_guard.patterns.tree import Choice, Field, Optional, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.patterns.trees import Nodes

Span = tuple[int, int] | None
TAKES = {name: re.compile(kind.regex).fullmatch for name, kind in TYPES.items()}
BLANKS = re.compile(rb"[ \t]+")


def hosts(nodes: Nodes, line: bytes) -> set[Span]:
    """Give where the host stands in each way in which ``nodes`` cover ``line``.

    The blank at the end of a canonical line may be left over.
    """
    return {
        host for end, host in _row(nodes, line, 0, None) if end == len(line) or line[end:] == b" "
    }


def _row(nodes: Nodes, line: bytes, start: int, host: Span) -> Iterator[tuple[int, Span]]:
    found = {(start, host)}
    for node in nodes:
        found = {way for begin, span in found for way in _node(node, line, begin, span)}
    yield from found


def _node(
    node: Text | Field | Optional | Choice, line: bytes, start: int, host: Span
) -> Iterator[tuple[int, Span]]:
    match node:
        case Text(text):
            for end in _text(text, line, start):
                yield end, host
        case Field(name, kind):
            for end in range(start, len(line) + 1):
                if TAKES[kind](line, start, end) and (
                    (name, kind) != ("host", "host") or is_host(line[start:end])
                ):
                    yield end, (start, end) if name == "host" else host
        case Optional(branches) | Choice(branches):
            if isinstance(node, Optional):
                yield start, host
            for branch in branches:
                yield from _row(branch, line, start, host)


def is_host(value: bytes) -> bool:
    """Say whether a value of the type can be the peer: an address, or a name of several labels."""
    labels = value.removesuffix(b".").split(b".")
    return b":" in value or (len(labels) > 1 and all(labels))


def _text(text: str, line: bytes, start: int) -> Iterator[int]:
    """Give where literal text may end, any run of blanks taken for a run of them."""
    ends = {start}
    for part in re.split("( +)", text):
        if part.isspace():
            runs = {end: BLANKS.match(line, end) for end in ends}
            ends = {
                later for end, run in runs.items() if run for later in range(end + 1, run.end() + 1)
            }
        else:
            word = part.encode()
            ends = {end + len(word) for end in ends if line.startswith(word, end)}
    yield from ends


class Steps:
    """How many steps a matcher takes that tries and goes back, as ``re`` does."""

    def __init__(self, shape: Shape) -> None:
        """Count for ``shape``."""
        self._shape = shape
        self.taken = 0

    def on(self, line: bytes) -> int:
        """Give the steps that it takes to find out whether the whole ``line`` fits."""
        self.taken = 0
        self._fits(self._shape, line, 0, lambda end: end == len(line))
        return self.taken

    def _fits(self, shape: Shape, line: bytes, start: int, then: Callable[[int], bool]) -> bool:
        self.taken += 1
        match shape:
            case Literal(text):
                return line.startswith(text, start) and then(start + len(text))
            case OneOf(members):
                return start < len(line) and line[start] in members and then(start + 1)
            case Captured(_, inner):
                return self._fits(inner, line, start, then)
            case Sequence(parts):
                return self._row(parts, line, start, then)
            case Either(branches):
                return any(self._fits(branch, line, start, then) for branch in branches)
            case Repeat(inner, least, most, lazy):
                return self._repeat(inner, (least, most), lazy, line, start, then)

    def _row(
        self, parts: tuple[Shape, ...], line: bytes, start: int, then: Callable[[int], bool]
    ) -> bool:
        if not parts:
            return then(start)
        first, *rest = parts
        return self._fits(first, line, start, lambda end: self._row(tuple(rest), line, end, then))

    def _repeat(
        self,
        inner: Shape,
        times: tuple[int, int | None],
        lazy: bool,
        line: bytes,
        start: int,
        then: Callable[[int], bool],
    ) -> bool:
        least, most = times
        fewer = (max(0, least - 1), None if most is None else most - 1)

        def more() -> bool:
            return most != 0 and self._fits(
                inner,
                line,
                start,
                lambda end: self._repeat(inner, fewer, lazy, line, end, then),
            )

        if least:
            return more()
        return (then(start) or more()) if lazy else (more() or then(start))
