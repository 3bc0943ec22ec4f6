"""Text at the edge: what came from a log or a file is made harmless before a person sees it."""

from __future__ import annotations

DOTS = "..."


def printable(text: str) -> str:
    r"""Give ``text`` with every character that a terminal could obey as ``\x1b`` or ``\u202e``."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def width(text: str) -> int:
    """Give how many columns of a terminal ``text`` takes: wide characters two, accents none."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def window(text: str, caret: int, room: int) -> tuple[str, int]:
    """Give what is shown of ``text`` in ``room`` columns, and the column that this begins at.

    Column ``caret`` is in it, with more before than after; dots stand where something was cut off.
    """
    if width(text) <= room:
        return text, 0
    start = max(0, caret - min(room * 3 // 4, room - len(DOTS) - 1))
    left = DOTS if start else ""
    right = DOTS if start + room < width(text) else ""
    inner = columns(text, start + len(left), room - len(left) - len(right))
    return f"{left}{inner}{right}", start


def columns(text: str, start: int, room: int) -> str:
    """Give the part of ``text`` in ``room`` columns from ``start``, half a character as a blank."""
    part = ""
    at = 0
    for char in text:
        wide = width(char)
        if at >= start and at + wide <= start + room:
            part += char
        elif at < start < at + wide:
            part += " "
        at += wide
    return part


def shortened(text: str, most: int) -> str:
    """Give ``text``, or its beginning and dots when it has more than ``most`` characters."""
    return text if len(text) <= most else f"{text[: most - len(DOTS)]}{DOTS}"


def decoded(line: bytes) -> str:
    r"""Give a log's bytes as text: UTF-8 where it is, ``\xff`` where it is not."""
    return line.decode("utf-8", "backslashreplace")


def count(number: int, noun: str) -> str:
    """Give ``1 hit``, ``2 hits``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
