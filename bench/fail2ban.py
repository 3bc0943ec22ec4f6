"""fail2ban as Debian ships it: its server, its client, its own actions and its filter for sshd.

Only the configuration is ours, as small as may be and with the quieter log, which spares it work.
The server stays in the foreground, as a child whose CPU can be told, and is otherwise the daemon
that it always is.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING

from bench import measure, namespaces
from bench.errors import BenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bench.measure import Finished
    from bench.namespaces import Namespace

SERVER = "/usr/bin/fail2ban-server"
CLIENT = "/usr/bin/fail2ban-client"
SHIPPED = "/etc/fail2ban"
JAIL = "sshd"
PATIENCE = 280.0  # seconds
STOPPING = 60.0
# Of the actions that ship, those that ban a host on all ports, and what holds the addresses then.
ACTIONS = {
    "nftables-allports": "nftables",
    "iptables-ipset-proto6-allports": "ipset",
    "iptables-allports": "iptables",
}
SETTINGS = """\
[Definition]
loglevel = NOTICE
logtarget = {place}/server.log
socket = {place}/socket
pidfile = {place}/pid
dbfile = {place}/bans.sqlite3
dbpurgeage = 1d
allowipv6 = auto
"""
JAILS = """\
[{jail}]
enabled = true
filter = sshd
logpath = {log}
backend = auto
usedns = no
maxretry = 3
findtime = 10m
bantime = 1d
action = {action}[name={jail}]
"""


class Server:
    """One fail2ban, in a directory and a namespace of its own."""

    def __init__(self, place: str, inside: Namespace, action: str) -> None:
        """Write the configuration; nothing is started yet."""
        self.inside = inside
        self.firewall = ACTIONS[action]
        self.log = os.path.join(place, "auth.log")
        self._place = place
        self._told = os.path.join(place, "server.log")
        self._process: subprocess.Popen[bytes] | None = None
        for directory in ("action.d", "filter.d"):
            os.symlink(os.path.join(SHIPPED, directory), os.path.join(place, directory))
        for name, text in (
            ("fail2ban.conf", SETTINGS.format(place=place)),
            ("jail.conf", JAILS.format(jail=JAIL, log=self.log, action=action)),
            ("auth.log", ""),
        ):
            with open(os.path.join(place, name), "w", encoding="utf-8") as file:
                file.write(text)

    def start(self) -> None:
        """Start the server; wait until it answers to its clients."""
        with self.inside.entered():
            self._process = subprocess.Popen(
                [SERVER, "-c", self._place, "-f", "start"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=measure.ENVIRONMENT,
                cwd="/",
            )
        self.wait(lambda: os.path.exists(os.path.join(self._place, "socket")), "its socket")
        self.client("ping")

    def stop(self) -> None:
        """Stop the server as its owner would; the database keeps its bans."""
        process = self.process
        self.client("stop")
        try:
            process.wait(STOPPING)
        except subprocess.TimeoutExpired:
            raise BenchError(f"fail2ban did not stop within {STOPPING:g} s") from None
        self._process = None

    def kill(self) -> None:
        """End the server at once, if it is there."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def client(self, *words: str) -> Finished:
        """Run its client."""
        return measure.done([CLIENT, "-c", self._place, *words], self.inside)

    def cpu(self) -> float:
        """Give the CPU seconds of the server and its children, since it was started."""
        return measure.tree_cpu(self.process.pid)

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The running server. Raises BenchError when it is not there."""
        if self._process is None or self._process.poll() is not None:
            raise BenchError(f"fail2ban's server is not running; it said: {self._said()[-2000:]}")
        return self._process

    def ban(self, hosts: Sequence[str]) -> float:
        """Ban in one call of the client; give the CPU of client and server until all are banned."""
        before = self.cpu()
        calls = self.client("set", JAIL, "banip", *hosts).cpu
        self.settle(len(hosts))
        return calls + self.cpu() - before

    def ban_singly(self, hosts: Sequence[str]) -> float:
        """Ban with a call of the client for each, as scripts do; give the CPU likewise."""
        before = self.cpu()
        calls = sum(self.client("set", JAIL, "banip", host).cpu for host in hosts)
        self.settle(len(hosts))
        return calls + self.cpu() - before

    def read(self, lines: str, count: int) -> float:
        """Append lines to the log; give the CPU of the server until it has banned so many."""
        before = self.cpu()
        with open(self.log, "a", encoding="utf-8") as file:
            file.write(lines)
        self.settle(count)
        return self.cpu() - before

    def unban(self, hosts: Sequence[str]) -> float:
        """Unban in one call of the client, which waits; give the CPU of both."""
        before = self.cpu()
        calls = self.client("set", JAIL, "unbanip", *hosts).cpu
        self.settle(0)
        return calls + self.cpu() - before

    def restart(self, count: int) -> float:
        """Stop; start again on the database; give the new server's CPU until all are restored."""
        self.stop()
        with open(self._told, "w", encoding="utf-8"):
            pass
        self.start()
        self.settle(count)
        return self.cpu()

    def idle(self, seconds: float) -> float:
        """Leave the server alone for a while; give the CPU that a minute of that takes."""
        before, start = self.cpu(), time.monotonic()
        time.sleep(seconds)
        return (self.cpu() - before) * 60 / (time.monotonic() - start)

    def settle(self, count: int) -> None:
        """Wait until the server has told of its last ban and the firewall holds so many."""
        if count:
            self.wait(lambda: self._said().count(" Ban ") >= count, f"{count} bans")
        self.wait(lambda: namespaces.banned(self.inside, self.firewall) == count, f"{count} held")
        time.sleep(0.5)  # the last tool is waited for, and its CPU is told

    def wait(self, until: Callable[[], bool], what: str) -> None:
        """Wait for something that costs the server nothing to be looked at."""
        end = time.monotonic() + PATIENCE
        while not until():
            if self.process.poll() is not None or time.monotonic() > end:
                raise BenchError(f"fail2ban did not come to {what}: {self._said()[-2000:]}")
            time.sleep(0.2)

    def _said(self) -> str:
        """Give what the server has written into its log."""
        try:
            with open(self._told, encoding="utf-8", errors="backslashreplace") as file:
                return file.read()
        except FileNotFoundError:
            return ""


@contextlib.contextmanager
def server(action: str) -> Iterator[Server]:
    """Give a running fail2ban that has banned nobody; end it with its namespace."""
    with (
        tempfile.TemporaryDirectory(prefix="fw-guard-bench-") as place,
        namespaces.namespace() as inside,
    ):
        made = Server(place, inside, action)
        try:
            made.start()
            yield made
        finally:
            made.kill()
