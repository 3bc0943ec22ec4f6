"""What is around this machine and must stay reachable: itself, its gateways, its name servers.

On Linux the kernel and its tables in /proc say it (see proc(5)); elsewhere ``ifconfig -a`` and
``netstat -rn`` do. Nothing is read before somebody asks. A line that makes no sense is passed over.
"""

from __future__ import annotations

import os
import sys
from itertools import pairwise
from typing import TYPE_CHECKING

from fw_guard import addresses, ownaddresses
from fw_guard.addresses import WIDTHS
from fw_guard.errors import GuardError
from fw_guard.networks import Guarded
from fw_guard.ownaddresses import OwnAddresses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from fw_guard.addresses import Network

    Ask = Callable[[Sequence[str]], str]

IPV4_TRIE = "proc/net/fib_trie"
IPV6_TABLE = "proc/net/if_inet6"
IPV4_ROUTES = "proc/net/route"
IPV6_ROUTES = "proc/net/ipv6_route"
# A resolver of this machine's own may be all that the first names; the others know the real ones.
NAME_SERVERS = (
    "etc/resolv.conf",
    "run/systemd/resolve/resolv.conf",
    "run/NetworkManager/no-stub-resolv.conf",
)
BLOCK = 1 << 20
# A router may have a million routes. The default stands first for IPv4, after the others for IPv6.
MOST_IPV4_ROUTES = 1 << 16
MOST_IPV6_ROUTES = 1 << 20
MOST_OF_RESOLV_CONF = 1 << 16
RTF_GATEWAY = 0x2
OWN = "an address of this machine"
BROADCAST = "a broadcast address of this machine's networks"
GATEWAY = "a gateway of this machine"
NAME_SERVER = "a name server of this machine"


class SafetyError(GuardError):
    """The machine's own addresses cannot be found out, so nobody can be banned safely."""

    status = os.EX_UNAVAILABLE


def around(
    ask: Ask,
    root: str = "/",
    kernel: Callable[[], OwnAddresses | None] = ownaddresses.asked,
) -> Iterator[Guarded]:
    """Give what must not be banned for where it is: own addresses first, then the others.

    ``ask`` gives the standard output of a command, ``kernel`` the own addresses where it can tell;
    ``root`` is where /proc, /etc and /run are. Raises SafetyError when no own address can be found
    out: even a machine without a network has loopback.
    """
    found = kernel()
    is_linux = found is not None or os.path.exists(os.path.join(root, IPV4_TRIE))
    if found is None:
        found = of_proc(root) if is_linux else of_ifconfig(ask(("ifconfig", "-a")))
    if not found.own:
        raise SafetyError("no address of this machine can be found out; nobody is banned")
    yield from guarded(found.own, OWN)
    yield from guarded(found.broadcast, BROADCAST)
    if is_linux:
        yield from guarded(of_ipv4_routes(beginning(root, IPV4_ROUTES, MOST_IPV4_ROUTES)), GATEWAY)
        yield from guarded(of_ipv6_routes(beginning(root, IPV6_ROUTES, MOST_IPV6_ROUTES)), GATEWAY)
    else:
        yield from guarded(of_netstat(ask(("netstat", "-rn"))), GATEWAY)
    for path in NAME_SERVERS:
        text = beginning(root, path, MOST_OF_RESOLV_CONF)
        yield from guarded(of_resolv_conf(text), NAME_SERVER)


def guarded(networks: Iterable[Network], reason: str) -> Iterator[Guarded]:
    """Give each network once, with the reason, in order."""
    return (Guarded(network, reason) for network in sorted(set(networks)))


def beginning(root: str, path: str, most: int) -> str:
    """Give the first whole lines of a file, at most so many bytes; nothing if it cannot be read."""
    try:
        with open(os.path.join(root, path), "rb", opener=without_waiting) as file:
            raw = file.read(most)
    except OSError:
        return ""
    if len(raw) == most:
        raw = raw[: raw.rfind(b"\n") + 1]
    return raw.decode("ascii", "replace")


