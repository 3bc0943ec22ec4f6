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
SHORTEST_HOST6 = 64

MOST_REMEMBERED = 1 << 16

Network = tuple[bytes, int]  # as ``split`` gives it
_split: dict[str, Network] = {}


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
    if length == width:
        return value
    number = int.from_bytes(value, "big") >> (width - length) << (width - length)
    return number.to_bytes(len(value), "big")


def network(value: bytes, length: int) -> str:
    """Give the canonical text of the network of ``length`` bits around ``value``."""
    if length == WIDTHS[len(value)]:
        return spelled(value)
    return f"{spelled(masked(value, length))}/{length}"


def subject(address: str, prefix6: int = 64) -> str:
    """Give what is counted and banned for a host: IPv4 itself, IPv6 its network of ``prefix6``.

    Addresses of 64:ff9b::/96 are IPv4 hosts behind a translator (RFC 6052), each a host of its own.
    """
    value = packed(address)
    if value is None or len(value) == 4 or value.startswith(TRANSLATED):
        return address
    return network(value, prefix6)


def split(text: str) -> Network:
    """Give the bytes and the length of an address or network; raise AddressError.

    A pass asks for the same ones many times over: the last ones are remembered.
    """
    known = _split.get(text)
    if known is None:
        if len(_split) >= MOST_REMEMBERED:
            _split.clear()
        known = _split[text] = _parted(text)
    return known


def _parted(text: str) -> Network:
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


def is_wide(text: str) -> bool:
    """Say whether other hosts may lie in it: an IPv4 network, or IPv6 shorter than a /64."""
    _, slash, length = text.partition("/")
    return bool(slash) and (":" not in text or int(length) < SHORTEST_HOST6)


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


def sortable(value: bytes) -> bytes:
    """Give 4 or 16 bytes behind one that says which: 4 or 6. All IPv4 sorts before all IPv6."""
    return (b"\x04" if len(value) == 4 else b"\x06") + value


def key(text: str) -> bytes:
    """Give what an address or network sorts by: its family (4 or 6), then its first address.

    It has 5 or 17 bytes. A network and the host at its beginning have the same key. Raises
    AddressError.
    """
    value, _ = split(text)
    return sortable(value)


def span(text: str) -> tuple[bytes, bytes]:
    """Give the keys of the first and the last address of a network; raise AddressError.

    A host's key lies between them, both included, exactly when the network holds the host. Of
    networks, those that begin inside lie there too: also one wider that begins with it.
    """
    value, length = split(text)
    rest = (1 << (WIDTHS[len(value)] - length)) - 1
    last = int.from_bytes(value, "big") | rest
    return sortable(value), sortable(last.to_bytes(len(value), "big"))
