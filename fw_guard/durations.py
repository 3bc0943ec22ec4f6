"""Lengths of time as people write them: ``90s``, ``10m``, ``2h``, ``1d``, ``1w``, ``1h30m``."""

from __future__ import annotations

SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
LONGEST = 100 * 365 * 86_400


class DurationError(ValueError):
    """A text that is no length of time."""


def parse(text: str) -> int:
    """Give the seconds that ``text`` stands for, above 0 and at most a hundred years.

    Raises DurationError. A number without a unit is refused: ten of what?
    """
    total = 0
    digits = ""
    for char in text.replace(" ", ""):
        if char.isascii() and char.isdigit():
            digits += char
        elif digits and char in SECONDS:
            total += int(digits.lstrip("0")[:12] or 0) * SECONDS[char]
            digits = ""
        else:
            digits = "?"
            break
    if digits or not 0 < total <= LONGEST:
        raise DurationError(f"{text!r} is no length of time; expected such as 90s, 10m, 2h or 1d")
    return total


def spell(seconds: int) -> str:
    """Give ``seconds`` in its two largest units: ``1h``, ``9m58s``; below one second ``0s``."""
    parts = []
    for unit, length in SECONDS.items():
        number, seconds = divmod(seconds, length)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts[:2]) or "0s"
