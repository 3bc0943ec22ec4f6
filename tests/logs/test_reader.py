"""The reader: every line once, whatever happens to the file between two passes."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fw_guard.logs import reader
from fw_guard.logs.reader import HEAD, LONGEST, LogError, Position, Source, expand, open_gain

if TYPE_CHECKING:
    from pathlib import Path

ONE = b"Feb  7 02:26:52 server inetd[1]: first\n"
TWO = b"Feb  7 02:27:08 server inetd[2]: second\n"
THREE = b"Feb  7 02:27:24 server inetd[3]: third\n"
FOUR = b"Feb  7 02:28:11 server sshd[4]: fourth\n"


def gained(
    log: Path, position: Position | None = None, *, size: int = reader.BLOCK, now: int | None = None
) -> tuple[bytes, Position]:
    """Give what a pass reads of ``log`` after ``position``, and where the next one goes on."""
    now = int(time.time()) if now is None else now
    with open_gain(str(log), position, now) as gain:
        text = b"".join(gain.blocks(size))
        return text, gain.position()


def append(log: Path, text: bytes) -> None:
    with open(log, "ab") as file:
        file.write(text)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "auth.log"


def test_what_is_appended_is_read_once(log: Path) -> None:
    log.write_bytes(ONE)
    text, position = gained(log)
    assert text == ONE
    append(log, TWO + THREE)
    text, position = gained(log, position)
    assert text == TWO + THREE
    assert gained(log, position)[0] == b""


def test_a_last_line_without_its_newline_waits_for_it(log: Path) -> None:
    log.write_bytes(ONE + TWO[:10])
    text, position = gained(log)
    assert (text, position.offset) == (ONE, len(ONE))
    assert gained(log, position)[0] == b""
    append(log, TWO[10:])
    assert gained(log, position)[0] == TWO


def test_the_position_says_where_and_what_the_file_was(log: Path) -> None:
    log.write_bytes(ONE)
    status = log.stat()
    _, position = gained(log, now=1_486_400_000)
    assert position == (status.st_dev, status.st_ino, len(ONE), ONE, 1_486_400_000)


def test_the_head_grows_with_what_was_read_up_to_its_bound(log: Path) -> None:
    log.write_bytes(ONE)
    _, position = gained(log)
    append(log, TWO * 20)
    _, position = gained(log, position)
    assert position.head == (ONE + TWO * 20)[:HEAD]


def test_the_rest_of_a_renamed_log_is_read_first(log: Path) -> None:
    log.write_bytes(ONE)
    _, position = gained(log)
    append(log, TWO)
    log.rename(log.with_name("auth.log.1"))
    log.write_bytes(THREE)
    text, position = gained(log, position)
    assert text == TWO + THREE
    append(log, FOUR)
    assert gained(log, position)[0] == FOUR


@pytest.mark.parametrize("name", ["auth.log.0", "auth.log-20170207", "auth.1.log", "old-auth"])
def test_the_old_file_is_found_by_what_it_is_under_any_name(log: Path, name: str) -> None:
    log.write_bytes(ONE)
    _, position = gained(log)
    append(log, TWO)
    log.rename(log.with_name(name))
    log.write_bytes(THREE)
    assert gained(log, position)[0] == TWO + THREE


def test_a_log_that_was_empty_when_it_was_renamed_is_read_whole(log: Path) -> None:
    log.write_bytes(b"")
    _, position = gained(log)
    append(log, ONE)
    log.rename(log.with_name("auth.log.1"))
    log.write_bytes(TWO)
    assert gained(log, position)[0] == ONE + TWO


def test_lines_that_a_slow_writer_puts_into_the_old_file_are_not_lost(log: Path) -> None:
    log.write_bytes(ONE)
    _, position = gained(log)
    old = log.with_name("auth.log.1")
    log.rename(old)
    log.write_bytes(b"")
    text, position = gained(log, position)
    assert text == b""
    append(old, TWO)
    text, position = gained(log, position)
    assert text == TWO
    append(old, THREE)
    append(log, FOUR)
    assert gained(log, position)[0] == THREE + FOUR


def test_an_empty_log_counts_as_the_log_once_its_writer_has_had_time(log: Path) -> None:
    log.write_bytes(ONE)
    _, position = gained(log)
    log.rename(log.with_name("auth.log.1"))
    log.write_bytes(b"")
    _, position = gained(log, position, now=int(time.time()) + 601)
    assert (position.inode, position.offset) == (log.stat().st_ino, 0)


def test_a_rest_that_is_gone_or_compressed_does_not_hinder_the_new_log(log: Path) -> None:
    log.write_bytes(ONE)
    _, position = gained(log)
    append(log, TWO)
    log.rename(log.with_name("auth.log.1.gz"))
    log.write_bytes(THREE)
    assert gained(log, position)[0] == THREE


def test_the_rest_is_looked_for_where_a_link_leads(log: Path) -> None:
    there = log.parent / "there"
    there.mkdir()
    first, second = there / "log.20170206", there / "log.20170207"
    first.write_bytes(ONE)
    log.symlink_to(first)
    _, position = gained(log)
    append(first, TWO)
    second.write_bytes(THREE)
    log.unlink()
    log.symlink_to(second)
    assert gained(log, position)[0] == TWO + THREE


def test_a_link_beside_the_log_is_not_followed(log: Path, tmp_path: Path) -> None:
    log.write_bytes(ONE)
    _, position = gained(log)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "secret").write_bytes(ONE + TWO)
    log.unlink()
    log.write_bytes(THREE)
    log.with_name("auth.log.1").symlink_to(elsewhere / "secret")
    assert gained(log, position)[0] == THREE


def test_a_truncated_log_is_read_from_its_start(log: Path) -> None:
    log.write_bytes(ONE + TWO)
    _, position = gained(log)
    os.truncate(log, 0)
    append(log, THREE)
    text, position = gained(log, position)
    assert text == THREE
    append(log, FOUR)
    assert gained(log, position)[0] == FOUR


def test_a_log_that_was_truncated_and_is_empty_starts_over(log: Path) -> None:
    log.write_bytes(ONE)
    _, position = gained(log)
    os.truncate(log, 0)
    text, position = gained(log, position)
    assert (text, position.offset, position.head) == (b"", 0, b"")


def test_the_rest_of_a_log_copied_and_truncated_is_read_from_the_copy(log: Path) -> None:
    log.write_bytes(ONE)
    _, position = gained(log)
    append(log, TWO)
    shutil.copy(log, log.with_name("auth.log.1"))
    os.truncate(log, 0)
    append(log, THREE)
    text, position = gained(log, position)
    assert text == TWO + THREE
    append(log, FOUR)
    assert gained(log, position)[0] == FOUR


def test_an_older_copy_that_begins_alike_is_let_alone(log: Path) -> None:
    log.write_bytes(ONE)
    copy = log.with_name("auth.log.2")
    copy.write_bytes(ONE + TWO)
    os.utime(copy, (1_486_400_000, 1_486_400_000))
    _, position = gained(log)
    os.truncate(log, 0)
    append(log, THREE)
    assert gained(log, position)[0] == THREE


def test_a_larger_log_in_the_same_inode_with_another_beginning_is_new(log: Path) -> None:
    log.write_bytes(ONE)
    _, position = gained(log)
    inode = log.stat().st_ino
    log.write_bytes(TWO + THREE)
    assert log.stat().st_ino == inode
    assert gained(log, position)[0] == TWO + THREE


def test_a_larger_log_in_another_inode_is_new(log: Path) -> None:
    log.write_bytes(ONE)
    _, position = gained(log)
    other = log.with_name("new")
    other.write_bytes(TWO + THREE)
    other.replace(log)
    assert gained(log, position)[0] == TWO + THREE


def test_the_same_content_in_another_inode_is_read_on(log: Path) -> None:
    log.write_bytes(ONE)
    _, position = gained(log)
    other = log.with_name("restored")
    other.write_bytes(ONE + TWO)
    other.replace(log)
    assert gained(log, position)[0] == TWO


def test_a_device_that_is_numbered_anew_is_no_new_log(log: Path) -> None:
    log.write_bytes(ONE)
    _, position = gained(log)
    append(log, TWO)
    assert gained(log, position._replace(device=position.device + 1))[0] == TWO


def test_a_moved_log_is_known_by_its_beginning_when_its_device_is_numbered_anew(log: Path) -> None:
    log.write_bytes(ONE)
    _, position = gained(log)
    append(log, TWO)
    log.rename(log.with_name("auth.log.1"))
    log.write_bytes(THREE)
    assert gained(log, position._replace(device=position.device + 1))[0] == TWO + THREE


def test_a_file_of_which_nothing_was_read_is_known_by_device_and_inode_only(log: Path) -> None:
    log.write_bytes(b"")
    _, position = gained(log)
    append(log, ONE)
    log.rename(log.with_name("auth.log.1"))
    log.write_bytes(TWO)
    assert gained(log, position._replace(device=position.device + 1))[0] == TWO


def test_a_log_cut_shorter_than_was_read_starts_over_even_if_it_begins_alike(log: Path) -> None:
    log.write_bytes(ONE * 20)
    _, position = gained(log)
    os.truncate(log, len(ONE) * 10)
    assert gained(log, position)[0] == ONE * 10


@pytest.mark.parametrize("text", [b"", b"no newline"])
def test_a_log_without_a_line_gives_nothing(log: Path, text: bytes) -> None:
    log.write_bytes(text)
    found, position = gained(log)
    assert (found, position.offset, position.head) == (b"", 0, b"")


def test_bytes_of_any_kind_come_through_unchanged(log: Path) -> None:
    text = b"\x00\x00 nul\n\r\ncrlf\r\n\xff\xfe high\n\n\x1b[0m\n\x0b\x0c\x85\n"
    log.write_bytes(text)
    for size in (1, 3, 7, 256):
        assert gained(log, size=size)[0] == text


def test_a_log_is_read_to_its_size_when_it_was_opened_and_no_further(log: Path) -> None:
    log.write_bytes(ONE)
    with open_gain(str(log), None, 0) as gain:
        append(log, TWO)
        assert gain.size == len(ONE)
        assert b"".join(gain.blocks()) == ONE
        assert gain.position().offset == len(ONE)


def test_a_log_truncated_while_it_is_read_ends_there_and_starts_over_next_time(log: Path) -> None:
    log.write_bytes(ONE * 100)
    with open_gain(str(log), None, 0) as gain:
        blocks = gain.blocks(200)
        assert next(blocks) == ONE * 5
        os.truncate(log, 0)
        assert list(blocks) == []
        position = gain.position()
    append(log, TWO)
    assert gained(log, position)[0] == TWO


def test_a_log_truncated_inside_a_line_that_needs_two_readings_gives_no_half_line(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.write_bytes(b"x" * 100 + b"\n")
    found = Source._line_end

    def truncating(self: Source, at: int, size: int) -> tuple[int, bool]:
        answer = found(self, at, size)
        os.truncate(log, 50)
        return answer

    monkeypatch.setattr(Source, "_line_end", truncating)
    text, position = gained(log, size=10)
    assert (text, position.offset) == (b"", 0)


def test_blocks_are_given_anew_each_time_they_are_asked_for(log: Path) -> None:
    log.write_bytes(ONE + TWO)
    with open_gain(str(log), None, 0) as gain:
        assert list(gain.blocks()) == list(gain.blocks()) == [ONE + TWO]
        assert gain.position().offset == len(ONE + TWO)


def test_a_block_that_nobody_finished_is_read_again(log: Path) -> None:
    log.write_bytes(ONE + TWO)
    with open_gain(str(log), None, 0) as gain:
        for block in gain.blocks(len(ONE)):
            assert block == ONE
            break
        assert gain.position().offset == 0


def test_blocks_are_no_larger_than_asked_for(log: Path) -> None:
    log.write_bytes(ONE * 1000)
    with open_gain(str(log), None, 0) as gain:
        sizes = [len(block) for block in gain.blocks(1000)]
    assert max(sizes) <= 1000
    assert sum(sizes) == len(ONE) * 1000


@pytest.mark.parametrize("size", [4096, reader.BLOCK, 1 << 30])
def test_a_line_longer_than_the_limit_is_passed_over_and_counted(log: Path, size: int) -> None:
    longest = b"y" * (LONGEST - 1) + b"\n"
    log.write_bytes(ONE + b"x" * LONGEST + b"\n" + TWO + longest + THREE)
    with open_gain(str(log), None, 0) as gain:
        assert b"".join(gain.blocks(size)) == ONE + TWO + longest + THREE
        assert gain.skipped == 1
        assert b"".join(gain.blocks(size)) == ONE + TWO + longest + THREE
        assert gain.skipped == 1


def test_an_endless_line_is_passed_over_in_pieces_and_never_read_twice(log: Path) -> None:
    log.write_bytes(ONE + b"\0" * (LONGEST + 5))
    with open_gain(str(log), None, 0) as gain:
        assert b"".join(gain.blocks()) == ONE
        assert gain.skipped == 1
        position = gain.position()
    assert position.offset == len(ONE) + LONGEST + 5
    append(log, b"more of the same")
    text, position = gained(log, position)
    assert (text, position.offset) == (b"", log.stat().st_size)
    append(log, b"and its end\n" + TWO)
    with open_gain(str(log), position, 0) as gain:
        assert b"".join(gain.blocks()) == TWO
        assert gain.skipped == 0


def test_a_line_of_fifty_megabytes_needs_no_more_memory_than_a_block(log: Path) -> None:
    import tracemalloc

    with open(log, "wb") as file:
        for _ in range(50):
            file.write(b"z" * 1_000_000)
        file.write(b"\n" + ONE)
    tracemalloc.start()
    try:
        assert gained(log)[0] == ONE
        assert tracemalloc.get_traced_memory()[1] < 4 * LONGEST
    finally:
        tracemalloc.stop()


def refusal(path: str) -> str:
    with pytest.raises(LogError) as caught:
        open_gain(path, None, 0)
    assert caught.value.path == path
    return caught.value.reason


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert refusal(str(tmp_path / "pipe")) == "is a named pipe; expected a regular file"
    assert refusal(str(tmp_path)) == "is a directory; expected a regular file"
    assert refusal("/dev/null") == "is a device; expected a regular file"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        assert refusal(str(tmp_path / "socket")) == "is a socket; expected a regular file"


def test_a_pipe_put_in_the_place_of_a_log_at_the_last_moment_is_refused(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.write_bytes(ONE)
    regular = os.stat(log)
    log.unlink()
    os.mkfifo(log)
    monkeypatch.setattr(os, "stat", lambda *_, **__: regular)
    assert refusal(str(log)) == "is a named pipe; expected a regular file"


def test_a_log_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert refusal(str(tmp_path / "none")) == "cannot be read: No such file or directory"
    assert refusal(str(tmp_path / "file" / "log")) == "cannot be read: Not a directory"
    assert refusal("with\0nul").startswith("cannot be read: ")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_log_without_permission_says_so(log: Path) -> None:
    log.write_bytes(ONE)
    log.chmod(0)
    assert refusal(str(log)) == "cannot be read: Permission denied"


def test_an_error_while_reading_names_the_log(log: Path) -> None:
    log.write_bytes(ONE)
    with open_gain(str(log), None, 0) as gain:
        blocks = gain.blocks()
    with pytest.raises(LogError, match=r"auth\.log: cannot be read: Bad file descriptor"):
        next(blocks)


def test_a_hostile_name_is_shown_harmless() -> None:
    assert str(LogError("a\x1b[2J.log", "is missing")) == "a\\x1b[2J.log: is missing"


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_no_file_stays_open(log: Path) -> None:
    log.write_bytes(ONE)
    _, position = gained(log)
    log.with_name("auth.log.1").write_bytes(TWO)  # a copy, for all that its name and time say
    os.truncate(log, 0)
    append(log, THREE)
    before = os.listdir("/proc/self/fd")
    assert gained(log, position)[0] == THREE
    refusal(str(log.parent))
    assert os.listdir("/proc/self/fd") == before


def test_a_plain_path_is_kept_even_when_nothing_is_there(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.log")
    assert expand([missing, missing]) == [missing]


def test_a_glob_gives_what_is_there_now_in_order_and_once(tmp_path: Path) -> None:
    for name in ("b.log", "a.log", "a.log.1", "c.log.gz", "d.log.bz2", "e.log.xz", "f.log.zst"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "dir.log").mkdir()
    os.mkfifo(tmp_path / "pipe.log")
    a, b = str(tmp_path / "a.log"), str(tmp_path / "b.log")
    assert expand([str(tmp_path / "*.log*")]) == [a, a + ".1", b]
    assert expand([b, str(tmp_path / "?.log")]) == [b, a]
    assert expand([str(tmp_path / "[b-z].log")]) == [b]
    assert expand([str(tmp_path / "none*")]) == []
    (tmp_path / "c.log").write_bytes(b"")
    assert expand([str(tmp_path / "?.log")]) == [a, b, str(tmp_path / "c.log")]


def test_a_compressed_file_named_in_full_is_kept(tmp_path: Path) -> None:
    assert expand([str(tmp_path / "a.gz")]) == [str(tmp_path / "a.gz")]


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=400).map(lambda text: text.replace(b"a", b"\n")),
    st.lists(st.integers(0, 60), max_size=20),
    st.integers(1, 64),
)
def test_text_that_comes_in_pieces_gives_its_complete_lines_once(
    text: bytes, pieces: list[int], size: int
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "log")
        position = None
        read = b""
        with open(path, "wb", buffering=0) as file:
            rest = text
            for piece in [*pieces, len(text)]:
                file.write(rest[:piece])
                rest = rest[piece:]
                with open_gain(path, position, 0) as gain:
                    blocks = list(gain.blocks(size))
                    position = gain.position()
                assert all(block.endswith(b"\n") for block in blocks)
                read += b"".join(blocks)
        assert read == text[: text.rfind(b"\n") + 1]


class Logger:
    """A daemon that writes numbered lines, and what an administrator's machine does to its log."""

    def __init__(self, directory: str) -> None:
        self.path = os.path.join(directory, "log")
        self.written: list[bytes] = []
        self.read: list[bytes] = []
        self.rotations = 0
        self.position: Position | None = None
        self.settled = True
        self.file = open(self.path, "ab", buffering=0)  # noqa: SIM115

    def write(self) -> None:
        line = b"line %d\n" % len(self.written)
        self.written.append(line)
        self.file.write(line)

    def reopen(self) -> None:
        self.file.close()
        self.file = open(self.path, "ab", buffering=0)  # noqa: SIM115

    def look(self) -> None:
        with open_gain(self.path, self.position, int(time.time())) as gain:
            for block in gain.blocks(30):
                self.read += block.splitlines(keepends=True)
            self.position = gain.position()
        self.settled = self.settled or os.path.getsize(self.path) > 0

    def settle(self) -> None:
        """See to it that a pass has met the log since it was last rotated."""
        if not self.settled:
            self.reopen()
            self.write()
            self.look()
        self.settled = False
        self.rotations += 1

    def rename(self) -> None:
        self.settle()
        os.rename(self.path, f"{self.path}.{self.rotations}")
        with open(self.path, "xb"):
            pass

    def copytruncate(self) -> None:
        if not (self.position and self.position.offset):
            self.settled = False  # a log of which nothing was read is not known in its copy
        self.settle()
        self.reopen()
        shutil.copyfile(self.path, f"{self.path}.{self.rotations}")
        os.truncate(self.path, 0)


EVENTS = ("write", "write", "look", "rename", "copytruncate", "reopen")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(EVENTS), max_size=30))
def test_rotation_neither_loses_nor_doubles_a_line(events: list[str]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        logger = Logger(directory)
        # A log that was never read has no rest: reading starts with the file that is there.
        logger.look()
        for event in [*events, "reopen", "write", "look"]:
            getattr(logger, event)()
        logger.file.close()
        assert logger.read == logger.written
