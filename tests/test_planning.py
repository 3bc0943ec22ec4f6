"""What a firewall is to hold, and what it holds, become what has to change."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fw_guard import addresses
from fw_guard.actions import load
from fw_guard.addresses import AddressError
from fw_guard.planning import (
    RENEWED_BEFORE,
    in_order,
    is_outdated,
    planned,
    told_of,
    uncovered,
)
from fw_guard.schema import Told
from fw_guard.templates import Action, Batch, Part

ACTIONS = Path(__file__).parents[1] / "actions"
NOW = 1_700_000_000
LATER = NOW + 3600
HOSTS = [f"192.0.2.{n}" for n in range(12)]
ALL = ("host4", "net4", "host6", "prefix64", "net6")
UNKNOWN = None


def batch(each: str, classes: tuple[str, ...] = ALL) -> Batch:
    """Give a batch of one part."""
    return Batch(("tool",), (0,), (Part(classes, each, "", "\n"),), classes, 0)


def action(*, times: bool = True, most: int = 0, max_seconds: int = 0) -> Action:
    """Give an action that can do everything, and no more than that."""
    ban = "add {address} {seconds}" if times else "add {address}"
    return Action(
        path="/etc/fw-guard/actions/mine.toml",
        title="mine",
        chunk=1000,
        most=most,
        beyond="",
        max_seconds=max_seconds,
        rewrite=False,
        checks=(),
        setup=(),
        ban=(batch(ban),),
        unban=(batch("del {address}"),),
        listings=(),
        teardown=(),
        hints=(),
        samples=(),
        renew=(batch("set {address} {seconds}"),) if times else (),
    )


TIMES = action()
NO_TIMES = action(times=False)


def absent(hosts: set[str] | tuple[str, ...]) -> dict[str, Told | None]:
    """Give an actual set of which nobody knows what was told."""
    return dict.fromkeys(hosts, UNKNOWN)


class TestBans:
    """Who is banned, who is let in."""

    def test_what_is_over_is_not_wanted(self) -> None:
        wanted = {"192.0.2.1": NOW, "192.0.2.2": NOW + 1, "192.0.2.3": None}
        plan = planned(NO_TIMES, wanted, absent({"192.0.2.1"}), NOW)
        assert (plan.ban, plan.unban) == (("192.0.2.2", "192.0.2.3"), ("192.0.2.1",))

    def test_bans_are_written_first_then_new_times_then_unbans(self) -> None:
        wanted = {"192.0.2.1": LATER, "192.0.2.2": None}
        actual = {"192.0.2.2": Told(LATER, LATER), "192.0.2.3": Told(None, None)}
        plan = planned(TIMES, wanted, actual, NOW)
        assert [command.stdin for command in plan.commands] == [
            "add 192.0.2.1 3600\n",
            "set 192.0.2.2 0\n",
            "del 192.0.2.3\n",
        ]
        assert plan.held == {"192.0.2.1", "192.0.2.2"}

    def test_a_network_goes_before_what_may_lie_in_it_comes(self) -> None:
        actual: dict[str, Told | None] = {"192.0.2.0/24": Told(None, None)}
        plan = planned(TIMES, {"192.0.2.1": LATER}, actual, NOW)
        assert [command.stdin for command in plan.commands] == [
            "del 192.0.2.0/24\n",
            "add 192.0.2.1 3600\n",
        ]

    def test_what_a_wanted_network_holds_is_not_wanted_beside_it(self) -> None:
        wanted = {
            "192.0.2.7": None,
            "192.0.2.0/25": None,
            "192.0.2.0/24": LATER,
            "192.0.3.7": None,
            "2001:db8:1:2::/64": None,
            "2001:db8:1::/48": LATER,
            "2001:db8:2:2::/64": None,
        }
        kept = {"192.0.2.0/24", "192.0.3.7", "2001:db8:1::/48", "2001:db8:2:2::/64"}
        assert set(uncovered(wanted, NOW)) == kept

    def test_a_host_comes_back_when_the_network_around_it_is_over(self) -> None:
        wanted = {"192.0.2.7": None, "192.0.2.0/24": LATER, "192.0.2.8": LATER}
        assert planned(NO_TIMES, wanted, {}, NOW).ban == ("192.0.2.0/24",)
        # Before that, so that there is no gap: but not one whose own ban ends with it.
        soon = LATER - RENEWED_BEFORE
        assert planned(NO_TIMES, wanted, {}, soon - 1).ban == ("192.0.2.0/24",)
        assert planned(NO_TIMES, wanted, {}, soon).ban == ("192.0.2.0/24", "192.0.2.7")
        plan = planned(NO_TIMES, wanted, absent({"192.0.2.0/24"}), LATER)
        assert (plan.ban, plan.unban) == (("192.0.2.7",), ("192.0.2.0/24",))

    @given(
        st.dictionaries(
            st.builds(
                lambda value, length: addresses.network(value, length),
                st.binary(min_size=4, max_size=4).map(lambda b: bytes((192, 0, b[2] & 3, b[3]))),
                st.sampled_from([16, 22, 24, 28, 32]),
            ),
            st.none(),
            max_size=20,
        )
    )
    def test_no_more_and_no_fewer_addresses_are_covered(self, wanted: dict[str, None]) -> None:
        kept = uncovered(wanted, NOW)
        parts = {address: addresses.split(address) for address in wanted}
        for address in wanted:
            around = [a for a in kept if addresses.covers(parts[a], parts[address])]
            assert len(around) == 1
            assert (address in kept) == (around == [address])

    @given(st.sets(st.sampled_from(HOSTS)), st.sets(st.sampled_from(HOSTS)))
    def test_the_difference_leads_from_the_one_to_the_other(
        self, wanted: set[str], actual: set[str]
    ) -> None:
        plan = planned(NO_TIMES, dict.fromkeys(wanted), absent(actual), NOW)
        assert (actual - set(plan.unban)) | set(plan.ban) == wanted
        assert set(plan.unban) <= actual
        assert not set(plan.ban) & actual
        assert bool(plan.commands) == (wanted != actual)
        assert plan.held == wanted

    @pytest.mark.parametrize("text", ["192.0.2.7/24", "localhost", "192.0.2.7\n", "2001:DB8::7"])
    def test_what_is_not_canonical_is_refused(self, text: str) -> None:
        with pytest.raises(AddressError):
            planned(TIMES, {text: None}, {}, NOW)

    def test_addresses_are_in_the_order_of_their_numbers(self) -> None:
        texts = ["2001:db8::/32", "192.0.2.10", "192.0.2.9", "192.0.2.0/24", "10.0.0.0/8"]
        assert in_order(texts) == [
            "10.0.0.0/8",
            "192.0.2.0/24",
            "192.0.2.9",
            "192.0.2.10",
            "2001:db8::/32",
        ]


class TestTimes:
    """What a firewall knows of the end of a ban."""

    def test_a_firewall_is_told_when_the_ban_ends(self) -> None:
        assert told_of(LATER, NOW, 0) == Told(LATER, LATER)
        assert told_of(None, NOW, 0) == Told(None, None)

    def test_one_without_times_is_told_no_end(self) -> None:
        assert told_of(LATER, NOW, None) == Told(LATER, None)

    def test_one_with_a_longest_time_ends_the_ban_sooner(self) -> None:
        short = action(max_seconds=600)
        assert told_of(LATER, NOW, 600) == Told(LATER, NOW + 600)
        plan = planned(short, {"192.0.2.1": LATER}, {}, NOW)
        assert [command.stdin for command in plan.commands] == ["add 192.0.2.1 600\n"]
        assert plan.tell == {"192.0.2.1": Told(LATER, NOW + 600)}

    def test_another_end_is_told(self) -> None:
        actual: dict[str, Told | None] = {"192.0.2.1": Told(LATER, LATER)}
        for until in (LATER + 1, LATER - 1, None):
            plan = planned(TIMES, {"192.0.2.1": until}, actual, NOW)
            assert (plan.ban, plan.renew, plan.unban) == ((), ("192.0.2.1",), ())
            assert plan.tell["192.0.2.1"].until == until

    def test_the_same_end_is_not_told_again(self) -> None:
        plan = planned(TIMES, {"192.0.2.1": LATER}, {"192.0.2.1": Told(LATER, LATER)}, NOW)
        assert (plan.commands, plan.held) == ((), frozenset({"192.0.2.1"}))
        assert not plan.tell

    def test_one_that_nobody_remembers_is_told_its_end(self) -> None:
        plan = planned(TIMES, {"192.0.2.1": LATER}, absent({"192.0.2.1"}), NOW)
        assert (plan.ban, plan.renew) == ((), ("192.0.2.1",))
        assert plan.tell == {"192.0.2.1": Told(LATER, LATER)}

    def test_where_no_time_is_kept_another_end_changes_nothing(self) -> None:
        actual: dict[str, Told | None] = {"192.0.2.1": Told(LATER, None)}
        plan = planned(NO_TIMES, {"192.0.2.1": None}, actual, NOW)
        assert (plan.commands, plan.held) == ((), frozenset({"192.0.2.1"}))

    @pytest.mark.parametrize(
        ("expires", "until", "due"),
        [
            (NOW + RENEWED_BEFORE, NOW + 99_999, True),
            (NOW + RENEWED_BEFORE + 1, NOW + 99_999, False),
            (NOW + RENEWED_BEFORE, None, True),
            (NOW + 60, NOW + 60, False),  # the firewall ends it when it should end
        ],
    )
    def test_a_ban_that_the_firewall_ends_too_soon_is_renewed_in_time(
        self, expires: int, until: int | None, due: bool
    ) -> None:
        assert is_outdated(Told(until, expires), until, NOW) is due


class TestLeftOut:
    """What a firewall cannot take."""

    def test_an_address_that_no_rule_can_name_is_left_out_and_said(self) -> None:
        wanted = dict.fromkeys(["0.0.0.0/0", "::/0", "::192.0.2.7", "192.0.2.7", "2001:db8::7"])
        plan = planned(NO_TIMES, wanted, absent({"0.0.0.0/0"}), NOW)
        assert plan.ban == ("192.0.2.7", "2001:db8::7")
        assert plan.unban == ("0.0.0.0/0",)
        assert plan.left_out == (
            ("0.0.0.0/0", "is every address there is"),
            ("::/0", "is every address there is"),
            ("::192.0.2.7", "is of ::/96, which no peer's packet comes from"),
        )
        assert plan.held == {"192.0.2.7", "2001:db8::7"}

    def test_a_network_that_the_action_cannot_ban_does_not_hide_its_hosts(self) -> None:
        hosts = NO_TIMES._replace(ban=(batch("add {address}", ("host4",)),))
        plan = planned(hosts, {"192.0.2.7": None, "192.0.2.0/24": None}, {}, NOW)
        assert plan.ban == ("192.0.2.7",)
        assert plan.left_out == (
            ("192.0.2.0/24", "is of the class net4, which the action cannot ban"),
        )

    def test_a_class_that_the_action_does_not_know_is_left_out_and_said(self) -> None:
        only4 = NO_TIMES._replace(ban=(batch("add {address}", ("host4", "net4")),))
        wanted = {"192.0.2.7": None, "2001:db8::7": None}
        plan = planned(only4, wanted, absent({"2001:db8::9"}), NOW)
        assert (plan.ban, plan.unban) == (("192.0.2.7",), ())
        assert plan.left_out == (
            ("2001:db8::7", "is of the class host6, which the action cannot ban"),
        )

    def test_beyond_what_the_action_takes_those_that_end_last_are_kept(self) -> None:
        two = action(most=2)._replace(beyond="another takes more")
        wanted = {"192.0.2.1": NOW + 5, "192.0.2.2": NOW + 50, "192.0.2.3": None}
        plan = planned(two, wanted, absent({"192.0.2.1"}), NOW)
        assert (plan.ban, plan.unban) == (("192.0.2.2", "192.0.2.3"), ("192.0.2.1",))
        assert plan.left_out == (
            ("192.0.2.1", "is one more than the 2 that the action takes; another takes more"),
        )

    def test_the_shipped_action_that_takes_few_names_those_that_take_more(self) -> None:
        few = load(str(ACTIONS / "iptables.toml"), trusted=True)._replace(most=1)
        plan = planned(few, {"192.0.2.1": NOW + 5, "192.0.2.2": None}, {}, NOW)
        ((address, reason),) = plan.left_out
        assert address == "192.0.2.1"
        assert "the action ipset or nftables takes as many as there are" in reason
