"""The state as files: for its owner alone, one writer at a time, never half written."""

from __future__ import annotations

import os
import re
import resource
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from fw_guard.hits import Hit
from fw_guard.store import Ban, Store, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOON = 1_486_400_000
HOST = "192.0.2.7"
SOMEBODY = 65_534
ROOT = os.geteuid() == 0
CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def hits(number: int) -> list[Hit]:
    """Give hits that fill about as many kilobytes."""
    told = ("failure", "sshd", "a", "9", None, None, "x" * 1000)
    return [Hit("sshd", HOST, HOST, None, n, 1, 1, *told, doubtful=False) for n in range(number)]


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """Make files as the command line does."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.fixture
def place(tmp_path: Path) -> str:
    return str(tmp_path / "state")


def note_down(place: str, value: str) -> None:
    with Store(place) as store:
        store.set_note("pass", value)
        store.commit()


def noted(place: str) -> str:
    with Store(place, reading=True) as store:
        return store.note("pass")


def content(place: str) -> bytes:
    with open(f"{place}/state.db", "rb") as file:
        return file.read()


def assert_sound(place: str) -> None:
    database = sqlite3.connect(f"{place}/state.db")
    try:
        assert database.execute("pragma integrity_check").fetchall() == [("ok",)]
    finally:
        database.close()


def mode(path: str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def test_the_state_is_for_its_owner_alone(place: str) -> None:
    with Store(place) as store:
        store.set_note("pass", "1")
        assert {mode(f"{place}/{name}") for name in os.listdir(place)} == {0o600}
        store.commit()
    assert mode(place) == 0o700
    assert mode(f"{place}/state.db") == 0o600
    assert os.listdir(place) == ["state.db"]


def test_a_directory_of_the_owners_keeps_its_mode(place: str) -> None:
    for_a_group_to_read = 0o750
    os.mkdir(place)
    os.chmod(place, for_a_group_to_read)
    note_down(place, "1")
    assert mode(place) == for_a_group_to_read


@pytest.mark.parametrize("bits", [0o777, 0o770, 0o702, 0o1777])
def test_a_directory_that_others_may_write_is_refused(place: str, bits: int) -> None:
    os.mkdir(place)
    os.chmod(place, bits)
    with pytest.raises(StoreError, match="may be written by others") as refused:
        Store(place)
    assert place in str(refused.value)
    assert refused.value.status == 73
    assert os.listdir(place) == []


@pytest.mark.skipif(not ROOT, reason="only root gives directories away")
def test_a_directory_of_somebody_else_is_refused(place: str) -> None:
    os.mkdir(place)
    os.chown(place, SOMEBODY, -1)
    with pytest.raises(StoreError, match="belongs to somebody else") as refused:
        Store(place)
    assert refused.value.status == 73


def test_nothing_is_kept_without_commit(place: str) -> None:
    with Store(place) as store:
        store.set_note("pass", "1")
        store.commit()
        store.set_note("pass", "2")
        store.add_hits(hits(5))
        store.keep_ban(Ban("sshd", HOST, NOON, None, 5, "x"))
    with Store(place) as store:
        assert store.note("pass") == "1"
        assert store.hits_of(HOST) == []
        assert store.bans(NOON) == []


def test_nothing_is_kept_when_a_fault_ends_the_work(place: str) -> None:
    def work() -> None:
        with Store(place) as store:
            store.set_note("pass", "1")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert noted(place) == ""


def test_a_kill_before_the_commit_leaves_what_was_there(place: str) -> None:
    note_down(place, "1")
    code = (
        "import os, sys\n"
        "from fw_guard.store import Store\n"
        "store = Store(sys.argv[1]).__enter__()\n"
        "store.set_note('pass', '2')\n"
        "os.kill(os.getpid(), 9)\n"
    )
    died = subprocess.run([sys.executable, "-c", code, place], cwd=CHECKOUT, check=False)
    assert died.returncode == -9
    assert noted(place) == "1"
    note_down(place, "3")
    assert noted(place) == "3"
    assert_sound(place)


def test_where_there_is_no_state_a_reader_finds_none_and_makes_none(place: str) -> None:
    with Store(place, reading=True) as store:
        assert store.bans(NOON) == []
        assert store.logs() == {}
        assert store.note("pass") == ""
    assert not os.path.exists(place)


def test_a_reader_changes_nothing(place: str) -> None:
    note_down(place, "1")
    before = content(place)
    assert noted(place) == "1"
    assert content(place) == before
    assert os.listdir(place) == ["state.db"]


def test_a_reader_sees_the_last_commit_while_a_pass_is_at_work(place: str) -> None:
    with Store(place) as writer:
        writer.set_note("pass", "1")
        writer.commit()
        writer.set_note("pass", "2")
        assert noted(place) == "1"
        writer.commit()
    assert noted(place) == "2"


def test_nobody_else_writes_while_the_state_is_open(place: str) -> None:
    note_down(place, "0")
    with Store(place):
        other = sqlite3.connect(f"{place}/state.db", timeout=0, isolation_level=None)
        try:
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("begin immediate")
        finally:
            other.close()


def test_a_second_writer_waits_for_the_first_and_sees_its_work(place: str) -> None:
    seen: list[str] = []
    arrived = threading.Event()

    def second() -> None:
        store = Store(place)
        arrived.set()
        with store:
            seen.append(store.note("pass"))
            store.set_note("pass", f"{store.note('pass')}, second")
            store.commit()

    note_down(place, "0")
    with Store(place) as first:
        thread = threading.Thread(target=second)
        thread.start()
        assert arrived.wait(timeout=60)
        first.set_note("pass", "first")
        assert seen == []
        first.commit()
        first.set_note("pass", "forgotten")
    thread.join(timeout=60)
    assert seen == ["first"]
    assert noted(place) == "first, second"
    assert_sound(place)


def test_a_file_that_is_no_database_is_told(place: str) -> None:
    os.mkdir(place)
    with open(f"{place}/state.db", "wb") as file:
        file.write(b"no database at all\n" * 200)
    before = content(place)
    for reading in (False, True):
        with pytest.raises(StoreError) as refused, Store(place, reading=reading):
            pass
        assert str(refused.value) == (
            f"{place}/state.db: cannot be used: file is not a database;"
            " move it away, and the next pass begins anew without the bans in force"
        )
        assert refused.value.status == 74
    assert content(place) == before


def test_the_state_of_a_newer_version_is_left_alone(place: str) -> None:
    note_down(place, "1")
    database = sqlite3.connect(f"{place}/state.db", isolation_level=None)
    database.execute("pragma user_version = 99")
    database.close()
    before = content(place)
    for reading in (False, True):
        with pytest.raises(StoreError) as refused, Store(place, reading=reading):
            pass
        assert re.search(r"newer fw-guard \(state 99; this one knows 1\)", str(refused.value))
        assert refused.value.status == 74
    assert content(place) == before


def test_a_file_in_the_place_of_the_directory_is_told(place: str) -> None:
    with open(place, "wb"):
        pass
    with pytest.raises(StoreError, match="cannot be opened") as refused:
        Store(place)
    assert place in str(refused.value)
    assert refused.value.status == 73


def test_a_directory_in_the_place_of_the_file_is_told(place: str) -> None:
    os.makedirs(f"{place}/state.db", 0o700)
    with pytest.raises(StoreError, match="cannot be opened") as refused:
        Store(place)
    assert refused.value.status == 73


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """Let writing beyond ``size`` bytes of any file fail."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_when_no_more_can_be_written_the_state_before_is_intact(place: str) -> None:
    note_down(place, "1")
    before = content(place)

    def work() -> None:
        with Store(place) as store:
            store.set_note("pass", "2")
            store.add_hits(hits(5_000))
            store.commit()

    with no_file_larger_than(len(before) + 8192), pytest.raises(StoreError) as refused:
        work()
    assert refused.value.status == 74
    assert f"{place}/state.db" in str(refused.value)
    assert noted(place) == "1"
    assert_sound(place)
    work()
    assert noted(place) == "2"


FULL_DISK = """
import subprocess, sys
from fw_guard.store import Store, StoreError
from tests.test_store_files import assert_sound, hits, note_down, noted

mount = ["mount", "-t", "tmpfs", "-o", "size=512k,mode=0700", "tmpfs", sys.argv[1]]
if subprocess.run(mount, check=False).returncode:
    sys.exit(77)
note_down(sys.argv[1], "1")
try:
    with Store(sys.argv[1]) as store:
        store.set_note("pass", "2")
        store.add_hits(hits(5_000))
        store.commit()
except StoreError as error:
    print(error.status, error)
print(noted(sys.argv[1]))
assert_sound(sys.argv[1])
"""


@pytest.mark.skipif(not ROOT, reason="only root mounts a small disk")
def test_on_a_full_disk_the_state_before_is_intact(place: str) -> None:
    os.mkdir(place)
    command = ["unshare", "-m", sys.executable, "-c", FULL_DISK, place]
    try:
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no unshare here")
    if done.returncode == 77 or "unshare failed" in done.stderr:
        pytest.skip("no small disk can be mounted here")
    assert done.stderr == ""
    expected = f"74 {place}/state.db: database or disk is full\n1\n"
    assert done.stdout == expected
