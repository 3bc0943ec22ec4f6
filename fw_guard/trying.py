"""One filter tried on old lines: what it reads, by which pattern, and what it nearly reads."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fw_guard import filterfiles, places
from fw_guard.config import DEFAULTS
from fw_guard.faults import Fault, FaultsError
from fw_guard.hosts import Names
from fw_guard.logs.clock import Clock
from fw_guard.matching import Scanner
from fw_guard.misses import Misses
from fw_guard.nearest import FOREIGN, messages, number_of
from fw_guard.replaying import old_blocks
from fw_guard.tomlfile import listed, meant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fw_guard.answers import Answer
    from fw_guard.filters import Filter
    from fw_guard.hits import Hit
    from fw_guard.replaying import Tell


def filter_named(asked: str, directory: str) -> Filter:
    """Give the filter of that name, the owner's or the shipped one, or of that file."""
    if "/" in asked or asked.endswith(".toml"):
        return filterfiles.load(asked, trusted=True)
    try:
        path, _ = places.find("filters", asked, directory)
    except FileNotFoundError as error:
        known = places.names("filters", directory)
        said = f"no such filter{meant(asked, known)}; expected {listed(known)}, or a file"
        raise FaultsError((Fault(asked, 0, 0, said),)) from error
    return filterfiles.load(path, trusted=True)


class Trial:
    """One filter tried on logs; what it counts, it counts over all of them.

    Attributes: ``lines``, of which ``matched`` are hits, ``undated`` were read and have no time
    that can be, ``foreign`` are of other programs, ``headless`` have no header of the filter's
    formats, ``long`` are too long to be read and ``unread`` are read by no pattern, though they are
    the filter's business. ``read_by`` pairs each match with the lines that each of its patterns
    read, ``misses`` are those of the unread lines that were nearly read.
    """

    def __init__(self, found: Filter, now: int, *, explain: bool) -> None:
        """Try ``found``; stamps without a year are taken as seen at ``now``.

        Without ``explain`` only ``lines``, ``matched``, ``undated`` and ``long`` are counted.
        """
        self.filter = found
        self._jail = replace(DEFAULTS, name="try", filters=(found,))
        self._now = now
        self._explain = explain
        self.lines = self.matched = self.undated = self.foreign = self.headless = self.long = 0
        self.unread = 0
        self.read_by = {match.name: [0] * len(match.labels) for match in found.matches}
        self.misses = Misses(found)
        self._last = "", 0

    def read(self, log: str, tell: Tell) -> Iterator[Answer]:
        """Give what ``try --json`` says of each line of ``log`` that is a hit; raise LogError."""
        clock = Clock(self._now)
        scanner = Scanner([self._jail], clock.epoch, Names())
        for block in old_blocks(log, clock, self._now, tell, "try FILTER"):
            for line in block.split(b"\n")[:-1]:
                long = scanner.long
                hits = tuple(scanner.hits(line + b"\n"))
                if self._explain and scanner.long == long:
                    self._count(log, scanner.lines, line, repeated=bool(hits))
                self.matched += len(hits)
                for hit in hits:
                    yield try_answer(log, scanner.lines, hit)
        self.lines += scanner.lines
        self.undated += scanner.undated
        self.long += scanner.long

    def _count(self, log: str, number: int, line: bytes, *, repeated: bool) -> None:
        """Count a line for the pattern that reads it, or look how nearly one does.

        A line that says that the one before was ``repeated`` counts for that one's pattern.
        """
        reading = self.filter.read(line)
        if reading is not None:
            self._last = reading.match.name, number_of(self.filter, reading.match, line)
        if reading is not None or repeated:
            name, pattern = self._last
            self.read_by[name][pattern] += 1
            return
        seen = messages(self.filter, line)
        if seen is None:
            self.headless += 1
        elif seen is FOREIGN:
            self.foreign += 1
        else:
            self.unread += 1
            any(self.misses.add(log, number, *each) for each in seen.items())

    def unused(self) -> list[str]:
        """Give the labels of the patterns that read no line."""
        return [
            label
            for match in self.filter.matches
            for label, lines in zip(match.labels, self.read_by[match.name], strict=True)
            if not lines
        ]


def try_answer(log: str, number: int, hit: Hit) -> Answer:
    """Give a matched line of ``log``, ``line`` counting from 1."""
    return {
        "log": log,
        "line": number,
        "filter": hit.filter,
        "match": hit.match,
        "kind": hit.kind,
        "host": hit.address or hit.name,
        "user": hit.user,
        "port": hit.port,
        "time": hit.time,
        "weight": hit.weight * hit.times,
        "doubtful": hit.doubtful,
        "text": hit.line,
    }


def for_programs(answer: Answer, *, named: bool) -> Answer:
    """Give a matched line as ``try --json`` says it.

    The log is there when it is to be ``named``, and ``doubtful`` when that is true: for all other
    lines the keys stay what they have always been.
    """
    left_out = {
        key for key, there in (("log", named), ("doubtful", answer["doubtful"])) if not there
    }
    return {key: value for key, value in answer.items() if key not in left_out}
