"""Lines that a filter does not read and nearly does: found, folded into shapes, explained.

A pattern is near a line when the line begins with some of the pattern's own text, not only with
what its fields would take from any line, and when it reaches well into the line:

    Connection closed by 192.0.2.7 [preauth]
                         ^ gave-up#1 matched up to here; expected 'authenticating' or 'invalid'

Explaining compiles every beginning of a pattern, so each shape of line is explained once: words
that no pattern of the filter has, numbers and addresses among them, are all the same to it, as in
``Connection closed by *``. A line that a pattern reads and `where` leaves out is left out on
purpose, and not near.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from fw_guard.filters import LONGEST_LINE
from fw_guard.nearest import in_order, left_out, messages, reach_of
from fw_guard.patterns.compile import shape_of
from fw_guard.patterns.shapes import regex
from fw_guard.patterns.tree import Choice, Node, Optional, Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fw_guard.filters import Filter, Match
    from fw_guard.nearest import Reach

# Characters of a pattern's own text, blanks aside, that a line near it begins with. So many are
# enough if the pattern reaches a third of the line; so many are always enough.
FEW, SHARE, MANY = 8, 3, 12
KEPT = 1000  # shapes that are remembered
EXPLAINED = 100  # shapes that are explained, those of the most lines
BEST = 3  # patterns that are shown for a shape

TOKEN = re.compile(rb"[\w\x80-\xff](?:[\w\x80-\xff.:%@+-]*[\w\x80-\xff])?|[ \t]+")
UNKNOWN = re.compile(rb"\*(?: \*)+")


class Miss(NamedTuple):
    """A shape of line that is nearly read, shown by the first of its ``lines``.

    That is line ``number`` of ``log``, and ``message`` what the patterns see of it. ``reaches``
    are those of the nearest patterns, the best first. ``meant`` says that the filter has a sample
    of this shape that must not match.
    """

    log: str
    number: int
    message: bytes
    lines: int
    reaches: tuple[Reach, ...]
    meant: bool


class Probe(NamedTuple):
    """A pattern, with what a line that is near it begins with."""

    match: Match
    number: int
    few: re.Pattern[bytes]
    many: re.Pattern[bytes]


class Unread(NamedTuple):
    """The first line of a shape, and how many there were."""

    log: str
    number: int
    message: bytes
    lines: int


class Misses:
    """Collects the unread lines that are near a pattern of one filter.

    At most ``KEPT`` shapes are remembered, and of these ``EXPLAINED`` explained.
    """

    def __init__(self, found: Filter) -> None:
        """Prepare for the patterns of ``found``."""
        self._probes = tuple(probes(found))
        self._words = frozenset(words(found))
        any_of = b"|".join(b"(?:%s)" % probe.few.pattern for probe in self._probes)
        self._any = re.compile(any_of) if any_of else None
        self._shapes: dict[bytes, Unread] = {}
        lines = (s.line.encode() for s in found.samples if s.match is False)
        seen = (message for line in lines for message in messages(found, line) or ())
        self._meant = frozenset(self.shape(message.rstrip()) for message in seen)
        self._forgotten = 0

    def add(self, log: str, number: int, message: bytes, matches: tuple[Match, ...]) -> bool:
        """Remember a message that none of ``matches`` read, if it is near a pattern of theirs.

        Says whether it is.
        """
        message = message.rstrip(b" \t\r")
        if len(message) > LONGEST_LINE or self._any is None or not self._any.match(message):
            return False
        near = [probe for probe in self._near(message) if probe.match in matches]
        if not near or any(left_out(probe.match, probe.number, message) for probe in near):
            return False
        shape = self.shape(message)
        if known := self._shapes.get(shape):
            self._shapes[shape] = known._replace(lines=known.lines + 1)
        elif len(self._shapes) < KEPT:
            self._shapes[shape] = Unread(log, number, message, 1)
        else:
            self._forgotten += 1
        return True

    def shape(self, message: bytes) -> bytes:
        """Give a message with everything folded that differs from one line to the next."""

        def folded(found: re.Match[bytes]) -> bytes:
            token = found[0]
            if token[0] in b" \t":
                return b" "
            return token if token in self._words else b"*"

        return UNKNOWN.sub(b"*", TOKEN.sub(folded, message))

    def found(self) -> list[Miss]:
        """Give the shapes that are near, the nearest first; those of a sample come last."""
        misses = []
        for shape, first in self._by_lines()[:EXPLAINED]:
            reaches = tuple(self._reaches(first.message))
            if reaches:
                misses.append(Miss(*first, reaches, shape in self._meant))
        return sorted(
            misses,
            key=lambda miss: (miss.meant, -miss.reaches[0].offset / len(miss.message), -miss.lines),
        )

    def untold(self) -> int:
        """Give how many lines were near, or may have been, and are of no shape that is found."""
        return self._forgotten + sum(first.lines for _, first in self._by_lines()[EXPLAINED:])

    def _by_lines(self) -> list[tuple[bytes, Unread]]:
        return sorted(self._shapes.items(), key=lambda item: -item[1].lines)

    def _near(self, message: bytes) -> list[Probe]:
        return [probe for probe in self._probes if probe.few.match(message)]

    def _reaches(self, message: bytes) -> list[Reach]:
        """Give how far the nearest patterns get, the furthest first."""
        far = []
        for probe in self._near(message):
            reach = reach_of(probe.match, probe.number, message)
            if reach.offset * SHARE >= len(message) or probe.many.match(message):
                far.append(reach)
        return in_order(far)[:BEST]


def probes(found: Filter) -> Iterator[Probe]:
    """Give the patterns of a filter that have text of their own, in their order."""
    for match in found.matches:
        for number, source in enumerate(match.sources):
            own = own_text(source.pieces)
            if own:
                few, many = (
                    re.compile(regex(shape_of(beginning(source.pieces, wanted), whole=False)))
                    for wanted in (min(FEW, (own + 1) // 2), min(MANY, own))
                )
                yield Probe(match, number, few, many)


def own_text(nodes: tuple[Node, ...]) -> int:
    """Give how many characters, blanks aside, every line that ``nodes`` read has from them."""
    return sum(map(own_text_of, nodes))


def own_text_of(node: Node) -> int:
    """Give the same for one node."""
    match node:
        case Text(text):
            return len(text.replace(" ", ""))
        case Choice(branches):
            return min(map(own_text, branches))
        case _:
            return 0


def beginning(nodes: tuple[Node, ...], wanted: int) -> tuple[Node, ...]:
    """Give the shortest beginning of ``nodes`` that has ``wanted`` characters of its own text."""
    for index, node in enumerate(nodes):
        own = own_text_of(node)
        if isinstance(node, Text) and own >= wanted:
            ends = [end for end, char in enumerate(node.text, 1) if char != " "]
            return (*nodes[:index], Text(node.text[: ends[wanted - 1]]))
        if own >= wanted:
            return nodes[: index + 1]
        wanted -= own
    return nodes


def words(found: Filter) -> Iterator[bytes]:
    """Give every word of the patterns' own texts."""
    for match in found.matches:
        for source in match.sources:
            for text in texts(source.pieces):
                yield from TOKEN.findall(text.encode())


def texts(nodes: tuple[Node, ...]) -> Iterator[str]:
    """Give the literal texts of ``nodes``, those within holes too."""
    for node in nodes:
        if isinstance(node, Text):
            yield node.text
        elif isinstance(node, Optional | Choice):
            for branch in node.branches:
                yield from texts(branch)
