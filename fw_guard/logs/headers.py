r"""The header of a log line: what the logger wrote before the message.

    Feb  7 02:26:52 server inetd[27756]: refused connection from ...
    |             |        |     |       |
    stamp                  program pid   message, from ``start`` on

This is the reference: plain, a line at a time. Whatever reads whole blocks has to agree with it.

The program is taken from its one place, the word after the host name that ends in ``:``, and never
from text further on: an attacker writes the message, the logger writes the header. A line that has
no such word, as ``server last message repeated 3 times``, has no program, and its message begins
after the host name. A stamp is taken by its shape; whether there is such a day and hour is for
``clock`` to say.

Sources: RFC 3164, RFC 5424, RFC 3339; syslogd(8) of FreeBSD; mod_log_config of Apache.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False  # ``typing`` itself costs a pass four milliseconds
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NamedTuple

    class Header(NamedTuple):
        """A line's header; ``program`` and ``pid`` are empty when it names none.

        ``stamp`` is as ``clock`` takes it; the message is ``line[start:]``.
        """

        stamp: bytes
        program: bytes
        pid: bytes
        start: int

    Reader = Callable[[bytes], Header | None]
else:
    from collections import namedtuple

    Header = namedtuple("Header", ("stamp", "program", "pid", "start"))

PRIORITY = rb"(?:<\d{1,3}>)?"
TIME = rb"\d\d:\d\d:\d\d(?:\.\d+)?"

# A year may stand before the month, after the day or after the time. RFC 3164 has none.
BSD_STAMP = rb"(?:\d{4} )?[A-Z][a-z]{2} {1,2}\d{1,2}(?: \d{4})? " + TIME + rb"(?: (?:19|20)\d\d)?"
RFC3339_STAMP = rb"\d{4}-\d\d-\d\dT" + TIME + rb"(?:Z|[+-]\d\d:?\d\d)"

# ``<auth.info> `` or ``<4.6> ``, which FreeBSD's syslogd puts there under -v.
FACILITY = rb"(?:<[\w.]{1,20}> )?"
# A word that ends in a colon is a tag and no host, unless it is an IPv6 address such as fe80::.
HOST = rb"\S+(?<![^:]:)"
TAG = rb"(?P<program>[^\s:\[]+)(?:\[(?P<pid>[^\s\[\]]*)\])?:(?![^ \r\n])"
BSD_LINE = (
    PRIORITY
    + rb"(?P<stamp>"
    + BSD_STAMP
    + rb"|"
    + RFC3339_STAMP
    + rb") "
    + FACILITY
    + HOST
    + rb" (?:"
    + TAG
    + rb")? *"
)

WORD = rb"[!-~]+"
DATA_NAME = rb"[^\s=\]\"]+"
DATA_VALUE = rb'"[^"\\\]]*(?:\\.[^"\\\]]*)*"'
DATA_ELEMENT = rb"\[" + DATA_NAME + rb"(?: " + DATA_NAME + rb"=" + DATA_VALUE + rb")*\]"
BYTE_ORDER_MARK = rb"\xef\xbb\xbf"
RFC5424_LINE = (
    PRIORITY
    + rb"1 (?P<stamp>-|"
    + RFC3339_STAMP
    + rb") "
    + WORD
    + rb" (?:-|(?P<program>"
    + WORD
    + rb")) (?:-|(?P<pid>"
    + WORD
    + rb")) "
    + WORD
    + rb" (?:-|(?:"
    + DATA_ELEMENT
    + rb")+)(?![^ \r\n]) *(?:"
    + BYTE_ORDER_MARK
    + rb")?"
)

# A user name may hold what looks like a stamp, but never one with a quotation mark after it: both
# Apache and nginx escape that.
CLF_STAMP = rb'\[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\] "'

# The blanks are taken for good: given back one by one they would cost the square of their number.
REPEATED = rb"message repeated (\d{1,6}) times: \[ *+(.*)\][ \t\r]*"
LAST_REPEATED = rb"last message repeated (\d{1,6}) times?[ \t\r]*"
MOST_REPEATS = 100_000


def syslog() -> Reader:
    """Give the reader of what syslogd writes: BSD, BSD with RFC 3339 stamps, RFC 5424."""
    shapes = (re.compile(BSD_LINE).match, re.compile(RFC5424_LINE).match)

    def read(line: bytes) -> Header | None:
        for shape in shapes:
            if found := shape(line):
                stamp, program, pid = found.group("stamp", "program", "pid")
                return Header(stamp, program or b"", pid or b"", found.end())
        return None

    return read


def clf() -> Reader:
    """Give the reader of Apache's common and combined formats; the message is the whole line.

    The host stands before the stamp and the request after it, so that a pattern needs both.
    """
    shape = re.compile(CLF_STAMP).search

    def read(line: bytes) -> Header | None:
        found = shape(line)
        return Header(found[1], b"", b"", 0) if found else None

    return read


# A format is one entry: its name and what makes its reader, compiled when somebody asks for it.
FORMATS: dict[str, Callable[[], Reader]] = {"syslog": syslog, "clf": clf}


def header(format: str) -> Reader:  # noqa: A002 - the word that a filter file uses
    """Give what reads the header of a line of ``format``, one of ``FORMATS``; raise ValueError.

    It takes one line, best without its newline, and gives None for what is no such line: nothing of
    that line may match.
    """
    if format not in FORMATS:
        raise ValueError(f"no such log format {format!r}; expected one of {', '.join(FORMATS)}")
    return FORMATS[format]()


def repeated(message: bytes) -> tuple[int, int, int]:
    """Give how often a message stands for itself, and where the message proper starts and ends.

    rsyslog writes ``message repeated 5 times: [ Failed password for root ...]``. Any other message
    is (1, 0, its length), and so is one with a count outside 1 to 100,000.
    """
    if message.startswith(b"message repeated "):
        found = re.fullmatch(REPEATED, message)
        if found and 1 <= int(found[1]) <= MOST_REPEATS:
            return int(found[1]), found.start(2), found.end(2)
    return 1, 0, len(message)


def last_repeated(program: bytes, message: bytes) -> int:
    """Give how often syslogd says that the line before came again, or 0 when this is no such line.

    syslogd writes ``last message repeated 3 times`` without a program or in its own name. A count
    outside 1 to 100,000 gives 0.
    """
    if program in (b"", b"syslogd") and message.startswith(b"last message repeated "):
        found = re.fullmatch(LAST_REPEATED, message)
        if found and int(found[1]) <= MOST_REPEATS:
            return int(found[1])
    return 0
