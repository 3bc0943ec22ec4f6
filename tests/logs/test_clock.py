"""The clock: stamps, zones, and years that nobody wrote down."""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fw_guard.logs.clock import LARGEST_CACHE, Clock, Years, in_years

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKYO = "Asia/Tokyo"
NEW_YORK = "America/New_York"
ZONES = (TOKYO, "UTC", NEW_YORK)
MONTH_NAMES = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)


@contextmanager
def in_zone(name: str) -> Iterator[None]:
    """Let the process live in the zone ``name``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", name)
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def tokyo() -> Iterator[None]:
    with in_zone(TOKYO):
        yield


@pytest.fixture
def new_york() -> Iterator[None]:
    with in_zone(NEW_YORK):
        yield


def at(text: str) -> int:
    """Give the epoch seconds of an ISO 8601 time with its offset."""
    return int(datetime.fromisoformat(text).timestamp())


def bsd(moment: datetime) -> bytes:
    """Give a wall clock's time as syslogd writes it."""
    return f"{MONTH_NAMES[moment.month - 1]} {moment.day:2} {moment:%H:%M:%S}".encode()


NOW = at("2017-02-07T04:42:00+09:00")


@pytest.mark.usefixtures("tokyo")
@pytest.mark.parametrize(
    ("stamp", "moment"),
    [
        (b"Feb  7 02:26:52", "2017-02-07T02:26:52+09:00"),
        (b"Feb 7 02:26:52", "2017-02-07T02:26:52+09:00"),
        (b"Feb 07 02:26:52", "2017-02-07T02:26:52+09:00"),
        (b"Feb  7 02:26:52.999999", "2017-02-07T02:26:52+09:00"),
        (b"Feb  7 2015 02:26:52", "2015-02-07T02:26:52+09:00"),
        (b"2015 Feb  7 02:26:52", "2015-02-07T02:26:52+09:00"),
        (b"Feb  7 02:26:52 2015", "2015-02-07T02:26:52+09:00"),
        (b"Feb  7 02:26:52.5 2015", "2015-02-07T02:26:52+09:00"),
        (b"2024-03-04T03:12:55.123456+09:00", "2024-03-04T03:12:55+09:00"),
        (b"2024-03-04T03:12:55-05:30", "2024-03-04T03:12:55-05:30"),
        (b"2024-03-04T03:12:55+0530", "2024-03-04T03:12:55+05:30"),
        (b"2024-03-04T03:12:55.003Z", "2024-03-04T03:12:55+00:00"),
        (b"2024-02-29T23:59:59Z", "2024-02-29T23:59:59+00:00"),
        (b"07/Feb/2017:02:32:54 +0900", "2017-02-07T02:32:54+09:00"),
        (b"17/May/2015:10:05:03 +0000", "2015-05-17T10:05:03+00:00"),
        (b"31/Dec/2016:23:59:59 -0330", "2016-12-31T23:59:59-03:30"),
    ],
)
def test_each_form_of_stamp_gives_its_moment(stamp: bytes, moment: str) -> None:
    assert Clock(max(NOW, at(moment))).epoch(stamp) == at(moment)


@pytest.mark.usefixtures("tokyo")
def test_a_time_more_than_a_day_ahead_is_none() -> None:
    assert Clock(NOW).epoch(b"2017-02-08T04:42:59+09:00") == NOW + 86_400 + 59
    assert Clock(NOW).epoch(b"2017-02-08T04:43:00+09:00") is None
    assert Clock(NOW).epoch(b"08/Feb/2027:04:41:00 +0900") is None


@pytest.mark.usefixtures("tokyo")
def test_a_leap_second_is_the_second_after_59() -> None:
    before_midnight = at("2016-12-31T23:59:59+00:00")
    assert Clock(NOW).epoch(b"31/Dec/2016:23:59:60 +0000") == before_midnight + 1


