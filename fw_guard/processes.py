"""A tool is run: the one place that starts a process."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from fw_guard.errors import GuardError
from fw_guard.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DIRECTORIES = ("/sbin", "/usr/sbin", "/bin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin")
PATH = ":".join(DIRECTORIES)
TIMEOUT = 30.0


class Result(NamedTuple):
    """What a process left: its exit code (below 0: the signal that ended it), output, errors."""

    code: int
    out: str
    err: str


if TYPE_CHECKING:
    Run = Callable[[Sequence[str], str], Result]


class FirewallError(GuardError):
    """The firewall refused, or could not be asked; the message is for the person who mends it."""

    def __init__(self, message: str, *, needs_root: bool = False) -> None:
        """Keep the message, and whether it was for want of privilege."""
        super().__init__(message)
        self.needs_root = needs_root
        self.status = os.EX_NOPERM if needs_root else os.EX_UNAVAILABLE


class MissingToolError(FirewallError):
    """The firewall's tool is not installed."""


def run_command(argv: Sequence[str], stdin: str, timeout: float = TIMEOUT) -> Result:
    """Run one tool and give what it left; the only place that starts a process.

    There is no shell, no PATH of cron's and none of the caller's environment. A tool that is not
    done after ``timeout`` seconds is killed with all that it started. A command without arguments
    is for whoever prints, not for this. Raises FirewallError.
    """
    tool = _tool(argv[0])
    import contextlib  # here, because the three cost 16 milliseconds: not all commands run a tool
    import signal
    import subprocess

    try:
        process = subprocess.Popen(
            [tool, *argv[1:]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="backslashreplace",
            cwd="/",
            env={"PATH": PATH, "LC_ALL": "C"},
            process_group=0,
        )
    except OSError as error:
        raise FirewallError(f"`{shown(argv)}` cannot be started: {error.strerror}") from None
    with process:
        try:
            out, err = process.communicate(stdin, timeout)
        except BaseException as error:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise FirewallError(
                    f"`{shown(argv)}` was not done after {timeout:g} seconds and was killed; "
                    "another program may hold the firewall's lock: the next pass tries again"
                ) from None
            raise
    return Result(process.returncode, out, err)


def _tool(name: str) -> str:
    """Give the path of a tool: a name is looked up in DIRECTORIES, a path is taken as it is."""
    paths = [name] if "/" in name else [f"{directory}/{name}" for directory in DIRECTORIES]
    for path in paths:
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    where = "" if "/" in name else f" (looked in {', '.join(DIRECTORIES)})"
    raise MissingToolError(
        f"`{printable(name)}` is not installed{where}; install it, or choose another `action`"
    )


def shown(argv: Sequence[str]) -> str:
    """Give a command as a person reads it."""
    return printable(" ".join(argv))
