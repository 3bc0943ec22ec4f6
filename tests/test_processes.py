"""The one place that starts a process: what it hands on, what it keeps back, what it kills."""

from __future__ import annotations

import fcntl
import sys
import time
from typing import TYPE_CHECKING

import pytest

from fw_guard.processes import FirewallError, MissingToolError, Result, run_command

if TYPE_CHECKING:
    from pathlib import Path


def lock_is_free(path: Path) -> bool:
    """Whether nobody holds the lock, or whoever does lets it go within five seconds."""
    with path.open() as file:
        for _ in range(100):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.05)
            else:
                return True
    return False


def test_input_output_errors_and_exit_code() -> None:
    program = "import sys; print(sys.stdin.read()[::-1]); print('no', file=sys.stderr); exit(3)"
    result = run_command((sys.executable, "-c", program), "abc")
    assert result == Result(3, "cba\n", "no\n")


def test_the_environment_is_ours_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_PRELOAD_OF_A_STRANGER", "yes")
    assert sorted(run_command(("env",), "").out.splitlines()) == [
        "LC_ALL=C",
        "PATH=/sbin:/usr/sbin:/bin:/usr/bin:/usr/local/sbin:/usr/local/bin",
    ]


def test_the_path_of_the_caller_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = tmp_path / "env"
    trap.write_text("#!/bin/sh\necho trapped\n")
    trap.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "trapped" not in run_command(("env",), "").out


def test_there_is_no_shell() -> None:
    program = "import sys; print(sys.argv[1])"
    result = run_command((sys.executable, "-c", program, "$(id) `id`; id"), "")
    assert result.out == "$(id) `id`; id\n"


def test_a_tool_that_is_missing_is_named() -> None:
    with pytest.raises(MissingToolError) as caught:
        run_command(("no-such-tool-of-ours", "-f"), "")
    assert str(caught.value) == (
        "`no-such-tool-of-ours` is not installed (looked in /sbin, /usr/sbin, /bin, /usr/bin, "
        "/usr/local/sbin, /usr/local/bin); install it, or choose another `action`"
    )


def test_a_tool_that_hangs_is_killed_with_what_it_started(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.touch()
    child = (
        "import fcntl, time; f = open({!r}); fcntl.flock(f, fcntl.LOCK_EX); "
        "open({!r}, 'w'); time.sleep(600)"
    ).format(str(lock), str(tmp_path / "locked"))
    parent = "import os, sys; os.fork() or exec(sys.argv[1]); os.wait()"
    with pytest.raises(FirewallError) as caught:
        run_command((sys.executable, "-c", parent, child), "", timeout=3)
    assert str(caught.value).startswith(f"`{sys.executable} -c ")
    assert str(caught.value).endswith(
        " was not done after 3 seconds and was killed; another program may hold the "
        "firewall's lock: the next pass tries again"
    )
    assert (tmp_path / "locked").exists()
    assert lock_is_free(lock)


def test_a_tool_that_does_not_read_its_input_is_no_error() -> None:
    assert run_command(("true",), "x" * 1_000_000) == Result(0, "", "")


def test_output_that_is_not_text_is_made_text() -> None:
    program = r"import sys; sys.stdout.buffer.write(b'a\xffb')"
    assert run_command((sys.executable, "-c", program), "").out == "a\\xffb"
