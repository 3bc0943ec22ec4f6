"""The tables of the state and their rows. ``VERSION`` rises with every released change to them.

A ``host`` is what counts and is banned, an ``address`` one machine of it; both in their canonical
text. Times are epoch seconds. ``log.reader`` is a filter in a jail. ``told`` is what an action was
told that cannot list. ``ban.ended`` is 1 when a ban was ended before its time. ``doubtful`` is 1
when somebody else may have made the service write that host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from fw_guard.logs.reader import Position

VERSION = 1
SCHEMA = """
create table log (
    path text not null, reader text not null, device integer, inode integer, offset integer,
    head blob, read_at integer, last integer, tail blob, primary key (path, reader)
) without rowid;
create table hit (
    id integer primary key, jail text not null, host text, address text, name text,
    time integer not null, weight integer not null, times integer not null, kind text not null,
    filter text not null, match text not null, pid text not null, user text, port integer,
    line text not null, doubtful integer not null
);
create index hit_host on hit (jail, host, time) where host is not null;
create index hit_name on hit (name) where name is not null;
create index hit_login on hit (host) where kind = 'success';
create table pair (
    name text not null, address text not null, first integer not null, last integer not null,
    primary key (name, address)
) without rowid;
create table ban (
    jail text not null, host text not null, since integer not null, until integer,
    hits integer not null, reason text not null, action text not null,
    ended integer not null default 0, primary key (jail, host)
) without rowid;
create index ban_host on ban (host);
create table evidence (
    jail text not null, host text not null, number integer not null, time integer not null,
    filter text not null, match text not null, line text not null, doubtful integer not null,
    primary key (jail, host, number)
) without rowid;
create table held (
    jail text not null, host text not null, time integer not null, reason text not null,
    primary key (jail, host)
) without rowid;
create table told (
    action text not null, host text not null, until integer, primary key (action, host)
) without rowid;
create table note (key text primary key, value text not null) without rowid;
"""


class Ban(NamedTuple):
    """A ban as it is kept. One whose ``until`` is past has ended; until None is for good.

    ``action`` is what its jail used when it was made, empty when a person made it.
    """

    jail: str
    host: str
    since: int
    until: int | None
    hits: int
    reason: str
    action: str = ""


class Evidence(NamedTuple):
    """A line that led to a ban."""

    time: int
    filter: str
    match: str
    line: str
    doubtful: bool


class Log(NamedTuple):
    """How far a log was read by ``reader``; ``last`` is the time of the last line that told
    something, ``tail`` the last line that did not only say that one was repeated.

    A reader is a filter in a jail: one that is broken for a while goes on where it stopped.
    """

    path: str
    reader: str
    position: Position
    last: int | None
    tail: bytes
