"""The stamp of a log line becomes seconds since the epoch.

    Feb  7 02:26:52                     BSD, local time, the year to be found
    Feb  7 2017 02:26:52                the same with its year, which may also stand first or last
    2017-02-07T02:26:52.123456+09:00    RFC 3339, and so RFC 5424
    07/Feb/2017:02:26:52 +0900          Apache

Fractions are cut. Local time is that of the process (TZ, time.tzset). A time that is none gives
None: 30 February, 25:00:00, an unknown month, an hour that the zone skips in spring; so does what
no clock that goes right can have written: a year before 1971, a day later than tomorrow. Where the
zone repeats an hour in autumn, the later reading counts unless it lies more than five minutes ahead
of ``now``: a log read minute by minute is then right in both.

Which year a stamp without one means

In the ordinary minute: the newest for which it is not later than a day from now, to the minute.
That is right as long as what is read is less than a year old. The first reading of a log, or the
first one for ``COUNT_AFTER`` seconds, may go back further, so it counts how often the date runs
backwards: each time a new year has begun. It reads twice, and both times all the lines in order:

    years = Years()
    for block in gain.blocks():
        years.feed(block)
    clock = Clock(now)
    for block, years_back in in_years(gain.blocks(), years.until(now)):
        clock.years_back = years_back
        ...  # any lines of the block, in any order, may be asked for their epoch

The limit of this: each line may lie up to one day before the line above it and up to 363 days
after it; now may lie up to 363 days after the last line, and no line more than a day after now. A
longer silence hides a new year (dates without years cannot show it), and the lines above it are
taken for younger than they are. A machine that boots in January for want of a clock makes those
above it older. Either way a line is a whole number of years off.
"""

from __future__ import annotations

import re
import time

TYPE_CHECKING = False  # ``typing`` itself costs a pass four milliseconds
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DAY = 86_400
COUNT_AFTER = 180 * DAY
FOLD_SLACK = 300
LARGEST_CACHE = 4_096

