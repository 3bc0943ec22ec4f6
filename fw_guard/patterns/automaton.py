"""A shape as an automaton of positions: what a proof walks over.

Every place of a shape where a byte is taken is a position: a set of bytes that may stand there, and
whether they are a part of ``{host}``. The automaton says which positions may come first, which
after which, and which last; each together with the number of ways that lead there without taking a
byte. A line fits a shape when its bytes can be laid on positions from a first one to a last one,
and every way to do so is a way in which ``re`` may read it: nothing is merged and nothing is lost.

Sets of bytes are whole numbers of 256 bits, so that a proof can ask in one step what two have in
common. Source: V. M. Glushkov's construction, kept with multiplicities.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from fw_guard.patterns.shapes import Captured, Either, Literal, OneOf, Repeat, Sequence, Shape

HOST = "host"
# A byte of a line that is made up is the first of these that may stand there.
LIKED = b"x1. abcdefghijklmnopqrstuvwyzABCDEFGHIJKLMNOPQRSTUVWXYZ023456789:-_/=,;()[]<>\"'@#"
Ways = dict[int, int]


@dataclass(frozen=True, slots=True)
class Automaton:
    """Positions 0 to n - 1, of one shape or of several side by side.

    ``bytes_at[p]`` is the set of bytes that position ``p`` takes, ``in_host[p]`` says whether they
    belong to the host, ``owner[p]`` is the number of the shape. ``first``, ``after[p]`` and
    ``last`` pair positions with the number of ways that lead there; ``empty`` holds the shapes that
    take nothing at all.
    """

    bytes_at: tuple[int, ...]
    in_host: tuple[bool, ...]
    owner: tuple[int, ...]
    first: Ways
    after: tuple[Ways, ...]
    last: Ways
    empty: frozenset[int]


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece of a shape: where it may begin and end, in how many ways it may be nothing."""

    first: Ways
    last: Ways
    empty: int


NOTHING = _Part({}, {}, 1)


def automaton(shapes: tuple[Shape, ...]) -> Automaton:
    """Give the automaton of lines that fit any of ``shapes``."""
    building = _Building()
    first: Ways = {}
    last: Ways = {}
    empty = set()
    for number, shape in enumerate(shapes):
        building.number = number
        part = building.part(shape, False)
        first |= part.first
        last |= part.last
        if part.empty:
            empty.add(number)
    return Automaton(
        tuple(building.bytes_at),
        tuple(building.in_host),
        tuple(building.owner),
        first,
        tuple(building.after),
        last,
        frozenset(empty),
    )


class _Building:
    """Collects positions while a shape is walked."""

    def __init__(self) -> None:
        """Start without any."""
        self.number = 0
        self.bytes_at: list[int] = []
        self.in_host: list[bool] = []
        self.owner: list[int] = []
        self.after: list[Ways] = []

    def part(self, shape: Shape, in_host: bool) -> _Part:
        """Add the positions of ``shape``."""
        match shape:
            case Literal(text):
                return self._row([self._position(1 << byte, in_host) for byte in text])
            case OneOf(members):
                return self._row([self._position(byte_set(members), in_host)])
            case Captured(name, inner):
                return self.part(inner, in_host or name == HOST)
            case Sequence(parts):
                whole = NOTHING
                for each in parts:
                    whole = self._join(whole, self.part(each, in_host))
                return whole
            case Either(branches):
                return _either([self.part(branch, in_host) for branch in branches])
            case Repeat(inner, least, most):
                return self._repeat(inner, least, most, in_host)

    def _position(self, taken: int, in_host: bool) -> int:
        self.bytes_at.append(taken)
        self.in_host.append(in_host)
        self.owner.append(self.number)
        self.after.append({})
        return len(self.after) - 1

    def _row(self, positions: list[int]) -> _Part:
        """Give positions that come one after the other."""
        if not positions:
            return NOTHING
        for one, other in pairwise(positions):
            self.after[one] = {other: 1}
        return _Part({positions[0]: 1}, {positions[-1]: 1}, 0)

    def _join(self, one: _Part, other: _Part) -> _Part:
        if one is NOTHING:
            return other
        self._link(one.last, other.first)
        return _Part(
            _added(one.first, _times(other.first, one.empty)),
            _added(_times(one.last, other.empty), other.last),
            one.empty * other.empty,
        )

    def _link(self, last: Ways, first: Ways) -> None:
        for position, ways in last.items():
            self.after[position] = _added(self.after[position], _times(first, ways))

    def _repeat(self, inner: Shape, least: int, most: int | None, in_host: bool) -> _Part:
        """Write a repeat out: x{2,4} is xx(x(x)?)?, and x{2,} is xxx*."""
        if most is None:
            part = self.part(inner, in_host)
            if part.empty:
                raise ValueError("a repeat of what may be nothing has no end")
            self._link(part.last, part.first)
            rest = _Part(part.first, part.last, 1)
        else:
            rest = NOTHING
            for _ in range(most - least):
                rest = _either([self._join(self.part(inner, in_host), rest), NOTHING])
        for _ in range(least):
            rest = self._join(self.part(inner, in_host), rest)
        return rest


@lru_cache(maxsize=256)
def byte_set(members: frozenset[int]) -> int:
    """Give a set of bytes as a whole number: bit ``b`` stands for byte ``b``."""
    return sum(1 << byte for byte in members)


def liked(members: int) -> int:
    """Give the byte of a set that reads best in a line made up for people."""
    for byte in LIKED:
        if members >> byte & 1:
            return byte
    return (members & -members).bit_length() - 1


def _either(parts: list[_Part]) -> _Part:
    first: Ways = {}
    last: Ways = {}
    for part in parts:
        first, last = _added(first, part.first), _added(last, part.last)
    return _Part(first, last, sum(part.empty for part in parts))


def _times(ways: Ways, factor: int) -> Ways:
    if factor == 1:
        return ways
    return {position: count * factor for position, count in ways.items()} if factor else {}


def _added(one: Ways, other: Ways) -> Ways:
    if not one or not other:
        return one or other
    both = dict(one)
    for position, count in other.items():
        both[position] = both.get(position, 0) + count
    return both
