"""What a logger puts around a message, as shapes: the ways in which one pattern reads a line.

    message repeated 3 times: [ MESSAGE]        syslogd sums up; headers.repeated takes it away
    [ID 800047 auth.info] MESSAGE               Solaris numbers; the header's
    gw sshd[87]: MESSAGE                        what is left of a syslog line without its stamp

A stranger who begins a message with such words has it read without them. So the same pattern is
proved in all these forms at once. A shape here may take more than the logger writes, never less.
Only metalog's `[sshd] MESSAGE` is left out: nearly every jail with a filter for plain lines and one
for syslog would be refused for the few who run it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fw_guard.patterns.automaton import Automaton, automaton
from fw_guard.patterns.fields import BLANK, DIGITS, LOWER
from fw_guard.patterns.proof import Proposal
from fw_guard.patterns.shapes import (
    Captured,
    Either,
    Literal,
    Repeat,
    Sequence,
    Shape,
    none_of,
    one_of,
    optional,
    sequence,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fw_guard.filters import Filter, Match
    from fw_guard.patterns.compile import Compiled

REPEATED = b"message repeated "
NUMBERED = b"[ID "
SPACES = b" \t\r\n\f\v"
BLANKS = Repeat(one_of(b" \t\r"))
# A stamp at a line's start is the one byte that stands nowhere else, twice if it is not syslog's.
STAMP = Literal(b"\n")
OTHER_STAMP = Literal(b"\n\n")
ANY_STAMP = optional(Either((STAMP, OTHER_STAMP)))
# How the stamps begin that syslog knows.
STAMPS = (
    *(b"Mar  4 03:12:55 ", b"2026-03-04T03:12:55", b"Wed 2026-03-04 03:12:55 ", b"1772593975.1"),
    *(b"<34>", b"@400000004c91b044077a9e94 ", b"2026 Mar  4 03:12:55 "),
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A pattern that is said to be safe: of which filter, of which of its matches."""

    filter: Filter
    match: Match
    pattern: Compiled


def tasks(claims: list[Claim]) -> Iterator[tuple[list[int], tuple[Proposal, ...]]]:
    """Give what is to be proved of patterns that read the same logs, each set by itself.

    A set comes with the numbers of its ``claims``. Of JSON those patterns make a set that read the
    same text. All others are one set, over messages where they have one format, and over lines
    where they have several or ``plain``, each within what its own format has around the message.
    """
    formats = {name for each in claims for name in each.filter.formats} - {"json"}
    texts = [each.match.paths.inside if each.match.paths else None for each in claims]
    for path in dict.fromkeys(text for text in texts if text is not None):
        same = [number for number, text in enumerate(texts) if text == path]
        yield same, tuple(_in_messages(claims[number], ()) for number in same)
    lines = [number for number, text in enumerate(texts) if text is None]
    around = _around([claims[each].pattern for each in lines])
    if formats == {"syslog"}:
        tagless = any(claims[each].filter.wants("syslog", b"") for each in lines)
        yield lines, tuple(_in_messages(claims[each], around, tagless=tagless) for each in lines)
    elif len(formats) == 1 and "plain" not in formats:
        yield lines, tuple(_in_messages(claims[each], ()) for each in lines)
    elif lines:
        yield lines, tuple(_in_lines(claims[each], around) for each in lines)


Around = tuple["Callable[[Shape], Shape]", ...]


def _around(patterns: list[Compiled]) -> Around:
    """Give what syslog may have put around messages that one of ``patterns`` reads as they are."""
    graph = automaton(tuple(each.shape for each in patterns))
    again, number = may_begin_with(graph, REPEATED), may_begin_with(graph, NUMBERED)
    both = (lambda shape: numbered(repeated(shape)),) if again and number else ()
    return ((repeated,) if again else ()) + ((numbered,) if number else ()) + both


def may_begin_with(graph: Automaton, text: bytes) -> bool:
    """Say whether a line that fits may begin with ``text``."""
    reached = set(graph.first)
    for byte in text:
        taken = [position for position in reached if graph.bytes_at[position] >> byte & 1]
        reached = {after for position in taken for after in graph.after[position]}
    return bool(reached)


def _in_messages(claim: Claim, around: Around, *, tagless: bool = False) -> Proposal:
    """Give a pattern as it stands in messages of one format.

    Where lines of syslog without a tag are read, ``tagless``, a stranger's first word may be one.
    """
    shape = claim.pattern.shape
    others = tuple(wrap(shape) for wrap in around)
    if tagless:
        inner = (shape, *others)
        others += tuple(tagged(each, claim.filter.program) for each in inner)
    return Proposal(shape, claim.match.kind, bool(claim.match.forgeable), others)


