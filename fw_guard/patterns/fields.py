r"""The field types: what a hole such as ``{host}`` or ``{port:int}`` takes.

A type says which bytes may stand there, no more: ``addr`` takes ``999.0.2.7`` and ``host`` takes
``12:30:45`` too. Whether it is an address is asked once, of the value, after the match; a proof
about the wider set holds for the narrower one. No type takes a newline.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from fw_guard.patterns.shapes import (
    Either,
    Repeat,
    Shape,
    none_of,
    one_of,
    optional,
    regex,
    sequence,
)

DIGITS = b"0123456789"
HEXADECIMAL = DIGITS + b"abcdefABCDEF"
UPPER = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LOWER = b"abcdefghijklmnopqrstuvwxyz"
NAME_START = UPPER + LOWER + DIGITS + b"_"


@dataclass(frozen=True, slots=True)
class FieldType:
    """One type: its name, how an error calls what it takes, a line for the manual, its shape."""

    name: str
    noun: str
    takes: str
    shape: Shape

    @property
    def regex(self) -> bytes:
        """Give the type as a regular expression over bytes, without groups."""
        return regex(self.shape)


def digits(least: int, most: int) -> Repeat:
    """Give ``least`` to ``most`` digits."""
    return Repeat(one_of(DIGITS), least, most)


BLANK = one_of(b" \t")
BLANKS = Repeat(BLANK, 1)
NO_BLANK = none_of(b" \t\n")
ANY_TEXT = Repeat(none_of(b"\n"), lazy=True)

_UP_TO_FOUR = Repeat(one_of(HEXADECIMAL), 0, 4)
_IPV4 = sequence(digits(1, 3), Repeat(sequence(b".", digits(1, 3)), 3, 3))
# Two colons at the least and a digit at the end, or two colons at the end: then a colon that a log
# writes after an address is not taken for a part of it.
_IPV6 = Either(
    (
        sequence(
            *(_UP_TO_FOUR, b":", _UP_TO_FOUR, b":"),
            *(Repeat(one_of(HEXADECIMAL + b":.")), one_of(HEXADECIMAL)),
        ),
        sequence(Repeat(one_of(HEXADECIMAL + b":")), b"::"),
    )
)
_ZONED = sequence(_IPV6, optional(sequence(b"%", Repeat(one_of(NAME_START + b".-"), least=1))))
_BRACKETED = sequence(b"[", _ZONED, b"]")
# The dot at the end of a full name is one of these, and so is every IPv4 address.
_NAME = sequence(one_of(NAME_START), Repeat(one_of(NAME_START + b".-")))
_HOST = Either((_BRACKETED, _ZONED, _NAME))
_LABEL = one_of(NAME_START + b"-")
_DOTTED = sequence(
    *(one_of(NAME_START), Repeat(_LABEL), Repeat(sequence(b".", Repeat(_LABEL, 1)), 1)),
    optional(sequence(b".")),
)
# ``{host}`` itself: a name without a dot is nobody's outside of his own network.
THE_HOST = Either((_BRACKETED, _ZONED, _DOTTED))
_CLOCK = sequence(digits(2, 2), Repeat(sequence(b":", digits(2, 2)), 2, 2))
_ISO_DATE = sequence(digits(4, 4), Repeat(sequence(b"-", digits(2, 2)), 2, 2))
_FRACTION = sequence(one_of(b".,"), digits(1, 9))
_ZONE = Either(
    (sequence(b"Z"), sequence(one_of(b"+-"), digits(2, 2), optional(sequence(b":")), digits(2, 2)))
)
_ISO_TIME = sequence(_ISO_DATE, one_of(b"T "), _CLOCK, optional(_FRACTION), optional(_ZONE))
_NETWORK = sequence(Either((_ZONED, _IPV4)), optional(sequence(b"/", digits(1, 3))))
_UNQUOTED = Repeat(none_of(b'"\\\n'))
_QUOTED = sequence(_UNQUOTED, Repeat(sequence(b"\\", none_of(b"\n"), _UNQUOTED)))
_DATE = sequence(
    *(digits(2, 2), b"/", one_of(UPPER), Repeat(one_of(LOWER), 2, 2), b"/", digits(4, 4)),
    *(Repeat(sequence(b":", digits(2, 2)), 3, 3), b" ", one_of(b"+-"), digits(4, 4)),
)

_EVERY_TYPE = (
    FieldType(
        "addr",
        "an address",
        "an address: 192.0.2.7, 2001:db8::7, [2001:db8::7], fe80::7%em0, ::ffff:192.0.2.7",
        Either((_BRACKETED, _ZONED, _IPV4)),
    ),
    FieldType("ipv4", "an IPv4 address", "an IPv4 address: 192.0.2.7", _IPV4),
    FieldType(
        "ipv6",
        "an IPv6 address",
        "an IPv6 address, in brackets or not: 2001:db8::7, [2001:db8::7], ::ffff:192.0.2.7",
        Either((_BRACKETED, _ZONED)),
    ),
    FieldType("host", "a host", "an address, or a host name: www.example.com", _HOST),
    FieldType(
        "name",
        "a host name",
        "a host name, or an address, that the peer claims for itself",
        _HOST,
    ),
    FieldType(
        "net",
        "a network",
        "an address without brackets, with or without a length: 192.0.2.0/24",
        _NETWORK,
    ),
    FieldType("int", "a number", "1 to 18 digits", digits(1, 18)),
    FieldType(
        "word",
        "a word",
        "one or more characters that are no blank, as many as possible",
        Repeat(none_of(b" \t\r\n"), least=1),
    ),
    FieldType("text", "any text", "any characters, as few as possible, or none", ANY_TEXT),
    FieldType(
        "quoted",
        "the inside of a quoted text",
        r"what stands between two double quotes, or nothing; a quote inside is written \"",
        _QUOTED,
    ),
    FieldType(
        "httpdate",
        "a time like 07/Feb/2017:02:32:54 +0900",
        "the time of a web server's log: 07/Feb/2017:02:32:54 +0900",
        _DATE,
    ),
    FieldType(
        "isotime",
        "a time like 2017-02-07T02:32:54+09:00",
        "an ISO 8601 time: 2017-02-07T02:32:54.123+09:00, 2017-02-07 02:32:54",
        _ISO_TIME,
    ),
)
TYPES = MappingProxyType({kind.name: kind for kind in _EVERY_TYPE})

DEFAULT_TYPE = "text"
KNOWN_NAMES = MappingProxyType(
    {
        "address": "net",
        "host": "host",
        "method": "word",
        "name": "name",
        "net": "net",
        "pid": "int",
        "port": "int",
        "status": "int",
        "time": "httpdate",
        "times": "int",
    }
)


def type_for(name: str | None) -> str:
    """Give the type of a field that names none; ``name`` is None for ``{*}``."""
    return KNOWN_NAMES.get(name, DEFAULT_TYPE) if name else DEFAULT_TYPE
