"""Answers become text for a person: pure functions from values to lines."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from fw_guard import durations
from fw_guard.hits import FAILURE, MANUAL
from fw_guard.text import count, printable, width

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fw_guard.answers import Answer

BOLD, PLAIN = "\x1b[1m", "\x1b[0m"
NEWEST = 10
MOST_HELD = 20


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
        return f"until {moment(until)} (over)"
    return f"until {moment(until)} (in {durations.spell(until - now)})"


def table(head: tuple[str, ...], rows: Iterable[tuple[Any, ...]], *, color: bool) -> Iterator[str]:
    """Give the lines of a table, its columns as wide as their widest text."""
    texts = [tuple(printable(str(cell)) for cell in row) for row in rows]
    widths = [max(map(width, column)) for column in zip(head, *texts, strict=True)]
    for number, row in enumerate((head, *texts)):
        padded = (cell + " " * (w - width(cell)) for cell, w in zip(row, widths, strict=True))
        line = "  ".join(padded).rstrip()
        yield f"{BOLD}{line}{PLAIN}" if color and number == 0 else line


def brief(seconds: int | None) -> str:
    """Give a time to the minute, in the zone of the machine: ``2017-02-07 04:41``."""
    return "-" if seconds is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def list_view(answer: Answer, now: int, *, color: bool) -> Iterator[str]:
    """Give the bans as a table; times are those of the machine's zone."""
    rows = [
        (
            ban["address"],
            ban["jail"],
            brief(ban["since"]),
            "for good" if ban["until"] is None else brief(ban["until"]),
            "-" if ban["until"] is None else durations.spell(max(0, ban["until"] - now)),
            ban["reason"],
        )
        for ban in answer["bans"]
    ]
    yield from table(("ADDRESS", "JAIL", "SINCE", "UNTIL", "LEFT", "WHY"), rows, color=color)


def status_view(answer: Answer, *, color: bool) -> Iterator[str]:
    """Give the jails as a table, then their logs, then what is held back."""
    rows = [
        (
            jail["jail"],
            jail["action"],
            ", ".join(jail["limits"]),
            with_doubtful(jail["hits"], jail["doubtful"]),
            jail["waiting_names"],
            jail["banned"],
        )
        for jail in answer["jails"]
    ]
    head = ("JAIL", "ACTION", "LIMITS", "LINES KEPT", "NO ADDRESS YET", "BANNED")
    yield from table(head, rows, color=color)
    yield ""
    logs: dict[str, Answer] = {}
    for jail in answer["jails"]:
        for log in jail["logs"]:
            slower = log["behind"] is None or log["behind"] > (
                logs.get(log["path"], {}).get("behind") or 0
            )
            if log["path"] not in logs or slower:
                logs[log["path"]] = log
    logs_read = [
        (
            path,
            brief(log["read_at"]) if log["read_at"] else "never",
            "missing" if log["behind"] is None else f"{log['behind']} bytes",
            brief(log["last_hit"]),
        )
        for path, log in sorted(logs.items())
    ]
    yield from table(("LOG", "READ", "BEHIND", "LAST HIT"), logs_read, color=color)
    yield ""
    for jail in answer["jails"]:
        for held in jail["held"][-MOST_HELD:]:
            yield printable(
                f"not banned by {jail['jail']}: {held['address']},"
                f" due {moment(held['time'])}: {held['reason']}"
            )
        if len(jail["held"]) > MOST_HELD:
            yield f"not banned by {jail['jail']}: {len(jail['held']) - MOST_HELD} more"
    if answer["by_hand"]:
        yield f"banned by hand: {answer['by_hand']}"
    if answer["networks"]:
        yield f"banned as networks: {answer['networks']}"
    if answer["other_jails"]:
        yield f"banned by jails that are gone: {answer['other_jails']}"
    for each in answer["firewalls"]:
        at = moment(each["compared"]) if each["compared"] else "by the next pass"
        yield f"{each['firewall']} holds {each['members']}; compared as a whole: {at}"
    last = answer["last_pass"]
    ago = f" ({durations.spell(answer['now'] - last)} ago)" if last and answer["now"] > last else ""
    yield f"last pass: {moment(last)}{ago}"


def with_doubtful(hits: int | str, doubtful: int) -> str:
    """Give a number of hits, and how many of them are doubtful when there are some."""
    return f"{hits} ({doubtful} doubtful)" if doubtful else str(hits)


