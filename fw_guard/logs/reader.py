"""What a log gained since it was last read: whole lines, each once, in order.

A log is known again by its inode and its first bytes, not by its name alone:

* moved away and begun anew (logrotate, newsyslog): the rest of the old file is read first, wherever
  in the directory it lies by now, then the new one from its start;
* copied and cut to nothing (copytruncate): the rest is read from the copy, then what came since;
* cut or replaced without a trace: from its start;
* the same content in another inode (restored, moved to another disk): onwards from where we were.

Lost is a rest that was compressed before anybody read it, the copy of a log of which nothing had
been read, and a log that was begun and moved away between two passes. While the new file is empty
and fresh the old one counts as the log, because its writer may not have noticed yet.

Nothing is held but one block; a line longer than ``LONGEST`` is passed over and counted.
"""

from __future__ import annotations

import os
from stat import S_IFMT, S_ISBLK, S_ISCHR, S_ISDIR, S_ISFIFO, S_ISREG, S_ISSOCK

from fw_guard.errors import GuardError
from fw_guard.text import printable

TYPE_CHECKING = False  # ``typing`` itself costs a pass four milliseconds
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType
    from typing import NamedTuple

    class Position(NamedTuple):
        """How far a log has been read.

        ``offset`` is in bytes, behind a newline or inside a line that is too long; ``head`` the
        file's first bytes, at most ``HEAD`` of them and none that was not read; ``read_at`` the
        epoch seconds of the pass.
        """

        device: int
        inode: int
        offset: int
        head: bytes
        read_at: int
else:
    from collections import namedtuple

    Position = namedtuple("Position", ("device", "inode", "offset", "head", "read_at"))

BLOCK = 256 * 1024
LONGEST = 1024 * 1024
HEAD = 256
NOTICED = 600  # seconds after which the writer of a log is sure to write to the new file
COMPRESSED = (".gz", ".bz2", ".xz", ".zst")
KINDS = (
    (S_ISDIR, "a directory"),
    (S_ISFIFO, "a named pipe"),
    (S_ISSOCK, "a socket"),
    (S_ISCHR, "a device"),
    (S_ISBLK, "a device"),
)


class LogError(GuardError):
    """A log that cannot be read: its path and why."""

    status = os.EX_NOINPUT

    def __init__(self, path: str, reason: str) -> None:
        """Keep both."""
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        """Give one line for the person who looks after the log."""
        return f"{printable(self.path)}: {self.reason}"


class Source:
    """One open file, to be read from ``start`` up to ``end``, its size when it was opened.

    ``offset`` is how far ``blocks`` has come, ``skipped`` how many lines it found too long,
    ``beginning`` the first ``HEAD`` bytes, ``changed`` the epoch seconds of the last change.
    """

    __slots__ = (
        *("beginning", "changed", "descriptor", "device", "end", "inode"),
        *("offset", "path", "skipped", "start"),
    )

    def __init__(self, path: str, *, follow: bool = True) -> None:
        """Open the regular file ``path``; raise LogError. Without ``follow`` a link is refused."""
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
        try:
            # Asked before opening as well: some devices act on being opened.
            refuse_irregular(path, os.stat(path, follow_symlinks=follow).st_mode)
            self.descriptor = os.open(path, flags if follow else flags | os.O_NOFOLLOW)
        except (OSError, ValueError) as error:
            raise LogError(path, reason_of(error)) from None
        try:
            status = os.fstat(self.descriptor)
            refuse_irregular(path, status.st_mode)
            self.beginning = os.pread(self.descriptor, HEAD, 0)
        except OSError as error:
            self.close()
            raise LogError(path, reason_of(error)) from None
        except LogError:
            self.close()
            raise
        self.path = path
        self.device, self.inode, self.end = status.st_dev, status.st_ino, status.st_size
        self.changed = int(status.st_mtime)
        self.start = self.offset = self.skipped = 0

    def close(self) -> None:
        """Close the file."""
        os.close(self.descriptor)

    def begins_as(self, position: Position) -> bool:
        """Say whether this file starts with what was read up to ``position``."""
        return self.end >= position.offset and self.beginning.startswith(position.head)

    def is_at(self, position: Position) -> bool:
        """Say whether this is the file of ``position``.

        Some file systems number their device anew at each boot; then the beginning has to tell.
        """
        if self.inode != position.inode or not self.begins_as(position):
            return False
        return bool(position.head) or self.device == position.device

    def begin_at(self, position: Position) -> Source:
        """Read on from ``position``."""
        self.start = self.offset = position.offset
        return self

    def blocks(self, size: int = BLOCK) -> Iterator[bytes]:
        """Give the complete lines in blocks of about ``size`` bytes; raise LogError.

        Each call begins at ``start`` again. A last line without its newline is left for the next
        pass. A line longer than ``LONGEST`` is left out, and its beginning too while its end is
        still to come.
        """
        size = min(size, LONGEST)
        self.skipped = 0
        at = self.start
        if at and self._read(at - 1, 1) != b"\n":
            at, _ = self._line_end(at, size)  # the last pass stopped inside a line too long
        self.offset = at
        while block := self._read(at, size):
            cut = block.rfind(b"\n") + 1
            if not cut:
                stop, complete = self._line_end(at + len(block), size)
                if stop - at > LONGEST:
                    self.skipped += 1
                    self.offset = at = stop
                    continue
                if not complete:
                    return
                block = self._read(at, stop - at)
                cut = len(block)
                if not block.endswith(b"\n"):
                    return  # the file was cut meanwhile
            at += cut
            yield block[:cut]
            self.offset = at

    def _line_end(self, at: int, size: int) -> tuple[int, bool]:
        """Give the offset behind the next newline and True, or where the data ends and False."""
        while piece := self._read(at, size):
            newline = piece.find(b"\n")
            if newline >= 0:
                return at + newline + 1, True
            at += len(piece)
        return at, False

    def _read(self, at: int, size: int) -> bytes:
        try:
            return os.pread(self.descriptor, max(0, min(size, self.end - at)), at)
        except OSError as error:
            raise LogError(self.path, reason_of(error)) from None


