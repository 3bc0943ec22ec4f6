"""fw-guard as its owner runs it: installed by pip, by its console script, one namespace each."""

from __future__ import annotations

import contextlib
import datetime
import os
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

from bench import measure, namespaces
from bench.errors import BenchError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.measure import Finished
    from bench.namespaces import Namespace

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# One command line takes two megabytes; more addresses than these are given in several.
AT_ONCE = 20_000
CONFIG = """\
action   = "{action}"
maxretry = 3
findtime = "10m"
bantime  = "1d"
brake    = 1000000

[jail.sshd]
filter = "sshd"
logs   = ["{log}"]
"""


class Installed:
    """A copy of this checkout in an environment of its own, as pip installs it."""

    def __init__(self, place: str) -> None:
        """Install into the directory ``place``. Raises BenchError with what pip said."""
        venv = os.path.join(place, "venv")
        self.python = os.path.join(venv, "bin", "python")
        self.script = os.path.join(venv, "bin", "fw-guard")
        # pip of this Python installs into the new environment: many systems have no ensurepip.
        for argv in (
            ("-m", "venv", "--without-pip", venv),
            ("-m", "pip", "--python", self.python, "install", "--quiet", "--no-cache-dir", ROOT),
        ):
            done = subprocess.run(
                [sys.executable, *argv], capture_output=True, text=True, check=False
            )
            if done.returncode:
                said = done.stderr.strip()
                raise BenchError(f"`python {' '.join(argv[:2])}` failed (needs pip): {said}")


class Guard:
    """One configuration with one state, in a directory and a namespace of its own."""

    def __init__(self, installed: Installed, place: str, inside: Namespace, action: str) -> None:
        """Write the configuration; make two passes, which nobody measures.

        The first makes the state, the second may keep in it what was derived from the files.
        """
        self.inside = inside
        self.action = action
        self.log = os.path.join(place, "auth.log")
        self._etc = os.path.join(place, "etc")
        self._options = ("-c", self._etc, "--state", os.path.join(place, "state"))
        self._script = installed.script
        os.mkdir(self._etc)
        with open(os.path.join(self._etc, "fw-guard.toml"), "w", encoding="utf-8") as file:
            file.write(CONFIG.format(action=action, log=self.log))
        with open(self.log, "w", encoding="utf-8"):
            pass
        self.run()
        self.run()

    def do(self, *words: str) -> Finished:
        """Run fw-guard."""
        return measure.done([self._script, *self._options, *words], self.inside)

    def run(self, later: int = 0) -> Finished:
        """Make a pass: now, or with the clock so many seconds later."""
        if not later:
            return self.do("run")
        moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=later)
        return self.do("--now", moment.isoformat(timespec="seconds"), "run")

    def ban(self, hosts: Sequence[str]) -> float:
        """Ban for a day, by hand, in as few commands as take them; give the CPU of all."""
        return sum(
            self.do("-q", "ban", *hosts[start : start + AT_ONCE], "--for", "1d").cpu
            for start in range(0, len(hosts), AT_ONCE)
        )

    def unban(self, hosts: Sequence[str]) -> float:
        """Unban by hand in one command; give the CPU."""
        return self.do("-q", "unban", *hosts).cpu

    def expect(self, count: int) -> None:
        """See that the firewall holds so many. Raises BenchError: no work, no figure."""
        found = namespaces.banned(self.inside, self.action)
        if found != count:
            raise BenchError(f"{self.action} holds {found:,} addresses; expected {count:,}")


@contextlib.contextmanager
def guard(installed: Installed, action: str) -> Iterator[Guard]:
    """Give a guard that has made its first pass and banned nobody."""
    with (
        tempfile.TemporaryDirectory(prefix="fw-guard-bench-") as place,
        namespaces.namespace() as inside,
    ):
        yield Guard(installed, place, inside, action)