def why_view(answer: Answer, now: int, *, color: bool, whole: bool) -> Iterator[str]:
    """Give what is known of an address: bans and their lines, hits, the sum for each window.

    Of the other lines kept only the newest are shown, unless the ``whole`` is wanted.
    """
    plain = (answer["asked"], answer["stands_for"])
    others = [host for host in answer["hosts"] if host not in plain]
    title = answer["asked"]
    if answer["stands_for"]:
        title += f" stands for {answer['stands_for']}"
    if others:
        title += f" (counted as {others[-1]})"
    yield f"{BOLD}{printable(title)}{PLAIN}" if color else printable(title)
    if answer["protected"]:
        yield f"  is never banned: {answer['protected']}"
    for ban in answer["bans"]:
        state = "banned" if ban["in_force"] else "was banned"
        yield printable(f"  {state} by {ban['jail']}: {ban['reason']}")
        yield f"    from {moment(ban['since'])} {ending(ban['until'], now)}"
        for line in ban["lines"]:
            yield printable(f"    {read_as(line)}: {line['line']}")
    for ban in answer["wider"]:
        yield printable(f"  shut out with {ban['address']} ({ban['jail']}: {ban['reason']})")
    for held in answer["held"]:
        due = moment(held["time"])
        yield printable(f"  not banned by {held['jail']}, due {due}: {held['reason']}")
    for sums in answer["sums"]:
        for limit in sums["limits"]:
            hits = count(limit["weight"], "hit")
            window = durations.spell(limit["seconds"])
            line = f"  {sums['jail']}: {hits} counting now, limit {limit['count']} in {window}"
            if limit["doubtful"]:
                line += f"; of {limit['doubtful']} doubtful at most {limit['count'] // 2} count"
            yield line
    yield from lines_view(answer, whole=whole)
    yield from doubts_view(answer)


def doubts_view(answer: Answer) -> Iterator[str]:
    """Give why hits of ``why`` are doubtful, and what would have them counted."""
    lines = [(hit["jail"], hit) for hit in answer["hits"]]
    lines += [(ban["jail"], line) for ban in answer["bans"] for line in ban["lines"]]
    doubted = {(jail, line["filter"], line["match"]) for jail, line in lines if line["doubtful"]}
    own = {(each["jail"], each["filter"], each["match"]): each for each in answer["doubts"]}
    if not doubted:
        return
    yield "  doubtful (at most half of a limit may be such hits):"
    for each in own.values():
        yield printable(f"    {each['filter']}/{each['match']}: {each['reason']}")
    if doubted - own.keys() or any(each["counted"] for each in own.values()):
        yield "    another address, or a very long text, stands before the host"
    tables = {each["table"]: each["counted"] for each in own.values() if each["kind"] == FAILURE}
    for table, counted in tables.items():
        verb = "is set, and counts" if counted else "would count"
        yield printable(
            f"    `count_doubtful = true` in {table} {verb} what the filter doubts, in lines read"
            " from then on; kept hits stay as they were judged"
        )


def read_as(line: Answer) -> str:
    """Give filter and match that read a line, and whether it is doubtful."""
    doubtful = ", doubtful" if line["doubtful"] else ""
    return f"{line['filter']}/{line['match']}{doubtful}"


def lines_view(answer: Answer, *, whole: bool) -> Iterator[str]:
    """Give the lines kept of an address that made no ban."""
    shown = {(line["time"], line["line"]) for ban in answer["bans"] for line in ban["lines"]}
    more = [hit for hit in answer["hits"] if (hit["time"], hit["line"]) not in shown]
    if not more:
        return
    newest = more if whole else more[-NEWEST:]
    older = len(more) - len(newest)
    yield f"  {count(len(more), 'more line' if shown else 'line')} kept:"
    if older:
        yield f"    ({older} older; -v shows all)"
    for hit in newest:
        waiting = "" if hit["address"] else " (waits for the address of the name)"
        yield printable(f"    {hit['jail']} {read_as(hit)}{waiting}: {hit['line']}")


