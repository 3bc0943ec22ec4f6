"""What a kernel test needs of the machine, tried out rather than assumed.

On a developer's machine a test that cannot run is skipped; in continuous integration (CI=true) it
fails, so that the tests that matter most cannot fall silent there.
"""

import functools
import os
import shutil
import sys
from dataclasses import dataclass
from typing import NoReturn

import pytest

from .namespace import Namespace, NetworkError, ip


@dataclass(frozen=True)
class Program:
    """A program's Debian package, and a harmless command that shows that the kernel serves it."""

    package: str
    trial: tuple[str, ...]


PROGRAMS = {
    "conntrack": Program("conntrack", ("conntrack", "-C")),
    "ip6tables": Program("iptables", ("ip6tables", "-S")),
    "ip6tables-legacy": Program("iptables", ("ip6tables-legacy", "-S")),
    "ip6tables-restore": Program("iptables", ("ip6tables-restore", "--test")),
    "iptables": Program("iptables", ("iptables", "-S")),
    "iptables-legacy": Program("iptables", ("iptables-legacy", "-S")),
    "iptables-restore": Program("iptables", ("iptables-restore", "--test")),
    "ipset": Program("ipset", ("ipset", "list", "-name")),
    "nft": Program("nftables", ("nft", "list", "ruleset")),
}


def require(*programs: str) -> None:
    """Skip the test, or fail it in CI, unless this machine has the programs and makes namespaces.

    Raises ValueError for a program that PROGRAMS does not name.
    """
    missing = what_is_missing(*programs)
    if missing:
        _give_up("this test cannot run here: " + "; ".join(missing))


def what_is_missing(*programs: str) -> list[str]:
    """One sentence for each thing that is missing, with how to get it; empty when nothing is."""
    unknown = sorted(set(programs) - set(PROGRAMS))
    if unknown:
        raise ValueError(
            f"no Debian package is known for {', '.join(unknown)}; add it to PROGRAMS in {__file__}"
        )
    if not sys.platform.startswith("linux"):
        return [f"network namespaces need Linux, this is {sys.platform}"]
    missing = []
    if os.geteuid() != 0:
        missing.append("network namespaces need root: run the tests as root, or with sudo")
    if shutil.which("ip") is None:
        missing.append(_not_installed("ip", "iproute2"))
    absent = [name for name in programs if shutil.which(name) is None]
    missing += [_not_installed(name, PROGRAMS[name].package) for name in absent]
    # Only a machine that has every program can be asked whether its kernel serves them.
    return missing or what_the_kernel_lacks(programs)


def _not_installed(program: str, package: str) -> str:
    return f"{program} is not on the PATH: apt-get install {package}"


@functools.cache
def what_the_kernel_lacks(programs: tuple[str, ...]) -> list[str]:
    """Make a namespace with all that a test network is made of; run the programs' trials in it."""
    try:
        with Namespace("trial") as namespace:
            ip(
                "-netns",
                namespace.name,
                batch=[
                    "link add bridge type bridge",
                    "link add one type veth peer name other",
                    "address add 2001:db8::1/64 dev one nodad",
                ],
            )
            trials = {name: namespace.run(PROGRAMS[name].trial) for name in programs}
    except NetworkError as error:
        return [
            "the kernel made no namespace with a bridge, a veth pair and IPv6 "
            f"(a container may need --privileged): {error}"
        ]
    return [
        f"{name} does not work on this kernel: {trial.stderr.strip()}"
        for name, trial in trials.items()
        if trial.returncode != 0
    ]


def _give_up(message: str) -> NoReturn:
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)
