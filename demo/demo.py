"""The main job on the founding lines: what was seen, who is banned and why, the exact batch.

As root on Linux, with nft and ip installed, it also bans for real, inside network namespaces of
its own, and shows a packet being dropped, and passing again after the unban. Everything happens in
a temporary directory; nothing of this machine is changed.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = os.path.dirname(os.path.abspath(__file__))
ATTACKER = "121.101.74.175"
NEIGHBOUR = "121.101.74.176"
NOW = "2017-02-07T04:42:00+09:00"
CONFIG = """
action = "nftables"
limits = ["5 in 10m"]
bantime = "1h"

[jail.knocking]
filter = ["inetd", "sshd"]
logs = ["{logs}/refused.log", "{logs}/login-names.log"]

[jail.probes]
filter = "httpd-probes"
logs = ["{logs}/httpd-access.log"]
"""


class Demo:
    """One configuration and state in a temporary directory."""

    def __init__(self, place: str) -> None:
        """Write the configuration and copy the founding lines."""
        self.place = place
        self.prefix: tuple[str, ...] = ()
        logs = os.path.join(place, "log")
        shutil.copytree(os.path.join(HERE, "logs"), logs)
        os.mkdir(os.path.join(place, "etc"))
        with open(os.path.join(place, "etc", "fw-guard.toml"), "w", encoding="utf-8") as file:
            file.write(CONFIG.format(logs=logs))

    def guard(self, *words: str) -> None:
        """Run fw-guard as a person would, and show what it says."""
        print(f"\n$ fw-guard {' '.join(words)}", flush=True)
        options = ["-c", f"{self.place}/etc", "--state", f"{self.place}/state", "--now", NOW]
        subprocess.run(
            [*self.prefix, sys.executable, "-m", "fw_guard", *options, *words],
            env={**os.environ, "TZ": "Asia/Tokyo"},
            check=False,
        )


def head(text: str) -> None:
    """Print a heading."""
    print(f"\n== {text}", flush=True)


def main() -> None:
    """Show it."""
    os.umask(0o077)
    with tempfile.TemporaryDirectory(prefix="fw-guard-demo-") as place:
        demo = Demo(place)
        head("Founding lines: February 2017, a server in Tokyo. Which lines are an attempt?")
        demo.guard("try", "sshd", f"{place}/log/refused.log")
        demo.guard("try", "inetd", f"{place}/log/refused.log")
        demo.guard("try", "httpd-probes", f"{place}/log/httpd-access.log")
        head("inetd and the web server know a name only; one line of sshd's gives its address")
        print("   and every attempt is laid to that. Whom would the jails have banned, and when?")
        logs = [f"{place}/log/{name}.log" for name in ("refused", "login-names", "httpd-access")]
        demo.guard("replay", *logs)
        head("One pass, as cron would run it at 04:42; here it only says the batch")
        demo.guard("run", "--dry-run")
        head("The same for real, with the firewall of a namespace of its own")
        why_not = missing()
        if why_not:
            print(f"   left out: {why_not}")
            return
        with network() as (server, attacker, neighbour):
            demo.prefix = ("ip", "netns", "exec", server)
            knock(attacker, neighbour)
            demo.guard("run", "--verbose")
            demo.guard("list")
            demo.guard("why", ATTACKER)
            knock(attacker, neighbour)
            demo.guard("run", "--verbose")
            demo.guard("unban", ATTACKER)
            knock(attacker, neighbour)


def missing() -> str:
    """Say what a real ban would need and is not here."""
    if not sys.platform.startswith("linux"):
        return "network namespaces are Linux's"
    if os.geteuid() != 0:
        return "it takes root to make a network namespace"
    lacks = [tool for tool in ("ip", "nft") if shutil.which(tool) is None]
    if lacks:
        return f"{' and '.join(lacks)} not installed (Debian: iproute2, nftables)"
    trial = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)
    return "" if trial.returncode == 0 else "this machine allows no network namespaces"


def ip(*words: str) -> None:
    """Run ip(8)."""
    subprocess.run(["ip", *words], check=True)


@contextlib.contextmanager
def network() -> Iterator[tuple[str, str, str]]:
    """Make a server, the attacker and a neighbour of the attacker's, each a namespace."""
    mark = secrets.token_hex(3)
    server, *clients = names = [f"demo-{mark}-{i}" for i in range(3)]
    try:
        for name in names:
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        for number, (client, address) in enumerate(
            zip(clients, (ATTACKER, NEIGHBOUR), strict=True)
        ):
            inner = f"peer{number}"
            ip("-n", server, "link", "add", inner, "type", "veth", "peer", "eth0", "netns", client)
            for name, link, own, other in (
                (server, inner, "192.0.2.1/32", address),
                (client, "eth0", f"{address}/32", "192.0.2.1"),
            ):
                ip("-n", name, "address", "add", own, "dev", link)
                ip("-n", name, "link", "set", link, "up")
                ip("-n", name, "route", "add", other, "dev", link)
        yield server, clients[0], clients[1]
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


def knock(attacker: str, neighbour: str) -> None:
    """Send a packet from each, and say what became of it."""
    print()
    for name, address in ((attacker, ATTACKER), (neighbour, NEIGHBOUR)):
        came = subprocess.run(
            ["ip", "netns", "exec", name, sys.executable, __file__, "knock", "192.0.2.1"],
            check=False,
        )
        print(f"   {address}: {'answered' if came.returncode == 0 else 'dropped'}", flush=True)


def refused(address: str) -> bool:
    """Say whether a TCP port without a server answers: a refusal is an answer, silence is none."""
    try:
        socket.create_connection((address, 22), timeout=1.5).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return True


if __name__ == "__main__":
    if sys.argv[1:2] == ["knock"]:
        sys.exit(0 if refused(sys.argv[2]) else 1)
    main()
