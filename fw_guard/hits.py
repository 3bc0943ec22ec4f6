"""What a matched line tells: the value that matching makes, the engine counts, the store keeps."""

from __future__ import annotations

from typing import NamedTuple

FAILURE = "failure"
SUCCESS = "success"
MANUAL = "manual"  # the jail of bans by hand
NETWORKS = "networks"  # the jail of networks enough of whose addresses are banned
OWN_JAILS = (MANUAL, NETWORKS)

# Why a ban waits for the next pass.
BRAKED = "more bans were due at once than `brake` lets a pass make"


class Hit(NamedTuple):
    """One line about one host, in one jail.

    ``host`` is what counts and is banned (an IPv6 /64), ``address`` the address itself; both are
    None while only a ``name`` is known. ``time`` is the line's own, in epoch seconds. ``times``
    is how many attempts the line stands for. ``kind`` is FAILURE or SUCCESS. ``pid`` is the
    service's process, empty when the line names none. ``doubtful`` says that somebody else may have
    made the service write that host.
    """

    jail: str
    host: str | None
    address: str | None
    name: str | None
    time: int
    weight: int
    times: int
    kind: str
    filter: str
    match: str
    pid: str
    user: str | None
    port: int | None
    line: str
    doubtful: bool
