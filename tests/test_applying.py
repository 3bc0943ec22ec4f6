"""Step 6 of a pass: what it asks, what it changes, what it remembers when it goes wrong."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from fw_guard import applying
from fw_guard.config import General
from fw_guard.processes import FirewallError, MissingToolError
from tests.fakes.wall import KINDS, Killed, write_action
from tests.machines import HOUR, NOW, Place, ban, jail, networks

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fw_guard.processes import Result

HOST, OTHER, NETWORK = "192.0.2.7", "203.0.113.9", "192.0.2.0/24"
WEB = ((80, 80),)


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return Place(tmp_path, request.param)


@pytest.fixture
def numbered(tmp_path: Path) -> Place:
    return Place(tmp_path, "numbered")


@pytest.fixture
def counted(tmp_path: Path) -> Place:
    return Place(tmp_path, "counted")


@pytest.fixture
def blind(tmp_path: Path) -> Place:
    return Place(tmp_path, "blind")


def asked(place: Place) -> list[str]:
    """Give the verbs of the commands since the last question."""
    calls, place.wall.calls = place.wall.calls, []
    return [argv[1] for argv, _ in calls]


class TestQuiet:
    """What a pass costs when nothing happened."""

    def test_before_the_first_ban_nothing_is_touched(self, place: Place) -> None:
        assert place.run().troubles == []
        assert place.wall.calls == []
        assert place.wall.rooms == {}

    def test_a_number_answers_without_any_process(self, numbered: Place) -> None:
        numbered.keep(ban(HOST))
        numbered.run()
        asked(numbered)
        for _ in range(3):
            numbered.later(60)
            numbered.run()
        assert asked(numbered) == []

    def test_counts_are_asked_and_nobody_is_listed(self, counted: Place) -> None:
        counted.keep(ban(HOST))
        counted.run()
        asked(counted)
        counted.later(60)
        counted.run()
        assert asked(counted) == ["show", "count"]

    def test_once_an_hour_all_is_compared(self, numbered: Place) -> None:
        numbered.keep(ban(HOST, until=None))
        numbered.run()
        asked(numbered)
        numbered.later(HOUR - 1)
        numbered.run()
        assert asked(numbered) == []
        numbered.later(1)
        numbered.run()
        assert asked(numbered) == ["show", "list"]

    def test_a_new_ban_is_one_command_and_nobody_is_listed(self, place: Place) -> None:
        place.keep(ban(OTHER))
        place.run()
        asked(place)
        place.later(60)
        place.keep(ban(HOST))
        place.run()
        verbs = asked(place)
        assert [verb for verb in verbs if verb in ("write", "put")] in (["write"], ["put"])
        assert "list" not in verbs
        assert place.wall.members() == {HOST, OTHER}

    def test_a_ban_that_the_kernel_may_have_ended_is_ended_once_more(self, numbered: Place) -> None:
        """The kernel's clock need not be ours: a machine that slept is shut out for longer."""
        numbered.keep(ban(HOST, until=NOW + 60), ban(OTHER))
        numbered.run()
        asked(numbered)
        numbered.now += 66
        assert numbered.wall.members() == {HOST, OTHER}
        assert [each.host for each in numbered.run().unbanned] == [HOST]
        assert asked(numbered) == ["write"]
        assert numbered.wall.members() == {OTHER}

    def test_firewalls_that_share_a_count_do_not_suspect_each_other(self, numbered: Place) -> None:
        numbered.configure(jail("ssh"), jail("web", ports=WEB))
        numbered.keep(ban(HOST), ban(HOST, "web"))
        numbered.run()
        numbered.run()
        asked(numbered)
        numbered.keep(ban(OTHER), ban("203.0.113.1", "web"))
        numbered.run()
        assert asked(numbered) == ["write", "write"]
        numbered.keep(ban("203.0.113.2"))
        numbered.run()
        numbered.run()
        assert asked(numbered) == ["write"]
        assert numbered.wall.members("fw_guard_80") == {HOST, "203.0.113.1"}


