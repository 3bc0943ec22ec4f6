"""The progress bar: late, seldom, and gone when the work is done."""

from __future__ import annotations

import pytest

from fw_guard.progress import Progress, bar
from fw_guard.text import width


class Clock:
    """A clock that stands still until somebody turns it."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("done", "size", "shown"),
    [
        (0, 200, "auth.log [                              ]   0%"),
        (100, 200, "auth.log [###############               ]  50%"),
        (199, 200, "auth.log [############################# ]  99%"),
        (200, 200, "auth.log [##############################] 100%"),
        (250, 200, "auth.log [##############################] 100%"),
        (0, 0, "auth.log [##############################] 100%"),
    ],
)
def test_the_bar_is_as_long_as_the_share_that_is_done(done: int, size: int, shown: str) -> None:
    assert bar("auth.log", done, size) == shown


def test_of_a_long_name_the_end_is_shown_and_nothing_that_a_terminal_obeys() -> None:
    assert bar("/var/log/" + "x" * 60 + "/auth.log", 0, 1).startswith("...xxxxx")
    assert width(bar("/var/log/" + "x" * 60 + "/auth.log", 0, 1)) < 80
    assert bar("a\x1b[2J", 0, 1).startswith("a\\x1b[2J [")


def test_nothing_is_drawn_in_the_first_second() -> None:
    drawn: list[str] = []
    clock = Clock()
    with Progress(drawn.append, clock) as progress:
        progress.tell("a", 1, 2)
        clock.now += 0.9
        progress.tell("a", 2, 2)
    assert drawn == []


def test_the_bar_is_drawn_ten_times_a_second_at_the_most_and_wiped_at_the_end() -> None:
    drawn: list[str] = []
    clock = Clock()
    with Progress(drawn.append, clock) as progress:
        clock.now += 1.5
        progress.tell("auth.log", 1, 2)
        clock.now += 0.05
        progress.tell("auth.log", 2, 2)
        clock.now += 0.06
        progress.tell("b", 1, 2)
    half = "[###############               ]  50%"
    # The shorter name leaves nothing of the longer one behind.
    assert drawn == [f"\rauth.log {half}", f"\rb {half}       ", f"\r{' ' * 39}\r"]


def test_the_bar_is_wiped_when_the_work_fails() -> None:
    drawn: list[str] = []
    clock = Clock()

    def work() -> None:
        with Progress(drawn.append, clock) as progress:
            clock.now += 2
            progress.tell("a", 1, 2)
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        work()
    assert drawn[-1] == f"\r{' ' * 39}\r"