@pytest.mark.usefixtures("tokyo")
@pytest.mark.parametrize(
    "stamp",
    [
        b"",
        b"-",
        b":",
        b"Feb 30 02:26:52",
        b"Feb 29 2017 02:26:52",
        b"Apr 31 02:26:52",
        b"Feb  0 02:26:52",
        b"Feb 32 02:26:52",
        b"Feb  7 24:00:00",
        b"Feb  7 25:00:00",
        b"Feb  7 02:60:00",
        b"Feb  7 02:26:61",
        b"Feb  7 02:26:5",
        b"Feb  7 02:26:52.",
        b"Feb  7 02:26:52.5.5",
        b"Feb  7 02:26:52 ",
        b"Feb  7 02:26:52\n",
        b"Fev  7 02:26:52",
        b"feb  7 02:26:52",
        b"FEB  7 02:26:52",
        b"Feb   7 02:26:52",
        b"Feb  \xb2 02:26:52",
        b"Feb  7 02:26:52 2017 2017",
        b"2016 Feb  7 2017 02:26:52",
        b"Feb  7 0000 02:26:52",
        b"Jan  1 1970 00:00:12",
        b"2024-13-04T03:12:55Z",
        b"2024-00-04T03:12:55Z",
        b"2023-02-29T03:12:55Z",
        b"2024-03-04T24:12:55Z",
        b"2024-03-04T03:12:55+24:00",
        b"2024-03-04T03:12:55+09:60",
        b"2014-03-04T03:12:55z",
        b"2024-03-04T03:12Z",
        b"0000-03-04T03:12:55Z",
        b"1970-01-01T00:00:12Z",
        b"30/Feb/2017:02:32:54 +0900",
        b"07/02/2017:02:32:54 +0900",
        b"07/Feb/2017:02:32:54",
        b"07/Feb/2017:02:32:54 0900",
    ],
)
def test_a_time_that_is_none_is_refused(stamp: bytes) -> None:
    assert Clock(NOW).epoch(stamp) is None


@settings(deadline=None)
@given(st.lists(st.text("FebTZ 0123456789:/.+-", max_size=30), max_size=5))
def test_no_text_breaks_the_clock(texts: list[str]) -> None:
    clock = Clock(NOW)
    for text in texts:
        epoch = clock.epoch(text.encode())
        assert epoch is None or epoch > 0


@pytest.mark.usefixtures("tokyo")
@pytest.mark.parametrize(
    ("now", "stamp", "moment"),
    [
        ("2017-02-07T04:42:00", b"Feb  7 04:41:05", "2017-02-07T04:41:05"),
        ("2017-02-07T04:42:00", b"Feb  8 04:42:59", "2017-02-08T04:42:59"),
        ("2017-02-07T04:42:00", b"Feb  8 04:43:00", "2016-02-08T04:43:00"),
        ("2017-01-01T00:00:30", b"Dec 31 23:59:59", "2016-12-31T23:59:59"),
        ("2016-12-31T23:59:30", b"Jan  1 00:00:05", "2017-01-01T00:00:05"),
        ("2017-02-07T04:42:00", b"Feb 29 12:00:00", "2016-02-29T12:00:00"),
        ("2016-02-28T13:00:00", b"Feb 29 12:00:00", "2016-02-29T12:00:00"),
        ("2016-02-28T11:00:00", b"Feb 29 12:00:00", "2012-02-29T12:00:00"),
        ("2103-06-01T00:00:00", b"Feb 29 12:00:00", "2096-02-29T12:00:00"),
    ],
)
def test_a_stamp_without_a_year_takes_the_newest_that_is_not_a_day_ahead(
    now: str, stamp: bytes, moment: str
) -> None:
    assert Clock(at(now + "+09:00")).epoch(stamp) == at(moment + "+09:00")


@pytest.mark.usefixtures("tokyo")
@pytest.mark.parametrize(
    ("years_back", "stamp", "moment"),
    [
        (1, b"Feb 22 11:23:13", "2016-02-22T11:23:13"),
        (1, b"Feb  7 04:41:05", "2016-02-07T04:41:05"),
        (2, b"Feb  7 04:41:05", "2015-02-07T04:41:05"),
        (2, b"Dec 31 04:41:05", "2015-12-31T04:41:05"),
        (1, b"Feb 29 04:41:05", "2016-02-29T04:41:05"),
        (2, b"Feb 29 04:41:05", "2012-02-29T04:41:05"),
        (1, b"Feb  7 2014 04:41:05", "2014-02-07T04:41:05"),
        (1, b"07/Feb/2014:04:41:05 +0900", "2014-02-07T04:41:05"),
    ],
)
def test_years_back_counts_the_new_years_between_the_line_and_now(
    years_back: int, stamp: bytes, moment: str
) -> None:
    assert Clock(NOW, years_back).epoch(stamp) == at(moment + "+09:00")


@pytest.mark.usefixtures("tokyo")
def test_the_same_stamp_is_read_anew_when_the_years_step() -> None:
    clock = Clock(NOW, 2)
    epochs = []
    for clock.years_back in (2, 1, 0):
        epochs.append(clock.epoch(b"Feb  7 04:41:05"))
    years = ("2015", "2016", "2017")
    assert epochs == [at(f"{year}-02-07T04:41:05+09:00") for year in years]


