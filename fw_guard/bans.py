"""The bans in the state, why they were made, and what each firewall was last made to hold.

A part of ``store``: together with ``schema`` the only rooms that know SQL.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from fw_guard import addresses
from fw_guard.addresses import SHORTEST_HOST6, is_wide
from fw_guard.schema import Ban, Evidence, Told

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping, Sequence

BAN_COLUMNS = ", ".join(Ban._fields)
LINE_COLUMNS = ", ".join(Evidence._fields)
# One that was ended stays so, also when the clock is set back.
IN_FORCE = "((+until is null or +until > ?) and not ended)"  # no index: nearly all are in force
MOST_EVIDENCE = 20
AT_ONCE = 500  # values in a statement; old SQLite takes no more than 999


def marks(number: int) -> str:
    """Give so many places for values in a statement."""
    return ", ".join("?" * number)


def groups(hosts: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """Give hosts in groups of AT_ONCE, for one statement each."""
    rest = iter(hosts)
    while group := tuple(islice(rest, AT_ONCE)):
        yield group


def ban_of(row: tuple[object, ...]) -> Ban:
    """Give a row of the table as a ban."""
    *columns, forced = row
    return Ban._make((*columns, bool(forced)))


class Bans:
    """What the open state says of bans; ``store`` opens it."""

    _db: sqlite3.Connection

    def _bans(self, condition: str, *given: str | int | bytes | None) -> list[Ban]:
        """Give the bans that meet a condition."""
        rows = self._db.execute(f"select {BAN_COLUMNS} from ban where {condition}", given)
        return [ban_of(row) for row in rows]

    def ban(self, jail: str, host: str) -> Ban | None:
        """Give the newest ban of a host in a jail, ended or not."""
        found = self._bans("jail = ? and host = ?", jail, host)
        return found[0] if found else None

    def bans(self, now: int) -> list[Ban]:
        """Give the bans in force at ``now``, the newest first."""
        return self._bans(f"{IN_FORCE} order by since desc, host, jail", now)

    def ended(self, after: int, now: int) -> list[Ban]:
        """Give the bans that ran out after ``after`` and up to ``now``, not those ended before."""
        condition = "until > ? and until <= ? and since <= ? and not ended"
        return self._bans(f"{condition} order by until, host, jail", after, now, after)

    def ended_between(self, after: int, now: int) -> set[str]:
        """Give the hosts with a ban that ran out, or was ended, within that time."""
        wanted = "select host from ban where until > ? and until <= ?"
        return {host for (host,) in self._db.execute(wanted, (after, now))}

    def ended_since_pass(self, now: int) -> set[str]:
        """Give the hosts with a ban that ran out, or was ended, since the last pass."""
        return self.ended_between(int(self.note("pass") or now), now)

    def pardon(self, jail: str, host: str, now: int) -> None:
        """Keep that a person let a host or network in again, whatever was to be banned up to now.

        The ban of that jail, if there is any, becomes one that was ended.
        """
        key = addresses.key(host)
        self._db.execute("replace into pardon values (?, ?, ?, ?)", (jail, host, now, key))
        self._db.execute(
            "update ban set until = ?, ended = 1 where jail = ? and host = ? and until < ?",
            (now, jail, host, now),
        )
        self._db.execute(
            "insert into ban select ?, ?, ?, ?, 0, 'unbanned', '', 0, ?, ?, 1 where not exists"
            " (select 1 from ban where jail = ? and host = ?)",
            (jail, host, now, now, key, is_wide(host), jail, host),
        )

    def pardoned(self, jail: str, host: str) -> int | None:
        """Give when a person last let a host or network of a jail in again, if it is of use yet."""
        row = self._db.execute(
            "select at from pardon where jail = ? and host = ?", (jail, host)
        ).fetchone()
        return row[0] if row else None

    def forget_pardons(self, now: int) -> None:
        """Forget the pardons before which nothing was banned that is banned yet."""
        for jail, host, at in self._db.execute("select jail, host, at from pardon").fetchall():
            if all(ban.since > at for ban in self.bans_within(host, now)):
                gone = "delete from pardon where jail = ? and host = ?"
                self._db.execute(gone, (jail, host))

    def bans_by(self, action: str, now: int) -> Iterator[Ban]:
        """Give the bans in force that an action has made, one by one."""
        wanted = f"select {BAN_COLUMNS} from ban where action = ? and {IN_FORCE}"
        return (ban_of(row) for row in self._db.execute(wanted, (action, now)))

    def bans_of(self, host: str) -> list[Ban]:
        """Give the bans of a host in every jail, ended ones too."""
        return self._bans("host = ? order by jail", host)

    def bans_now(self, hosts: Iterable[str], now: int) -> list[Ban]:
        """Give the bans of some hosts in force at ``now``, in every jail."""
        return [
            ban
            for group in groups(hosts)
            for ban in self._bans(f"host in ({marks(len(group))}) and {IN_FORCE}", *group, now)
        ]

    def bans_within(self, network: str, now: int) -> list[Ban]:
        """Give the bans in force of a network, and of all that begins inside it."""
        return self._bans(f"place between ? and ? and {IN_FORCE}", *addresses.span(network), now)

    def wide_bans(self, now: int) -> list[Ban]:
        """Give the bans in force that may shut out other hosts than the one they name."""
        return self._bans(f"wide and {IN_FORCE}", now)

    def bans_over(self, address: str, now: int, wide: Sequence[Ban] | None = None) -> list[Ban]:
        """Give the bans in force that shut an address or network out, the newest first.

        ``wide`` are the ``wide_bans``, for who asks many times.
        """
        asked = value, length = addresses.split(address)
        around = {addresses.network(value, length)}
        if len(value) == 16:
            around |= {addresses.network(value, n) for n in range(SHORTEST_HOST6, length)}
        found = self.bans_now(around, now)
        found += [
            ban
            for ban in (self.wide_bans(now) if wide is None else wide)
            if ban.host not in around and addresses.covers(addresses.split(ban.host), asked)
        ]
        return sorted(found, key=lambda ban: (-ban.since, ban.host, ban.jail))

    def keep_ban(self, ban: Ban, evidence: Iterable[Evidence] = ()) -> None:
        """Keep a ban in place of the earlier one of that host in that jail."""
        self.keep_bans((ban,))
        self._db.executemany(
            "insert into evidence values (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (ban.jail, ban.host, n, *line)
                for n, line in enumerate(list(evidence)[:MOST_EVIDENCE])
            ),
        )

    def keep_bans(self, bans: Sequence[Ban]) -> None:
        """Keep bans of which no lines are kept, each in place of the earlier one."""
        places = marks(len(Ban._fields) + 2)
        self._db.executemany(
            f"replace into ban ({BAN_COLUMNS}, place, wide) values ({places})",
            ((*ban, addresses.key(ban.host), is_wide(ban.host)) for ban in bans),
        )
        for table in ("evidence", "held"):
            self._db.executemany(
                f"delete from {table} where jail = ? and host = ?",
                ((ban.jail, ban.host) for ban in bans),
            )
        self.soil(ban.host for ban in bans)

    def end_bans(self, host: str, now: int, jail: str | None = None) -> int:
        """End the bans of a host in every jail, or in one; give how many were in force."""
        ended = self._db.execute(
            "update ban set until = ?, ended = 1 where host = ? and jail = coalesce(?, jail)"
            " and (until is null or until > ?)",
            (now, host, jail, now),
        ).rowcount
        if ended:
            self.soil((host,))
        return ended

    def forget_ahead(self, host: str, now: int) -> None:
        """Forget the hits of a host that are dated after ``now``: a pardon is for them too."""
        self._db.execute("delete from hit where host = ? and time > ?", (host, now))

    def forget_ended(self, before: int) -> None:
        """Forget the bans that ended before a time, with their lines, and what was held back."""
        gone = self._db.execute("select jail, host from ban where until < ?", (before,)).fetchall()
        for table in ("evidence", "ban") if gone else ():
            self._db.executemany(f"delete from {table} where jail = ? and host = ?", gone)
        self._db.execute("delete from held where time < ?", (before,))

    def evidence(self, jail: str, host: str) -> list[Evidence]:
        """Give the lines that led to the newest ban of a host in a jail."""
        rows = self._db.execute(
            f"select {LINE_COLUMNS} from evidence where jail = ? and host = ? order by number",
            (jail, host),
        )
        return [Evidence._make((*row, bool(doubtful))) for *row, doubtful in rows]

    def hold(self, jail: str, host: str, time: int, reason: str) -> None:
        """Keep that a ban was due and was held back."""
        self._db.execute("replace into held values (?, ?, ?, ?)", (jail, host, time, reason))

    def held(self) -> list[tuple[str, str, int, str]]:
        """Give (jail, host, time, reason) of the bans held back."""
        return self._db.execute(
            "select jail, host, time, reason from held order by time"
        ).fetchall()

    def held_for(self, reason: str) -> list[tuple[str, str]]:
        """Give (jail, host) of the bans held back for one reason."""
        return self._db.execute(
            "select jail, host from held where reason = ? order by time, jail, host", (reason,)
        ).fetchall()

    def held_within(self, jail: str) -> list[tuple[str, str]]:
        """Give (jail, host) of the bans held back in a jail, and in those named ``jail/...``."""
        return self._db.execute(
            "select jail, host from held where jail = ? or (jail > ? and jail < ?)",
            (jail, f"{jail}/", f"{jail}0"),
        ).fetchall()

    def release(self, jail: str, host: str) -> None:
        """Forget that a ban was held back."""
        self._db.execute("delete from held where jail = ? and host = ?", (jail, host))

    # what the firewalls hold

    def soil(self, hosts: Iterable[str]) -> None:
        """Keep that the bans of these hosts have changed, until the firewalls have been told."""
        self._db.executemany("insert or ignore into dirty values (?)", ((host,) for host in hosts))

    def dirty(self) -> set[str]:
        """Give the hosts whose bans have changed since the firewalls were made right."""
        return {host for (host,) in self._db.execute("select host from dirty")}

    def clean(self) -> None:
        """Keep that the firewalls have been told."""
        self._db.execute("delete from dirty")

    def told(self, action: str, hosts: Iterable[str] | None = None) -> dict[str, Told]:
        """Give what an action was told: of all hosts, or of some."""
        if hosts is None:
            rows: Iterator[tuple[str, int | None, int | None]] = self._db.execute(
                "select host, until, expires from told where action = ?", (action,)
            )
        else:
            some = "select host, until, expires from told where action = ? and host in ({})"
            rows = (
                row
                for group in groups(hosts)
                for row in self._db.execute(some.format(marks(len(group))), (action, *group))
            )
        return {host: Told(until, expires) for host, until, expires in rows}

    def members(self, action: str, now: int) -> int:
        """Give how many hosts and networks an action was last made to hold, and holds yet."""
        wanted = "select count(*) from told where action = ? and (expires is null or expires > ?)"
        (number,) = self._db.execute(wanted, (action, now)).fetchone()
        return int(number)

    def tell(self, action: str, hosts: Mapping[str, Told]) -> None:
        """Keep what an action has been told of some hosts."""
        self._db.executemany(
            "replace into told values (?, ?, ?, ?)",
            ((action, host, *told) for host, told in hosts.items()),
        )

    def untell(self, action: str, hosts: Iterable[str] | None = None) -> None:
        """Keep that an action holds some hosts no longer, or none at all."""
        if hosts is None:
            self._db.execute("delete from told where action = ?", (action,))
        else:
            one = "delete from told where action = ? and host = ?"
            self._db.executemany(one, ((action, host) for host in hosts))

    def doubt(self, action: str | None = None) -> None:
        """Keep that nobody knows what one firewall, or any, has made of what it was told."""
        unsure = "update told set until = 0, expires = null where action = coalesce(?, action)"
        self._db.execute(unsure, (action,))

    def relabel(self, labels: Mapping[str, str], known: Iterable[str]) -> None:
        """Keep which action holds the bans of each jail by now.

        Those of a jail that is gone stay with theirs if it is ``known``, else they have none.
        """
        self._db.executemany(
            "update ban set action = ? where jail = ? and action <> ?",
            ((label, jail, label) for jail, label in labels.items()),
        )
        for (label,) in self._db.execute("select distinct action from ban").fetchall():
            if label not in known:
                self._db.execute("update ban set action = '' where action = ?", (label,))

    def ending(self, action: str, by: int) -> int:
        """Give how many bans a firewall ends by itself up to a time."""
        wanted = "select count(*) from told where expires <= ? and action = ?"
        (number,) = self._db.execute(wanted, (by, action)).fetchone()
        return int(number)

    def expiring(self, action: str, by: int) -> list[str]:
        """Give the hosts whose ban the firewall ends up to a time, long before it should."""
        rows = self._db.execute(
            "select host from told where expires <= ? and action = ?"
            " and (until is null or until > expires)",
            (by, action),
        )
        return [host for (host,) in rows]

    def note(self, key: str) -> str:
        """Give a note, empty when there is none."""
        row = self._db.execute("select value from note where key = ?", (key,)).fetchone()
        return row[0] if row else ""

    def set_note(self, key: str, value: str) -> None:
        """Keep a note; an empty one is forgotten."""
        if self.note(key) == value:
            return
        self._db.execute("delete from note where key = ?", (key,))
        if value:
            self._db.execute("insert into note values (?, ?)", (key, value))