def without_waiting(path: str, flags: int) -> int:
    """Open a file; a named pipe in its place must not make the reader wait for a writer."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def host(text: str) -> Iterator[Network]:
    """Give a single address as a network, or nothing when ``text`` is none."""
    value = addresses.packed(text)
    if value is not None:
        yield value, WIDTHS[len(value)]


def of_proc(root: str) -> OwnAddresses:
    """Give what /proc/net tells; raise SafetyError when it cannot be read."""
    own: set[Network] = set()
    broadcast: set[Network] = set()
    path = os.path.join(root, IPV4_TRIE)
    try:
        for text in parts_of_trie(path):
            own.update(of_trie(text, "LOCAL"))
            broadcast.update(of_trie(text, "BROADCAST"))
        path = os.path.join(root, IPV6_TABLE)
        if os.path.exists(path):  # else IPv6 is switched off
            with open(path, encoding="ascii", errors="replace") as file:
                own.update(of_ipv6_table(file.read()))
    except OSError as error:
        raise SafetyError(f"{path}: {error.strerror}; nobody is banned") from None
    return OwnAddresses(frozenset(own), frozenset(broadcast))


def parts_of_trie(path: str) -> Iterator[str]:
    """Give /proc/net/fib_trie in parts, each of whole leaves; raise OSError."""
    with open(path, encoding="ascii", errors="replace") as file:
        rest = ""
        while block := file.read(BLOCK):
            text = rest + block
            leaf = max(text.rfind("|-- "), 0)
            yield text[:leaf]
            rest = text[leaf:]
        yield rest


def of_trie(text: str, kind: str) -> Iterator[Network]:
    """Give what is LOCAL or BROADCAST in /proc/net/fib_trie: the leaf above, the length before.

    That is ``|-- 192.0.2.1`` above ``/32 host LOCAL``. A network may be local as a whole (``ip
    route add local``), but the whole Internet is that only to a transparent proxy's own table.
    """
    at = text.find(kind)
    while at >= 0:
        leaf = text.rfind("|-- ", 0, at) + len("|-- ")
        length = text[text.rfind("\n", 0, at) + 1 : at].split()[:1]
        try:
            network = addresses.split(text[leaf : text.find("\n", leaf)] + "".join(length))
        except addresses.AddressError:
            network = (b"", 0)
        if network[1]:
            yield network
        at = text.find(kind, at + len(kind))


def of_ipv6_table(text: str) -> Iterator[Network]:
    """Give the addresses of /proc/net/if_inet6, whose first column is 32 hexadecimal digits."""
    for line in text.splitlines():
        value = digits(line.partition(" ")[0])
        if len(value) == 16:
            yield value, 128


def of_ipv4_routes(text: str) -> Iterator[Network]:
    """Give the gateways of /proc/net/route, where an address is a number of the machine's order."""
    for value in map(digits, gateways(text, column=2, flags=3)):
        if len(value) == 4 and any(value):
            yield (value[::-1] if sys.byteorder == "little" else value), 32


def of_ipv6_routes(text: str) -> Iterator[Network]:
    """Give the gateways of /proc/net/ipv6_route."""
    for value in map(digits, gateways(text, column=4, flags=8)):
        if len(value) == 16 and any(value):
            yield value, 128


def gateways(text: str, column: int, flags: int) -> set[str]:
    """Give what stands in a column of the lines whose flags say that it is a gateway."""
    lines = [words for line in text.splitlines() if len(words := line.split()) > flags]
    return {
        words[column]
        for words in lines
        if int.from_bytes(digits(words[flags].zfill(8)), "big") & RTF_GATEWAY
    }


def digits(text: str) -> bytes:
    """Give the bytes that hexadecimal digits spell, none when they are something else."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def of_ifconfig(text: str) -> OwnAddresses:
    """Give what stands after ``inet``, ``inet6`` and ``broadcast`` in ``ifconfig -a``'s output.

    A length behind the address, as IFCONFIG_FORMAT asks for, is passed over.
    """
    own: set[Network] = set()
    broadcast: set[Network] = set()
    for line in text.splitlines():
        words = line.split()
        if words[:1] in (["inet"], ["inet6"]):
            own.update(host("".join(words[1:2]).partition("/")[0]))
            for name, address in pairwise(words):
                if name == "broadcast":
                    broadcast.update(host(address))
    return OwnAddresses(frozenset(own), frozenset(broadcast))


def of_netstat(text: str) -> Iterator[Network]:
    """Give the gateways of ``netstat -rn``: the second column, where the third has a G.

    Of each address family the beginning suffices, where the default route stands.
    """
    for family in text.split("\n\n"):
        for line in family[:MOST_IPV4_ROUTES].splitlines():
            words = line.split()
            if len(words) > 2 and "G" in words[2]:
                yield from host(words[1])


def of_resolv_conf(text: str) -> Iterator[Network]:
    """Give the addresses that stand after ``nameserver`` (resolv.conf(5))."""
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["nameserver"] and len(words) > 1:
            yield from host(words[1])