@pytest.mark.usefixtures("new_york")
@pytest.mark.parametrize(
    ("now", "moment"),
    [
        ("2023-11-05T01:31:00-04:00", "2023-11-05T01:30:10-04:00"),
        ("2023-11-05T01:59:00-04:00", "2023-11-05T01:30:10-04:00"),
        ("2023-11-05T01:31:00-05:00", "2023-11-05T01:30:10-05:00"),
        ("2023-11-06T00:00:00-05:00", "2023-11-05T01:30:10-05:00"),
    ],
)
def test_a_repeated_hour_is_read_as_a_punctual_reader_would(now: str, moment: str) -> None:
    assert Clock(at(now)).epoch(b"Nov  5 01:30:10") == at(moment)


@pytest.mark.usefixtures("new_york")
def test_an_hour_that_the_zone_skips_does_not_exist() -> None:
    clock = Clock(at("2023-03-12T12:00:00-04:00"))
    assert clock.epoch(b"Mar 12 02:30:00") is None
    assert clock.epoch(b"Mar 12 01:59:59") == at("2023-03-12T01:59:59-05:00")
    assert clock.epoch(b"Mar 12 03:00:00") == at("2023-03-12T03:00:00-04:00")


WALL = st.datetimes(datetime(1999, 1, 1), datetime(2037, 12, 31)).map(  # noqa: DTZ001
    lambda moment: moment.replace(tzinfo=UTC, microsecond=0)
)


@settings(deadline=None)
@given(st.sampled_from([*ZONES, "Australia/Lord_Howe"]), WALL)
@example(NEW_YORK, datetime(2023, 3, 12, 2, 30, tzinfo=UTC))
@example(NEW_YORK, datetime(2023, 11, 5, 1, 30, tzinfo=UTC))
@example("Australia/Lord_Howe", datetime(2024, 4, 7, 1, 45, tzinfo=UTC))
def test_local_time_is_that_of_the_zone(zone: str, wall: datetime) -> None:
    early = wall.replace(tzinfo=ZoneInfo(zone), fold=0)
    late = early.replace(fold=1)
    exists = early.astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=UTC) == wall
    expected = int(late.timestamp()) if exists else None
    stamp = bsd(wall) + f" {wall.year}".encode()
    with in_zone(zone):
        assert Clock(at("2038-01-01T00:00:00+00:00")).epoch(stamp) == expected


@settings(deadline=None)
@given(WALL, st.integers(-23 * 60 - 59, 23 * 60 + 59), st.sampled_from(ZONES))
def test_an_offset_is_obeyed_wherever_the_machine_stands(
    wall: datetime, minutes: int, zone: str
) -> None:
    sign = "-" if minutes < 0 else "+"
    hours, rest = divmod(abs(minutes), 60)
    expected = int(wall.timestamp()) - minutes * 60
    rfc3339 = f"{wall:%Y-%m-%dT%H:%M:%S}.25{sign}{hours:02}:{rest:02}"
    month = MONTH_NAMES[wall.month - 1]
    httpdate = f"{wall:%d}/{month}/{wall:%Y:%H:%M:%S} {sign}{hours:02}{rest:02}"
    with in_zone(zone):
        clock = Clock(max(NOW, expected))
        assert clock.epoch(rfc3339.encode()) == expected
        assert clock.epoch(httpdate.encode()) == expected


# Few values, so that minutes meet again with other seconds, fractions, years, offsets and faults.
STAMPS = st.builds(
    "{}{} {}{}{}".format,
    st.sampled_from(["", "2016 "]),
    st.sampled_from(["Feb  7", "Feb 29", "Nov  6", "Feb 30"]),
    st.sampled_from(["01:30:", "01:31:", "25:00:"]),
    st.sampled_from(["00", "07", "59", "60", "61", "x"]),
    st.sampled_from(["", ".5", ".77", ".", ".1.2", " 2016", ".5 2016"]),
) | st.builds(
    "{}:{}{}{}".format,
    st.sampled_from(["2016-11-06T01:30", "07/Feb/2017:02:26", "2017-02-07T02:26"]),
    st.sampled_from(["00", "07", "60", "61"]),
    st.sampled_from(["", ".5", ".", ".1.2"]),
    st.sampled_from(["Z", "+09:00", "-0500", " +0900", ""]),
)


@settings(deadline=None)
@given(st.lists(STAMPS, max_size=40), st.sampled_from(ZONES))
def test_what_is_remembered_equals_what_is_computed(stamps: list[str], zone: str) -> None:
    with in_zone(zone):
        clock = Clock(NOW)
        remembered = [clock.epoch(stamp.encode()) for stamp in stamps]
        assert remembered == [Clock(NOW).epoch(stamp.encode()) for stamp in stamps]


