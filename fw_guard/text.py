"""Text at the edge: what came from a log or a file is made harmless before a person sees it."""

from __future__ import annotations


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


def decoded(line: bytes) -> str:
    r"""Give a log's bytes as text: UTF-8 where it is, ``\xff`` where it is not."""
    return line.decode("utf-8", "backslashreplace")


def count(number: int, noun: str) -> str:
    """Give ``1 hit``, ``2 hits``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
