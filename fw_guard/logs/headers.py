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

Sources: RFC 3164, RFC 5424; syslogd(8) of FreeBSD; journalctl(1); those of ``stamps``.
"""

from __future__ import annotations

import re

from fw_guard.logs import stamps

TYPE_CHECKING = False  # ``typing`` itself costs a pass four milliseconds
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NamedTuple

    class Header(NamedTuple):
        """A line's header; ``program`` and ``pid`` are empty when it names none.

        ``stamp`` is as ``clock`` takes it; the message is ``line[start:]``. Without a host, not
        ``hosted``, the program may be the beginning of what a program wrote into its own log.
        """

        stamp: bytes
        program: bytes
        pid: bytes
        start: int
        hosted: bool = True

    Reader = Callable[[bytes], Header | None]
else:
    from collections import namedtuple

    Header = namedtuple("Header", ("stamp", "program", "pid", "start", "hosted"), defaults=(True,))

PRIORITY = rb"(?:<\d{1,3}>)?"

# ``<auth.info> `` or ``<4.6> ``, which FreeBSD's syslogd puts there under -v.
FACILITY = rb"(?:<[\w.]{1,20}> )?"
# A word that ends in a colon is a tag and no host, unless it is an IPv6 address such as fe80::.
HOST = rb"\S+(?<![^:]:)"
# Solaris puts the message's number and facility behind the tag: ``[ID 800047 auth.info] ``.
NUMBER = rb"(?: \[ID \d{1,10} \w{1,10}\.\w{1,10}\](?= ))?"
TAG = rb"(?P<program>[^\s:\[]+)(?:\[(?P<pid>[^\s\[\]]*)\])?:(?![^ \r\n])" + NUMBER
TAGGED = rb"(?:" + TAG + rb")? *"
# A program that keeps a log of its own may name no host.
MAYBE_HOST = rb"(?:(?P<host>" + HOST + rb") )?"
ISO = stamps.LOCAL + stamps.OFFSET + rb"?"
BSD_STAMP = rb"(?P<stamp>" + stamps.BSD + rb"|" + ISO + rb"|" + stamps.TAI64N + rb") "
BSD_LINE = PRIORITY + BSD_STAMP + FACILITY + MAYBE_HOST + TAGGED
# metalog writes the program in brackets, and neither host nor process.
METALOG_LINE = BSD_STAMP + rb"\[(?P<program>[^\s\[\]:]+)\]:? +"
JOURNAL_LINE = (
    rb"(?P<weekday>"
    + stamps.WEEKDAY
    + rb" )?(?P<stamp>(?(weekday)"
    + stamps.JOURNAL_FULL
    + rb"|"
    + stamps.JOURNAL_UNIX
    + rb")) "
    + rb"(?P<host>"
    + HOST
    + rb") "
    + TAGGED
)

WORD = rb"[!-~]+"
DATA_NAME = rb"[^\s=\]\"]+"
# A bracket in a value is to be escaped, and often is not; the quotation mark after it tells.
DATA_VALUE = rb'"[^"\\]*(?:\\.[^"\\]*)*"'
DATA_ELEMENT = rb"\[" + DATA_NAME + rb"(?: " + DATA_NAME + rb"=" + DATA_VALUE + rb")*\]"
BYTE_ORDER_MARK = rb"\xef\xbb\xbf"
RFC5424_LINE = (
    PRIORITY
    + rb"1 (?P<stamp>-|"
    + stamps.RFC3339
    + rb") (?P<host>"
    + WORD
    + rb") (?:-|(?P<program>"
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

SYSLOG_LINES = (METALOG_LINE, BSD_LINE, RFC5424_LINE, JOURNAL_LINE)

CLF_STAMP = rb"\[(" + stamps.HTTPDATE + rb')\] "'
NGINX_LINE = rb"(" + stamps.SLASHED + rb") \[[a-z]{1,10}\] (\d{1,10})#\d{1,20}: "
CTIME_LINE = rb"(\[)?" + stamps.WEEKDAY + rb" (" + stamps.CTIME + rb")(?(1)\])[ \t]*+"
PLAIN_LINE = rb"(\[)?(?:" + rb"|".join(stamps.PLAIN) + rb")(?(1)\]?)[ \t]*+"

# The blanks are taken for good: given back one by one they would cost the square of their number.
REPEATED = rb"message repeated (\d{1,6}) times: \[ *+(.*)\][ \t\r]*"
LAST_REPEATED = rb"last message repeated (\d{1,6}) times?[ \t\r]*"
MOST_REPEATS = 100_000


def syslog() -> Reader:
    """Give the reader of what syslogd writes, and of what journalctl makes of its own.

    That is BSD, BSD with RFC 3339 stamps, RFC 5424; ``-o short`` of journalctl and its variants.
    """
    shapes = tuple(re.compile(each).match for each in SYSLOG_LINES)

    def read(line: bytes) -> Header | None:
        for shape in shapes:
            if found := shape(line):
                part = found.groupdict(b"")
                program, hosted = part["program"], bool(part.get("host"))
                if program or hosted:
                    pid = part.get("pid", b"")
                    return Header(part["stamp"], program, pid, found.end(), hosted)
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


def nginx() -> Reader:
    """Give the reader of nginx's error log; the message begins with the connection, ``*1 ``."""
    shape = re.compile(NGINX_LINE).match

    def read(line: bytes) -> Header | None:
        found = shape(line)
        return Header(found[1], b"", found[2], found.end()) if found else None

    return read


def ctime() -> Reader:
    """Give the reader of lines that begin with ctime(3)'s date, in brackets (Apache) or not."""
    shape = re.compile(CTIME_LINE).match

    def read(line: bytes) -> Header | None:
        found = shape(line)
        return Header(found[2], b"", b"", found.end()) if found else None

    return read


def plain() -> Reader:
    """Give the reader of any line; a stamp at its start, in brackets or not, is taken off.

    A line that begins with none of ``stamps.PLAIN`` is all message and has an empty stamp.
    """
    shape = re.compile(PLAIN_LINE).match

    def read(line: bytes) -> Header | None:
        found = shape(line)
        if found is None:
            return Header(b"", b"", b"", 0)
        return Header(found[found.lastindex or 0], b"", b"", found.end())

    return read


# A format is one entry: its name and what makes its reader, compiled when somebody asks for it.
FORMATS: dict[str, Callable[[], Reader]] = {
    "syslog": syslog,
    "clf": clf,
    "nginx": nginx,
    "ctime": ctime,
    "plain": plain,
}


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