def test_a_stamp_with_two_bytes_too_many_is_not_taken_for_one_that_is_remembered() -> None:
    clock = Clock(NOW)
    assert clock.epoch(b"07/Feb/2017:02:26:00 +0900") == at("2017-02-07T02:26:00+09:00")
    assert clock.epoch(b"07/Feb/2017:02:26:00 +090007") is None


@pytest.mark.usefixtures("tokyo")
def test_the_memory_is_bounded() -> None:
    clock = Clock(NOW)
    for minute in range(2 * LARGEST_CACHE + 10):
        clock.epoch(b"2016-02-07T02:26:00+%02d:%02d.%d" % (*divmod(minute % 1440, 60), minute))
    assert len(clock._minutes) <= LARGEST_CACHE


# The founding log: the months run Feb, Mar, Feb.
REFUSED = (
    b"Feb 22 11:23:13 server inetd[37366]: refused connection from "
    b"p654aaf.okymff01.ap.so-net.ne.jp, service ftpd (tcp)\n",
    b"Mar 2 16:15:08 server sshd[93447]: refused connect from "
    b"p654aaf.okymff01.ap.so-net.ne.jp (121.101.74.175)\n",
    b"Feb  7 04:41:05 server sshd[75121]: refused connect from "
    b"p654aaf.okymff01.ap.so-net.ne.jp (121.101.74.175)\n",
    b"Feb  7 04:41:28 server inetd[75129]: refused connection from "
    b"p654aaf.okymff01.ap.so-net.ne.jp, service ftpd (tcp)\n",
)


def times(blocks: list[bytes], now: int, every: int = 1) -> list[int | None]:
    """Give the epochs of every so manieth line, as a first reading of a log finds them."""
    years = Years()
    for block in blocks:
        years.feed(block)
    clock = Clock(now)
    epochs = []
    number = 0
    for piece, years_back in in_years(blocks, years.until(now)):
        clock.years_back = years_back
        for line in piece.splitlines():
            if number % every == 0:
                epochs.append(clock.epoch(b" ".join(line.split(b" server")[:1])))
            number += 1
    return epochs


@pytest.mark.usefixtures("tokyo")
@pytest.mark.parametrize("blocks", [[b"".join(REFUSED)], list(REFUSED)])
def test_the_founding_log_begins_in_the_year_before(blocks: list[bytes]) -> None:
    assert times(blocks, NOW) == [
        at("2016-02-22T11:23:13+09:00"),
        at("2016-03-02T16:15:08+09:00"),
        at("2017-02-07T04:41:05+09:00"),
        at("2017-02-07T04:41:28+09:00"),
    ]


@pytest.mark.usefixtures("tokyo")
def test_the_same_day_of_three_years_is_told_apart() -> None:
    log = (
        b"Feb  7 04:41:05 server sshd[1]: a\n"
        b"Aug  1 00:00:00 server sshd[1]: b\n"
        b"<13>Feb  7 04:41:05 server sshd[1]: c\n"
        b"Dec 31 23:59:59 server sshd[1]: d\n"
        b"Jan  1 00:00:00 server sshd[1]: e\n"
        b"Feb  7 04:41:05 server sshd[1]: f\n"
    )
    found = times([log.replace(b"<13>", b"")], NOW)
    years = Years()
    assert years.feed(log) == [(log.index(b"<13>"), 1), (log.index(b"Jan"), 1)]
    assert years.crossings == 2
    assert found == [
        at("2015-02-07T04:41:05+09:00"),
        at("2015-08-01T00:00:00+09:00"),
        at("2016-02-07T04:41:05+09:00"),
        at("2016-12-31T23:59:59+09:00"),
        at("2017-01-01T00:00:00+09:00"),
        at("2017-02-07T04:41:05+09:00"),
    ]


@pytest.mark.usefixtures("tokyo")
def test_a_log_that_ends_in_december_is_last_years() -> None:
    log = b"Nov 30 10:00:00 server x: a\nDec  1 10:00:00 server x: b\n"
    assert times([log], NOW) == [at("2016-11-30T10:00:00+09:00"), at("2016-12-01T10:00:00+09:00")]


def crossings(*dates: bytes) -> int:
    """Give the new years that lines of these dates cross."""
    years = Years()
    years.feed(b"".join(date + b" 10:00:00 server sshd[1]: text\n" for date in dates))
    return years.crossings


