"""What the benchmark works out, as far as it can be shown without root and without a clock."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import measure, report, workload
from bench.measure import Figure, Ticks
from fw_guard import addresses
from tests.conftest import ROOT

# The fields of proc(5) in their order, with numbers that tell which is which.
STAT = "4711 ({name}) S 3 4 5 6 7 8 9 10 11 12 114 115 16 17 18 19 20 21 22 23"


def figure(*samples: float, bans: int = 2_000, each: bool = True) -> Figure:
    """A figure of these samples, in seconds."""
    return Figure("someone", "something", bans, each, samples)


@given(st.text(max_size=16))
def test_the_times_of_a_process_are_found_whatever_its_name(name: str) -> None:
    assert measure.read_stat(STAT.format(name=name)) == Ticks(114, 115, 16, 17)


@pytest.mark.parametrize("text", ["", "4711 (sh) S 3 4", "4711 sh S " + "1 " * 40])
def test_what_is_no_line_of_a_process_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no line of /proc/PID/stat"):
        measure.read_stat(text)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux's /proc")
def test_the_cpu_of_a_process_holds_that_of_children_it_waited_for() -> None:
    before = os.times()
    subprocess.run([sys.executable, "-c", "sum(range(10**6))"], check=True)
    children = os.times().children_user - before.children_user
    assert measure.tree_cpu(os.getpid()) >= before.user + children


def test_the_middle_of_an_even_number_of_runs_lies_between_two() -> None:
    assert figure(0.004, 0.001, 0.002, 0.100).middle == pytest.approx(0.003)


def test_the_cost_of_a_ban_is_the_middle_shared_out() -> None:
    assert figure(3.0, 1.0, 2.0).per_ban == pytest.approx(0.001)


@pytest.mark.parametrize(("bans", "each"), [(0, True), (100_000, False)])
def test_an_idle_pass_is_not_shared_out_among_standing_bans(bans: int, each: bool) -> None:
    with pytest.raises(ValueError, match="expected work on single bans"):
        _ = figure(1.0, bans=bans, each=each).per_ban


def test_the_runs_of_one_work_are_put_together_and_those_of_another_are_not() -> None:
    merged = measure.merged([figure(1.0), figure(9.0, bans=3), figure(2.0)])
    assert [(key, found.samples) for key, found in merged.items()] == [
        (("someone", "something", 2_000), (1.0, 2.0)),
        (("someone", "something", 3), (9.0,)),
    ]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0, "0.00"),
        (0.0001, "0.10"),
        (0.00123, "1.23"),
        (0.01234, "12.3"),
        (0.1234, "123"),
        (16.9231, "16,923"),
    ],
)
def test_milliseconds_are_shown_with_three_digits_that_count(seconds: float, shown: str) -> None:
    assert report.milliseconds(seconds) == shown


def test_numbers_of_a_table_stand_to_the_right_and_words_to_the_left() -> None:
    assert report.table(("work", "CPU, ms"), [("by hand", "1,234"), ("restored", "5")]) == (
        "| work     | CPU, ms |\n"
        "|----------|--------:|\n"
        "| by hand  |   1,234 |\n"
        "| restored |       5 |"
    )


def test_a_table_tells_what_one_ban_costs_in_microseconds() -> None:
    lines = report.bans_table([figure(0.2, 0.1, 0.3), figure(1.0, each=False)]).splitlines()
    cells = [cell.strip() for cell in lines[2].strip("|").split("|")]
    assert cells == ["something", "2,000", "someone", "200", "100–300", "100", "3"]
    assert len(lines) == 3


def test_an_idle_pass_is_told_in_times_of_bare_python() -> None:
    (_, _, row) = report.idle_table(
        [figure(0.03, each=False), figure(9.0)], figure(0.01, each=False)
    ).splitlines()
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == ["someone", "something", "2,000", "30.0", "30.0–30.0", "3.00", "1"]


def test_the_addresses_are_many_different_and_the_same_every_time() -> None:
    chosen = workload.addresses(20_000)
    assert len(set(chosen)) == 20_000
    assert chosen == workload.addresses(20_000)
    block = addresses.split("198.18.0.0/15")
    assert all(addresses.covers(block, addresses.split(host)) for host in chosen)


def test_the_log_holds_three_attempts_of_each_address_in_the_last_five_minutes() -> None:
    hosts = workload.addresses(50)
    now = datetime(2026, 3, 4, 3, 12, 55, tzinfo=UTC)
    found = re.findall(
        r"^(Mar  4 03:\d\d:\d\d) gw sshd\[(\d+)\]: Failed password for invalid user [a-z]+ "
        r"from ([\d.]+) port \d+ ssh2$",
        workload.auth_log(hosts, now.timestamp()),
        re.MULTILINE,
    )
    assert sorted(host for _, _, host in found) == sorted(hosts * 3)
    assert len({process for _, process, _ in found}) == 150
    stamps = [stamp for stamp, _, _ in found]
    assert stamps == sorted(stamps)
    assert (stamps[0], stamps[-1]) == ("Mar  4 03:07:55", "Mar  4 03:12:52")


def test_the_benchmark_says_how_it_is_used() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "bench" / "firewall.py"), "--help"],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    assert done.returncode == 0, done.stderr
    assert "--quick" in done.stdout
