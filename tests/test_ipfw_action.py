"""The action ipfw, under every choice, on a fake that is held to records of the real ipfw."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fw_guard import actions, firewall
from fw_guard.processes import FirewallError, Result
from fw_guard.templates import Choice
from tests.fakes.ipfw import FakeIpfw
from tests.fakes.machine import ACTIONS, Guard, Machine, guard, shipped

SOME = ((22, 22), (8000, 8010))
WEB = ((80, 80),)
# The owner has rules with our numbers in another set, rules around ours, and a table; and a rule
# in our own set with a number that no choice has.
OWNERS_RULES = """\
table owners create type addr
table owners add 198.51.100.9
add 50 allow ip from any to any via lo0
add 100 allow ip from 203.0.113.5 to any
add 101 set 5 deny tcp from table(owners) to any 25
add 114 deny ip from 203.0.113.66 to any
add 119 set 29 deny ip from 203.0.113.67 to any
add 200 allow tcp from any to any established
add 1000 allow ip from any to any
"""
OWNERS = ("ipfw -S list", "ipfw table all list", "ipfw table all info")
BANNED = ("192.0.2.7", "198.51.100.0/24", "2001:db8::7", "2001:db8:1:2::/64", "2001:db8:3::/48")
FROM_THEM = ("192.0.2.7", "198.51.100.200", "2001:db8::7", "2001:db8:1:2::9", "2001:db8:3:4::1")
NEIGHBOURS = ("192.0.2.8", "203.0.113.1", "2001:db8::8", "2001:db8:1:3::9", "2001:db8:4::1")
PACKETS = [
    *(("tcp", port) for port in (21, 22, 23, 7999, 8000, 8005, 8010, 8011)),
    *(("udp", port) for port in (21, 22, 8010, 8011)),
    ("icmp", 22),
    ("ipv6-icmp", 22),
]
CHOICES = [
    Choice((("block", block), ("established", established), ("hook", hook)), ports)
    for block, established, hook, ports in itertools.product(
        ("drop", "reject"), ("end", "keep"), ("input", "forward"), ((), SOME)
    )
]
# The rules of every choice of block and established, as ipfw lists them.
RULES = {
    ("drop", "end", ()): ["00100 deny ip from T to any"],
    ("drop", "keep", ()): ["00110 deny ip from T to any not established"],
    ("reject", "end", ()): [
        "00103 unreach6 admin-prohib ip6 from T to any",
        "00104 reset tcp from T to any",
        "00105 unreach filter-prohib ip from T to any",
    ],
    ("reject", "keep", ()): [
        "00113 unreach6 admin-prohib ip6 from T to any not established",
        "00114 reset tcp from T to any setup",
        "00115 unreach filter-prohib ip from T to any not established",
    ],
    ("drop", "end", SOME): [
        "00101 deny tcp from T to any 22,8000-8010",
        "00102 deny udp from T to any 22,8000-8010",
    ],
    ("drop", "keep", SOME): [
        "00111 deny tcp from T to any 22,8000-8010 setup",
        "00112 deny udp from T to any 22,8000-8010",
    ],
    ("reject", "end", SOME): [
        "00106 unreach6 admin-prohib ip6 from T to any 22,8000-8010",
        "00107 reset tcp from T to any 22,8000-8010",
        "00108 unreach filter-prohib udp from T to any 22,8000-8010",
    ],
    ("reject", "keep", SOME): [
        "00116 unreach6 admin-prohib ip6 from T to any 22,8000-8010 not established",
        "00117 reset tcp from T to any 22,8000-8010 setup",
        "00118 unreach filter-prohib udp from T to any 22,8000-8010",
    ],
}


def with_ipfw(before_ports: str = "", rules: str = OWNERS_RULES) -> tuple[FakeIpfw, Machine]:
    """Give a machine whose ipfw has its owner's rules and table."""
    ipfw = FakeIpfw(before_ports=before_ports)
    machine = Machine(ipfw=ipfw)
    machine.must("ipfw -q /dev/stdin", rules)
    return ipfw, machine


