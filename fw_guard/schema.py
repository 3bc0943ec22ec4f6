"""The tables of the state and their rows. ``VERSION`` rises with every released change to them.

A ``host`` is what counts and is banned, an ``address`` one machine of it; both in their canonical
text. Times are epoch seconds. ``log.reader`` is a filter in a jail. ``doubtful`` is 1 when somebody
else may have made the service write that host. ``ban.ended`` is 1 when a ban was ended before its
time, ``ban.place`` is the key of ``addresses``, so that the hosts of a network are a range, and
``ban.wide`` is 1 for what may hold other hosts.

``pardon`` is when a person unbanned a network: what was banned before counts for nothing more.
``told`` is what a firewall was last made to hold: until when it is to ban a host, and when it ends
that ban by itself (``expires``; null when it does not). ``action`` is its label there. ``dirty``
are the hosts whose bans have changed since.
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
create index hit_waiting on hit (jail, name, time) where host is null;
create index hit_login on hit (host) where kind = 'success';
create table pair (
    name text not null, address text not null, first integer not null, last integer not null,
    primary key (name, address)
) without rowid;
create table ban (
    jail text not null, host text not null, since integer not null, until integer,
    hits integer not null, reason text not null, action text not null, forced integer not null,
    place blob not null, wide integer not null, ended integer not null default 0,
    primary key (jail, host)
) without rowid;
create index ban_host on ban (host);
create index ban_until on ban (until);
create index ban_place on ban (place);
create index ban_wide on ban (host) where wide;
create index ban_action on ban (action);
create table pardon (
    jail text not null, host text not null, at integer not null, place blob not null,
    primary key (jail, host)
) without rowid;
create table evidence (
    jail text not null, host text not null, number integer not null, time integer not null,
    filter text not null, match text not null, line text not null, doubtful integer not null,
    primary key (jail, host, number)
) without rowid;
create table held (
    jail text not null, host text not null, time integer not null, reason text not null,
    primary key (jail, host)
) without rowid;
create index held_reason on held (reason);
create index held_time on held (time);
create table told (
    action text not null, host text not null, until integer, expires integer,
    primary key (action, host)
) without rowid;
create index told_expires on told (action, expires) where expires is not null;
create table dirty (host text primary key) without rowid;
create table note (key text primary key, value text not null) without rowid;
"""


class Ban(NamedTuple):
    """A ban as it is kept. One whose ``until`` is past has ended; until None is for good.

    ``action`` is the label of what its jail used when it was made, empty when a person made it;
    ``forced`` says that this person meant it although the host is protected.
    """

    jail: str
    host: str
    since: int
    until: int | None
    hits: int
    reason: str
    action: str = ""
    forced: bool = False


class Told(NamedTuple):
    """What a firewall was told of a host: until when to ban it, and when it ends that by itself."""

    until: int | None
    expires: int | None


# What a firewall was told when nobody knows whether it heard: the pass was cut short.
UNSURE = Told(0, None)


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
