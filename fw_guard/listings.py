"""What a firewall's tool says: is our furniture there, and who is banned?

The lines of an output are read with patterns. Whatever no pattern covers whole is passed over, so a
rule of the owner's can never be taken for one of ours.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from fw_guard import addresses

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Shape(NamedTuple):
    """A pattern as its author wrote it and as a regular expression over bytes, without anchors.

    ``group`` is the number of the group that holds the address or count, 0 for none.
    """

    source: str
    regex: bytes
    group: int = 0


class Check(NamedTuple):
    """A question whether something is there: ``argv`` succeeds, each of ``has`` fits some line.

    ``advice`` is for the person, of what ``setup`` cannot bring about: what a check without one
    misses, that mends. A line that fits one of ``ahead`` and none of ``harmless`` and stands before
    what ``has`` looks for lets some of the banned through: ``caution`` says so. ``after`` and
    ``until`` are as in Listing.
    """

    argv: tuple[str, ...]
    ok: tuple[int, ...]
    has: tuple[Shape, ...]
    advice: str
    ahead: tuple[Shape, ...] = ()
    harmless: tuple[Shape, ...] = ()
    caution: str = ""
    after: Shape | None = None
    until: Shape | None = None


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


class Glance(NamedTuple):
    """A cheap look that costs the same however many are banned.

    The lines of its output that fit ``pattern`` show whether the firewall is as it was left; its
    field ``count``, if it has one, is a number of members. An exit code that is not in ``ok`` shows
    that it is not.
    """

    argv: tuple[str, ...]
    ok: tuple[int, ...]
    pattern: Shape


def fits(shape: Shape, piece: str) -> bytes | None:
    """Give the address or count in a piece of output that the shape covers, b"" if it has none."""
    found = re.fullmatch(shape.regex, piece.strip().encode("utf-8", "surrogateescape"))
    return None if found is None else (found[shape.group] or b"") if shape.group else b""


def fit_all(shapes: Iterable[Shape], output: str) -> bool:
    """Say whether each of the patterns fits some line of the output."""
    lines = output.splitlines()
    return all(any(fits(shape, line) is not None for line in lines) for shape in shapes)


def lacking(check: Check, output: str) -> tuple[str, ...]:
    """Give the patterns of ``has`` that fit no line of the output."""
    lines = list(_section(check, output))
    return tuple(
        shape.source
        for shape in check.has
        if not any(fits(shape, line) is not None for line in lines)
    )


def ahead(check: Check, output: str) -> tuple[str, ...]:
    """Give the lines that let some of the banned through before what the check looks for."""
    if not check.ahead:
        return ()
    lines = list(_section(check, output))
    at = (n for n, line in enumerate(lines) if any(fits(s, line) is not None for s in check.has))
    return tuple(
        line.strip()
        for line in lines[: next(at, len(lines))]
        if any(fits(shape, line) is not None for shape in check.ahead)
        and not any(fits(shape, line) is not None for shape in check.harmless)
    )


def glanced(glance: Glance, output: str) -> tuple[int | None, tuple[str, ...]]:
    """Give the number of members in the output, None if it has no field for it, and the marks.

    A mark is a line that fits and holds no count.
    """
    total = 0 if glance.pattern.group else None
    marks = []
    for line in output.splitlines():
        found = fits(glance.pattern, line)
        if found:
            total = (total or 0) + int(found)
        elif found is not None:
            marks.append(line.strip())
    return total, tuple(marks)


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


def _section(about: Check | Listing, output: str) -> Iterator[str]:
    """Give the lines of the output that a check or listing is about."""
    inside = about.after is None
    for line in output.splitlines():
        if not inside:
            inside = about.after is not None and fits(about.after, line) is not None
        elif about.until is not None and fits(about.until, line) is not None:
            inside = about.after is None
        else:
            yield line
