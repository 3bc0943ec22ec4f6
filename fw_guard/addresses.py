"""Addresses: what a log or a person writes becomes one canonical text, or nothing.

Inside, an address is its canonical text: ``192.0.2.7``, ``2001:db8::7``, and a network with its
length: ``2001:db8:1:2::/64``. A host never carries ``/32`` or ``/128``. A mapped IPv4 address is
IPv4; brackets and a zone drop off. Nothing is read as inet_aton would (``010.1.1.1``, ``192.0.2``).
"""

from __future__ import annotations

# The C module behind ``socket``: importing ``socket`` itself costs a pass seven milliseconds more.
from _socket import AF_INET, AF_INET6, inet_ntop, inet_pton

TRANSLATED = b"\0\x64\xff\x9b" + b"\0" * 8
MAPPED = b"\0" * 10 + b"\xff\xff"
NAME_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._")
LONGEST_NAME = 253
WIDTHS = {4: 32, 16: 128}


class AddressError(ValueError):
    """A text that is no address and no network."""


def packed(text: str) -> bytes | None:
    """Give the 4 or 16 bytes of an address, or None when ``text`` is none.

    Brackets and a zone drop off; a mapped IPv4 address gives 4 bytes.
    """
    if ":" not in text:
        try:
            return inet_pton(AF_INET, text) if text.isascii() and text.count(".") == 3 else None
        except (OSError, ValueError):
            return None
    if text[0] == "[" and text[-1] == "]":
        text = text[1:-1]
    try:
        value = inet_pton(AF_INET6, text.partition("%")[0])
    except (OSError, ValueError):
        return None
    return value[12:] if value.startswith(MAPPED) else value


def spelled(value: bytes) -> str:
    """Give the canonical text of 4 or 16 bytes."""
    return inet_ntop(AF_INET if len(value) == 4 else AF_INET6, value)


def host(text: str) -> str | None:
    """Give the canonical text of a single address, or None."""
    value = packed(text)
    return None if value is None else spelled(value)


def name(text: str) -> str | None:
    """Give a host name in lower case, without its last dot, or None when ``text`` can be none.

    A name needs a dot and a letter in its last label: ``UNKNOWN`` and ``1.2.3`` are no names that
    could ever lead to an address.
    """
    text = text.removesuffix(".")
    if not 0 < len(text) <= LONGEST_NAME or not NAME_LETTERS.issuperset(text):
        return None
    labels = text.split(".")
    if len(labels) < 2 or not all(0 < len(label) <= 63 for label in labels):
        return None
    return text.lower() if any(char.isalpha() for char in labels[-1]) else None


def masked(value: bytes, length: int) -> bytes:
    """Give ``value`` with all bits after the first ``length`` cleared."""
    width = WIDTHS[len(value)]
    number = int.from_bytes(value, "big") >> (width - length) << (width - length)
    return number.to_bytes(len(value), "big")


def network(value: bytes, length: int) -> str:
    """Give the canonical text of the network of ``length`` bits around ``value``."""
    text = spelled(masked(value, length))
    return text if length == WIDTHS[len(value)] else f"{text}/{length}"


def subject(address: str, prefix6: int = 64) -> str:
    """Give what is counted and banned for a host: IPv4 itself, IPv6 its network of ``prefix6``.

    Addresses of 64:ff9b::/96 are IPv4 hosts behind a translator (RFC 6052), each a host of its own.
    """
    value = packed(address)
    if value is None or len(value) == 4 or value.startswith(TRANSLATED):
        return address
    return network(value, prefix6)


def split(text: str) -> tuple[bytes, int]:
    """Give the bytes and the length of an address or network; raise AddressError."""
    base, slash, digits = text.partition("/")
    value = packed(base)
    if value is None or (slash and ":" in base and len(value) == 4):
        # Of a mapped address a length could be meant either way.
        raise AddressError(f"{text!r} is no address and no network")
    width = WIDTHS[len(value)]
    if not slash:
        return value, width
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 3) or int(digits) > width:
        raise AddressError(f"{text!r} has no length from 0 to {width} after the slash")
    length = int(digits)
    return masked(value, length), length


def canonical(text: str) -> str:
    """Give the canonical text of an address or network; raise AddressError.

    Bits beyond the length are cleared: ``192.0.2.77/24`` is ``192.0.2.0/24``.
    """
    value, length = split(text)
    return network(value, length)


def covers(wide: tuple[bytes, int], narrow: tuple[bytes, int]) -> bool:
    """Say whether the first network holds the whole second one."""
    return (
        len(wide[0]) == len(narrow[0])
        and wide[1] <= narrow[1]
        and masked(narrow[0], wide[1]) == wide[0]
    )


def overlap(one: tuple[bytes, int], other: tuple[bytes, int]) -> bool:
    """Say whether two networks share an address."""
    return covers(one, other) or covers(other, one)
