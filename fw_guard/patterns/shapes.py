"""What bytes may look like, as data: sets of bytes, repeats, alternatives.

    Shape = Literal | OneOf | Repeat | Sequence | Either | Captured

A regular expression is only one way to write a shape down (``regex``). An automaton built from
the same shape accepts the same lines, so that what is proved of a pattern is proved of the very
thing that matches. Nothing here looks around or refers back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

EVERY_BYTE = frozenset(range(256))
ESCAPED_IN_CLASS = frozenset(b"\\]^-[&~|")
SPELLED = {ord("\n"): b"\\n", ord("\r"): b"\\r", ord("\t"): b"\\t"}


@dataclass(frozen=True, slots=True)
class Literal:
    """These bytes, in this order."""

    text: bytes


@dataclass(frozen=True, slots=True)
class OneOf:
    """One byte out of a set."""

    members: frozenset[int]


@dataclass(frozen=True, slots=True)
class Repeat:
    """``shape`` from ``least`` to ``most`` times over; a ``most`` of None has no end.

    As often as possible is tried first, or as seldom as possible when ``lazy``.
    """

    shape: Shape
    least: int = 0
    most: int | None = None
    lazy: bool = False


@dataclass(frozen=True, slots=True)
class Sequence:
    """One part after the other; nothing at all when there are none."""

    parts: tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """One of the branches, tried in order."""

    branches: tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class Captured:
    """``shape``, whose bytes are the value of the field ``name``."""

    name: str
    shape: Shape


Shape = Literal | OneOf | Repeat | Sequence | Either | Captured


def one_of(characters: bytes) -> OneOf:
    """Give one byte out of ``characters``."""
    return OneOf(frozenset(characters))


def none_of(characters: bytes) -> OneOf:
    """Give one byte that is not in ``characters``."""
    return OneOf(EVERY_BYTE - frozenset(characters))


def optional(shape: Shape) -> Repeat:
    """Give ``shape`` or nothing, trying ``shape`` first."""
    return Repeat(shape, 0, 1)


def sequence(*parts: Shape | bytes) -> Sequence:
    """Give one part after the other; bytes stand for themselves."""
    return Sequence(tuple(Literal(part) if isinstance(part, bytes) else part for part in parts))


def regex(shape: Shape) -> bytes:
    """Write ``shape`` down for ``re``, over bytes and without flags.

    Every ``Captured`` is a plain group, in the order of ``captures``; there are no other groups.
    """
    match shape:
        case Literal(text):
            return re.escape(text)
        case OneOf(members):
            return _class(members)
        case Sequence(parts):
            return b"".join(map(regex, parts))
        case Either(branches):
            return b"(?:%s)" % b"|".join(map(regex, branches))
        case Captured(_, inner):
            return b"(%s)" % regex(inner)
        case Repeat(inner, least, most, lazy):
            unit = regex(inner)
            if not isinstance(inner, OneOf | Either | Captured):
                unit = b"(?:%s)" % unit
            return unit + _times(least, most) + (b"?" if lazy else b"")


def captures(shape: Shape) -> tuple[str, ...]:
    """Give the name of every ``Captured``, in the order of the groups of ``regex``."""
    match shape:
        case Sequence(parts) | Either(parts):
            return tuple(name for part in parts for name in captures(part))
        case Repeat(inner):
            return captures(inner)
        case Captured(name, inner):
            return (name, *captures(inner))
        case _:
            return ()


def _times(least: int, most: int | None) -> bytes:
    match least, most:
        case 0, None:
            return b"*"
        case 1, None:
            return b"+"
        case 0, 1:
            return b"?"
        case _, None:
            return b"{%d,}" % least
        case _ if least == most:
            return b"{%d}" % least
        case _:
            return b"{%d,%d}" % (least, most)


@lru_cache(maxsize=256)
def _class(members: frozenset[int]) -> bytes:
    """Write a set of bytes down: what it holds, or what it lacks where that is less."""
    if len(members) > len(EVERY_BYTE) // 2:
        return b"[^%s]" % _ranges(EVERY_BYTE - members)
    return b"[%s]" % _ranges(members)


def _ranges(members: frozenset[int]) -> bytes:
    written = b""
    for first in sorted(members):
        if first - 1 in members:
            continue
        last = first
        while last + 1 in members:
            last += 1
        written += _spelled(first)
        if last > first:
            written += (b"-" if last > first + 1 else b"") + _spelled(last)
    return written


def _spelled(byte: int) -> bytes:
    if byte in SPELLED:
        return SPELLED[byte]
    if byte in ESCAPED_IN_CLASS:
        return b"\\%c" % byte
    return b"%c" % byte if 32 <= byte < 127 else b"\\x%02x" % byte
