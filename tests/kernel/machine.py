"""The guarded server of a test network with a configuration, a log and a state of its own.

A pass is what cron runs: the installed console script, with cron's environment, on that host.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import ROOT

from .requirements import require, what_is_missing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from subprocess import CompletedProcess

    from .network import Host

SCRIPT = Path(sys.prefix) / "bin" / "fw-guard"
CRON = {"PATH": "", "HOME": "/"}
EVERYTHING = frozenset({"tcp4", "udp4", "icmp4", "tcp6", "udp6", "icmp6"})
IPV4 = frozenset({"tcp4", "udp4", "icmp4"})
IPV6 = EVERYTHING - IPV4
LEGACY = "-legacy"
PROGRAMS = {
    "nftables": ("nft",),
    "ipset": ("ipset", "iptables", "ip6tables"),
    "iptables": ("iptables", "ip6tables", "iptables-restore", "ip6tables-restore"),
}
MEMBERS_BY = {  # the commands that list our members
    "nftables": ("nft list table inet fw_guard",),
    "ipset": ("ipset save",),
    "iptables": ("iptables -S", "ip6tables -S"),
}
LINE = "{stamp} gw sshd-session[{pid}]: Failed password for root from {host} port 50273 ssh2\n"
CONFIG = """
action = "{action}"
maxretry = 3
findtime = "10m"
bantime = "{bantime}"
{top}
[jail.sshd]
filter = "sshd"
logs = ["{log}"]
{jail}
"""
# What iptables makes of itself as soon as somebody looks for a rule there, and leaves.
EMPTY_CHAIN = re.compile(
    r"\tchain (INPUT|FORWARD|OUTPUT) {\n"
    r"\t\ttype filter hook \w+ priority \w+; policy accept;\n\t}\n+"
)
# ip(8) has already given the command mounts of its own, so nobody else sees this one.
COVERED = 'PATH=/usr/bin:/bin mount --bind "$1" "$2" && shift 2 && exec "$@"'


def back_ends(*names: str) -> pytest.MarkDecorator:
    """Run a test, or a class, with each of these as ``back_end``; skip what is not here."""
    cases = [
        pytest.param(name, marks=pytest.mark.needs(*PROGRAMS[name.removesuffix(LEGACY)]), id=name)
        for name in names
    ]
    return pytest.mark.parametrize("back_end", cases)


def covered(path: str, by: str) -> tuple[str, ...]:
    """Give the words before a command that sees the file ``by`` in the place of a program."""
    return ("/bin/sh", "-c", COVERED, "sh", by, os.path.realpath(path))


def without(*programs: str) -> tuple[str, ...]:
    """Give the words before a command for which these programs are not installed."""
    return tuple(w for name in programs for w in covered(shutil.which(name) or "", "/dev/null"))


class Machine:
    """The guarded host. ``back_end`` is an action, or ``iptables-legacy`` and the like."""

    def __init__(self, host: Host, place: Path, back_end: str, bantime: str = "1h") -> None:
        self.host = host
        self.place = place
        self.back_end = back_end
        self.action = back_end.removesuffix(LEGACY)
        self.bantime = bantime
        self.prefix: tuple[str, ...] = ()
        if back_end != self.action:
            self.prefix = legacy()
        self.log = place / "auth.log"
        self.log.touch()
        (place / "etc").mkdir()
        self.configure()

    def configure(self, top: str = "", jail: str = "") -> None:
        """Write fw-guard.toml, with more settings at its top and at the end of the jail."""
        settings = {"action": self.action, "bantime": self.bantime, "log": self.log}
        self.write("fw-guard.toml", CONFIG.format(top=top, jail=jail, **settings))

    def write(self, name: str, text: str) -> None:
        """Write a file of the configuration."""
        path = self.place / "etc" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)

    def attempts(self, host: str, count: int, *, ago: int = 5) -> None:
        """Let sshd log failed logins of a host, the last one ``ago`` seconds ago."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() - ago))
        with self.log.open("a") as file:
            for number in range(count):
                file.write(LINE.format(stamp=stamp, pid=1000 + number, host=host))

    @property
    def options(self) -> tuple[str, ...]:
        """Where the configuration and the state are."""
        return ("-c", f"{self.place}/etc", "--state", f"{self.place}/state")

    def run(
        self, *words: str, before: Sequence[str] = (), stdin: str = ""
    ) -> CompletedProcess[str]:
        """Run fw-guard as cron does, with words ``before`` it that change its surroundings."""
        argv = [*self.prefix, *before, str(SCRIPT), *self.options, *words]
        return self.host.run(argv, env=CRON, stdin=stdin)

    def guard(self, *words: str, code: int = 0, before: Sequence[str] = ()) -> str:
        """Run fw-guard; its exit code must be ``code``. Give its output, or what it complains."""
        done = self.run(*words, before=before)
        assert done.returncode == code, done.stderr + done.stdout
        return done.stdout if code == 0 else done.stderr

    def quiet_pass(self) -> None:
        """Run a pass; it must say nothing at all."""
        done = self.run("run")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    def ran_by_python(self, program: str, *words: str) -> CompletedProcess[str]:
        """Run a program of Python's on the host, with the package to import."""
        argv = [*self.prefix, sys.executable, "-c", program, *self.options, *words]
        return self.host.run(argv, env={**CRON, "PYTHONPATH": str(ROOT)})

    def python(self, program: str, *words: str) -> str:
        """Run such a program, which must succeed; give its output."""
        done = self.ran_by_python(program, *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def does(self, *commands: str) -> None:
        """Run commands of the owner's on the host, whole lines, which must succeed."""
        for command in commands:
            self.host.run([*self.prefix, *shlex.split(command)], check=True)

    def bans(self) -> list[str]:
        """Give who is banned, as the state says."""
        bans: list[dict[str, Any]] = json.loads(self.guard("list", "--json"))["bans"]
        return sorted(ban["address"] for ban in bans)

    def given(self, command: str, stdin: str) -> None:
        """Run a command on the host with an input; it must succeed."""
        self.host.run([*self.prefix, *shlex.split(command)], stdin=stdin, check=True)

    def says(self, command: str) -> str:
        """Give the output of a command on the host, a whole line."""
        return self.host.run([*self.prefix, *shlex.split(command)], check=True).stdout

    def members(self) -> str:
        """Give what lists our members in the kernel."""
        return "".join(map(self.says, self.listing))

    @property
    def listing(self) -> tuple[str, ...]:
        """The commands that list our members."""
        return MEMBERS_BY[self.action]

    def ruleset(self) -> str:
        """Give all rules and members of this host's kernel, without what changes by itself."""
        tools = ["nft -s list ruleset", "iptables-save", "ip6tables-save", "ipset save"]
        texts = [self.host.run([*self.prefix, *tool.split()]).stdout for tool in tools]
        lines = [line for text in texts for line in text.splitlines() if line[:1] != "#"]
        accidents = r"\[\d+:\d+\]| initval 0x\w+| (timeout|expires) \w+|packets \d+ bytes \d+"
        return EMPTY_CHAIN.sub("", re.sub(accidents, "", "\n".join(lines)))


def legacy() -> tuple[str, ...]:
    """Give the words before a command for which iptables is the legacy one; skip without it."""
    require("iptables")
    missing = what_is_missing("iptables-legacy", "ip6tables-legacy")
    if missing:
        pytest.skip("; ".join(missing))
    here, there = shutil.which("iptables"), shutil.which("iptables-legacy")
    assert here is not None
    assert there is not None
    return covered(here, os.path.realpath(there))