def _in_lines(claim: Claim, around: Around) -> Proposal:
    """Give a pattern as it stands in whole lines, which begin with a stamp or not."""
    shape, formats = claim.pattern.shape, set(claim.filter.formats)
    shapes: list[Shape] = []
    if "plain" in formats:
        shapes.append(sequence(ANY_STAMP, shape))
    if "clf" in formats:
        graph = automaton((shape,))
        stamped = any(may_begin_with(graph, stamp) for stamp in STAMPS)
        shapes.append(sequence(ANY_STAMP, shape) if stamped else shape)
    if "ctime" in formats:
        shapes.append(sequence(OTHER_STAMP, shape))
    if "nginx" in formats:
        shapes.append(sequence(OTHER_STAMP, levelled(shape)))
    if "syslog" in formats:
        inner = (shape, *(wrap(shape) for wrap in around))
        shapes += (sequence(STAMP, tagged(each, claim.filter.program)) for each in inner)
    kind, excused = claim.match.kind, bool(claim.match.forgeable)
    return Proposal(shapes[0], kind, excused, tuple(shapes[1:]))


def repeated(shape: Shape) -> Shape:
    """Give the shape of a message of ``shape`` that syslogd says came several times."""
    times = Repeat(one_of(DIGITS), 1, 6)
    message = sequence(b" times: [", BLANKS, softened(shape), BLANKS, b"]", BLANKS)
    return sequence(REPEATED, times, message)


def numbered(shape: Shape) -> Shape:
    """Give the shape of a message of ``shape`` with Solaris' number before it."""
    word = Repeat(one_of(DIGITS + LOWER + LOWER.upper() + b"_"), 1, 10)
    number = Repeat(one_of(DIGITS), 1, 10)
    return sequence(NUMBERED, number, b" ", word, b".", word, b"] ", Repeat(one_of(b" ")), shape)


def levelled(shape: Shape) -> Shape:
    """Give the shape of a line of nginx's error log behind its stamp."""
    level, number = Repeat(one_of(LOWER), 1), Repeat(one_of(DIGITS), 1)
    return sequence(b"[", level, b"] ", number, b"#", number, b": ", shape)


def tagged(shape: Shape, program: tuple[str, ...]) -> Shape:
    """Give the shape of a line of syslog behind its stamp, of one of the programs."""
    word = none_of(SPACES)
    # A word that ends in a colon is no host, unless it is an IPv6 address such as fe80::.
    host = sequence(Repeat(word), Either((none_of(SPACES + b":"), sequence(b"::"))), b" ")
    names = tuple(_glob(each) for each in program) or (Repeat(none_of(SPACES + b":["), 1),)
    name = Either(names)
    process = optional(sequence(b"[", Repeat(none_of(SPACES + b"[]")), b"]"))
    blanks = Repeat(one_of(b" "))
    tag = Either(
        (
            sequence(optional(host), name, process, b":", one_of(b" \r"), blanks),
            *([sequence(host, blanks)] if not program or "" in program else []),
        )
    )
    return sequence(optional(sequence(b"<", Repeat(word, 1), b"> ")), tag, shape)


def _glob(glob: str) -> Shape:
    """Give the shape of the programs that a glob stands for."""
    marks: dict[bytes, Shape] = {
        b"*": Repeat(none_of(SPACES + b":[")),
        b"?": none_of(b"\n"),
    }
    parts = re.split(rb"([*?])", glob.encode())
    return Sequence(tuple(marks.get(part, Literal(part)) for part in parts if part))


def softened(shape: Shape) -> Shape:
    """Give ``shape`` with the blanks at its end left to be there or not.

    A message that is taken out of its brackets gets the blank at its end anew.
    """
    match shape:
        case Repeat(inner, _, most) if inner == BLANK:
            return Repeat(inner, 0, most)
        case Repeat(inner, 0, 1, lazy):
            return Repeat(softened(inner), 0, 1, lazy)
        case Captured(name, inner):
            return Captured(name, softened(inner))
        case Either(branches):
            return Either(tuple(map(softened, branches)))
        case Sequence(parts):
            soft = list(parts)
            for index in range(len(soft) - 1, -1, -1):
                soft[index] = softened(soft[index])
                if not automaton((soft[index],)).empty:
                    break
            return Sequence(tuple(soft))
        case _:
            return shape
