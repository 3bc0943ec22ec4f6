"""Addresses as the C library of a BSD reads and writes them, and longest match in a table."""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*")


def is_number(text: str) -> bool:
    """Whether the text is decimal digits, ASCII ones only."""
    return text.isascii() and text.isdecimal()


def split_words(text: str) -> list[str]:
    """Split at what isspace(3) takes for white space; str.split() knows more."""
    return [word for word in re.split(r"[ \t\n\v\f\r]+", text) if word]


def strict_address(text: str) -> Address | None:
    """Read four decimal octets or an IPv6 address without a zone, as inet_pton(3) does."""
    if "%" in text:
        return None
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def loose_address(text: str) -> ipaddress.IPv4Address | None:
    """Read one to four octal, decimal or hexadecimal parts, as inet_aton(3) does.

    The last part fills the octets that are left: `192.0.2` is 192.0.0.2, `010.1.1.1` is 8.1.1.1.
    """
    parts = text.split(".")
    if len(parts) > 4 or not all(_NUMBER.fullmatch(part) for part in parts):
        return None
    numbers = [_number(part) for part in parts]
    *leading, last = numbers
    if any(number > 0xFF for number in leading) or last >= 256 ** (5 - len(numbers)):
        return None
    value = last
    for position, number in enumerate(leading):
        value |= number << (24 - 8 * position)
    return ipaddress.IPv4Address(value)


def _number(text: str) -> int:
    if text[:2] in ("0x", "0X"):
        return int(text, 16)
    return int(text, 8) if text.startswith("0") else int(text)


def network_of(address: Address, length: int | None = None) -> Network:
    """Cut the host bits off; no length is the host itself."""
    wanted = address.max_prefixlen if length is None else length
    return ipaddress.ip_network((address, wanted), strict=False)


def written(address: Address) -> str:
    """Write an address as inet_ntop(3) does: `::ffff:192.0.2.12` keeps its dots."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    return socket.inet_ntop(family, address.packed)


def walk_order(network: Network) -> tuple[int, int, int]:
    """Sort key of a radix tree's walk: IPv4 first, by address, of one address the longest first.

    The last part is from reading the kernel, the record shows no two entries with one address.
    """
    return (network.version, int(network.network_address), -network.prefixlen)


def longest_match(networks: Collection[Network], address: Address) -> Network | None:
    """Find the longest of the networks that holds the address."""
    if len(networks) < address.max_prefixlen:
        holding = [network for network in networks if address in network]
        return max(holding, key=lambda network: network.prefixlen, default=None)
    for length in range(address.max_prefixlen, -1, -1):
        network = network_of(address, length)
        if network in networks:
            return network
    return None
