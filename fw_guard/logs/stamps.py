r"""The forms of a stamp, as regular expressions over bytes; what they mean is for ``clock`` to say.

Each is anchored by who uses it, bounded on both sides of every digit that counts, and takes time
that grows with the line at the most. No form takes what stands behind the stamp: a colon or a comma
there belongs to the message.

Sources: RFC 3164, RFC 5424, RFC 3339; ctime(3); mod_log_config of Apache; ngx_log of nginx;
systemd.time(7) and journalctl(1); the default logs of BIND, Redis and MySQL 5.5.
"""

from __future__ import annotations

MONTH = rb"[A-Z][a-z]{2}"
WEEKDAY = rb"[A-Z][a-z]{2}"

# What syslogd writes. A year may stand before the month, after the day or after the time; RFC 3164
# has none.
TIME = rb"\d\d:\d\d:\d\d(?:\.\d+)?"
BSD = rb"(?:\d{4} )?" + MONTH + rb" {1,2}\d{1,2}(?: \d{4})? " + TIME + rb"(?: (?:19|20)\d\d)?"
LOCAL = rb"\d{4}-\d\d-\d\dT" + TIME
OFFSET = rb"(?:Z|[+-]\d\d:?\d\d)"
RFC3339 = LOCAL + OFFSET

# What multilog and svlogd put before a line, and a program behind it that names itself.
TAI64N = rb"@[0-9a-f]{24}"

# What journalctl writes besides those: `-o short-full`, behind a weekday, and `-o short-unix`.
JOURNAL_FULL = rb"\d{4}-\d\d-\d\d " + TIME + rb" (?:[A-Z]{2,5}|[+-]\d\d(?:\d\d)?)"
JOURNAL_UNIX = rb"\d{10}\.\d{6}"

# A user name may hold what looks like a stamp, but never one with a quotation mark after it: both
# Apache and nginx escape that.
HTTPDATE = rb"\d\d/" + MONTH + rb"/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}"

# What programs write that keep a log of their own: some pad the hour with a blank or not at all,
# and some put a comma before the fraction.
LOOSE_TIME = rb" ?\d{1,2}:\d\d:\d\d(?!\d)(?:[.,]\d++)?"
ZONE = rb"(?: ?(?:(?:Z|UTC|GMT)|[+-]\d\d(?::?\d\d)?)(?!\w))?"
CTIME = MONTH + rb" {1,2}\d{1,2} " + LOOSE_TIME + rb" \d{4}(?!\d)"
SLASHED = rb"\d{4}/\d\d/\d\d " + LOOSE_TIME

# The forms that a line of ``plain`` may begin with; the first that fits is the stamp. What stands
# in front of a group is not the stamp's: a weekday, and Redis's process and role.
PLAIN = (
    rb"(\d{4}-\d\d-\d\d[T ]" + LOOSE_TIME + ZONE + rb")",
    rb"(" + SLASHED + rb")",
    rb"(\d\d-" + MONTH + rb"-\d{4} " + LOOSE_TIME + rb")",
    rb"(" + HTTPDATE + rb")",
    WEEKDAY + rb" (" + CTIME + rb")",
    rb"((?:\d{4} )?" + MONTH + rb" {1,2}\d{1,2} (?:\d{4} )?" + LOOSE_TIME + rb")",
    rb"([1-9]\d{9}(?:\d{3}|\d{6})?(?:\.\d++)?)(?=[\s\]:,]|\Z)",
    rb"\d{1,10}:[A-Z] (\d\d " + MONTH + rb" \d{4} " + LOOSE_TIME + rb")",
    rb"(\d{6} " + LOOSE_TIME + rb")",
    rb"(" + TAI64N + rb")(?=\s)",
)