class Gain:
    """What there is to read of one log; leaving the ``with`` block closes its files.

    ``sources`` are in the order of their lines. ``blocks`` may be called again and then begins
    anew. ``position`` is where the next pass goes on, to be stored with what was read.
    """

    def __init__(self, sources: list[Source], now: int) -> None:
        """Keep the open ``sources``, the log itself last."""
        self.sources = sources
        self.now = now

    def __enter__(self) -> Gain:
        """Give itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the files."""
        self.close()

    def close(self) -> None:
        """Close the files."""
        for source in self.sources:
            source.close()

    @property
    def size(self) -> int:
        """Give the bytes that nobody has read."""
        return sum(source.end - source.start for source in self.sources)

    @property
    def skipped(self) -> int:
        """Give how many lines were left out for being longer than ``LONGEST``."""
        return sum(source.skipped for source in self.sources)

    def blocks(self, size: int = BLOCK) -> Iterator[bytes]:
        """Give all complete lines, as ``Source.blocks`` does; raise LogError."""
        for source in self.sources:
            yield from source.blocks(size)

    def position(self) -> Position:
        """Give where ``blocks`` has come to; a block counts when the next one is asked for."""
        source = self.sources[-1]
        if not source.end and self.now - source.changed < NOTICED:
            source = self.sources[0]
        head = source.beginning[: min(HEAD, source.offset)]
        return Position(source.device, source.inode, source.offset, head, self.now)


def open_gain(path: str, position: Position | None, now: int) -> Gain:
    """Open what the log at ``path`` gained since ``position``, None when it was never read.

    ``now`` is in epoch seconds. Raises LogError for a log that is missing, unreadable or no regular
    file.
    """
    log = Source(path)
    if position is None:
        return Gain([log], now)
    if log.is_at(position):
        return Gain([log.begin_at(position)], now)
    moved, copies = beside(path, position)
    if rest := first(moved, position, by_inode=True):
        return Gain([rest, log], now)
    if position.head and log.begins_as(position):
        return Gain([log.begin_at(position)], now)
    if position.head and (rest := first(copies, position, by_inode=False)):
        return Gain([rest, log], now)
    return Gain([log], now)


def beside(path: str, position: Position) -> tuple[list[str], list[str]]:
    """Give what may be the old file, moved, and what may be copies of it, in the log's directory.

    A copy that holds more than was read has been written since, and bears the log's name and more.
    """
    real = os.path.realpath(path)
    directory = os.path.dirname(real)
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        names = []  # the log itself could be opened: it is read without what lies beside it
    moved, copies = [], []
    for other in (os.path.join(directory, name) for name in names):
        if other == real or other.endswith(COMPRESSED):
            continue
        try:
            status = os.lstat(other)
        except OSError:
            continue  # gone since
        if not S_ISREG(status.st_mode):
            continue
        if status.st_ino == position.inode:
            moved.append(other)
        elif other.startswith(real) and status.st_mtime >= position.read_at:
            copies.append(other)
    return moved, copies


def first(paths: list[str], position: Position, *, by_inode: bool) -> Source | None:
    """Open the first of ``paths`` that goes on from ``position``, to be read from there."""
    for path in paths:
        try:
            source = Source(path, follow=False)
        except LogError:
            continue
        if source.is_at(position) if by_inode else source.begins_as(position):
            return source.begin_at(position)
        source.close()
    return None


def expand(patterns: Iterable[str]) -> list[str]:
    """Give the paths that ``patterns`` name now, each once, in order; to be asked at every pass.

    A path without ``*``, ``?`` and ``[`` is always given, so that its absence can be told. What a
    glob finds is sorted; compressed files and what is no regular file are left out.
    """
    paths: dict[str, None] = {}
    for pattern in patterns:
        if not any(char in pattern for char in "*?["):
            paths[pattern] = None
            continue
        from glob import glob  # only here: most logs are named in full

        for path in sorted(glob(pattern)):
            if not path.endswith(COMPRESSED) and os.path.isfile(path):
                paths[path] = None
    return list(paths)


def unmatched(patterns: Iterable[str]) -> list[str]:
    """Give the globs among ``patterns`` that name nothing now."""
    return [pattern for pattern in patterns if not expand([pattern])]


def refuse_irregular(path: str, mode: int) -> None:
    """Raise LogError unless ``mode`` is that of a regular file."""
    if not S_ISREG(mode):
        kind = next((name for test, name in KINDS if test(mode)), f"of type {S_IFMT(mode):o}")
        raise LogError(path, f"is {kind}; expected a regular file")


def reason_of(error: OSError | ValueError) -> str:
    """Give why a file cannot be read."""
    text = error.strerror if isinstance(error, OSError) else str(error)
    return f"cannot be read: {text}"
