"""Answers become text for a person: pure functions from values to lines."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from fw_guard import durations
from fw_guard.text import count, printable, width

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fw_guard.answers import Answer

BOLD, RED, PLAIN = "\x1b[1m", "\x1b[31m", "\x1b[0m"


def moment(seconds: int | None) -> str:
    """Give a time in the zone of the machine: ``2017-02-07 04:41:14 +0900``."""
    if seconds is None:
        return "-"
    return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(seconds))


def ending(until: int | None, now: int) -> str:
    """Give when a ban ends, and in how long."""
    if until is None:
        return "for good"
    if until <= now:
        return f"{moment(until)} (over)"
    return f"{moment(until)} (in {durations.spell(until - now)})"


def table(head: tuple[str, ...], rows: Iterable[tuple[Any, ...]], *, color: bool) -> Iterator[str]:
    """Give the lines of a table, its columns as wide as their widest text."""
    texts = [tuple(printable(str(cell)) for cell in row) for row in rows]
    widths = [max(map(width, column)) for column in zip(head, *texts, strict=True)]
    for number, row in enumerate((head, *texts)):
        padded = (cell + " " * (w - width(cell)) for cell, w in zip(row, widths, strict=True))
        line = "  ".join(padded).rstrip()
        yield f"{BOLD}{line}{PLAIN}" if color and number == 0 else line


def list_view(answer: Answer, now: int, *, color: bool) -> Iterator[str]:
    """Give the bans as a table."""
    rows = [
        (
            ban["address"],
            ban["jail"],
            moment(ban["since"]),
            ending(ban["until"], now),
            ban["reason"],
        )
        for ban in answer["bans"]
    ]
    yield from table(("ADDRESS", "JAIL", "SINCE", "UNTIL", "WHY"), rows, color=color)


def status_view(answer: Answer, *, color: bool) -> Iterator[str]:
    """Give the jails as a table, then their logs, then what is held back."""
    rows = [
        (j["jail"], j["action"], ", ".join(j["limits"]), j["hits"], j["waiting_names"], j["banned"])
        for j in answer["jails"]
    ]
    head = ("JAIL", "ACTION", "LIMITS", "HITS", "WAITING NAMES", "BANNED")
    yield from table(head, rows, color=color)
    yield ""
    logs = {log["path"]: log for jail in answer["jails"] for log in jail["logs"]}
    logs_read = [
        (
            path,
            moment(log["read_at"]) if log["read_at"] else "never",
            "missing" if log["behind"] is None else f"{log['behind']} bytes",
            moment(log["last_hit"]),
        )
        for path, log in sorted(logs.items())
    ]
    yield from table(("LOG", "READ", "BEHIND", "LAST HIT"), logs_read, color=color)
    for jail in answer["jails"]:
        for held in jail["held"]:
            yield printable(
                f"not banned by {jail['jail']}: {held['address']},"
                f" due {moment(held['time'])}: {held['reason']}"
            )
    if answer["by_hand"]:
        yield f"banned by hand: {answer['by_hand']}"
    if answer["other_jails"]:
        yield f"banned by jails that are gone: {answer['other_jails']}"
    yield f"last pass: {moment(answer['last_pass'])}"


def why_view(answer: Answer, now: int, *, color: bool) -> Iterator[str]:
    """Give what is known of an address: bans and their lines, hits, the sum for each window."""
    known_as = [host for host in answer["hosts"] if host != answer["asked"]]
    title = printable(answer["asked"]) + (f" (counted as {known_as[-1]})" if known_as else "")
    yield f"{BOLD}{title}{PLAIN}" if color else title
    if answer["protected"]:
        yield f"  is never banned: {answer['protected']}"
    for ban in answer["bans"]:
        state = "banned" if ban["in_force"] else "was banned"
        yield printable(f"  {state} by {ban['jail']}: {ban['reason']}")
        yield f"    from {moment(ban['since'])} until {ending(ban['until'], now)}"
        for line in ban["lines"]:
            yield printable(f"    {line['filter']}/{line['match']}: {line['line']}")
    for ban in answer["wider"]:
        yield printable(f"  shut out with {ban['address']} ({ban['jail']}: {ban['reason']})")
    for held in answer["held"]:
        due = moment(held["time"])
        yield printable(f"  not banned by {held['jail']}, due {due}: {held['reason']}")
    for sums in answer["sums"]:
        for limit in sums["limits"]:
            yield (
                f"  {sums['jail']}: {limit['weight']} of {limit['count']} in the last"
                f" {durations.spell(limit['seconds'])} ({limit['limit']})"
            )
    shown = {(line["time"], line["line"]) for ban in answer["bans"] for line in ban["lines"]}
    more = [hit for hit in answer["hits"] if (hit["time"], hit["line"]) not in shown]
    if more:
        yield f"  {count(len(more), 'more line' if shown else 'line')} kept:"
    for hit in more:
        waiting = "" if hit["address"] else " (waits for the address of the name)"
        yield printable(f"    {hit['jail']} {hit['filter']}/{hit['match']}{waiting}: {hit['line']}")


def run_view(answer: Answer) -> Iterator[str]:
    """Give what a pass did, for ``run --verbose``."""
    lines, logs, hits = (answer[key] for key in ("lines", "logs", "hits"))
    yield f"{count(lines, 'new line')} in {count(logs, 'log')}, {count(hits, 'hit')}"
    if answer["undated"]:
        yield f"{count(answer['undated'], 'matched line')} without a time that can be read"
    if answer["long"]:
        yield f"{count(answer['long'], 'line')} too long to be read"
    for ban in answer["banned"]:
        until = moment(ban["until"]) if ban["until"] else "for good"
        yield printable(f"ban {ban['address']} by {ban['jail']} until {until}: {ban['reason']}")
    for ban in answer["unbanned"]:
        yield printable(f"unban {ban['address']} of {ban['jail']}: its time is over")
    for held in answer["held"]:
        yield printable(f"not banned by {held['jail']}: {held['address']}: {held['reason']}")


def event_view(event: Answer) -> str:
    """Give one event of a replay as a line."""
    return printable(
        f"{moment(event['time'])}  {event['event']:5}  {event['address']}"
        f"  {event['jail']}  {event['reason']}"
    )


def try_view(found: Answer) -> str:
    """Give one matched line of ``try``."""
    user = f" user {found['user']}" if found["user"] is not None else ""
    return printable(
        f"{found['line']}: {found['match']} ({found['kind']}) host {found['host']}{user}"
        f" at {moment(found['time'])}"
    )
