"""Who is logged in from where: utmp, FreeBSD's utx.active, systemd's sessions, byte by byte."""

from __future__ import annotations

import grp
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fw_guard import addresses, sessions
from fw_guard.sessions import Login

if TYPE_CHECKING:
    from pathlib import Path

ALIVE = os.getpid()
DEAD = 2**22 + 1  # above the largest number that Linux and FreeBSD give a process
USER_PROCESS, LOGIN_PROCESS, DEAD_PROCESS = 7, 6, 8
UTX_USER_PROCESS, UTX_DEAD_PROCESS = 4, 7
BITS_64 = os.uname().machine == "aarch64"


def utmp(
    address: str = "",
    user: bytes = b"anna",
    process: int = ALIVE,
    kind: int = USER_PROCESS,
    host: bytes = b"",
) -> bytes:
    """A record as glibc lays it out: bits/utmp.h."""

    def number(value: int, size: int) -> bytes:
        return value.to_bytes(size, sys.byteorder)

    time = bytes(4 + 8 + 16) if BITS_64 else bytes(4 + 8)  # with the session before it, aligned
    record = (
        number(kind, 2)
        + bytes(2)
        + number(process, 4)
        + b"pts/0".ljust(32, b"\0")
        + b"ts/0"
        + user.ljust(32, b"\0")
        + host.ljust(256, b"\0")
        + bytes(4)  # the exit status
        + time
        + (addresses.packed(address) or b"").ljust(16, b"\0")
        + bytes(20)
    )
    return record + bytes(-len(record) % (8 if BITS_64 else 4))


def utx(
    host: bytes, user: bytes = b"anna", process: int = ALIVE, kind: int = UTX_USER_PROCESS
) -> bytes:
    """A record of FreeBSD's utx.active: lib/libc/gen/utxdb.h."""
    record = (
        bytes([kind])
        + (1_700_000_000_000_000).to_bytes(8, "big")
        + b"\x8d\x01ts/0\0\0"
        + process.to_bytes(4, "big")
        + user.ljust(32, b"\0")
        + b"pts/0".ljust(16, b"\0")
        + host.ljust(128, b"\0")
    )
    assert len(record) == 197
    return record


def logind(**said: object) -> str:
    """A file of /run/systemd/sessions with ``said`` instead of what it says else."""
    values = {
        "UID": 1000,
        "USER": "anna",
        "ACTIVE": 1,
        "IS_DISPLAY": 1,
        "STATE": "active",
        "REMOTE": 1,
        "TYPE": "tty",
        "CLASS": "user",
        "SCOPE": "session-7.scope",
        "REMOTE_HOST": "192.0.2.7",
        "SERVICE": "sshd",
        "LEADER": ALIVE,
        **said,
    }
    lines = "".join(f"{key}={value}\n" for key, value in values.items() if value is not None)
    return f"# This is private data. Do not parse.\n{lines}"


def found(root: Path) -> list[tuple[str, str]]:
    """Give (address, reason) of the live sessions that the files under ``root`` tell of."""
    return [
        (addresses.network(*network), reason)
        for network, reason in sessions.live(str(root), {}, os.geteuid())
    ]


def write(root: Path, path: str, content: bytes | str) -> Path:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(content.encode() if isinstance(content, str) else content)
    (root / path).chmod(0o644)
    return root / path


def test_a_record_of_utmp_has_the_length_that_glibc_gives_it() -> None:
    assert len(utmp("192.0.2.7")) == (400 if BITS_64 else 384) == sessions.UTMP_RECORD


def test_utmp_tells_of_sessions_over_both_families(tmp_path: Path) -> None:
    write(tmp_path, "run/utmp", utmp("192.0.2.7") + utmp("2001:db8::7", b"bob"))
    assert found(tmp_path) == [
        ("192.0.2.7", "a login session of anna"),
        ("2001:db8::7", "a login session of bob"),
    ]


def test_a_mapped_address_of_utmp_is_ipv4(tmp_path: Path) -> None:
    record = bytearray(utmp("192.0.2.7"))
    at = sessions.UTMP_ADDRESS
    record[at : at + 16] = bytes(10) + b"\xff\xff" + bytes((192, 0, 2, 8))
    write(tmp_path, "run/utmp", bytes(record))
    assert found(tmp_path) == [("192.0.2.8", "a login session of anna")]