def plain(machine: Machine) -> Guard:
    return guard("ipfw", machine, Choice())


def option(choice: Choice, name: str) -> str:
    return dict(choice.options)[name]


def ours_of(machine: Machine) -> list[str]:
    """Our set as it is listed, but for the owner's rule in it."""
    lines = machine.must("ipfw set 29 list").splitlines()
    return [line for line in lines if "203.0.113.67" not in line]


def spelled(choice: Choice) -> str:
    return "-".join([*dict(choice.options).values(), *(["ports"] if choice.ports else [])])


@pytest.fixture(params=CHOICES, ids=spelled)
def choice(request: pytest.FixtureRequest) -> Choice:
    chosen: Choice = request.param
    return chosen


def test_no_choice_has_a_fault() -> None:
    assert actions.check(str(ACTIONS / "ipfw.toml"), trusted=True) == []


@pytest.mark.parametrize("before_ports", ["", "dst-port "])
def test_a_whole_life_leaves_everything_of_the_owners_as_it_was(
    choice: Choice, before_ports: str
) -> None:
    ipfw, machine = with_ipfw(before_ports)
    ours = guard("ipfw", machine, choice)
    before = machine.seen(*OWNERS)
    assert not ours.is_whole()
    assert ours.glance() is None
    ours.set_up()
    assert ours.is_whole()
    assert ours.passing() == []
    assert ours.glance() == (0, ())
    ours.ban(*BANNED)
    assert ours.members() == set(BANNED)
    assert ours.glance() == (5, ())
    rules = machine.must("ipfw -S list")
    ours.set_up()
    assert machine.must("ipfw -S list") == rules
    assert ours.members() == set(BANNED)
    ours.unban("192.0.2.7", "2001:db8:1:2::/64")
    assert ours.members() == {"198.51.100.0/24", "2001:db8::7", "2001:db8:3::/48"}
    assert not ipfw.blocks("192.0.2.7")
    ours.tear_down()
    assert machine.seen(*OWNERS) == before
    assert not ours.is_whole()
    ours.tear_down()
    assert machine.seen(*OWNERS) == before
    assert not ipfw.blocks("2001:db8::7")


def test_the_rules_are_those_of_the_choice(choice: Choice) -> None:
    _, machine = with_ipfw()
    ours = guard("ipfw", machine, choice)
    ours.set_up()
    rules = RULES[option(choice, "block"), option(choice, "established"), choice.ports]
    table = f"table({ours.action.guard})"
    assert ours_of(machine) == [rule.replace(" T ", f" {table} ") for rule in rules]


def answer(choice: Choice, protocol: str, source: str) -> str:
    """What a refused packet gets: the action of the rule that is to take it."""
    if option(choice, "block") == "drop":
        return "deny"
    if ":" in source:
        return "unreach6 admin-prohib"
    return "reset" if protocol == "tcp" else "unreach filter-prohib"


@pytest.mark.parametrize("established", [False, True], ids=["first", "established"])
def test_packets_of_the_banned_are_stopped_and_no_others(choice: Choice, established: bool) -> None:
    ipfw, machine = with_ipfw()
    ours = guard("ipfw", machine, choice)
    ours.set_up()
    ours.ban(*BANNED)
    ports = (22, *range(8000, 8011))
    for protocol, port in PACKETS:
        stopped = not choice.ports or (protocol in ("tcp", "udp") and port in ports)
        if protocol == "tcp" and established and option(choice, "established") == "keep":
            stopped = False
        for source in FROM_THEM:
            verdict = ipfw.verdict(source, protocol=protocol, port=port, established=established)
            expected = answer(choice, protocol, source) if stopped else "allow"
            assert verdict == expected, (source, protocol, port)
        for source in NEIGHBOURS:
            seen = ipfw.verdict(source, protocol=protocol, port=port, established=established)
            assert seen == "allow"


