"""Network namespaces without a name: a firewall of one's own, gone as soon as nobody holds it.

The measuring process itself enters a namespace for the moment in which it starts a program, so
that no `ip netns exec` adds its own work to what is measured. Nothing is left behind, whatever end
this process comes to: the kernel keeps such a namespace only while a process or a descriptor does.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import subprocess
from typing import TYPE_CHECKING

from bench.errors import BenchError

if TYPE_CHECKING:
    from collections.abc import Iterator

CLONE_NEWNET = 0x40000000  # from linux/sched.h; os.setns and os.unshare came with Python 3.12
OWN = "/proc/thread-self/ns/net"
ADDRESS = "192.0.2.1/24"


class Namespace:
    """A network namespace with a loopback that is up and an address of its own."""

    def __init__(self) -> None:
        """Make it. Raises BenchError where the kernel or the privilege is wanting."""
        self._home = os.open(OWN, os.O_RDONLY | os.O_CLOEXEC)
        _libc("unshare", CLONE_NEWNET)
        self._here = os.open(OWN, os.O_RDONLY | os.O_CLOEXEC)
        _libc("setns", self._home, CLONE_NEWNET)
        self.output("ip", "link", "set", "lo", "up")
        self.output("ip", "address", "add", ADDRESS, "dev", "lo")

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Be inside: whatever is started meanwhile is born there, and stays."""
        _libc("setns", self._here, CLONE_NEWNET)
        try:
            yield
        finally:
            _libc("setns", self._home, CLONE_NEWNET)

    def output(self, *argv: str) -> str:
        """Run a tool that is not measured; give what it wrote. Raises BenchError if it fails."""
        with self.entered():
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BenchError(f"`{' '.join(argv)}` failed: {done.stderr.strip()}")
        return done.stdout

    def close(self) -> None:
        """Let it go."""
        os.close(self._here)
        os.close(self._home)


@contextlib.contextmanager
def namespace() -> Iterator[Namespace]:
    """Give a namespace, and let it go again."""
    made = Namespace()
    try:
        yield made
    finally:
        made.close()


def banned(inside: Namespace, firewall: str) -> int:
    """Count the addresses that "nftables", "ipset" or "iptables" holds, whoever put them there."""
    if firewall == "nftables":
        ruleset = json.loads(inside.output("nft", "-j", "list", "ruleset"))["nftables"]
        return sum(len(each["set"].get("elem", ())) for each in ruleset if "set" in each)
    if firewall == "ipset":
        return sum(line.startswith("add ") for line in inside.output("ipset", "save").splitlines())
    rules = inside.output("iptables-save").splitlines()
    return sum(" -s " in rule and not rule.startswith("-A INPUT") for rule in rules)


def flush(inside: Namespace) -> None:
    """Do to the firewall what a reload of somebody else's rules does."""
    inside.output("nft", "flush", "ruleset")


def _libc(name: str, *arguments: int) -> None:
    """Call a function of the C library that gives 0 when all is well."""
    function = getattr(ctypes.CDLL(None, use_errno=True), name)
    if function(*arguments):
        reason = os.strerror(ctypes.get_errno())
        raise BenchError(f"{name}: {reason}; expected root on Linux, with network namespaces")