def test_only_the_live_sessions_of_users_count(tmp_path: Path) -> None:
    write(
        tmp_path,
        "var/run/utmp",
        utmp("192.0.2.1", process=DEAD)
        + utmp("192.0.2.2", process=0)
        + utmp("192.0.2.3", kind=DEAD_PROCESS)
        + utmp("192.0.2.4", kind=LOGIN_PROCESS)
        + utmp()  # at the console
        + utmp("192.0.2.6", process=2**32 - 1)
        + utmp("192.0.2.7"),
    )
    assert found(tmp_path) == [("192.0.2.7", "a login session of anna")]


def test_the_host_s_text_in_utmp_is_not_believed(tmp_path: Path) -> None:
    # Terminal programs write it for any user, as he pleases; the address stays empty then.
    write(tmp_path, "run/utmp", utmp(host=b"203.0.113.66"))
    assert found(tmp_path) == []


def test_a_torn_record_costs_only_itself(tmp_path: Path) -> None:
    write(tmp_path, "run/utmp", utmp("192.0.2.7") + utmp("192.0.2.8")[:-1])
    write(tmp_path, "var/run/utx.active", utx(b"192.0.2.9")[:-1])
    write(tmp_path, "run/systemd/sessions/1", "\0\xff=")
    write(tmp_path, "run/systemd/sessions/2", logind(REMOTE_HOST="192.0.2.10"))
    assert [address for address, _ in found(tmp_path)] == ["192.0.2.7", "192.0.2.10"]


def test_utx_active_tells_of_sessions(tmp_path: Path) -> None:
    write(
        tmp_path,
        "var/run/utx.active",
        utx(b"192.0.2.1")
        + utx(b"2001:db8::7", b"bob")
        + utx(b"fe80::7%em0", b"carl")
        + utx(b"peer.example.com")
        + utx(b"")
        + utx(b"192.0.2.2", process=DEAD)
        + utx(b"192.0.2.3", kind=UTX_DEAD_PROCESS)
        + utx(b"192.0.2.4", process=2**32 - 1),
    )
    assert found(tmp_path) == [
        ("192.0.2.1", "a login session of anna"),
        ("2001:db8::7", "a login session of bob"),
        ("fe80::7", "a login session of carl"),
    ]


def test_systemd_tells_of_sessions_from_elsewhere(tmp_path: Path) -> None:
    cases: tuple[dict[str, object], ...] = (
        {},
        {"REMOTE_HOST": "2001:db8::7", "USER": "bob"},
        {"REMOTE_HOST": "peer.example.com"},
        {"REMOTE": 0, "REMOTE_HOST": "192.0.2.1"},
        {"REMOTE_HOST": None},
        {"REMOTE_HOST": "192.0.2.2", "LEADER": DEAD},
        {"REMOTE_HOST": "192.0.2.3", "LEADER": None},
        {"REMOTE_HOST": "192.0.2.4", "LEADER": -1},
        {"REMOTE_HOST": "192.0.2.5", "LEADER": "9" * 5000},
        {"REMOTE_HOST": "192.0.2.6", "LEADER": 0},
    )
    for number, said in enumerate(cases):
        write(tmp_path, f"run/systemd/sessions/{number}", logind(**said))
    os.mkfifo(tmp_path / "run/systemd/sessions/7.ref")
    (tmp_path / "run/systemd/sessions/odd").mkdir()
    assert found(tmp_path) == [
        ("192.0.2.7", "a login session of anna"),
        ("2001:db8::7", "a login session of bob"),
    ]


def test_the_session_that_this_program_is_called_in_comes_first(tmp_path: Path) -> None:
    write(tmp_path, "run/utmp", utmp("192.0.2.7"))
    environment = {"SSH_CONNECTION": "2001:db8::9 50122 2001:db8::1 22"}
    first, *_ = sessions.live(str(tmp_path), environment, os.geteuid())
    assert first == (addresses.split("2001:db8::9"), "the address of this login session")