def test_whatever_was_chosen_before_a_new_choice_replaces_it_and_keeps_the_members(
    choice: Choice,
) -> None:
    _, machine = with_ipfw()
    ours = guard("ipfw", machine, choice)
    rules = RULES[option(choice, "block"), option(choice, "established"), choice.ports]
    for other in CHOICES:
        if other.ports != choice.ports:
            continue
        before = guard("ipfw", machine, other)
        before.hold(BANNED)
        assert before.is_whole()
        ours.hold(BANNED)
        assert ours.is_whole()
        assert [line[:5] for line in ours_of(machine)] == [rule[:5] for rule in rules]
        assert ours.members() == set(BANNED)


@pytest.mark.parametrize("block", ["drop", "reject"])
@pytest.mark.parametrize("established", ["end", "keep"])
def test_guards_of_different_ports_do_not_disturb_each_other(block: str, established: str) -> None:
    ipfw, machine = with_ipfw()
    options = (("block", block), ("established", established))
    guards = [guard("ipfw", machine, Choice(options, ports)) for ports in ((), SOME, WEB)]
    everybody, some, web = guards
    for each, address in zip(guards, ("192.0.2.1", "192.0.2.2", "192.0.2.3"), strict=True):
        each.hold([address])
        each.set_up()
    rules = ours_of(machine)
    assert len(rules) == len(set(rules)) == {"drop": 5, "reject": 9}[block]
    assert [each.members() for each in guards] == [{"192.0.2.1"}, {"192.0.2.2"}, {"192.0.2.3"}]
    assert [ipfw.blocks("192.0.2.1", port=port) for port in (22, 80, 81)] == [True, True, True]
    assert [ipfw.blocks("192.0.2.2", port=port) for port in (22, 80, 81)] == [True, False, False]
    assert [ipfw.blocks("192.0.2.3", port=port) for port in (22, 80, 81)] == [False, True, False]
    everybody.tear_down()
    assert [each.is_whole() for each in guards] == [False, True, True]
    everybody.hold(["192.0.2.1"])
    # Rules for some ports share their numbers: the others' are put back by their next pass.
    web.tear_down()
    assert [each.is_whole() for each in guards] == [True, False, False]
    assert some.members() == {"192.0.2.2"}
    some.hold(["192.0.2.2"])
    assert [each.is_whole() for each in guards] == [True, True, False]
    web.hold(["192.0.2.3"])
    assert sorted(ours_of(machine)) == sorted(rules)


@pytest.mark.parametrize(
    "done",
    [
        "ipfw -q -f flush",
        "ipfw -q delete set 29",
        "ipfw -q delete 103",
        "ipfw -q delete 104",
        "ipfw -q set disable 29",
        "ipfw -q table fw_guard flush",
        "ipfw -q table fw_guard add 203.0.113.8",
        "ipfw -q table fw_guard delete 192.0.2.7",
    ],
)
def test_whatever_an_admin_does_is_seen_at_a_glance_and_put_right(done: str) -> None:
    ipfw, machine = with_ipfw()
    ours = guard("ipfw", machine, Choice((("block", "reject"),)))
    ours.hold(BANNED)
    seen, rules = ours.glance(), ours_of(machine)
    machine.must(done)
    assert not ours.is_whole() or ours.glance() != seen
    ours.hold(BANNED)
    assert ours.is_whole()
    assert ours_of(machine) == rules
    assert ours.members() == set(BANNED)
    assert ipfw.verdict("192.0.2.7") == "reset"
    assert ipfw.verdict("2001:db8::7") == "unreach6 admin-prohib"
    assert not ipfw.blocks("203.0.113.8")


def test_a_table_that_was_destroyed_with_its_rule_is_put_back() -> None:
    ipfw, machine = with_ipfw()
    ours = plain(machine)
    ours.hold(BANNED)
    machine.must("ipfw -q /dev/stdin", "delete set 29\ntable fw_guard destroy\n")
    assert ours.glance() is None
    ours.hold(BANNED)
    assert ours.members() == set(BANNED)
    assert ipfw.blocks("192.0.2.7")


