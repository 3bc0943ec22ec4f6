"""What a firewall's tool says: is our furniture there, and who is banned?

The lines of an output are read with patterns. Whatever no pattern covers whole is passed over, so a
rule of the owner's can never be taken for one of ours.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from fw_guard import addresses

if TYPE_CHECKING:
    from collections.abc import Iterator


class Shape(NamedTuple):
    """A pattern as its author wrote it and as a regular expression over bytes, without anchors.

    ``group`` is the number of the group that holds the address, 0 for none.
    """

    source: str
    regex: bytes
    group: int = 0


class Check(NamedTuple):
    """A question whether something is there: ``argv`` succeeds, each of ``has`` fits some line.

    ``advice`` is for the person when ``setup`` does not bring it about.
    """

    argv: tuple[str, ...]
    ok: tuple[int, ...]
    has: tuple[Shape, ...]
    advice: str


class Listing(NamedTuple):
    """A command that lists who is banned, and how its output is read.

    An exit code that is not in ``ok`` means that there is nothing to list from: `setup` is due.
    Only the lines after one that fits ``after`` and before the next that fits ``until`` count,
    where these are given. Each is cut at the characters of ``split``, and ``entry`` reads the
    pieces. An address without a length stands for its network of ``length`` bits, unless that is 0.
    """

    argv: tuple[str, ...]
    ok: tuple[int, ...]
    after: Shape | None
    until: Shape | None
    split: str
    entry: Shape
    length: int


def fits(shape: Shape, piece: str) -> bytes | None:
    """Give the address in a piece of output that the shape covers, b"" if it names none."""
    found = re.fullmatch(shape.regex, piece.strip().encode("utf-8", "surrogateescape"))
    return None if found is None else found[shape.group] if shape.group else b""


def lacking(check: Check, output: str) -> tuple[str, ...]:
    """Give the patterns of ``has`` that fit no line of the output."""
    lines = output.splitlines()
    return tuple(
        shape.source
        for shape in check.has
        if not any(fits(shape, line) is not None for line in lines)
    )


def listed(listing: Listing, output: str) -> Iterator[str]:
    """Give the canonical address of every entry in the output.

    An IPv4 address that is mapped into IPv6 is passed over: to a firewall it is neither.
    """
    cut = str.maketrans(dict.fromkeys(listing.split, "\n"))
    for line in _section(listing, output):
        for piece in line.translate(cut).split("\n"):
            found = fits(listing.entry, piece)
            if not found:
                continue
            text = found.decode("ascii", "replace")
            if listing.length and "/" not in text:
                text = f"{text}/{listing.length}"
            try:
                address = addresses.canonical(text)
            except addresses.AddressError:
                continue
            if (":" in text) == (":" in address):
                yield address


def _section(listing: Listing, output: str) -> Iterator[str]:
    """Give the lines of the output that the listing is about."""
    inside = listing.after is None
    for line in output.splitlines():
        if not inside:
            inside = listing.after is not None and fits(listing.after, line) is not None
        elif listing.until is not None and fits(listing.until, line) is not None:
            inside = listing.after is None
        else:
            yield line