NAMES = (
    *(b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun"),
    *(b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"),
)
MONTHS = {name: number for number, name in enumerate(NAMES, 1)}
MONTHS.update({b"%02d" % number: number for number in range(1, 13)})
LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
BEFORE = tuple(sum(LENGTHS[:month]) for month in range(12))
SECONDS = {b"%02d" % second: second for second in range(61)}  # 60 is a leap second

# The shapes of a stamp whose seconds are 00 and whose fraction is gone.
TIME = rb"(?P<hour> ?\d|\d\d):(?P<minute>\d\d):00"
MONTH = rb"(?P<month>[A-Z][a-z]{2})"
MONTH_DAY = MONTH + rb" {1,2}(?P<day>\d{1,2}) "
NUMBERED = rb"(?P<month>\d\d)%b(?P<day>\d\d)"
YEAR = rb"(?P<year>\d{4})"
OFFSET = rb"(?P<sign>[+-])(?P<hours>\d\d)(?::?(?P<minutes>\d\d))?"
ZONE = rb"(?: ?(?:(?P<utc>Z|UTC|GMT)|" + OFFSET + rb")| (?P<zone>[A-Z]{2,5}))?"
SHAPES = (
    MONTH_DAY + TIME,
    YEAR + rb"-" + NUMBERED % b"-" + rb"[T ]" + TIME + ZONE,
    rb"(?P<day>\d\d)/" + MONTH + rb"/" + YEAR + rb":" + TIME + rb" " + OFFSET,
    MONTH_DAY + YEAR + rb" " + TIME,
    YEAR + rb" " + MONTH_DAY + TIME,
    MONTH_DAY + TIME + rb" " + YEAR,
    YEAR + rb"/" + NUMBERED % b"/" + rb" " + TIME,
    rb"(?P<day>\d\d)(?P<mark>[- ])" + MONTH + rb"(?P=mark)" + YEAR + rb" " + TIME,
    rb"(?P<of_century>\d\d)" + NUMBERED % b"" + rb" " + TIME,
)
# Seconds since the epoch, or thousandths or millionths of them, with or without a fraction.
COUNTED = rb"([1-9]\d{9})(?:\d{3}|\d{6})?(?:\.\d+)?"
# What multilog and its like write; they count no leap seconds but the first ten.
TAI64N = rb"@([0-9a-f]{16})[0-9a-f]{8}"
TAI_EPOCH = (1 << 62) + 10
EARLIEST = 365 * DAY

# The date of a line without a year, then all lines below it that begin in the same way: a run is
# one match, so that a block costs little more than looking at its newlines.
RUN = rb"(?:\A|\n)(?:<\d{1,3}>)?(\[?([A-Z][a-z]{2}) {1,2}(\d{1,2}) )(?= ?\d{1,2}:)(?:[^\n]*\n\1)*"

# By how much a repeated hour may lie apart: one hour nearly everywhere, half of one on Lord Howe.
FOLDS = (7_200, 3_600, 1_800, 0, -1_800, -3_600, -7_200)


class Clock:
    """What turns stamps into epoch seconds, for one log and one pass.

    ``now`` is in epoch seconds. ``years_back`` says how many new years lie between the line that is
    asked for and now; 0, as ever but on a first reading, leaves the year to the rule above. Where
    that year has no 29 February, the newest before it that has one is taken.
    """

    def __init__(self, now: int, years_back: int = 0) -> None:
        """Start at ``now``."""
        self.now = now
        self._this_year = time.localtime(now).tm_year
        self._limit = tuple(time.localtime(now + DAY)[:5])
        self._years_back = years_back
        self._minutes: dict[bytes | tuple[bytes, bytes], int | None] = {}
        self._stamp = b""
        self._epoch: int | None = None

    @property
    def years_back(self) -> int:
        """Give the number of new years between the lines asked for and now."""
        return self._years_back

    @years_back.setter
    def years_back(self, years: int) -> None:
        if years != self._years_back:
            self._years_back = years
            self._minutes.clear()
            self._stamp, self._epoch = b"", None

    def epoch(self, stamp: bytes) -> int | None:
        """Give the epoch seconds of ``stamp``, or None when there is no such time."""
        if stamp == self._stamp:
            return self._epoch
        start = self._minutes.get(stamp[:-2])
        if start is None:
            epoch = self._found(stamp)
        else:  # only stamps that end in their seconds are kept under bytes
            second = SECONDS.get(stamp[-2:])
            epoch = None if second is None else start + second
        self._stamp, self._epoch = stamp, epoch
        return epoch

    def _found(self, stamp: bytes) -> int | None:
        if b":" not in stamp:
            return self._counted(stamp)
        # Seconds follow the last colon, but for an offset such as +09:00; there it is the second.
        iso = stamp[4:5] == b"-"
        at = (stamp.find(b":", stamp.find(b":") + 1) if iso else stamp.rfind(b":")) + 1
        second = SECONDS.get(stamp[at : at + 2])
        if second is None:
            return None
        before, after = stamp[:at], stamp[at + 2 :]
        if after[:1] in (b".", b",") and after[1:2].isdigit():
            after = after[1:].lstrip(b"0123456789")
        minute = (before, after) if after else before
        try:
            start = self._minutes[minute]
        except KeyError:
            if len(self._minutes) >= LARGEST_CACHE:
                self._minutes.clear()
            start = self._begun(before + b"00" + after)
            if start is not None and start > self.now + DAY:
                start = None  # a clock gone wrong: a ban from then would last until then
            self._minutes[minute] = start
        return None if start is None else start + second

    def _counted(self, stamp: bytes) -> int | None:
        """Give the seconds of a stamp that counts from the epoch."""
        if found := re.fullmatch(COUNTED, stamp):
            seconds = int(found[1])
        elif found := re.fullmatch(TAI64N, stamp):
            seconds = int(found[1], 16) - TAI_EPOCH
        else:
            return None
        return seconds if EARLIEST <= seconds <= self.now + DAY + 59 else None

    def _begun(self, minute: bytes) -> int | None:
        """Give the epoch of a stamp whose seconds are 00."""
        for shape in SHAPES:
            if found := re.fullmatch(shape, minute):
                break
        else:
            return None
        part = found.groupdict()
        month = MONTHS.get(part["month"], 0)
        day, hour, of_hour = int(part["day"]), int(part["hour"]), int(part["minute"])
        if not month or hour > 23 or of_hour > 59:
            return None
        if "of_century" in part:
            year = 2000 + int(part["of_century"])
        elif "year" in part:
            year = int(part["year"])
        else:
            year = self._year(month, day, hour, of_hour)
        if year <= 1970 or not 1 <= day <= length(year, month):
            return None
        if part.get("sign"):
            hours, minutes = int(part["hours"]), int(part["minutes"] or 0)
            if hours > 23 or minutes > 59:
                return None
            east = (hours * 60 + minutes) * (-60 if part["sign"] == b"-" else 60)
            return universal(year, month, day, hour, of_hour) - east
        if part.get("utc"):
            return universal(year, month, day, hour, of_hour)
        if part.get("zone") and part["zone"].decode() not in time.tzname:
            return None  # the name of a zone says nothing to a machine in another one
        return local(year, month, day, hour, of_hour, self.now + FOLD_SLACK)

    def _year(self, month: int, day: int, hour: int, minute: int) -> int:
        if self._years_back > 0:
            year = self._this_year - self._years_back
        else:
            year = self._limit[0] - ((month, day, hour, minute) > self._limit[1:])
        while (month, day) == (2, 29) and not leap(year):
            year -= 1
        return year


def leap(year: int) -> bool:
    """Say whether ``year`` has a 29 February."""
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def length(year: int, month: int) -> int:
    """Give the days of a month."""
    return LENGTHS[month - 1] + (month == 2 and leap(year))


def universal(year: int, month: int, day: int, hour: int, minute: int) -> int:
    """Give the epoch of a minute in UTC; the date has to be one."""
    past = year - 1
    days = past * 365 + past // 4 - past // 100 + past // 400 - 719_162
    days += BEFORE[month - 1] + (month > 2 and leap(year)) + day - 1
    return days * DAY + hour * 3_600 + minute * 60


def local(year: int, month: int, day: int, hour: int, minute: int, latest: int) -> int | None:
    """Give the epoch of a minute of local time, or None when the zone has no such minute.

    Of two readings it is the later one that does not lie after ``latest``. mktime's own choice
    between them depends, with some C libraries, on what it was asked before.
    """
    wanted = (year, month, day, hour, minute)
    try:
        about = int(time.mktime((*wanted, 0, 0, 0, -1)))
    except (OverflowError, ValueError):
        return None
    readings = [about + fold for fold in FOLDS if time.localtime(about + fold)[:5] == wanted]
    for reading in readings:
        if reading <= latest:
            return reading
    return readings[-1] if readings else None


class Years:
    """The new years that the lines of a log without years have crossed, counted block by block.

    ``crossings`` is their number so far. A date that lies more than one day before the one above
    it means that a new year has begun. 1 January followed by 31 December is a line that came late,
    and takes one back.
    """

    def __init__(self) -> None:
        """Start before the first line."""
        self.crossings = 0
        self._day = 0
        self._runs = re.compile(RUN).finditer

    def feed(self, block: bytes) -> list[tuple[int, int]]:
        """Count over a block of complete lines; give where in it the year changes, and by what.

        An offset is that of a line's first byte; the change is 1, or -1 for a line that came late.
        """
        changes = []
        for run in self._runs(block):
            day = day_of_year(MONTHS.get(run[2], 0), int(run[3]))
            if day and (change := self._change(day)):
                self.crossings += change
                changes.append((run.start() + (block[run.start()] == 10), change))
            self._day = day or self._day
        return changes

    def until(self, now: int) -> int:
        """Give the new years between the first line and ``now``: what ``in_years`` starts from."""
        today = time.localtime(now)
        return self.crossings + self._change(day_of_year(today.tm_mon, today.tm_mday))

    def _change(self, day: int) -> int:
        if not self._day:
            return 0
        ahead = day - self._day
        return 1 if ahead < -1 else -1 if ahead >= 364 else 0


def in_years(blocks: Iterable[bytes], years_back: int) -> Iterator[tuple[bytes, int]]:
    """Cut ``blocks`` where the year changes; give each piece with the new years from it to now.

    ``years_back`` is what ``Years.until`` gave for the same lines. A piece is whole lines.
    """
    years = Years()
    for block in blocks:
        start = 0
        for offset, change in years.feed(block):
            if offset > start:
                yield block[start:offset], years_back
            start = offset
            years_back -= change
        yield (block[start:] if start else block), years_back


def day_of_year(month: int, day: int) -> int:
    """Give the day's number in a year of 365 days, or 0 when there is no such day.

    29 February is 28 February once more: then 1 March comes a day after either.
    """
    if (month, day) == (2, 29):
        day = 28
    if not 1 <= month <= 12 or not 1 <= day <= LENGTHS[month - 1]:
        return 0
    return BEFORE[month - 1] + day
