"""A pattern's tree becomes a shape of bytes, and that a regular expression.

Text stands for itself in UTF-8, a run of blanks for any run of blanks and tabs. Branches are tried
in their order, and what may be absent is first looked for. The regular expression covers the whole
message. Blanks and carriage returns at the message's end do not count: ``canonical`` makes them one
blank, which the pattern may end with, as in ``rhost={host} {?user={user}}``, and need not.

``text`` needs care, because a blank next to it could be the text's as well as the pattern's. Taken
as it stands, ``for {user} from`` tries every way to share a run of blanks out among three of
them: time that grows with the cube of a line which a stranger chooses. As the text takes as little
as it can, it never starts or ends with a blank that the pattern can have. ``_text`` says so, which
leaves the matches as they are and makes a run of blanks cost its length.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from fw_guard.patterns.fields import ANY_TEXT, BLANK, BLANKS, NO_BLANK, THE_HOST, TYPES
from fw_guard.patterns.shapes import (
    Captured,
    Either,
    Literal,
    Sequence,
    Shape,
    captures,
    optional,
    regex,
    sequence,
)
from fw_guard.patterns.tree import Choice, Field, Node, Optional, Pattern, Text, fields

HOST = "host"
# What is captured of ``{*}`` before the host; no field can have this name.
WATCHED = "*"
# The types that take what a stranger may have written, an address in the midst of other text too.
LOOSE = frozenset({"text", "word", "quoted", "name"})
NOTHING = Sequence(())
RUN_OF_BLANKS = re.compile("( +)")


@dataclass(frozen=True, slots=True)
class Compiled:
    """A pattern ready to match.

    ``regex`` is a regular expression over bytes, without flags and without anchors, for a message
    in its canonical form. Its group ``i + 1`` holds the field ``fields[i]``; a field that stands in
    several branches has several groups, of which one match fills one at the most. ``shape`` is
    what the expression was written from. ``loose`` are the groups that stand before the host and
    take what a stranger may have written.
    """

    regex: bytes
    fields: tuple[str | None, ...]
    shape: Shape
    loose: tuple[int, ...] = ()

    def find(self, message: bytes) -> re.Match[bytes] | None:
        """Give the match when the whole ``message`` fits, else None.

        Blanks, tabs and carriage returns at the message's end do not count. A message that holds
        a newline never fits.
        """
        if b"\n" in message:
            return None
        return _machine(self.regex).fullmatch(canonical(message))

    def match(self, message: bytes) -> dict[str, bytes] | None:
        """Give the fields that took part when the whole ``message`` fits, else None."""
        found = self.find(message)
        return None if found is None else self.fields_of(found)

    def fields_of(self, found: re.Match[bytes]) -> dict[str, bytes]:
        """Give the fields that took part in a match, by their names."""
        values = {
            name: value
            for name, value in zip(self.fields, found.groups(), strict=True)
            if name is not None and value is not None
        }
        if found.lastindex and found.end(found.lastindex) == found.endpos:
            # The blank at the end is the canonical form's.
            last = self.fields[found.lastindex - 1]
            if last is not None:
                values[last] = values[last].rstrip(b" ")
        return values

    def texts_before(self, found: re.Match[bytes]) -> tuple[bytes, ...]:
        """Give what a stranger may have written before the host of a match."""
        if not self.loose:
            return ()
        hosts = (group for group, name in enumerate(self.fields, 1) if name == HOST)
        start = max(map(found.start, hosts))
        return tuple(found[group] for group in self.loose if -1 < found.start(group) < start)


def canonical(message: bytes) -> bytes:
    """Give a message as a pattern's regular expression takes it: with one blank at its end."""
    return message.rstrip(b" \t\r") + b" "


@lru_cache(maxsize=1024)
def _machine(source: bytes) -> re.Pattern[bytes]:
    """Compile a regular expression when it is first used: most runs match with few patterns."""
    return re.compile(source)


def compile_pattern(pattern: Pattern, own: frozenset[str] = frozenset()) -> Compiled:
    """Make ``pattern`` ready to match; ``own`` are fields that only the service writes."""
    nodes = _watched(pattern.pieces)
    shape = sequence(shape_of(nodes), optional(BLANK))
    names = captures(shape)
    watched = {each.name for each in fields(nodes) if each.type in LOOSE} - own
    hosts = [group for group, name in enumerate(names, 1) if name == HOST]
    loose = (group for group, name in enumerate(names, 1) if name in watched)
    before = tuple(group for group in loose if hosts and group < hosts[-1])
    shown = tuple(None if name == WATCHED else name for name in names)
    return Compiled(regex(shape), shown, shape, before)


