"""Where people are logged in from at this moment, as far as the system's own records tell.

Those of Linux are utmp (utmp(5), glibc's form) and systemd-logind's, those of FreeBSD utx.active
(getutxent(3)). Only addresses count; a host that is a name is not looked up. What a local user
could have made the record say is not believed: neither a file that others may write, nor, in utmp,
the host's text, which terminal programs may set as they please; the address beside it they may not.
"""

from __future__ import annotations

import os
import sys
from stat import S_ISREG
from typing import TYPE_CHECKING, NamedTuple

from fw_guard import addresses
from fw_guard.addresses import WIDTHS
from fw_guard.networks import Guarded
from fw_guard.text import decoded, printable, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

UTMP = ("run/utmp", "var/run/utmp")  # mostly one file under two names
UTX = "var/run/utx.active"
LOGIND = "run/systemd/sessions"
UTMP_GROUP = "utmp"  # its programs may write that file
MOST_BYTES = 1 << 22
MOST_SESSIONS = 10_000
LONGEST_USER = 64
WRITABLE_BY_GROUP = 0o020
WRITABLE_BY_OTHERS = 0o002

# A record of utmp is 400 bytes long where the times in it have 64 bits, and 384 elsewhere.
UTMP_RECORD, UTMP_ADDRESS = (400, 360) if os.uname().machine.startswith("aarch64") else (384, 348)
UTMP_USER_PROCESS = 7
UTX_RECORD = 197
UTX_USER_PROCESS = 4


class Login(NamedTuple):
    """A record of a session: who, from which address (4 or 16 bytes), led by which process."""

    user: str
    address: bytes
    process: int


def live(
    root: str = "/", environment: Mapping[str, str] = os.environ, owner: int = 0
) -> Iterator[Guarded]:
    """Give the addresses with a login session whose process is still alive.

    First comes the session that this program was itself called in. ``root`` is where /run and /var
    are; only what the user ``owner`` has written is believed.
    """
    value = addresses.packed(environment.get("SSH_CONNECTION", "").partition(" ")[0])
    if value is not None:
        yield Guarded((value, WIDTHS[len(value)]), "the address of this login session")
    for login in logins(root, owner):
        if is_alive(login.process):
            network = login.address, WIDTHS[len(login.address)]
            of_whom = f" of {printable(shortened(login.user, LONGEST_USER))}" if login.user else ""
            yield Guarded(network, f"a login session{of_whom}")


def logins(root: str, owner: int) -> Iterator[Login]:
    """Give the records of all sessions from an address, also of those that are over."""
    for path in UTMP:
        yield from of_utmp(written_by(owner, os.path.join(root, path)))
    yield from of_utx(written_by(owner, os.path.join(root, UTX)))
    directory = os.path.join(root, LOGIND)
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return
    for name in names[:MOST_SESSIONS]:
        yield from of_logind(decoded(written_by(owner, os.path.join(directory, name))))


def written_by(owner: int, path: str) -> bytes:
    """Give what is in a file that nobody but ``owner`` may write, or utmp's group; else nothing."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with open(path, "rb", opener=lambda path, _: os.open(path, flags)) as file:
            return file.read(MOST_BYTES) if is_owned(os.fstat(file.fileno()), owner) else b""
    except OSError:
        return b""


def is_owned(status: os.stat_result, owner: int) -> bool:
    """Say whether a file is ``owner``'s and can have been written by nobody else."""
    if not S_ISREG(status.st_mode) or status.st_uid != owner:
        return False
    if status.st_mode & WRITABLE_BY_GROUP and group_name(status.st_gid) != UTMP_GROUP:
        return False
    return not status.st_mode & WRITABLE_BY_OTHERS


def group_name(number: int) -> str:
    """Give the name of a group, empty when it has none."""
    import grp

    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return ""


def of_utmp(raw: bytes) -> Iterator[Login]:
    """Read utmp: the sessions with an address. What is left of a record at the end is no record."""
    for start in range(0, len(raw) - UTMP_RECORD + 1, UTMP_RECORD):
        record = raw[start : start + UTMP_RECORD]
        address = record[UTMP_ADDRESS : UTMP_ADDRESS + 16]
        kind = int.from_bytes(record[:2], sys.byteorder)
        if kind == UTMP_USER_PROCESS and any(address):
            if not any(address[4:]):
                address = address[:4]
            elif address.startswith(addresses.MAPPED):
                address = address[12:]
            process = int.from_bytes(record[4:8], sys.byteorder)
            yield Login(field(record[44:76]), address, process)


def of_utx(raw: bytes) -> Iterator[Login]:
    """Read FreeBSD's utx.active, whose numbers have their highest byte first."""
    for start in range(0, len(raw) - UTX_RECORD + 1, UTX_RECORD):
        record = raw[start : start + UTX_RECORD]
        address = addresses.packed(field(record[69:]))
        if record[0] == UTX_USER_PROCESS and address is not None:
            yield Login(field(record[21:53]), address, int.from_bytes(record[17:21], "big"))


def of_logind(text: str) -> Iterator[Login]:
    """Read a file of /run/systemd/sessions: ``KEY=value`` lines, of a session from elsewhere."""
    said = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    address = addresses.packed(said.get("REMOTE_HOST", ""))
    process = said.get("LEADER", "")
    if said.get("REMOTE") == "1" and address is not None and process.isdecimal():
        yield Login(said.get("USER", ""), address, int(process[:20]))


def field(raw: bytes) -> str:
    """Give the text of a field of fixed length, which ends at the first zero byte."""
    return decoded(raw.partition(b"\0")[0])


def is_alive(process: int) -> bool:
    """Say whether there is a process of that number."""
    if process <= 0:
        return False
    try:
        os.kill(process, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True
