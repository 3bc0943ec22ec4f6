"""The addresses of this machine as the kernel itself tells them, over netlink (rtnetlink(7)).

Its table ``local`` holds what is delivered here and nothing else, so that this costs a tenth of a
millisecond, on a router with 50,000 routes three. Reading /proc/net/fib_trie there takes a quarter
of a second, and time that grows with the square of the number of routes.
"""

from __future__ import annotations

# The C module behind ``socket``: importing ``socket`` itself costs a pass seven milliseconds more.
import _socket
import contextlib
import sys
from typing import TYPE_CHECKING, NamedTuple

from fw_guard.addresses import WIDTHS, masked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fw_guard.addresses import Network

TIMEOUT = 2.0
LONGEST_ANSWER = 1 << 16
MOST_ANSWERS = 1 << 16

# From linux/netlink.h and linux/rtnetlink.h.
NETLINK_ROUTE = 0
SOL_NETLINK = 270
NETLINK_GET_STRICT_CHK = 12
NLMSG_ERROR = 2
NLMSG_DONE = 3
NLM_F_REQUEST = 0x1
NLM_F_DUMP_INTR = 0x10
NLM_F_DUMP = 0x300
RTM_NEWROUTE = 24
RTM_GETROUTE = 26
RT_TABLE_LOCAL = 255
RTN_LOCAL, RTN_BROADCAST, RTN_ANYCAST = 2, 3, 4
RTA_DST = 1
MESSAGE = 16  # the length of nlmsghdr
ROUTE = 12  # the length of rtmsg after it
ATTRIBUTE = 4  # the length of rtattr, which counts itself


class OwnAddresses(NamedTuple):
    """What reaches this machine by its own addresses, and by the broadcasts of its networks."""

    own: frozenset[Network]
    broadcast: frozenset[Network]


class UnansweredError(OSError):
    """The kernel refused the question, or its answer is not whole."""


def asked() -> OwnAddresses | None:
    """Ask the kernel; None when it cannot be asked: not Linux, or netlink is shut to us."""
    if sys.platform != "linux":
        return None
    own: set[Network] = set()
    broadcast: set[Network] = set()
    try:
        for family in (_socket.AF_INET, _socket.AF_INET6):
            for answer in answers(family):
                for kind, network in routes(answer):
                    (broadcast if kind == RTN_BROADCAST else own).add(network)
    except OSError:
        return None
    return OwnAddresses(frozenset(own), frozenset(broadcast))


def answers(family: int) -> Iterator[bytes]:
    """Ask for the table ``local`` of one family; give the kernel's datagrams but the last's end.

    Before Linux 4.20 all tables are given. Raises OSError, TimeoutError after TIMEOUT seconds of
    silence.
    """
    link = _socket.socket(
        _socket.AF_NETLINK, _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, NETLINK_ROUTE
    )
    try:
        # To the kernel; a connected socket takes nothing from any other program.
        link.connect((0, 0))
        link.settimeout(TIMEOUT)
        with contextlib.suppress(OSError):  # an old kernel does not know it
            link.setsockopt(SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1)
        link.send(request(family))
        for _ in range(MOST_ANSWERS):
            answer = link.recv(LONGEST_ANSWER)
            yield answer
            if is_last(answer):
                return
        raise UnansweredError
    finally:
        link.close()


def request(family: int) -> bytes:
    """Give the message that asks for the routes of the table ``local``."""
    fields = (
        *((MESSAGE + ROUTE, 4), (RTM_GETROUTE, 2), (NLM_F_REQUEST | NLM_F_DUMP, 2)),
        *((0, 8), (family, 1), (0, 3), (RT_TABLE_LOCAL, 1), (0, 7)),
    )
    return b"".join(number.to_bytes(size, sys.byteorder) for number, size in fields)


def messages(answer: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Give (type, flags, body) of each message of a datagram; a broken one is the last."""
    at = 0
    while at + MESSAGE <= len(answer):
        length = _number(answer, at, 4)
        if not MESSAGE <= length <= len(answer) - at:
            return
        yield (
            _number(answer, at + 4, 2),
            _number(answer, at + 6, 2),
            answer[at + MESSAGE : at + length],
        )
        at += (length + 3) // 4 * 4


def is_last(answer: bytes) -> bool:
    """Say whether nothing follows; raise UnansweredError when the answer came to grief.

    A table that was changed while the kernel told it may have been told with gaps.
    """
    for kind, flags, body in messages(answer):
        if kind == NLMSG_ERROR or flags & NLM_F_DUMP_INTR:
            raise UnansweredError
        if kind == NLMSG_DONE:
            if _number(body, 0, 4):
                raise UnansweredError
            return True
    return False


def routes(answer: bytes) -> Iterator[tuple[int, Network]]:
    """Give (kind of route, network) of what a datagram tells of the table ``local``."""
    for message, _, body in messages(answer):
        if message != RTM_NEWROUTE or len(body) < ROUTE:
            continue
        length, table, kind = body[1], body[4], body[7]
        if table != RT_TABLE_LOCAL or kind not in (RTN_LOCAL, RTN_BROADCAST, RTN_ANYCAST):
            continue
        value = destination(body)
        if value is not None and length <= WIDTHS[len(value)]:
            yield kind, (masked(value, length), length)


def destination(body: bytes) -> bytes | None:
    """Give the 4 or 16 bytes of the network that a route leads to, or None."""
    at = ROUTE
    while at + ATTRIBUTE <= len(body):
        size = _number(body, at, 2)
        if not ATTRIBUTE <= size <= len(body) - at:
            return None
        if _number(body, at + 2, 2) == RTA_DST:
            value = body[at + ATTRIBUTE : at + size]
            return value if len(value) in WIDTHS else None
        at += (size + 3) // 4 * 4
    return None


def _number(message: bytes, at: int, size: int) -> int:
    """Give a number of a netlink message, which has the byte order of the machine."""
    return int.from_bytes(message[at : at + size], sys.byteorder)
