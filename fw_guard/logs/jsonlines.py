"""A log of one JSON object a line: what a line says at a path.

A path is names with dots between them, ``request.remote_ip``. It leads through nested objects, and
never into an array; where a key itself contains dots, the longest key is tried first. Texts,
numbers and truth values become bytes; null, an object and an array are no value.

Who writes into such a line cannot write beside his own text, as long as the service escapes it. A
line with the same key twice in one object is what a service writes that does not: it is not read.

Source: RFC 8259.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

DEEPEST = 32
LONGEST_NUMBER = 40
LONGEST_INTEGER = 20  # digits of an unsigned number of 64 bits
MOST_NAMES = 8  # of a path


class UnfitError(ValueError):
    """A line that JSON may allow and we do not."""


class Record:
    """The object of one line."""

    __slots__ = ("_found", "_object")

    def __init__(self, found: dict[str, Any]) -> None:
        """Keep the object, whose numbers are bytes."""
        self._object = found
        self._found: dict[str, bytes | None] = {}

    def text(self, path: str) -> bytes | None:
        """Give the value at ``path`` as bytes, or None when there is none."""
        if path not in self._found:
            self._found[path] = value_at(self._object, path)
        return self._found[path]

    def paths(self) -> list[str]:
        """Give the paths of all values."""
        return list(paths_in(self._object))


def record(line: bytes) -> Record | None:
    """Give the object that a line is, blanks around it aside; None when it is none to be read."""
    text = line.strip(b" \t\r")
    if not text.startswith(b"{"):
        return None
    try:
        found = DECODER.decode(text.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        return None
    if text.count(b"{") + text.count(b"[") > DEEPEST and too_deep(found):
        return None
    return Record(found)


def value_at(value: dict[str, Any], path: str) -> bytes | None:
    """Give what stands at ``path``, of at most ``MOST_NAMES`` names, the longest keys first."""
    end = len(path)
    while end > 0:
        inner = value.get(path[:end])
        if end == len(path):
            if (text := as_bytes(inner)) is not None:
                return text
        elif isinstance(inner, dict) and (text := value_at(inner, path[end + 1 :])) is not None:
            return text
        end = path.rfind(".", 0, end)
    return None


def paths_in(value: dict[str, Any], before: str = "") -> Iterator[str]:
    """Give the paths of the values in an object, each begun with ``before``."""
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from paths_in(inner, f"{before}{key}.")
        elif as_bytes(inner) is not None:
            yield before + key


def as_bytes(value: object) -> bytes | None:
    """Give a value as bytes; half a surrogate pair, which no UTF-8 can hold, in its own three."""
    match value:
        case str():
            try:
                return value.encode("utf-8", "surrogateescape")
            except UnicodeEncodeError:
                return value.encode("utf-8", "surrogatepass")
        case bool():
            return b"true" if value else b"false"
        case bytes():
            return value
    return None


def too_deep(value: object) -> bool:
    """Say whether objects and arrays lie in one another more than ``DEEPEST`` deep."""
    level = [value]
    for _ in range(DEEPEST + 1):
        within = [
            each.values() if isinstance(each, dict) else each
            for each in level
            if isinstance(each, (dict, list))
        ]
        if not within:
            return False
        level = [item for each in within for item in each]
    return True


def once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Give an object whose keys are all different; raise UnfitError."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise UnfitError("a key stands twice")
    return found


def integer(digits: str) -> bytes:
    """Give a whole number as it is written; raise UnfitError for one beyond 64 bits or so."""
    if len(digits.lstrip("-")) > LONGEST_INTEGER:
        raise UnfitError("a number is too long")
    return digits.encode()


def fraction(digits: str) -> bytes:
    """Give a number with a fraction or an exponent as it is written; raise UnfitError."""
    if len(digits) > LONGEST_NUMBER or not math.isfinite(float(digits)):
        raise UnfitError("a number is too long or too large")
    return digits.encode()


def no_number(name: str) -> bytes:
    """Refuse NaN and Infinity, which Python's reader would take."""
    raise UnfitError(f"{name} is no number")


DECODER = json.JSONDecoder(
    object_pairs_hook=once_each,
    parse_int=integer,
    parse_float=fraction,
    parse_constant=no_number,
)
