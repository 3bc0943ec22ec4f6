"""TOML files: which are read at all, and the words of their faults."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from fw_guard.faults import FaultsError
from fw_guard.tomlfile import listed, meant, open_document

if TYPE_CHECKING:
    from pathlib import Path

SOMEBODY = 65_534


def write(path: Path, raw: bytes, mode: int = 0o600) -> str:
    path.write_bytes(raw)
    path.chmod(mode)
    return str(path)


def refusal(path: str) -> str:
    with pytest.raises(FaultsError) as refused:
        open_document(path)
    return str(refused.value)


def test_a_file_is_read(tmp_path: Path) -> None:
    document = open_document(write(tmp_path / "a.toml", "title = 'größe'\n".encode()))
    assert document.root.text("title") == "größe"


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    path = f"{tmp_path}/a.toml"
    assert refusal(path) == f"{path}: cannot be read: No such file or directory"


def test_a_directory_in_the_place_of_a_file_is_told(tmp_path: Path) -> None:
    assert refusal(str(tmp_path)) == f"{tmp_path}: cannot be read: Is a directory"


def test_a_file_that_is_no_utf8_is_told_with_the_place_of_the_byte(tmp_path: Path) -> None:
    path = write(tmp_path / "a.toml", "a = 1\n\n# größe caf".encode() + b"\xe9\n")
    assert refusal(path) == f"{path}:3:12: byte 0xe9 is not UTF-8; expected UTF-8 text"


def test_a_byte_order_mark_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a.toml", b"\xef\xbb\xbftitle = 'x'\n")
    assert refusal(path) == f"{path}:1:1: begins with a byte order mark; expected none"


def test_a_named_pipe_is_no_file_and_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    os.mkfifo(path)
    assert refusal(str(path)) == f"{path}: is no regular file; expected one"


def test_a_file_beyond_all_measure_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    write(path, b"")
    os.truncate(path, 4 * 1024 * 1024 + 1)
    assert refusal(str(path)) == f"{path}: is larger than 4 MiB; that is no such file"


def test_a_file_of_just_4_mib_is_read(tmp_path: Path) -> None:
    head = b"title = 'x'\n#"
    path = write(tmp_path / "a.toml", head + b"." * (4 * 1024 * 1024 - len(head)))
    assert open_document(path).root.text("title") == "x"


@pytest.mark.parametrize(("mode", "enough"), [(0o620, "600"), (0o602, "600"), (0o666, "644")])
def test_a_file_that_others_may_write_is_refused(tmp_path: Path, mode: int, enough: str) -> None:
    path = write(tmp_path / "a.toml", b"a = 1\n", mode)
    wanted = f"{path}: may be written by others; expected no more than mode {enough}"
    assert refusal(path) == wanted


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.toml", b"a = 1\n")
    os.chown(path, SOMEBODY, -1)
    wanted = f"{path}: belongs to user 65534; expected root or the user who runs this"
    assert refusal(path) == wanted


def test_a_file_that_ships_is_read_whoever_may_write_it(tmp_path: Path) -> None:
    path = write(tmp_path / "a.toml", b"title = 'x'\n", 0o666)
    assert open_document(path, trusted=True).root.text("title") == "x"


def test_words_are_listed_as_a_person_would() -> None:
    assert listed(["a"]) == "a"
    assert listed(["a", "b"]) == "a or b"
    assert listed(["a", "b", "c"]) == "a, b or c"


def test_a_word_is_suggested_only_when_one_is_near() -> None:
    assert meant("bantme", ["bantime", "findtime"]) == " (did you mean `bantime`?)"
    assert meant("x", ["bantime"]) == ""
    assert meant("x", []) == ""
