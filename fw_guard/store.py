"""The state: log positions, hits, names, bans. SQLite, and the only room that knows SQL.

Everything a pass learns is committed in one transaction, so that a pass killed at any instant has
either happened or not. Addresses are the canonical texts of ``addresses``; times are epoch seconds.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from typing import TYPE_CHECKING, TypeVar

from fw_guard import engine
from fw_guard.bans import MOST_EVIDENCE, Bans
from fw_guard.errors import GuardError
from fw_guard.hits import Hit
from fw_guard.hosts import PAIR_AGE, Span
from fw_guard.logs.reader import Position
from fw_guard.schema import SCHEMA, VERSION, Ban, Evidence, Log, Told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

__all__ = ("Ban", "Evidence", "Log", "Store", "StoreError", "Told", "make_directory")

FILE = "state.db"
LONGEST_TEXT = 2_000
GONE_AGE = 30 * 86_400
Line = TypeVar("Line", Hit, engine.Hit, Evidence)
BEGIN_ANEW = "; move it away, and the next pass begins anew without the bans in force"


class StoreError(GuardError):
    """The state cannot be made or used; ``status`` is the exit code."""

    def __init__(self, message: str, status: int = os.EX_IOERR) -> None:
        """Keep message and exit code."""
        super().__init__(message)
        self.status = status


HIT_COLUMNS = ", ".join(Hit._fields)
LINE_COLUMNS = ", ".join(Evidence._fields)


class Store(Bans):
    """The open state. Use as a context manager; ``commit`` keeps, leaving without it forgets.

    What it says of bans is in ``bans``.
    """

    def __init__(self, directory: str, *, reading: bool = False, copy: bool = False) -> None:
        """Open or make the state in ``directory``; raise StoreError when that cannot be.

        For ``reading`` alone nothing is made, and where there is no state there is an empty one.
        A ``copy`` is read into memory: what is said to it is said to nobody.
        """
        reading = reading or copy
        self.path = os.path.join(directory, FILE)
        self._begin = "begin" if reading else "begin immediate"
        try:
            if reading and not exists(self.path):
                self._db = sqlite3.connect(":memory:", isolation_level=None)
                return
            if not reading:
                make_directory(directory)
            self._db = sqlite3.connect(self.path, timeout=10, isolation_level=None)
            if copy:
                self._db = in_memory(self._db)
        except PermissionError as error:
            raise StoreError(f"{self.path}: {error.strerror}", os.EX_NOPERM) from None
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"{self.path}: cannot be opened: {error}", os.EX_CANTCREAT) from None

    def __enter__(self) -> Store:
        """Begin the one transaction."""
        try:
            self._db.execute("pragma synchronous = full")
            self._db.execute(self._begin)
            (version,) = self._db.execute("pragma user_version").fetchone()
            if version == 0:
                for statement in SCHEMA.split(";\n"):
                    self._db.execute(statement)
                self._db.execute(f"pragma user_version = {VERSION}")
        except sqlite3.Error as error:
            self._db.close()
            advice = "" if isinstance(error, sqlite3.OperationalError) else BEGIN_ANEW
            raise StoreError(f"{self.path}: cannot be used: {error}{advice}") from None
        if version > VERSION:
            self._db.close()
            raise StoreError(
                f"{self.path}: was written by a newer fw-guard (state {version}; this one knows "
                f"{VERSION}); expected that newer one, or another --state directory"
            )
        return self

    def __exit__(self, _kind: object, error: object, _trace: object) -> None:
        """Close; what was not committed is forgotten. A failing disk becomes a StoreError."""
        self._db.close()
        if isinstance(error, sqlite3.Error):
            raise StoreError(f"{self.path}: {error}") from None

    def commit(self) -> None:
        """Keep everything said so far, at once, and begin anew."""
        try:
            self._db.execute("commit")
            self._db.execute(self._begin)
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: cannot be written: {error}") from None

    @contextlib.contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Take back all that is said within, when it ends in an error that is not the state's own.

        A full disk may have taken back the whole transaction already, and leaving will anyway.
        """
        self._db.execute("savepoint part")
        try:
            yield
        except sqlite3.Error:
            raise
        except BaseException:
            self._db.execute("rollback to part")
            self._db.execute("release part")
            raise
        self._db.execute("release part")

    # logs

    def logs(self) -> dict[tuple[str, str], Log]:
        """Give how far every log was read, by (path, reader)."""
        rows = self._db.execute(
            "select path, reader, device, inode, offset, head, read_at, last, tail from log"
            " order by path, reader"
        )
        return {
            (path, name): Log(path, name, Position(*at), last, tail)
            for path, name, *at, last, tail in rows
        }

    def keep_log(self, log: Log) -> None:
        """Keep how far a log was read; a ``last`` of None leaves the one that was kept."""
        self._db.execute(
            "insert into log (path, reader, device, inode, offset, head, read_at, last, tail)"
            " values (?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict do update set"
            " device = excluded.device, inode = excluded.inode, offset = excluded.offset,"
            " head = excluded.head, read_at = excluded.read_at,"
            " last = coalesce(excluded.last, last), tail = excluded.tail",
            (log.path, log.reader, *log.position, log.last, log.tail),
        )

    # hits and names

    def add_hits(self, hits: Iterable[Hit]) -> None:
        """Keep new hits."""
        marks = ", ".join("?" * len(Hit._fields))
        rows = (hit._replace(line=hit.line[:LONGEST_TEXT]) for hit in hits)
        self._db.executemany(f"insert into hit ({HIT_COLUMNS}) values ({marks})", rows)

    def _lines(self, line: Callable[..., Line], wanted: str, *given: str | int) -> list[Line]:
        """Give the rows that a statement finds, each of which ends with what is doubtful."""
        rows = self._db.execute(wanted, given)
        return [line(*row, bool(doubtful)) for *row, doubtful in rows]

    def hits(self, jail: str, host: str, kind: str = "failure") -> list[Hit]:
        """Give the hits of a host in a jail in the order of time."""
        wanted = f"select {HIT_COLUMNS} from hit where jail = ? and host = ? and kind = ?"
        return self._lines(Hit, f"{wanted} order by time, id", jail, host, kind)

    def told_of(self, jail: str, host: str) -> list[engine.Hit]:
        """Give what the engine needs of the failures of a host in a jail, in the order of time."""
        return self._lines(
            engine.Hit,
            "select time, weight, sum(times), filter || '/' || match, pid, doubtful from hit"
            " where jail = ? and host = ? and kind = 'failure'"
            " group by time, filter, match, pid, weight, doubtful order by time, min(id)",
            *(jail, host),
        )

    def lines(self, jail: str, host: str, first: int, last: int) -> list[Evidence]:
        """Give the lines of a window, both ends included, as many as are kept of a ban.

        Sure ones come before doubtful ones: no flood of these may push out what made the ban.
        """
        return self._lines(
            Evidence,
            f"select {LINE_COLUMNS} from (select * from hit where jail = ? and host = ?"
            " and kind = 'failure' and time between ? and ? order by doubtful, time, id limit ?)"
            " order by time, id",
            *(jail, host, first, last, MOST_EVIDENCE),
        )

    def hits_of(self, host: str) -> list[Hit]:
        """Give the hits of a host in every jail in the order of time."""
        wanted = f"select {HIT_COLUMNS} from hit where host = ? order by time, id"
        return self._lines(Hit, wanted, host)

    def hits_named(self, name: str) -> list[Hit]:
        """Give the hits of a name in every jail in the order of time."""
        wanted = f"select {HIT_COLUMNS} from hit where name = ? order by time, id"
        return self._lines(Hit, wanted, name)

    def logins(self, host: str) -> list[int]:
        """Give the times of the good logins of a host, in whatever jail; no doubtful ones."""
        rows = self._db.execute(
            "select time from hit where kind = 'success' and host = ? and not doubtful", (host,)
        )
        return [time for (time,) in rows]

    def logged_in(self, since: int) -> list[str]:
        """Give the hosts that logged in since a time, in whatever jail; no doubtful ones."""
        rows = self._db.execute(
            "select distinct host from hit where kind = 'success' and host is not null"
            " and time >= ? and not doubtful",
            (since,),
        )
        return [host for (host,) in rows]

    def counts(self) -> dict[str, tuple[int, int, int]]:
        """Give (hits with a host, hits that wait for one, doubtful ones with one) of each jail."""
        rows = self._db.execute(
            "select jail, count(host), sum(host is null), sum(doubtful and host is not null)"
            " from hit where kind = 'failure' group by jail"
        )
        return {jail: (known, waiting, doubtful) for jail, known, waiting, doubtful in rows}

    def waiting(self) -> list[tuple[str, str, int]]:
        """Give (jail, name, time) of the hits that have a name and no address yet."""
        return self._db.execute(
            "select distinct jail, name, time from hit where host is null order by time"
        ).fetchall()

    def lay(self, name: str, jail: str, time: int, address: str, host: str) -> None:
        """Lay the waiting hits of a name at a time to an address."""
        self._db.execute(
            "update hit set address = ?, host = ?"
            " where name = ? and host is null and jail = ? and time = ?",
            (address, host, name, jail, time),
        )

    def pairs(self) -> dict[str, dict[str, Span]]:
        """Give name -> {address -> (first, last) time seen together}."""
        found: dict[str, dict[str, Span]] = {}
        for name, address, *span in self._db.execute("select name, address, first, last from pair"):
            found.setdefault(name, {})[address] = (span[0], span[1])
        return found

    def keep_pairs(self, pairs: Mapping[tuple[str, str], Span]) -> None:
        """Keep (name, address) -> (first, last)."""
        self._db.executemany(
            "replace into pair (name, address, first, last) values (?, ?, ?, ?)",
            ((*pair, *span) for pair, span in pairs.items()),
        )

    def prune(self, jail: str, addressed: int, waiting: int) -> None:
        """Forget a jail's hits before ``addressed``, those with a name alone before ``waiting``."""
        self._db.execute(
            "delete from hit where jail = ? and kind = 'failure'"
            " and time < iif(host is null, ?, ?)",
            (jail, waiting, addressed),
        )

    def prune_rest(self, jails: Iterable[str], now: int, logins: int, bans: int) -> None:
        """Forget old pairs, logins before ``logins``, and bans that ended before ``bans``.

        Hits of jails that are gone and positions of logs that nobody reads go after GONE_AGE: a
        jail may only be broken for a while.
        """
        known = set(jails)
        for (jail,) in self._db.execute("select distinct jail from hit").fetchall():
            if jail not in known:
                gone = "delete from hit where jail = ? and time < ?"
                self._db.execute(gone, (jail, now - GONE_AGE))
        self._db.execute("delete from log where read_at < ?", (now - GONE_AGE,))
        self._db.execute("delete from hit where kind = 'success' and time < ?", (logins,))
        self._db.execute("delete from pair where last < ?", (now - PAIR_AGE,))
        self.forget_ended(bans)


def in_memory(state: sqlite3.Connection) -> sqlite3.Connection:
    """Give a copy of a state that nobody else sees, and close it."""
    copied = sqlite3.connect(":memory:", isolation_level=None)
    with contextlib.closing(state):
        state.backup(copied)
    return copied


def exists(path: str) -> bool:
    """Say whether there is a file; raise PermissionError when that may not even be asked."""
    try:
        os.stat(path)
    except FileNotFoundError:
        return False
    return True


def make_directory(directory: str) -> None:
    """Make the state directory, for its owner alone; refuse one that others may write."""
    os.makedirs(directory, mode=0o700, exist_ok=True)
    status = os.stat(directory)
    if status.st_uid not in (0, os.geteuid()) or status.st_mode & 0o022:
        raise StoreError(
            f"{directory}: belongs to somebody else or may be written by others;"
            " expected a directory of root's with mode 0700",
            os.EX_CANTCREAT,
        )
