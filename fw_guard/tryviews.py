"""What ``try`` says for a person after the lines: what was read, what was not, and how nearly."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from fw_guard import views
from fw_guard.nearest import stops
from fw_guard.text import DOTS, count, decoded, printable, width, window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fw_guard.misses import Miss
    from fw_guard.trying import Trial

SHOWN = 5
INDENT = "    "


def summary_view(trial: Trial, columns: int, *, color: bool, whole: bool) -> Iterator[str]:
    """Give the lines of the summary for a terminal of so many ``columns``.

    Of the near misses the nearest are shown, or as many as were explained for the ``whole``.
    """
    rows = [
        (match.name, match.kind, sum(trial.read_by[match.name]))
        for match in trial.filter.matches
        if any(trial.read_by[match.name])
    ]
    if rows:
        yield ""
        yield from views.table(("MATCH", "KIND", "LINES"), rows, color=color)
    for reason, names in doubted(trial).items():
        yield ""
        yield from wrapped(printable(f"doubtful: {', '.join(names)}: {reason}"), columns)
    if unused := trial.unused():
        yield ""
        said = f"read no line: {', '.join(unused)}" if rows else "no pattern read a line"
        yield from wrapped(said, columns)
    misses = trial.misses.found()
    other = trial.unread - sum(miss.lines for miss in misses) - trial.misses.untold()
    if passed := list(passed_over(trial, other)):
        yield ""
        yield from passed
    if misses:
        yield ""
        yield from misses_view(misses, columns, color=color, whole=whole)
    if untold := trial.misses.untold():
        yield ""
        yield f"and {count(untold, 'line')} of other shapes, too many to be told"


def doubted(trial: Trial) -> dict[str, list[str]]:
    """Give the filter's own reasons for doubt, each with the matches that read lines under it."""
    reasons: dict[str, list[str]] = {}
    for match in trial.filter.matches:
        if match.reason and any(trial.read_by[match.name]):
            reasons.setdefault(match.reason, []).append(match.name)
    return reasons


def wrapped(text: str, columns: int) -> list[str]:
    """Give a text in lines for a terminal of so many ``columns``."""
    return textwrap.wrap(text, columns, subsequent_indent=INDENT, break_on_hyphens=False)


def passed_over(trial: Trial, other: int) -> Iterator[str]:
    """Give what kept lines from being read at all, or from counting; ``other`` are not near."""
    formats = " or ".join(trial.filter.formats)
    if trial.foreign:
        yield f"{count(trial.foreign, 'line')} of other programs"
    if trial.headless:
        yield f"{count(trial.headless, 'line')} not of the format {formats}"
    if trial.long:
        yield f"{count(trial.long, 'line')} too long to be read"
    if other:
        yield count(other, "other line")
    if trial.undated:
        yield f"{count(trial.undated, 'line')} read, without a time that can be: no hit"


def misses_view(misses: list[Miss], columns: int, *, color: bool, whole: bool) -> Iterator[str]:
    """Give the near misses, each with its line and a caret where a pattern stops.

    Unless the ``whole`` is wanted, of shapes that stop at the same place the first stands for all.
    """
    shown = misses if whole else list(told_apart(misses))[:SHOWN]
    title = "nearly read, nearest first"
    if len(shown) < len(misses):
        title += f" ({len(shown)} of {len(misses)} shapes; -v shows all)"
    yield f"{views.BOLD}{title}{views.PLAIN}" if color else title
    for miss in shown:
        yield ""
        yield from miss_view(miss, columns)


def told_apart(misses: list[Miss]) -> Iterator[Miss]:
    """Give the first of all shapes of which the same patterns expected the same."""
    seen = set()
    for miss in misses:
        key = tuple((reach.label, reach.expected) for reach in miss.reaches)
        if key not in seen:
            seen.add(key)
            yield miss


def miss_view(miss: Miss, columns: int) -> Iterator[str]:
    """Give one shape: how many lines, the first of them, and where the nearest patterns stop."""
    place = printable(f"{views.log_name(miss.log)}:{miss.number}")
    head = place if miss.lines == 1 else f"{place} and {count(miss.lines - 1, 'line')} like it"
    yield head + (", which a sample says must not match" if miss.meant else "")
    room = columns - len(INDENT)
    carets = [width(printable(decoded(miss.message[: each.offset]))) for each in miss.reaches]
    text, start = window(printable(decoded(miss.message)), carets[0], room)
    yield f"{INDENT}{text}"
    for reach, caret in zip(miss.reaches, carets, strict=True):
        if start and caret < start + len(DOTS):
            continue
        said = stops(reach)
        mark = f"{INDENT}{'':{caret - start}}^"
        if caret - start + 2 + len(said) <= room:
            yield f"{mark} {said}"
        else:
            yield mark
            yield from textwrap.wrap(
                said, columns, initial_indent=INDENT, subsequent_indent=INDENT * 2
            )
