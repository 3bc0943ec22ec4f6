"""Bytes of a log become hits: the plain form, which says what is right.

A log is read once for all jails that name it. A line's header is split off once for each format,
and its JSON parsed once; only filters that want the line's program look at the message; in each
jail the first filter that reads a line takes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fw_guard import addresses
from fw_guard.filters import LONGEST_JSON, LONGEST_LINE, host_of, splitter
from fw_guard.hits import Hit
from fw_guard.logs import headers
from fw_guard.text import decoded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fw_guard.config import Jail
    from fw_guard.filters import Filter, Reading, Split
    from fw_guard.hosts import Names

MOST_DIGITS = 18
# Jails with those of their filters that read a line, each with the format that decides.
Wanted = list[tuple["Jail", tuple[tuple["Filter", str], ...]]]


class Scanner:
    """Reads the lines of one log for ``jails``; counts what it met.

    ``epoch`` turns a stamp into epoch seconds or None. Attributes: ``lines`` read, ``matched``,
    ``undated`` (matched, without a time that can be), ``long`` (above LONGEST_LINE and no JSON, or
    above LONGEST_JSON: not read),
    ``last`` (the newest time of a matched line), ``tail`` (the last line that was not a repeat).
    """

    def __init__(
        self,
        jails: list[Jail],
        epoch: Callable[[bytes], int | None],
        names: Names,
        tail: bytes = b"",
    ) -> None:
        """Prepare for the jails of one log; what pairs a name with an address goes to ``names``.

        ``tail`` is the last line that was read of this log before: the next may say that it was
        repeated.
        """
        self._epoch = epoch
        self._names = names
        self._jails = jails
        formats = {name for jail in jails for each in jail.filters for name in each.formats}
        self._splitters = [(name, splitter(name)) for name in sorted(formats)]
        self._for_long_lines = [each for each in self._splitters if each[0] == "json"]
        self._wanted: dict[tuple[object, ...], Wanted] = {}
        self.lines = self.matched = self.undated = self.long = 0
        self.last: int | None = None
        self._said: list[Hit] = []
        for _ in self.read(tail):
            pass  # only what may be said to be repeated matters
        self.matched = self.undated = 0
        self.tail = tail

    def hits(self, block: bytes) -> Iterator[Hit]:
        """Give the hits of ``block``, which holds whole lines, in their order."""
        for line in block.split(b"\n")[:-1]:
            self.lines += 1
            if repeats := self._repeats(line):
                yield from repeats
                continue
            self.tail = b"" if len(line) > LONGEST_LINE else line
            self._said = []
            if self._too_long(line):
                self.long += 1
            else:
                yield from self.read(line)

    def _repeats(self, line: bytes) -> tuple[Hit, ...]:
        """Give the hits of the line before once more, as often as syslogd says that it came again.

        The line that says so has the time of the last repeat.
        """
        if not self._said or b"last message repeated " not in line:
            return ()
        header = headers.header("syslog")(line)
        if header is None:
            return ()
        times = headers.last_repeated(header.program, line[header.start :])
        time = self._epoch(header.stamp)
        if not times or time is None:
            return ()
        return tuple(hit._replace(time=time, times=hit.times * times) for hit in self._said)

    def read(self, line: bytes) -> Iterator[Hit]:
        """Give the hits of one line, at most one for each jail."""
        long = len(line) > LONGEST_LINE
        splits = {
            name: split
            for name, split_of in (self._for_long_lines if long else self._splitters)
            if (split := split_of(line)) is not None
        }
        wanted = self._wanting(splits)
        if not wanted:
            return
        readings: dict[str, Reading | None] = {}
        for jail, filters in wanted:
            for each, name in filters:
                if each.path not in readings:
                    readings[each.path] = each.read_split(name, splits[name], line)
                reading = readings[each.path]
                if reading is not None:
                    for hit in self._hit(jail, each, reading, line):
                        if name == "syslog":
                            self._said.append(hit)
                        yield hit
                    break

    def _too_long(self, line: bytes) -> bool:
        if len(line) <= LONGEST_LINE:
            return False
        may_be_json = self._for_long_lines and line.lstrip(b" \t").startswith(b"{")
        return not may_be_json or len(line) > LONGEST_JSON

    def _wanting(self, splits: dict[str, Split]) -> Wanted:
        """Give the jails with those of their filters that want a line so split."""
        header = splits.get("syslog")
        key: tuple[object, ...] = tuple(splits)
        if isinstance(header, headers.Header):
            key = (*splits, header.program, header.hosted)
        wanted = self._wanted.get(key)
        if wanted is None:
            if len(self._wanted) > 10_000:
                self._wanted.clear()
            chosen = (
                (
                    jail,
                    tuple(
                        (each, name)
                        for each in jail.filters
                        if (name := each.format_of(splits)) is not None
                    ),
                )
                for jail in self._jails
            )
            wanted = [(jail, filters) for jail, filters in chosen if filters]
            self._wanted[key] = wanted
        return wanted

    def _hit(self, jail: Jail, found: Filter, reading: Reading, line: bytes) -> Iterator[Hit]:
        """Give the hit of a line that was read, unless it has no time or only pairs a name.

        What a doubtful line pairs is not believed.
        """
        fields = reading.fields
        time = self._epoch(fields.get("time", reading.header.stamp))
        if time is None:
            self.undated += 1
            return
        self.matched += 1
        self.last = time if self.last is None else max(self.last, time)
        address, name = host_of(fields) or (None, None)
        if address and "name" in fields and not reading.doubtful:
            claimed = addresses.name(decoded(fields["name"]))
            if claimed is not None:
                self._names.learn(claimed, address, time)
        if reading.match.kind == "pair":
            return
        # The owner may have the filter's doubts overruled, but not for a login that frees somebody.
        counts = jail.count_doubtful and reading.match.kind == "failure"
        yield Hit(
            jail=jail.name,
            host=addresses.subject(address, jail.prefix6) if address else None,
            address=address,
            name=name,
            time=time,
            weight=reading.match.weight,
            times=reading.times * number(fields, "times", 1),
            kind=reading.match.kind,
            filter=found.name,
            match=reading.match.name,
            pid=reading.header.pid.decode("ascii", "replace"),
            user=decoded(fields["user"]) if "user" in fields else None,
            port=number(fields, "port", -1) if "port" in fields else None,
            line=decoded(line.rstrip(b"\r")[:LONGEST_LINE]),
            doubtful=reading.cast or (reading.doubtful and not counts),
        )


def number(fields: dict[str, bytes], name: str, default: int) -> int:
    """Give a field as a whole number, bounded so that nobody's line weighs more than a flood."""
    text = fields.get(name, b"")
    return min(int(text), 100_000) if text.isdigit() and len(text) <= MOST_DIGITS else default
