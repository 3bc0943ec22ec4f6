"""Cheap evidence that nobody has changed the firewall: a number that the kernel itself counts.

The kernel gives the rules of nf_tables a generation, which rises by one with each transaction that
changes anything, whoever made it: nft, iptables on nf_tables, or this tool. It does not rise by
looking, by a transaction that was refused, or by elements whose time is over. One netlink message
asks for it, so this costs the same however many are banned, and starts no process.
"""

from __future__ import annotations

# The C module behind ``socket``: importing ``socket`` itself costs a pass seven milliseconds more.
import _socket
import os
import sys

KINDS = ("nf_tables",)
TIMEOUT = 2.0
LONGEST_ANSWER = 8_192
BOOT = "/proc/sys/kernel/random/boot_id"
NAMESPACE = "/proc/self/ns/net"

# From linux/netlink.h, linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h and
# asm-generic/socket.h.
NETLINK_NETFILTER = 12
NLM_F_REQUEST = 1
NFT_MSG_NEWGEN = 10 << 8 | 15
NFT_MSG_GETGEN = 10 << 8 | 16
NFTA_GEN_ID = 1
TYPE_BITS = 0x3FFF  # the two bits above them are flags
HEADERS = 16 + 4  # the length of nlmsghdr and of nfgenmsg after it
ATTRIBUTE = 4  # the length of nlattr, which counts itself
SO_NETNS_COOKIE = 71
COOKIE_LENGTH = 8
LARGEST = 0xFFFF_FFFF
# Length, type, flags; a sequence number, a port and nfgenmsg, which may all be 0.
REQUEST = b"".join(
    number.to_bytes(size, sys.byteorder)
    for number, size in ((HEADERS, 4), (NFT_MSG_GETGEN, 2), (NLM_F_REQUEST, 2), (0, 12))
)


def generation(kind: str) -> str | None:
    """Give a text that is another one as soon as anybody has changed the firewall.

    It is the ``place`` and the kernel's number. None when the kernel counts nothing of that
    ``kind`` (of KINDS), cannot be asked, or when its answer could be mistaken for one of another
    place.
    """
    number = nf_tables_generation() if kind in KINDS else None
    here = place() if number is not None else ""
    return f"{here} {number}" if here else None


def after(text: str, changes: int) -> str:
    """Give what ``text`` of ``generation`` becomes by so many transactions that change something.

    The kernel's number has 32 bits and leaves out 0 when it begins anew.
    """
    here, _, number = text.rpartition(" ")
    return f"{here} {(int(number) - 1 + changes) % LARGEST + 1}" if changes else text


def place() -> str:
    """Give what tells this run of the kernel and this network namespace from all others.

    The number of a namespace that is gone is given to the next one: a restarted container often
    has the one it had. Since 5.14 the kernel gives each a cookie besides, once for all. The text is
    empty where there is no /proc, as on FreeBSD.
    """
    try:
        with open(BOOT, encoding="ascii", errors="replace") as file:
            boot = file.read().strip()
        return f"{boot} {os.stat(NAMESPACE).st_ino} {_cookie()}" if boot else ""
    except OSError:
        return ""


def nf_tables_generation() -> int | None:
    """Ask the kernel for the generation of this namespace's nf_tables, from 1 to LARGEST.

    None when there is none to be had: no nf_tables, not root, not Linux, no answer in time.
    """
    if sys.platform != "linux":
        return None
    try:
        link = _socket.socket(_socket.AF_NETLINK, _socket.SOCK_RAW, NETLINK_NETFILTER)
        try:
            # To the kernel; a connected socket takes nothing from any other program.
            link.connect((0, 0))
            return asked(link)
        finally:
            link.close()
    except OSError:
        return None


def asked(link: _socket.socket) -> int | None:
    """Ask over a connected link; raise OSError, TimeoutError after TIMEOUT seconds of silence."""
    link.settimeout(TIMEOUT)
    link.send(REQUEST)
    return answered(link.recv(LONGEST_ANSWER))


def answered(answer: bytes) -> int | None:
    """Give the generation of a netlink message, or None when it tells none, or a broken one."""
    length, kind = _number(answer, 0, 4), _number(answer, 4, 2)
    if kind != NFT_MSG_NEWGEN or length > len(answer):
        return None
    at = HEADERS
    while at < length:
        size, kind = _number(answer, at, 2), _number(answer, at + 2, 2) & TYPE_BITS
        if not ATTRIBUTE <= size <= length - at:
            return None
        if kind == NFTA_GEN_ID:
            value = answer[at + ATTRIBUTE : at + size]
            return int.from_bytes(value, "big") or None if len(value) == 4 else None
        at += (size + 3) // 4 * 4
    return None


def _number(message: bytes, at: int, size: int) -> int:
    """Give a number of a netlink header, which has the byte order of the machine."""
    return int.from_bytes(message[at : at + size], sys.byteorder)


def _cookie() -> int:
    """Give the kernel's own mark of this network namespace, 0 when it has none."""
    try:
        link = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)
        try:
            cookie = link.getsockopt(_socket.SOL_SOCKET, SO_NETNS_COOKIE, COOKIE_LENGTH)
        finally:
            link.close()
    except OSError:
        return 0
    return int.from_bytes(cookie, sys.byteorder)
