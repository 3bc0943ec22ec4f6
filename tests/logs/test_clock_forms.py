"""The clock: the stamps of programs that keep a log of their own."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fw_guard.logs.clock import Clock, Years
from fw_guard.logs.headers import header
from tests.logs.test_clock import TOKYO, ZONES, at, in_zone
from tests.logs.test_headers_formats import FORMS

NOW = at("2026-03-05T00:00:00+00:00")


@pytest.mark.parametrize(
    ("stamp", "moment"),
    [
        (b"2026-03-04T03:12:55", "2026-03-04T03:12:55+09:00"),
        (b"2026-03-04 03:12:55", "2026-03-04T03:12:55+09:00"),
        (b"2026-03-04  3:12:55", "2026-03-04T03:12:55+09:00"),
        (b"2026-03-04 3:12:55", "2026-03-04T03:12:55+09:00"),
        (b"2026-03-04 03:12:55.999999", "2026-03-04T03:12:55+09:00"),
        (b"2026-03-04 03:12:55,999", "2026-03-04T03:12:55+09:00"),
        (b"2026-03-04 03:12:55Z", "2026-03-04T03:12:55+00:00"),
        (b"2026-03-04 03:12:55.5 UTC", "2026-03-04T03:12:55+00:00"),
        (b"2026-03-04 03:12:55 GMT", "2026-03-04T03:12:55+00:00"),
        (b"2026-03-04 03:12:55+0100", "2026-03-04T03:12:55+01:00"),
        (b"2026-03-04 03:12:55 +01:00", "2026-03-04T03:12:55+01:00"),
        (b"2026-03-04 03:12:55,5 -0330", "2026-03-04T03:12:55-03:30"),
        (b"2026-03-04 03:12:55 -03", "2026-03-04T03:12:55-03:00"),
        (b"2026-03-04 03:12:55 JST", "2026-03-04T03:12:55+09:00"),
        (b"2026/03/04 03:12:55", "2026-03-04T03:12:55+09:00"),
        (b"2026/03/04 03:12:55.123456", "2026-03-04T03:12:55+09:00"),
        (b"04-Mar-2026 03:12:55.123", "2026-03-04T03:12:55+09:00"),
        (b"04 Mar 2026 03:12:55.123", "2026-03-04T03:12:55+09:00"),
        (b"260304  3:12:55", "2026-03-04T03:12:55+09:00"),
        (b"991231 23:59:59", "none"),
        (b"091231 23:59:59", "2009-12-31T23:59:59+09:00"),
        (b"Mar  4 3:12:55", "2026-03-04T03:12:55+09:00"),
        (b"Mar 04 03:12:55.123456 2026", "2026-03-04T03:12:55+09:00"),
        (b"1772593975", "2026-03-04T03:12:55+00:00"),
        (b"1772593975.999999", "2026-03-04T03:12:55+00:00"),
        (b"1772593975999", "2026-03-04T03:12:55+00:00"),
        (b"1772593975999.5", "2026-03-04T03:12:55+00:00"),
        (b"1772593975999999", "2026-03-04T03:12:55+00:00"),
    ],
)
def test_each_form_gives_its_moment_or_none(stamp: bytes, moment: str) -> None:
    with in_zone(TOKYO):
        assert Clock(NOW).epoch(stamp) == (None if moment == "none" else at(moment))


@pytest.mark.parametrize(
    "stamp",
    [
        b"2026-02-30 03:12:55",
        b"2026-03-04 24:12:55",
        b"2026-03-04 03:60:55",
        b"2026-03-04 03:12:61",
        b"2026-03-04 03:12",
        b"2026-03-04T03:12+09:00",
        b"2026-03-04   3:12:55",
        b"2026-03-04_03:12:55",
        b"2026-03-04 03:12:55 XYZ",
        b"2026-03-04 03:12:55 jst",
        b"2026-03-04 03:12:55 +24",
        b"2026-03-04 03:12:55,",
        b"2026-03/04 03:12:55",
        b"2026/13/04 03:12:55",
        b"04-Mar 2026 03:12:55",
        b"31-Feb-2026 03:12:55",
        b"04-03-2026 03:12:55",
        b"261304  3:12:55",
        b"700304  3:12:55",
        b"177259397",
        b"17725939751",
        b"177259397599",
        b"1772593975.",
        b"1772593975.5.5",
        b"-1772593975",
        b"1772593975 ",
        b"1772593975\n",
        b"0000000000",
        b"9999999999",
        b"1.7e9",
        b"true",
        b"1" * 5000,
    ],
)
def test_a_form_that_gives_no_moment_is_refused(stamp: bytes) -> None:
    with in_zone(TOKYO):
        assert Clock(NOW).epoch(stamp) is None


def test_seconds_from_the_epoch_may_lie_a_day_ahead_and_no_more() -> None:
    clock = Clock(NOW)
    assert clock.epoch(b"%d" % (NOW + 86_400)) == NOW + 86_400
    assert clock.epoch(b"%d.5" % (NOW + 86_460)) is None
    assert clock.epoch(b"%d000" % (NOW + 86_460)) is None


@pytest.mark.parametrize("zone", ZONES)
def test_the_name_of_a_zone_is_known_where_it_is_the_machine_s_own(zone: str) -> None:
    with in_zone(zone):
        found = Clock(NOW).epoch(b"2026-03-04 03:12:55 JST")
    assert found == (at("2026-03-04T03:12:55+09:00") if zone == TOKYO else None)


@settings(deadline=None)
@given(st.lists(st.sampled_from([stamp for _, stamp in FORMS]), max_size=30), st.booleans())
def test_what_is_remembered_of_these_forms_equals_what_is_computed(
    stamps: list[bytes], later: bool
) -> None:
    clock = Clock(NOW)
    for stamp in stamps:
        asked = stamp.replace(b":55", b":07") if later else stamp
        assert clock.epoch(asked) == Clock(NOW).epoch(asked)


@pytest.mark.parametrize(("written", "stamp"), FORMS)
def test_every_stamp_that_a_plain_line_may_begin_with_is_one_of_the_clock_s(
    written: bytes, stamp: bytes
) -> None:
    found = header("plain")(written + b" text")
    assert found is not None
    assert found.stamp == stamp
    epoch = Clock(NOW).epoch(found.stamp)
    assert epoch is not None
    # 4 March 2026, in whatever zone the machine stands; one of the forms says 13:12:55.
    assert abs(epoch - at("2026-03-04T03:12:55+00:00")) <= 24 * 3600


def test_new_years_are_counted_in_brackets_too_and_with_hours_of_one_digit() -> None:
    years = Years()
    years.feed(b"[Mar  5 10:00:00] x\n[Mar  3 10:00:00] x\nMar  1 9:00:00 x\nMar  1 10:00:00 x\n")
    assert years.crossings == 2
    years.feed(b"[Mar  1 2026 10:00:00] it has its year\n")
    assert years.crossings == 2


def test_a_tai_stamp_counts_ten_leap_seconds_and_no_more() -> None:
    # 0x4000000000000000 + 10 is the epoch; 0x4c91b044 - 10 seconds after it is 16 September 2010.
    clock = Clock(1_300_000_000)
    assert clock.epoch(b"@400000004c91b044077a9e94") == 0x4C91B044 - 10
    assert clock.epoch(b"@400000000000000a00000000") is None
    assert clock.epoch(b"@4000000f4c91b044077a9e94") is None
    assert clock.epoch(b"@400000004c91b04") is None
