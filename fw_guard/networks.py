"""Many networks at once: which of them shares an address with a given one, and why it is there.

Ten thousand cost a few milliseconds to take in and about a microsecond to ask. A network is its
bytes and its length, as ``addresses.split`` gives them: the bits beyond the length are clear.
"""

from __future__ import annotations

import zlib
from bisect import bisect_left
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from fw_guard.addresses import WIDTHS, Network

if TYPE_CHECKING:
    from collections.abc import Iterable


class Guarded(NamedTuple):
    """A network, and what a person is told about it."""

    network: Network
    reason: str


class Networks:
    """Networks with a reason each. Where several fit a question, the one given first answers."""

    def __init__(self, items: Iterable[tuple[Network, str]]) -> None:
        """Take in ``items``: (network, reason)."""
        self._reasons: list[str] = []
        ranks: dict[int, dict[int, dict[int, int]]] = {size: {} for size in WIDTHS}
        for rank, ((value, length), reason) in enumerate(items):
            self._reasons.append(reason)
            starts = ranks[len(value)].setdefault(length, {})
            starts.setdefault(int.from_bytes(value, "big"), rank)
        self._families = {size: Family(WIDTHS[size], ranks[size]) for size in WIDTHS}

    def covering(self, network: Network) -> str | None:
        """Give the reason of a network that holds the whole of ``network``, or None."""
        value, length = network
        rank = self._families[len(value)].covering(int.from_bytes(value, "big"), length)
        return None if rank is None else self._reasons[rank]

    def overlapping(self, network: Network) -> str | None:
        """Give the reason of a network that shares an address with ``network``, or None."""
        value, length = network
        start = int.from_bytes(value, "big")
        family = self._families[len(value)]
        wide, narrow = family.covering(start, length), family.within(start, length)
        if wide is None or narrow is None:
            rank = narrow if wide is None else wide
        else:
            rank = min(wide, narrow)
        return None if rank is None else self._reasons[rank]


class Family:
    """The networks of one address family, as numbers, each with its rank: how early it came."""

    def __init__(self, width: int, ranks: dict[int, dict[int, int]]) -> None:
        """Take in, for each length, the first address of each network with its rank.

        ``width`` is the number of bits of an address.
        """
        full = (1 << width) - 1
        self._width = width
        self._ranks = [
            (length, full >> (width - length) << (width - length), ranks[length])
            for length in sorted(ranks)
        ]

    @cached_property
    def _earliest(self) -> dict[int, int]:
        """The least rank of those that begin at an address; nobody needs it to look up a host."""
        earliest: dict[int, int] = {}
        for _, _, ranks in self._ranks:
            for start, rank in ranks.items():
                earliest[start] = min(rank, earliest.get(start, rank))
        return earliest

    @cached_property
    def _starts(self) -> list[int]:
        """The addresses where a network begins, in order."""
        return sorted(self._earliest)

    def covering(self, start: int, length: int) -> int | None:
        """Give the least rank of those that hold the whole network at ``start``."""
        least: int | None = None
        for wide, mask, ranks in self._ranks:
            if wide > length:
                break
            rank = ranks.get(start & mask)
            if rank is not None and (least is None or rank < least):
                least = rank
        return least

    def within(self, start: int, length: int) -> int | None:
        """Give the least rank of those that begin inside the network at ``start``.

        Of a host there is no inside: whatever begins there holds it.
        """
        if length == self._width:
            return None
        end = start + (1 << (self._width - length))
        inside = self._starts[bisect_left(self._starts, start) : bisect_left(self._starts, end)]
        return min((self._earliest[each] for each in inside), default=None)


def digest(lists: Iterable[tuple[Network, ...]]) -> str:
    """Give a text that is another one as soon as any of the lists is.

    Jails mostly share one and the same list, and ten thousand networks are gone through but once.
    """
    known: dict[int, bytes] = {}
    whole = 0
    for each in lists:
        if id(each) not in known:
            packed = b"".join(value + bytes((length,)) for value, length in each)
            known[id(each)] = zlib.crc32(packed).to_bytes(4, "big")
        whole = zlib.crc32(known[id(each)], whole)  # whose list it is matters, too
    return f"{whole:08x}"