@pytest.mark.parametrize("text", ["", " ", "nonsense", "peer.example.com 1 2 3"])
def test_an_environment_that_names_no_address_names_no_session(tmp_path: Path, text: str) -> None:
    assert list(sessions.live(str(tmp_path), {"SSH_CONNECTION": text}, os.geteuid())) == []


def test_a_user_s_name_cannot_drive_a_terminal(tmp_path: Path) -> None:
    write(tmp_path, "run/utmp", utmp("192.0.2.7", b"\x1b[2J\xff") + utmp("192.0.2.8", b""))
    write(tmp_path, "run/systemd/sessions/1", logind(USER="a" * 5000 + "\x1b"))
    (_, odd), (_, nobody), (_, long) = found(tmp_path)
    assert odd == r"a login session of \x1b[2J\xff"
    assert nobody == "a login session"
    assert long == f"a login session of {'a' * 61}..."


@pytest.mark.parametrize("mode", [0o666, 0o646, 0o602, 0o664, 0o620])
@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("run/utmp", utmp("192.0.2.7")),
        ("var/run/utx.active", utx(b"192.0.2.7")),
        ("run/systemd/sessions/1", logind()),
    ],
)
def test_a_file_that_others_may_write_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, content: bytes | str, mode: int
) -> None:
    monkeypatch.setattr(sessions, "UTMP_GROUP", "nobody's group")
    record = write(tmp_path, path, content)
    assert len(found(tmp_path)) == 1
    record.chmod(mode)
    assert found(tmp_path) == []


def test_only_the_group_of_utmp_may_write_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = write(tmp_path, "run/utmp", utmp("192.0.2.7"))
    group = grp.getgrgid(record.stat().st_gid).gr_name
    monkeypatch.setattr(sessions, "UTMP_GROUP", group)
    record.chmod(0o664)
    assert len(found(tmp_path)) == 1
    record.chmod(0o666)
    assert found(tmp_path) == []


def test_a_file_of_somebody_else_s_is_not_believed(tmp_path: Path) -> None:
    write(tmp_path, "run/utmp", utmp("192.0.2.7"))
    write(tmp_path, "run/systemd/sessions/1", logind())
    assert list(sessions.live(str(tmp_path), {}, os.geteuid() + 1)) == []


def test_a_link_in_place_of_a_file_is_not_followed(tmp_path: Path) -> None:
    record = write(tmp_path, "elsewhere", utmp("192.0.2.7"))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "utmp").symlink_to(record)
    assert found(tmp_path) == []


def test_a_system_without_records_has_no_sessions(tmp_path: Path) -> None:
    assert found(tmp_path) == []


@given(st.binary(max_size=900))
def test_odd_records_are_logins_or_nothing(raw: bytes) -> None:
    for login in (*sessions.of_utmp(raw), *sessions.of_utx(raw)):
        assert len(login.address) in (4, 16)


@given(st.text(max_size=300))
def test_an_odd_session_file_is_a_login_or_nothing(text: str) -> None:
    logins = list(sessions.of_logind(f"REMOTE=1\nREMOTE_HOST=192.0.2.7\nLEADER=7\n{text}"))
    assert all(len(login.address) in (4, 16) for login in logins)


def test_the_records_are_read_as_they_are_written() -> None:
    expected = [Login("anna", bytes((192, 0, 2, 7)), ALIVE)]
    assert list(sessions.of_utmp(utmp("192.0.2.7"))) == expected
    assert list(sessions.of_utx(utx(b"192.0.2.7"))) == expected
    assert list(sessions.of_logind(logind())) == expected


@pytest.mark.skipif(not shutil.which("utmpdump"), reason="no utmpdump here")
def test_util_linux_reads_the_same_record(tmp_path: Path) -> None:
    record = write(tmp_path, "utmp", utmp("192.0.2.7") + utmp("2001:db8::7", b"bob"))
    done = subprocess.run(["utmpdump", str(record)], capture_output=True, text=True, check=True)
    shown = [line.split("] [") for line in done.stdout.splitlines()]
    assert [(line[1].strip(), line[3].strip(), line[6].strip()) for line in shown] == [
        (f"{ALIVE:05}", "anna", "192.0.2.7"),
        (f"{ALIVE:05}", "bob", "2001:db8::7"),
    ]
