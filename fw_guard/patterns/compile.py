"""A pattern's tree becomes a shape of bytes, and that a regular expression.

Text stands for itself in UTF-8, a run of blanks for any run of blanks and tabs. Branches are tried
in their order, and what may be absent is first looked for. The regular expression covers the whole
message; blanks and carriage returns at the message's end do not count.

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

from fw_guard.patterns.fields import ANY_TEXT, BLANK, BLANKS, NO_BLANK, TYPES
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
from fw_guard.patterns.tree import Choice, Field, Node, Optional, Pattern, Text

NOTHING = Sequence(())
RUN_OF_BLANKS = re.compile("( +)")


@dataclass(frozen=True, slots=True)
class Compiled:
    """A pattern ready to match.

    ``regex`` is a regular expression over bytes, without flags and without anchors. Its group
    ``i + 1`` holds the field ``fields[i]``; a field that stands in several branches has several
    groups, of which one match fills one at the most.
    """

    regex: bytes
    fields: tuple[str | None, ...]

    def match(self, message: bytes) -> dict[str, bytes] | None:
        """Give the fields that took part when the whole ``message`` fits, else None.

        Blanks, tabs and carriage returns at the message's end do not count. A message that holds
        a newline never fits.
        """
        machine = _machine(self.regex)
        line = message.rstrip(b"\r")
        stripped = line.rstrip(b" \t\r")
        found = machine.fullmatch(stripped)
        if found is None and len(stripped) < len(line):
            # The blank at the line's end may be the pattern's own: `rhost={host} {?user={user}}`.
            found = machine.fullmatch(line)
        if found is None:
            return None
        return {
            name: value
            for name, value in zip(self.fields, found.groups(), strict=True)
            if name is not None and value is not None
        }


@lru_cache(maxsize=1024)
def _machine(source: bytes) -> re.Pattern[bytes]:
    """Compile a regular expression when it is first used: most runs match with few patterns."""
    return re.compile(source)


def compile_pattern(pattern: Pattern) -> Compiled:
    """Make ``pattern`` ready to match."""
    shape = shape_of(pattern.pieces)
    return Compiled(regex(shape), captures(shape))


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