@pytest.mark.parametrize(
    ("dates", "number"),
    [
        ((b"Mar  5", b"Mar  4", b"Mar  5"), 0),
        ((b"Mar  5", b"Mar  3"), 1),
        ((b"Mar  1", b"Feb 28"), 0),
        ((b"Mar  1", b"Feb 29"), 0),
        ((b"Feb 28", b"Feb 29", b"Mar  1"), 0),
        ((b"Mar  5", b"Feb 29"), 1),
        ((b"Dec 31", b"Jan  1", b"Dec 31", b"Jan  1"), 1),
        ((b"Jan  1", b"Dec 31"), -1),
        ((b"Jan  2", b"Dec 31"), 0),
        ((b"Mar  5", b"Feb 31", b"Xyz  1", b"Mar  6"), 0),
        ((b"Mar 5", b"Mar  5", b"Mar 05"), 0),
        ((), 0),
    ],
)
def test_only_a_date_that_runs_back_by_more_than_a_day_is_a_new_year(
    dates: tuple[bytes, ...], number: int
) -> None:
    assert crossings(*dates) == number


@pytest.mark.parametrize(
    "line",
    [
        b"Jan  1 2016 10:00:00 server sshd[1]: it has its year\n",
        b"2016-01-01T10:00:00Z server sshd[1]: so has this\n",
        b"  Jan  1 10:00:00 server sshd[1]: a line that is none\n",
        b"text Jan  1 10:00:00 server\n",
        b"Jan  1 is a day\n",
        b"\n",
        b"\x00\xff\n",
    ],
)
def test_lines_without_a_date_at_their_start_are_passed_over(line: bytes) -> None:
    years = Years()
    day = b"Mar  5 10:00:00 server sshd[1]: text\n"
    assert years.feed(line + day + line + day + line) == []
    assert years.feed(line) == []


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from([b"Mar  5 10:00:00 s x: a\n", b"Feb  1 10:00:00 s x: b\n", b"other\n"])
    ),
    st.lists(st.integers(0, 40)),
)
def test_where_the_blocks_end_makes_no_difference(lines: list[bytes], cuts: list[int]) -> None:
    ends = sorted({cut for cut in cuts if cut < len(lines)} | {0, len(lines)})
    blocks = [b"".join(lines[one:two]) for one, two in pairwise(ends)]
    whole, parts = Years(), Years()
    whole.feed(b"".join(lines))
    for block in blocks:
        parts.feed(block)
    assert whole.crossings == parts.crossings
    pieces = list(in_years(blocks, parts.crossings))
    assert b"".join(piece for piece, _ in pieces) == b"".join(lines)
    assert all(piece.endswith(b"\n") for piece, _ in pieces)
    assert not pieces or pieces[-1][1] == 0


# A day back, or up to 363 days on, in seconds; and much oftener something small.
STEPS = st.integers(-86_400, 363 * 86_400) | st.integers(-86_400, 86_400) | st.just(0)


@settings(deadline=None)
@given(
    WALL.filter(lambda moment: moment.year < 2010),
    st.lists(STEPS, max_size=25),
    st.integers(0, 363 * 86_400) | st.integers(-86_400, 86_400),
    st.integers(1, 4),
    st.integers(1, 5),
    st.sampled_from(ZONES),
)
@example(datetime(2004, 2, 29, tzinfo=UTC), [363 * 86_400] * 9, 363 * 86_400, 1, 1, TOKYO)
@example(datetime(2003, 12, 31, 23, tzinfo=UTC), [7_200, -7_200, 7_200], 0, 1, 1, TOKYO)
@example(datetime(2003, 12, 31, 23, tzinfo=UTC), [7_200], -7_200, 1, 1, TOKYO)
def test_every_line_of_an_old_log_gets_its_own_year(
    first: datetime, steps: list[int], until_now: int, block: int, every: int, zone: str
) -> None:
    moments = [first]
    for step in steps:
        moments.append(moments[-1] + timedelta(seconds=step))
    now = max(moments[-1] + timedelta(seconds=until_now), max(moments) - timedelta(days=1))
    lines = [bsd(moment) + b" server sshd[1]: text\n" for moment in moments]
    blocks = [b"".join(lines[i : i + block]) for i in range(0, len(lines), block)]
    with in_zone(zone):
        found = times(blocks, int(now.replace(tzinfo=ZoneInfo(zone)).timestamp()), every)
        for moment, epoch in zip(moments[::every], found, strict=True):
            early = moment.replace(tzinfo=ZoneInfo(zone))
            readings = {int(early.timestamp()), int(early.replace(fold=1).timestamp())}
            exists = early.astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=UTC) == moment
            assert epoch in readings if exists else epoch is None