def test_a_rule_of_the_owners_that_reads_our_table_is_told_and_not_taken_away() -> None:
    _, machine = with_ipfw()
    ours = plain(machine)
    ours.set_up()
    machine.must("ipfw -q add 300 allow ip from table(fw_guard) to any")
    with pytest.raises(FirewallError, match="a rule of yours reads our table"):
        ours.tear_down()
    assert "00300 allow ip from table(fw_guard) to any\n" in machine.must("ipfw list")


@pytest.mark.parametrize(
    ("rule", "established", "is_told"),
    [
        ("allow ip from any to any", "end", True),
        ("allow ip from any to any", "keep", True),
        ("allow tcp from any to any established", "end", True),
        ("allow tcp from any to any established", "keep", False),
        ("check-state", "end", True),
        ("check-state", "keep", False),
        ("allow tcp from any to me 22 in", "end", True),
        ("allow ip from any to any via lo0", "end", False),
        ("allow tcp from any to any out setup", "end", False),
        ("allow ip from 192.0.2.0/24 to any", "end", False),
        ("deny ip from any to any", "end", False),
    ],
)
def test_rules_that_let_the_banned_through_are_told(
    rule: str, established: str, is_told: bool
) -> None:
    _, machine = with_ipfw(rules=f"add 90 {rule}\nadd 120 allow ip from any to any\n")
    ours = guard("ipfw", machine, Choice((("established", established),)))
    ours.set_up()
    shown = rule.replace("check-state", "check-state :default")
    assert ours.is_whole()
    assert ours.passing() == ([f"00090 set 0 {shown}"] if is_told else [])


def test_an_ipfw_without_create_missing_is_told_to_be_too_old() -> None:
    def run(argv: object, stdin: str) -> Result:
        return Result(64, "", "ipfw: ambiguous option missing\n")

    with pytest.raises(FirewallError, match="older than FreeBSD 12; use the action pf"):
        firewall.set_up(shipped("ipfw", Choice()), run)


def test_a_kernel_without_ipv6_is_told_to_drop() -> None:
    def run(argv: object, stdin: str) -> Result:
        if "unreach6" in stdin:
            return Result(69, "", "Line 1: getsockopt(IP_FW_XADD): Invalid argument\n")
        return Result(0, "", "")

    with pytest.raises(FirewallError, match='use `block = "drop"`'):
        firewall.set_up(shipped("ipfw", Choice((("block", "reject"),))), run)


ADMINS = st.sampled_from(
    [
        "ipfw -q -f flush",
        "ipfw -q delete set 29",
        "ipfw -q delete 100",
        "ipfw -q delete 107",
        "ipfw -q set disable 29",
        "ipfw -q add 120 allow tcp from any to any",
        "ipfw -q table fw_guard flush",
        "ipfw -q table fw_guard add 203.0.113.8",
        "ipfw -q table fw_guard_22_8000to8010 flush",
    ]
)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(CHOICES), st.sets(st.sampled_from(BANNED)), ADMINS)),
    st.sampled_from(CHOICES),
    st.sets(st.sampled_from(BANNED)),
)
def test_whatever_came_before_one_pass_makes_it_right(
    past: list[tuple[Choice, set[str], str]], choice: Choice, wanted: set[str]
) -> None:
    _, machine = with_ipfw()
    for chosen, members, admins in past:
        guard("ipfw", machine, chosen).hold(members)
        machine.must(admins)
    ours = guard("ipfw", machine, choice)
    ours.hold(wanted)
    assert ours.is_whole()
    assert ours.members() == wanted
    assert ours.glance() == (len(wanted), ())
    mine = [line for line in ours_of(machine) if f"table({ours.action.guard})" in line]
    rules = RULES[option(choice, "block"), option(choice, "established"), choice.ports]
    assert [line[:5] for line in mine] == [rule[:5] for rule in rules]
