"""Who is never banned: this machine, what is no single host, and whom the owner names.

Judged when a ban is due and again when it is applied.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from fw_guard import addresses
from fw_guard.errors import GuardError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Network = tuple[bytes, int]

LOOPBACK = ("127.0.0.0/8", "::1")
NO_HOST = ("0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::", "ff00::/8")
IPV4_TABLE = "/proc/net/fib_trie"
IPV6_TABLE = "/proc/net/if_inet6"


class SafetyError(GuardError):
    """The machine's own addresses cannot be found out, so nobody can be banned safely."""

    status = os.EX_UNAVAILABLE


class Guarded(NamedTuple):
    """A network that is never banned, and why."""

    network: Network
    reason: str


class Protection:
    """The networks that are never banned."""

    def __init__(
        self, own: Iterable[str], ignored: Iterable[Network] = (), session: str = ""
    ) -> None:
        """Guard loopback, what is no host, the ``own`` addresses and the ``ignored`` networks.

        ``session`` is the address that the person at the keyboard came from, empty when unknown.
        ``own`` is gone through when somebody is first asked about: a pass that bans nobody need
        not find out.
        """
        self._own = own
        self._session = addresses.host(session)
        self._guarded: list[Guarded] = []
        self._ignored = [Guarded(network, "in ignoreip") for network in ignored]

    def reason(self, address: str, more: Iterable[Network] = ()) -> str:
        """Say why ``address``, or a network that shares one with it, may not be banned.

        ``more`` are the networks that a jail ignores beside the common ones. Empty when it may.
        Raises SafetyError when no own address is known: even a machine without a network has
        loopback.
        """
        network = addresses.split(address)
        if not self._guarded:
            own = tuple(self._own)
            if not own:
                raise SafetyError("no address of this machine can be found out; nobody is banned")
            self._guarded = [
                *(Guarded(addresses.split(text), "loopback") for text in LOOPBACK),
                *(Guarded(addresses.split(text), "no single host's address") for text in NO_HOST),
                *(Guarded(addresses.split(text), "an address of this machine") for text in own),
            ]
        if self._session and addresses.covers(network, addresses.split(self._session)):
            return "the address of this login session"
        for guarded in (*self._guarded, *self._ignored):
            if addresses.overlap(guarded.network, network):
                return guarded.reason
        if any(addresses.overlap(each, network) for each in more):
            return "in ignoreip"
        return ""


def own_addresses(ifconfig: Callable[[], str]) -> Iterator[str]:
    """Give the addresses of this machine: from /proc on Linux, else from ``ifconfig -a``'s text.

    Nothing is looked up before the first is asked for. Raises SafetyError when the kernel's tables
    cannot be read.
    """
    if os.path.exists(IPV4_TABLE):
        found = [*ipv4_of_trie(read(IPV4_TABLE)), *ipv6_of_table(read(IPV6_TABLE))]
    else:
        found = list(addresses_of_ifconfig(ifconfig()))
    yield from sorted(set(found))


def read(path: str) -> str:
    """Give the text of a file of the kernel's, empty when there is none (IPv6 switched off).

    Raises SafetyError when it is there and cannot be read.
    """
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise SafetyError(f"{path}: {error.strerror}; nobody is banned") from None


def ipv4_of_trie(text: str) -> Iterator[str]:
    """Give what is local in /proc/net/fib_trie: the leaf above each ``/32 host LOCAL``.

    A network that was made local as a whole (``ip route add local``) stands there with its length.
    """
    leaf = ""
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["|--"]:
            leaf = words[1]
        elif words[1:] == ["host", "LOCAL"]:
            yield (leaf + words[0]).removesuffix("/32")


def ipv6_of_table(text: str) -> Iterator[str]:
    """Give the addresses of /proc/net/if_inet6, whose first column is 32 hexadecimal digits."""
    for line in text.splitlines():
        yield addresses.spelled(bytes.fromhex(line.split()[0]))


def addresses_of_ifconfig(text: str) -> Iterator[str]:
    """Give what stands after ``inet`` and ``inet6`` in the output of ``ifconfig -a``."""
    for line in text.splitlines():
        words = line.split()
        if words[:1] in (["inet"], ["inet6"]) and len(words) > 1:
            address = addresses.host(words[1])
            if address is not None:
                yield address
