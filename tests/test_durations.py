"""Lengths of time: read, spelled, refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fw_guard import durations
from fw_guard.durations import DurationError

WEEK, DAY, HOUR, MINUTE = 7 * 24 * 60 * 60, 24 * 60 * 60, 60 * 60, 60
HUNDRED_YEARS = 36_500 * DAY


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1),
        ("90s", 90),
        ("10m", 600),
        ("2h", 7200),
        ("1d", 86_400),
        ("1w", 604_800),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        (" 10m ", 600),
        ("30m1h", 5400),
        ("1w2d3h4m5s", WEEK + 2 * DAY + 3 * HOUR + 4 * MINUTE + 5),
        ("0h5m", 300),
        ("0000000000000005m", 300),
        ("36500d", HUNDRED_YEARS),
    ],
)
def test_a_length_of_time_is_read(text: str, seconds: int) -> None:
    assert durations.parse(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "10", "m", "0s", "0", "0h0m", "-5m", "+5m", "1.5h", "1,5h", "10 minutes", "10M"),
        *("m10", "1h30", "10mm", "10m!", "ten", "forever", "1y", "10\n", "1\n0m", "١٠m", "²m"),
        *("36501d", "9999999999999999s", f"{'9' * 5000}s", "36500d1s", "10m\x1b"),
    ],
)
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(DurationError) as refused:
        durations.parse(text)
    expected = f"{text!r} is no length of time; expected such as 90s, 10m, 2h or 1d"
    assert str(refused.value) == expected


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (1, "1s"),
        (59, "59s"),
        (60, "1m"),
        (598, "9m58s"),
        (600, "10m"),
        (3600, "1h"),
        (5400, "1h30m"),
        (3601, "1h1s"),
        (86_399, "23h59m"),
        (86_400, "1d"),
        (604_800, "1w"),
        (WEEK + DAY + HOUR + MINUTE + 1, "1w1d"),
    ],
)
def test_a_length_of_time_is_spelled_in_its_two_largest_units(seconds: int, text: str) -> None:
    assert durations.spell(seconds) == text


@given(st.integers(1, HUNDRED_YEARS))
def test_a_spelled_length_is_read_again_as_no_more_and_hardly_less(seconds: int) -> None:
    again = durations.parse(durations.spell(seconds))
    lost = seconds - again
    assert lost == 0 or (0 < lost < DAY and seconds > HOUR)
    assert durations.spell(again) == durations.spell(seconds)


@given(st.integers(1, 59), st.sampled_from("smhdw"))
def test_a_number_of_one_unit_makes_the_round_trip(number: int, unit: str) -> None:
    seconds = number * {"s": 1, "m": MINUTE, "h": HOUR, "d": DAY, "w": WEEK}[unit]
    assert durations.parse(f"{number}{unit}") == seconds
    assert durations.parse(durations.spell(seconds)) == seconds


@given(st.text())
def test_every_text_is_read_or_refused(text: str) -> None:
    try:
        seconds = durations.parse(text)
    except DurationError:
        return
    assert 0 < seconds <= HUNDRED_YEARS
