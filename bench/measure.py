"""CPU of whole process trees, and the middle of several runs.

CPU is user and system time. Of a command it is what the kernel tells whoever waits for it: that of
the process and of all children that it waited for itself. Of a daemon it is the difference of two
looks. What the kernel does on nobody's account, such as freeing a set afterwards, is in neither.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from bench.errors import BenchError

if TYPE_CHECKING:
    import resource
    from collections.abc import Iterable, Sequence

    from bench.namespaces import Namespace

    Key = tuple[str, str, int]

# A clean environment: that of whoever runs the benchmark may slow Python down, or hurry it.
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
}
# Where utime stands in /proc/PID/stat behind the name, which may hold blanks and brackets: proc(5).
UTIME = 11
LIMIT = 300.0  # seconds of wall: what takes longer is not going to be measured over and over
CPUCLOCK_SCHED = 2  # linux/posix-timers.h


class Finished(NamedTuple):
    """What a command cost, in seconds, and what it left."""

    cpu: float
    wall: float
    code: int
    out: str
    err: str


class Ticks(NamedTuple):
    """Times of /proc/PID/stat, in clock ticks: a process, and the children it waited for."""

    utime: int
    stime: int
    cutime: int
    cstime: int


class Figure(NamedTuple):
    """What was measured: one sample, in seconds of CPU, a run.

    ``who`` did ``what``. ``bans`` is how many bans the work was about or, when ``each`` is false,
    how many stood meanwhile.
    """

    who: str
    what: str
    bans: int
    each: bool
    samples: tuple[float, ...]

    @property
    def key(self) -> Key:
        """What the figures of a run are told apart by."""
        return self.who, self.what, self.bans

    @property
    def middle(self) -> float:
        """The median, in seconds."""
        return statistics.median(self.samples)

    @property
    def per_ban(self) -> float:
        """The median of one ban, in seconds. Raises ValueError when it is not about bans."""
        if not (self.each and self.bans):
            raise ValueError(f"{self.key} cannot be shared out; expected work on single bans")
        return self.middle / self.bans


def merged(figures: Iterable[Figure]) -> dict[Key, Figure]:
    """Put the samples of the same work together; what came first stands first."""
    found: dict[Key, Figure] = {}
    for figure in figures:
        known = found.get(figure.key)
        samples = (*(known.samples if known else ()), *figure.samples)
        found[figure.key] = figure._replace(samples=samples)
    return found


def run(argv: Sequence[str], inside: Namespace, stdin: bytes = b"") -> Finished:
    """Run a command to its end, with a clean environment; what it writes goes to files."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out:
        given.write(stdin)
        given.seek(0)
        with tempfile.TemporaryFile() as err:
            start = time.monotonic()
            with inside.entered():
                process = subprocess.Popen(
                    argv, stdin=given, stdout=out, stderr=err, env=ENVIRONMENT, cwd="/"
                )
            usage = waited(process)
            wall = time.monotonic() - start
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read().decode("utf-8", "backslashreplace"))
    return Finished(usage.ru_utime + usage.ru_stime, wall, process.returncode, *texts)


def waited(process: subprocess.Popen[bytes]) -> resource.struct_rusage:
    """Wait for a process as long as LIMIT, then kill it; give what it used, its children too."""
    timer = threading.Timer(LIMIT, process.kill)
    timer.start()
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        timer.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage


def done(argv: Sequence[str], inside: Namespace, stdin: bytes = b"") -> Finished:
    """Run a command that has to succeed. Raises BenchError with what it said."""
    finished = run(argv, inside, stdin)
    if finished.code:
        shown = " ".join(argv)[:200]
        said = (finished.err or finished.out)[-2000:].strip()
        how = f"ended with {finished.code} after {finished.wall:.0f} s"
        raise BenchError(f"`{shown}` {how}: {said}")
    return finished


def read_stat(text: str) -> Ticks:
    """Read the times from the text of /proc/PID/stat. Raises ValueError."""
    _, bracket, rest = text.rpartition(")")
    fields = rest.split()
    if not bracket or len(fields) < UTIME + 4:
        raise ValueError(f"{text[:80]!r} is no line of /proc/PID/stat")
    return Ticks(*(int(field) for field in fields[UTIME : UTIME + 4]))


def tree_cpu(pid: int) -> float:
    """Give the CPU seconds of a living process up to now, with the children it waited for.

    Its own are read from its clock, to the nanosecond: an idle daemon needs less in ten seconds
    than one of the ticks in which /proc counts. Those of its children are counted in ticks.
    """
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="backslashreplace") as file:
        ticks = read_stat(file.read())
    own = time.clock_gettime(~pid << 3 | CPUCLOCK_SCHED)
    return own + (ticks.cutime + ticks.cstime) / os.sysconf("SC_CLK_TCK")
