"""How far each pattern of a filter gets in a line that none of them reads, for whoever mends it.

Mar  4 03:12:55 gw mine[8]: bad login, from 192.0.2.7
                                     ^ failed matched up to here; expected ' from '
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from fw_guard.faults import WIDEST
from fw_guard.filters import host_of, splitter
from fw_guard.logs.headers import Header, repeated
from fw_guard.patterns.nearly import matched_up_to
from fw_guard.text import DOTS, decoded, printable, shortened, width, window
from fw_guard.tomlfile import listed

if TYPE_CHECKING:
    from fw_guard.filters import Filter, Match
    from fw_guard.logs.jsonlines import Record

INDENT = "      "
SHOWN = 5
LONGEST = 300  # characters of what a pattern expected
# What the patterns see of a line of another program.
FOREIGN: dict[bytes, tuple[Match, ...]] = {}


class Reach(NamedTuple):
    """How far a pattern got: the byte offset in the message, its label, what it expected there."""

    offset: int
    label: str
    expected: str


def labels(match: Match) -> list[str]:
    """Give what the patterns of a match are called: its name, with a number if it has several."""
    if len(match.sources) < 2:
        return [match.name]
    return [f"{match.name}#{number}" for number in range(1, len(match.sources) + 1)]


def number_of(found: Filter, match: Match, line: bytes) -> int:
    """Give which pattern of a match of ``found`` it is that reads ``line``, counted from 0."""
    if len(match.sources) > 1:
        for number, pair in enumerate(zip(match.sources, match.patterns, strict=True)):
            alone = replace(match, sources=pair[:1], patterns=pair[1:])
            if replace(found, matches=(alone,)).read(line) is not None:
                return number
    return 0


def messages(found: Filter, line: bytes) -> dict[bytes, tuple[Match, ...]] | None:
    """Give what the patterns see of a line, with the matches that look at it.

    That is FOREIGN for a line of another program, and None for one that is not of the filter's
    formats.
    """
    for name in found.formats:
        split = splitter(name)(line)
        if split is None:
            continue
        if not isinstance(split, Header):
            return inside(found, split)
        if not found.wants(name, split.program):
            return FOREIGN
        message = line[split.start :]
        if name == "syslog":
            _, start, end = repeated(message)
            message = message[start:end]
        return {message: found.matches}
    return None


def inside(found: Filter, record: Record) -> dict[bytes, tuple[Match, ...]]:
    """Give the texts inside a JSON line that patterns look at, as ``messages`` does."""
    texts: dict[bytes, tuple[Match, ...]] = {}
    for match in found.matches:
        if match.paths is None or not match.patterns:
            continue
        values = ((record.text(path), passes) for path, passes in match.paths.where)
        text = record.text(match.paths.inside)
        if text is not None and all(value is not None and test(value) for value, test in values):
            texts[text] = (*texts.get(text, ()), match)
    return texts


def left_out(match: Match, number: int, message: bytes) -> bool:
    """Say whether a pattern of ``match`` reads a message that its ``where`` does not want."""
    fields = match.patterns[number].match(message)
    return fields is not None and (
        not match.passes(fields) or "host" not in fields or host_of(fields) is not None
    )


def reach_of(match: Match, number: int, message: bytes) -> Reach:
    """Give how far a pattern of ``match`` gets in a message."""
    label = labels(match)[number]
    found = match.patterns[number].find(message)
    if found is None:
        offset, expected = matched_up_to(match.sources[number], message)
        return Reach(offset, label, expected)
    if left_out(match, number, message):
        return Reach(len(message), label, "the fields to pass `where`")
    groups = enumerate(match.patterns[number].fields, 1)
    start = max(found.start(group) for group, name in groups if name == "host")
    return Reach(start, label, "an address or a name")


def nearest(found: Filter, line: bytes) -> str:
    """Show how far each pattern of a filter gets in ``line``, the best first."""
    text = INDENT + shortened(printable(decoded(line)), WIDEST)
    splits = ((name, splitter(name)(line)) for name in found.formats)
    name, header = next((each for each in splits if each[1] is not None), ("", None))
    if header is None:
        if "json" in found.formats:
            return f"{text}\n{INDENT}the line is no JSON object, or has a key twice"
        return f"{text}\n{INDENT}the line has no {listed(found.formats)} header"
    if not isinstance(header, Header):
        return text + "".join(f"\n{INDENT}{lacks(match, header)}" for match in found.matches)
    if not found.wants(name, header.program):
        program = printable(decoded(header.program))
        return f"{text}\n{INDENT}program {program!r} is not one of the filter's `program`"
    _, start, end = repeated(line[header.start :]) if name == "syslog" else (1, 0, len(line))
    message = line[header.start :][start:end]
    before = width(printable(decoded(line[: header.start + start])))
    reaches = furthest(found.matches, message)[:SHOWN]
    carets = [before + width(printable(decoded(message[: each.offset]))) for each in reaches]
    text, begin = window(printable(decoded(line)), carets[0], WIDEST)
    rows = (
        f"\n{INDENT}{'':{caret - begin}}^ {stops(reach)}"
        for reach, caret in zip(reaches, carets, strict=True)
        if not begin or caret >= begin + len(DOTS)
    )
    return f"{INDENT}{text}{''.join(rows)}"


def stops(reach: Reach) -> str:
    """Say where a pattern stops; a long list of what it expected is cut."""
    expected = shortened(reach.expected, LONGEST)
    return printable(f"{reach.label} matched up to here; expected {expected}")


def furthest(matches: tuple[Match, ...], message: bytes) -> list[Reach]:
    """Give how far the patterns get in a message, the best first.

    One that gets nowhere is left out where another gets further.
    """
    every = [
        reach_of(match, number, message)
        for match in matches
        for number in range(len(match.sources))
    ]
    return in_order([reach for reach in every if reach.offset] or every)


def in_order(reaches: list[Reach]) -> list[Reach]:
    """Give the furthest first; what stops at one place and expects the same becomes one."""
    places: dict[tuple[int, str], list[str]] = {}
    for reach in reaches:
        places.setdefault((reach.offset, reach.expected), []).append(reach.label)
    found = [Reach(offset, ", ".join(names), said) for (offset, said), names in places.items()]
    return sorted(found, key=lambda reach: -reach.offset)


def lacks(match: Match, record: Record) -> str:
    """Say what keeps a match from reading a JSON line."""
    paths = match.paths
    if paths is None:
        return f"{match.name} reads no JSON"
    for path, passes in paths.where:
        value = record.text(path)
        if value is None or not passes(value):
            return f"{match.name} wants another `{path}`, which is {said(value)}"
    if match.patterns:
        value = record.text(paths.inside)
        rows = [matched_up_to(source, value or b"") for source in match.sources]
        offset, wanted = max(rows)
        inside = printable(decoded((value or b"")[:offset]))
        return f"{match.name} matched {inside!r} of `{paths.inside}`; expected {wanted}"
    return f"{match.name} wants other fields: " + ", ".join(
        f"`{name}` is {said(record.text(path))}" for name, path in paths.fields
    )


def said(value: bytes | None) -> str:
    """Give a value of a JSON line in quotes, or that there is none."""
    return "not there" if value is None else repr(printable(decoded(value)))