class TestRestless:
    """Others change rules every minute, and there are many members."""

    def test_ten_minutes_later_they_are_compared(
        self, numbered: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(applying, "MANY", 1)
        numbered.keep(ban(HOST), ban(OTHER))
        numbered.run()
        del numbered.wall.rooms["fw_guard"].members[HOST]
        numbered.wall.number += 1
        numbered.later(60)
        asked(numbered)
        numbered.run()
        assert "list" not in asked(numbered)
        numbered.later(applying.SUSPECTED_EVERY)  # nobody has changed anything since
        assert numbered.run().troubles == []
        assert numbered.wall.members() == {HOST, OTHER}
        asked(numbered)
        numbered.later(applying.SUSPECTED_EVERY)
        numbered.run()
        assert asked(numbered) == []

    def test_few_are_compared_at_once(self, numbered: Place) -> None:
        numbered.keep(ban(HOST), ban(OTHER))
        numbered.run()
        del numbered.wall.rooms["fw_guard"].members[HOST]
        numbered.wall.number += 1
        numbered.run()
        assert numbered.wall.members() == {HOST, OTHER}


class TestHealing:
    """What others did is made good by the next pass."""

    def fill(self, place: Place) -> None:
        place.keep(ban(HOST), ban(OTHER, until=None))
        assert place.run().troubles == []
        assert place.wall.members() == {HOST, OTHER}

    @pytest.mark.parametrize("kind", ["numbered", "counted"])
    @pytest.mark.parametrize("how", ["reboot", "flush", "remove", "add", "unrule"])
    def test_whatever_was_done(self, tmp_path: Path, kind: str, how: str) -> None:
        place = Place(tmp_path, kind)
        self.fill(place)
        wall = place.wall
        if how in ("remove", "add"):
            getattr(wall, how)(HOST if how == "remove" else "198.51.100.9")
        else:
            getattr(wall, how)()
        assert place.run().troubles == []
        assert wall.members() == {HOST, OTHER}
        assert wall.rooms["fw_guard"].rule == "block=drop ports=none"
        asked(place)
        place.run()
        assert asked(place) == ([] if kind == "numbered" else ["show", "count"])

    @pytest.mark.parametrize("kind", ["numbered", "counted"])
    @pytest.mark.parametrize("at", range(8))
    def test_a_flush_in_the_middle_of_a_pass_is_made_good_by_the_next(
        self, tmp_path: Path, kind: str, at: int
    ) -> None:
        place = Place(tmp_path, kind)
        self.fill(place)
        place.keep(ban("203.0.113.1"))
        place.later(HOUR - 60)
        place.wall.calls.clear()
        place.wall.meanwhile = [(at, place.wall.flush)]
        place.run()
        place.wall.meanwhile = []
        place.later(20)
        place.run()
        assert place.wall.members() == {HOST, OTHER, "203.0.113.1"}

    def test_whatever_is_left_of_a_refused_batch_is_made_good(self, place: Place) -> None:
        self.fill(place)
        for fault in ("refuse", "half", "hang"):
            place.wall.faults = [fault]
            place.keep(ban("203.0.113.1"), ban("203.0.113.2"))
            place.end(HOST)
            ((status, said),) = place.run().troubles
            assert status == os.EX_UNAVAILABLE
            assert said.startswith("wall: `wall ")
            assert place.run().troubles == []
            assert place.wall.members() == {OTHER, "203.0.113.1", "203.0.113.2"}
            place.keep(ban(HOST))
            place.end("203.0.113.1")
            place.end("203.0.113.2")
            place.run()
            assert place.wall.members() == {HOST, OTHER}

    def test_a_pass_that_was_killed_after_the_change_is_made_good(self, place: Place) -> None:
        self.fill(place)
        place.wall.faults = ["die"]
        place.keep(ban("203.0.113.1"))
        with pytest.raises(Killed):
            place.run()
        assert place.wall.members() == {HOST, OTHER, "203.0.113.1"}
        place.end("203.0.113.1")  # before any pass knows that the firewall holds it
        assert place.run().troubles == []
        assert place.wall.members() == {HOST, OTHER}

    def test_a_first_pass_that_was_killed_has_not_forgotten_its_furniture(
        self, counted: Place
    ) -> None:
        counted.keep(ban(HOST))
        counted.wall.faults = ["die"]
        with pytest.raises(Killed):
            counted.run()
        assert set(counted.wall.rooms) == {"fw_guard"}
        counted.end(HOST)
        counted.configure(jail("ssh", "fence"), action="fence")
        write_action(counted.path, "blind", "fence")
        assert counted.run().troubles == []
        assert counted.wall.rooms == {}


class TestClock:
    """Bans end when they should, whatever the clocks do."""

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_kernel_that_keeps_a_short_time_is_told_again_in_time(
        self, tmp_path: Path, kind: str
    ) -> None:
        place = Place(tmp_path, kind, max_seconds=1800)
        place.keep(ban(HOST, until=NOW + 999_999))
        for seconds in (0, *[300] * 24):
            place.later(seconds)
            place.run()
            assert place.wall.members() == {HOST}
        place.later(1801)  # for half an hour there was no pass
        assert place.wall.members() == set()
        place.run()
        assert place.wall.members() == {HOST}

    def test_a_ban_that_ran_out_of_the_kernel_is_made_again(self, numbered: Place) -> None:
        write_action(numbered.path, "numbered", max_seconds=900)
        numbered.keep(ban(HOST, until=NOW + 999_999))
        numbered.run()
        numbered.later(1000)
        assert numbered.wall.members() == set()
        numbered.run()
        assert numbered.wall.members() == {HOST}

    def test_a_clock_that_is_set_back_brings_the_times_anew(self, place: Place) -> None:
        place.keep(ban(HOST, until=NOW + HOUR))
        place.run()
        place.later(600)
        place.run()
        place.now -= 1200  # the kernel's clock goes on
        place.run()
        place.later(3300)
        place.run()
        assert place.wall.members() == {HOST}
        place.later(900)
        assert place.wall.members() == set()


class TestChoices:
    """What the owner changes."""

    def test_other_options_make_the_furniture_anew(self, counted: Place) -> None:
        counted.keep(ban(HOST))
        counted.run()
        counted.configure(jail("ssh"), general=General((("block", "reject"),)))
        asked(counted)
        assert counted.run().troubles == []
        assert "drop" in asked(counted)
        assert counted.wall.rooms["fw_guard"].rule == "block=reject ports=none"
        assert counted.wall.members() == {HOST}

    def test_a_dry_run_says_that_furniture_is_made_anew(self, counted: Place) -> None:
        counted.keep(ban(HOST))
        counted.run()
        assert counted.would() == []
        counted.configure(jail("ssh"), general=General((("block", "reject"),)))
        asked(counted)
        said = counted.would()
        assert [words.split("\n") for words in said] == [
            ["wall drop fw_guard", ""],
            ["wall make fw_guard block=reject ports=none", ""],
            ["wall write fw_guard", "add 192.0.2.7 3600", ""],
        ]
        assert not set(asked(counted)) & {"drop", "make", "write"}
        assert counted.wall.members() == {HOST}

    def test_one_that_goes_is_taken_away_with_the_options_it_was_set_up_with(
        self, counted: Place
    ) -> None:
        fence = write_action(counted.path, "counted", "fence")
        fence.write_text(fence.read_text().replace("[option.block.reject]\n", ""))
        counted.configure(jail("ssh", "fence"))
        counted.keep(ban(HOST))
        assert counted.run().troubles == []
        counted.configure(jail("ssh"), general=General((("block", "reject"),)))
        asked(counted)
        assert counted.run().troubles == []
        assert "drop" in asked(counted)
        assert counted.wall.members() == {HOST}
        with counted.store() as store:
            assert store.note("options fence") == ""
            assert store.note(applying.SET_UP).split() == ["wall"]

    def test_a_jail_with_ports_has_a_room_of_its_own(self, place: Place) -> None:
        place.configure(jail("ssh"), jail("web", ports=WEB))
        place.keep(ban(HOST), ban(OTHER, "web"))
        place.run()
        assert place.wall.members("fw_guard") == {HOST}
        assert place.wall.members("fw_guard_80") == {OTHER}
        place.configure(jail("ssh"), jail("web"))
        place.run()
        assert place.wall.members("fw_guard") == {HOST, OTHER}
        assert set(place.wall.rooms) == {"fw_guard"}

    def test_a_jail_that_is_gone_leaves_its_bans_where_they_were_last(self, place: Place) -> None:
        place.configure(jail("ssh"), jail("web"))
        place.keep(ban(OTHER, "web", action="wall"))
        place.run()
        place.configure(jail("ssh"), jail("web", ports=WEB))
        place.run()
        place.configure(jail("ssh"))
        place.run()
        assert place.wall.members("fw_guard_80") == {OTHER}
        place.later(HOUR)
        place.run()
        assert "fw_guard_80" not in place.wall.rooms

    def test_a_ban_of_a_firewall_that_never_was_goes_to_the_default(self, place: Place) -> None:
        place.keep(ban(OTHER, "web", action="moat"))
        assert place.run().troubles == []
        assert place.wall.members() == {OTHER}

    def test_whom_the_owner_ignores_from_now_on_is_let_in(self, place: Place) -> None:
        place.keep(ban(HOST), ban(OTHER))
        place.run()
        place.configure(jail("ssh"), ignoreip=networks(NETWORK))
        ((freed, reason),) = place.run().freed
        assert (freed.host, reason) == (HOST, "in ignoreip")
        assert place.wall.members() == {OTHER}

    def test_who_comes_near_is_let_in_within_the_hour_but_for_the_forced(
        self, place: Place
    ) -> None:
        place.keep(ban(HOST, until=None), ban(OTHER, until=None, jail="manual", forced=True))
        place.run()
        place.near = (HOST, OTHER)
        place.later(HOUR)
        assert [each.host for each, _ in place.run().freed] == [HOST]
        assert place.wall.members() == {OTHER}

    def test_a_network_folds_its_hosts_in_and_out(self, place: Place) -> None:
        place.configure(jail("ssh"), folds=("3 in /24",))
        place.keep(*(ban(f"192.0.2.{n}", until=NOW + 600 * n) for n in (1, 2, 3, 4)))
        place.run()
        assert place.wall.members() == {NETWORK}
        place.later(1200)  # two are left
        place.run()
        assert place.wall.members() == {"192.0.2.3", "192.0.2.4"}


class TestMissing:
    """A tool or an action that is not there."""

    def test_a_missing_tool_is_said_and_nothing_is_remembered(self, counted: Place) -> None:
        def missing(argv: Sequence[str], stdin: str) -> Result:
            raise MissingToolError("`wall` is not installed")

        counted.keep(ban(HOST))
        works, counted.wall.run = counted.wall.run, missing  # type: ignore[method-assign]
        assert counted.run().troubles == [(os.EX_UNAVAILABLE, "wall: `wall` is not installed")]
        with counted.store() as store:
            assert store.note(applying.SET_UP) == ""
            assert store.note(applying.MEANS) == ""
        counted.wall.run = works  # type: ignore[method-assign]
        assert counted.run().troubles == []
        assert counted.wall.members() == {HOST}

    def test_one_firewall_s_refusal_keeps_no_other_from_being_mended(self, counted: Place) -> None:
        write_action(counted.path, "counted", "fence")
        counted.configure(jail("ssh", "fence"))
        counted.keep(ban(HOST), ban(OTHER, "manual"))
        works = counted.wall.run

        def run(argv: Sequence[str], stdin: str) -> Result:
            if argv[0] == "fence":
                raise FirewallError("the fence is down")
            return works(argv, stdin)

        counted.wall.run = run  # type: ignore[method-assign]
        assert counted.run().troubles == [(os.EX_UNAVAILABLE, "fence: the fence is down")]
        assert counted.wall.members() == {OTHER}

    def test_a_firewall_that_must_wait_to_go_still_lets_go_whose_time_is_over(
        self, counted: Place
    ) -> None:
        counted.keep(ban(HOST, until=NOW + 60), ban(OTHER))
        counted.run()
        write_action(counted.path, "counted", "fence")
        counted.configure(jail("ssh", "fence"), action="fence")
        works = counted.wall.run

        def run(argv: Sequence[str], stdin: str) -> Result:
            if argv[0] == "fence":
                raise FirewallError("the fence is down")
            return works(argv, stdin)

        counted.wall.run = run  # type: ignore[method-assign]
        for _ in range(2):
            troubles = counted.run().troubles
            assert troubles == [(os.EX_UNAVAILABLE, "fence: the fence is down")]
            assert counted.wall.members() == {HOST, OTHER}
        counted.now += 60  # the clock of this wall's kernel stands still
        counted.run()
        assert counted.wall.members() == {OTHER}

    def test_whom_a_firewall_cannot_take_is_said_when_all_is_compared(self, place: Place) -> None:
        said = "wall: ::192.0.2.7 cannot be banned: "
        said += "it is of ::/96, which no peer's packet comes from"
        place.keep(ban("::192.0.2.7", "manual", until=None), ban(HOST, until=None))
        for is_said in (True, False, True):
            found = place.run().troubles
            assert found == ([(os.EX_UNAVAILABLE, said)] if is_said else [])
            assert place.wall.members() == {HOST}
            place.later(HOUR // 2)