def _watched(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """Give ``nodes`` with a name for what is matched and forgotten before the host."""
    last = max((index for index, each in enumerate(fields(nodes)) if each.name == HOST), default=-1)
    count = iter(range(last))

    def named(node: Node) -> Node:
        match node:
            case Field(name, kind, offset):
                before = next(count, None) is not None
                if before and name is None and kind in LOOSE:
                    return Field(WATCHED, kind, offset)
                return node
            case Optional(branches) | Choice(branches):
                return type(node)(tuple(tuple(map(named, branch)) for branch in branches))
            case _:
                return node

    return tuple(map(named, nodes))


def shape_of(nodes: tuple[Node, ...], *, whole: bool = True) -> Shape:
    """Give the shape of what ``nodes`` cover.

    They are the ``whole`` message, so that what follows is its end, or only the beginning of one.
    """
    return _sequence(nodes, after=False, before=whole)


def _sequence(nodes: tuple[Node, ...], *, after: bool, before: bool) -> Shape:
    """Give the shape of ``nodes``.

    ``after``: a blank of the pattern comes before them on every way. ``before``: a blank, or the
    message's end, comes after them on every way.
    """
    parts: list[Shape] = []
    blank_taken = False
    for index, node in enumerate(nodes):
        rest = nodes[index + 1 :]
        followed = _starts_with_blank(rest, before)
        match node:
            case Text(text):
                parts += _literal(text.lstrip(" ") if blank_taken else text)
                blank_taken = False
            case Field(name, "text"):
                blank_taken = after and bool(rest) and _is_blank(rest[0])
                parts.append(_text(name, after=after, followed=followed, blank=blank_taken))
            case Field("host", "host"):
                parts.append(Captured(HOST, THE_HOST))
            case Field(name, kind):
                parts.append(_captured(name, TYPES[kind].shape))
            case Optional(branches):
                parts.append(optional(_branches(branches, after=after, before=followed)))
            case Choice(branches):
                parts.append(_branches(branches, after=after, before=followed))
        after = _ends_with_blank((node,), after)
    return parts[0] if len(parts) == 1 else Sequence(tuple(parts))


def _branches(branches: tuple[tuple[Node, ...], ...], *, after: bool, before: bool) -> Shape:
    shapes = tuple(_sequence(branch, after=after, before=before) for branch in branches)
    return shapes[0] if len(shapes) == 1 else Either(shapes)


def _captured(name: str | None, shape: Shape) -> Shape:
    return shape if name is None else Captured(name, shape)


def _literal(text: str) -> list[Shape]:
    """Give the shapes of literal text: every other part is a run of blanks."""
    return [
        BLANKS if index % 2 else Literal(part.encode())
        for index, part in enumerate(RUN_OF_BLANKS.split(text))
        if part
    ]


def _text(name: str | None, *, after: bool, followed: bool, blank: bool) -> Shape:
    """Give the shape of a ``text``, without the blanks at its edges that are the pattern's.

    ``after`` and ``followed``: a blank comes before it, or after it, on every way. ``blank``: the
    one after it is to be a part of the shape given.
    """
    if not after and not followed:
        return _captured(name, ANY_TEXT)
    if after and followed:
        some = sequence(NO_BLANK, Either((NOTHING, sequence(ANY_TEXT, NO_BLANK))))
    else:
        some = sequence(NO_BLANK, ANY_TEXT) if after else sequence(ANY_TEXT, NO_BLANK)
    if not blank:
        return _captured(name, Either((NOTHING, some)))
    # An empty text leaves two blanks of the pattern side by side: all but one go to the first.
    empty = sequence(_captured(name, NOTHING), BLANK)
    return Either((empty, sequence(_captured(name, some), BLANKS)))


def _is_blank(node: Node) -> bool:
    return isinstance(node, Text) and node.text.startswith(" ")


def _starts_with_blank(nodes: tuple[Node, ...], otherwise: bool) -> bool:
    """Say whether every way through ``nodes`` starts with a blank; ``otherwise`` follows them."""
    if not nodes:
        return otherwise
    match nodes[0]:
        case Text(text):
            return text.startswith(" ")
        case Field():
            return False
        case Choice(branches) | Optional(branches) as hole:
            rest = _starts_with_blank(nodes[1:], otherwise)
            absent = rest or isinstance(hole, Choice)
            return absent and all(_starts_with_blank(branch, rest) for branch in branches)


def _ends_with_blank(nodes: tuple[Node, ...], otherwise: bool) -> bool:
    """Say whether every way through ``nodes`` ends with a blank; ``otherwise`` precedes them."""
    if not nodes:
        return otherwise
    match nodes[-1]:
        case Text(text):
            return text.endswith(" ")
        case Field():
            return False
        case Choice(branches) | Optional(branches) as hole:
            rest = _ends_with_blank(nodes[:-1], otherwise)
            absent = rest or isinstance(hole, Choice)
            return absent and all(_ends_with_blank(branch, rest) for branch in branches)