def change_view(answer: Answer, now: int, done: str) -> Iterator[str]:
    """Give what came of a ban or unban by hand.

    ``done`` is ``is``, ``would be`` for a dry run, or ``is not yet`` when the firewall refused.
    """
    for ban in answer["banned"]:
        yield f"{ban['address']} {done} banned {ending(ban['until'], now)}"
    for host in answer["unbanned"]:
        yield f"{host} {done} unbanned"
    for still in answer["still"]:
        yield f"{still['address']} stays shut out with {', '.join(still['with'])}; unban that"
    for host in answer["not_banned"]:
        yield f"{host} is not banned"
    if not any(answer[key] for key in ("banned", "unbanned", "still", "not_banned", "refused")):
        yield "nobody is banned"


def run_view(answer: Answer) -> Iterator[str]:
    """Give what a pass did, for ``run --verbose``."""
    lines, logs, hits = (answer[key] for key in ("lines", "logs", "hits"))
    kept = with_doubtful(count(hits, "hit"), answer["doubtful"])
    yield f"{count(lines, 'new line')} in {count(logs, 'log')}, {kept} kept"
    if answer["undated"]:
        undated = count(answer["undated"], "matched line")
        yield f"{undated} with no valid time, or one more than a day ahead: is the clock right?"
    if answer["long"]:
        yield f"{count(answer['long'], 'line')} too long to be read"
    for ban in answer["banned"]:
        until = f"until {moment(ban['until'])}" if ban["until"] else "for good"
        yield printable(f"ban {ban['address']} by {ban['jail']} {until}: {ban['reason']}")
    for ban in answer["unbanned"]:
        yield printable(f"unban {ban['address']}, banned by {by(ban)}: {ban['reason']}")
    for held in answer["held"]:
        yield printable(f"not banned by {held['jail']}: {held['address']}: {held['reason']}")


def by(ban: Answer) -> str:
    """Give who banned: a jail, or a person."""
    return "hand" if ban["jail"] == MANUAL else str(ban["jail"])


def event_view(event: Answer) -> str:
    """Give one event of a replay as a line."""
    return printable(
        f"{moment(event['time'])}  {event['event']:5}  {event['address']}"
        f"  {event['jail']}  {event['reason']}"
    )


def check_view(answer: Answer, *, color: bool) -> Iterator[str]:
    """Give the files that were checked as a table; of a filter also what it holds."""
    head = ("KIND", "SERVICE", "PATTERNS", "SAMPLES", "DOUBTFUL", "TITLE", "FILE")
    rows = [
        (
            file["kind"],
            *(file.get(key, "") for key in ("service", "patterns", "samples")),
            doubtful_part(file),
            file.get("title", ""),
            place_of(file),
        )
        for file in answer["files"]
    ]
    yield from table(head, rows, color=color)


def firewall_view(answer: Answer, *, dry_run: bool) -> Iterator[str]:
    """Give what is well with a firewall: that it was tried, or looked at."""
    tried = " and ".join(answer["tried"])
    was = "were" if len(answer["tried"]) > 1 else "was"
    if tried and dry_run:
        yield f"{answer['label']}: {tried} would be banned, read back and freed"
    elif answer["proved"]:
        yield f"{answer['label']}: {tried} {was} banned, read back and freed"
    elif tried:
        unread = "its action has no [[list]], so nobody can read it back"
        yield f"{answer['label']}: {tried} {was} banned and freed; {unread}"
    elif answer["works"]:
        yield f"{answer['label']}: in place"


def doubtful_part(file: Answer) -> str:
    """Give how many matches of a checked file are doubtful; those of an action are none."""
    names = file.get("doubtful", ())
    if not names:
        return ""
    return "all" if len(names) == file["matches"] else f"{len(names)} of {file['matches']}"


def place_of(file: Answer) -> str:
    """Give the path of a checked file, and of the shipped one that it is read in place of."""
    replaced = file.get("replaces")
    return f"{file['path']} in place of {replaced}" if replaced else str(file["path"])


def log_name(log: str) -> str:
    """Give what a log is called that was named on the command line."""
    return "standard input" if log == "-" else log


def try_view(found: Answer, *, named: bool = False) -> str:
    """Give one matched line of ``try``, begun with the log's name when that is to be ``named``."""
    log = f"{log_name(found['log'])}:" if named else ""
    user = f" user {found['user']}" if found["user"] is not None else ""
    kind = f"{found['kind']}, doubtful" if found["doubtful"] else found["kind"]
    return printable(
        f"{log}{found['line']}: {found['match']} ({kind}) host {found['host']}{user}"
        f" at {moment(found['time'])}: {printable(found['text'])}"
    )
