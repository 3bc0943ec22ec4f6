"""One network namespace of the kernel: made, worked in, and always removed.

Commands enter it through ``ip netns exec``, which replaces itself by the command, so that signals
and exit codes are the command's own. Sockets are opened by a short-lived thread that steps into the
namespace: a socket belongs for life to the namespace it was opened in, so any thread may use it
afterwards.
"""

import contextlib
import ctypes
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

Result = TypeVar("Result")

NAMESPACES = Path("/run/netns")  # where ip(8) keeps the names
CLONE_NEWNET = 0x40000000  # linux/sched.h: setns(2) is to change the network namespace


class NetworkError(RuntimeError):
    """The test network could not be made, used or removed; the message says what was tried."""


def ip_program() -> str:
    """The path of ip(8), absolute because a command may be given an environment without PATH."""
    path = shutil.which("ip")
    if path is None:
        raise NetworkError("the program ip is not on the PATH (Debian package iproute2)")
    return path


def ip(*arguments: str, batch: Sequence[str] = ()) -> str:
    """Run ip(8) with the arguments, and the lines of `batch` as its script; return what it printed.

    Raises NetworkError, with ip's own words, when it fails.
    """
    argv = [ip_program(), *arguments, *(["-batch", "-"] if batch else [])]
    done = subprocess.run(
        argv,
        input="".join(f"{line}\n" for line in batch),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if done.returncode != 0:
        raise NetworkError(f"{' '.join(argv)}: exit code {done.returncode}: {done.stderr.strip()}")
    return done.stdout


class Namespace:
    """A network namespace of its own random name; a context manager that makes and removes it."""

    def __init__(self, label: str) -> None:
        self.name = f"fw-guard-{secrets.token_hex(6)}-{label}"

    def __enter__(self) -> Self:
        ip("netns", "add", self.name)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # A process that a test left behind would keep the nameless namespace alive.
        try:
            for process in self.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
        finally:
            ip("netns", "delete", self.name)

    def exists(self) -> bool:
        """Whether the kernel knows a namespace of this name now."""
        return (NAMESPACES / self.name).exists()

    def processes(self) -> list[int]:
        """The ids of the processes that live in the namespace now."""
        return [int(word) for word in ip("netns", "pids", self.name).split()]

    def call(self, function: Callable[[], Result]) -> Result:
        """Call the function in a thread inside the namespace; return, or raise, what it does."""

        def enter_and_call() -> Result:
            _enter(NAMESPACES / self.name)
            return function()

        # The thread ends with the executor, so no thread outside is ever left in the namespace.
        with ThreadPoolExecutor(max_workers=1) as executor:
            return executor.submit(enter_and_call).result()

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: str = "",
        env: Mapping[str, str] | None = None,
        timeout: float = 30,
        check: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside the namespace and wait for it; see `Host.run`."""
        with subprocess.Popen(
            [ip_program(), "netns", "exec", self.name, *argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="surrogateescape",
            env=env,
            start_new_session=True,
        ) as process:
            try:
                output, errors = process.communicate(stdin, timeout=timeout)
            except BaseException:
                # The whole session dies: a grandchild that holds the pipe must not hang the tests.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise
        done = subprocess.CompletedProcess(list(argv), process.returncode, output, errors)
        if check and done.returncode != 0:
            failure = subprocess.CalledProcessError(done.returncode, done.args, output, errors)
            failure.add_note(f"in namespace {self.name}, stderr: {errors.strip()}")
            raise failure
        return done


def _enter(path: Path) -> None:
    """Move the calling thread, and no other, into the network namespace that `path` names."""
    library = ctypes.CDLL(None, use_errno=True)  # os.setns came with Python 3.12
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if library.setns(descriptor, CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"setns: {os.strerror(number)}", str(path))
    finally:
        os.close(descriptor)
