"""The action pf, under every choice, on a fake that is held to records of the real pf."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fw_guard import actions
from fw_guard.templates import Choice
from tests.fakes.machine import ACTIONS, Guard, Machine, guard
from tests.fakes.pf import FakePf

SOME = ((22, 22), (8000, 8010))
WEB = ((80, 80),)
NAMES = ("fw_guard", "fw_guard_22_8000to8010", "fw_guard_80")
CONF = """\
table <owners> persist { 198.51.100.9 }
block in quick from 203.0.113.66 to any
anchor "fw_guard"
anchor "fw_guard_22_8000to8010"
anchor "fw_guard_80"
anchor "owners"
pass in quick proto tcp from <owners> to any port 25
pass all
"""
OWNERS_ANCHOR = "table <banned> persist { 198.51.100.7 }\nblock drop quick from <banned> to any\n"
OWNERS = (
    "pfctl -s rules",
    "pfctl -s Tables",
    "pfctl -s Anchors",
    "pfctl -t owners -T show",
    "pfctl -a owners -s rules",
    "pfctl -a owners -vv -s Tables",
    "pfctl -a owners -t banned -T show",
)
BANNED = ("192.0.2.7", "198.51.100.0/24", "2001:db8::7", "2001:db8:1:2::/64", "2001:db8:3::/48")
FROM_THEM = ("192.0.2.7", "198.51.100.200", "2001:db8::7", "2001:db8:1:2::9", "2001:db8:3:4::1")
NEIGHBOURS = ("192.0.2.8", "203.0.113.1", "2001:db8::8", "2001:db8:1:3::9", "2001:db8:4::1")
PACKETS = [
    *(("tcp", port) for port in (21, 22, 23, 7999, 8000, 8005, 8010, 8011)),
    *(("udp", port) for port in (21, 22, 8010, 8011)),
    ("icmp", 22),
    ("icmp6", 22),
]
CHOICES = [
    Choice((("block", block), ("established", established), ("hook", hook)), ports)
    for block, established, hook, ports in itertools.product(
        ("drop", "reject"), ("end", "keep"), ("input", "forward"), ((), SOME)
    )
]


def with_pf(conf: str = CONF) -> tuple[FakePf, Machine]:
    """Give a machine whose pf has its owner's rules and tables, and is enabled."""
    pf = FakePf(files={"/etc/pf.conf": conf})
    machine = Machine(pfctl=pf)
    machine.must("pfctl -q -f /etc/pf.conf")
    machine.must("pfctl -q -a owners -f -", OWNERS_ANCHOR)
    machine.must("pfctl -q -e")
    return pf, machine


def plain(machine: Machine) -> Guard:
    return guard("pf", machine, Choice())


def spelled(choice: Choice) -> str:
    return "-".join([*dict(choice.options).values(), *(["ports"] if choice.ports else [])])


@pytest.fixture(params=CHOICES, ids=spelled)
def choice(request: pytest.FixtureRequest) -> Choice:
    chosen: Choice = request.param
    return chosen


def test_no_choice_has_a_fault() -> None:
    assert actions.check(str(ACTIONS / "pf.toml"), trusted=True) == []


def test_a_whole_life_leaves_everything_of_the_owners_as_it_was(choice: Choice) -> None:
    pf, machine = with_pf()
    ours = guard("pf", machine, choice)
    before = machine.seen(*OWNERS)
    assert not ours.is_whole()
    ours.set_up()
    assert ours.is_whole()
    assert ours.passing() == []
    assert ours.glance() == (0, ("Cleared:     Tue Nov 14 22:13:20 2023",))
    ours.ban(*BANNED)
    assert ours.members() == set(BANNED)
    assert ours.glance() == (5, ("Cleared:     Tue Nov 14 22:13:20 2023",))
    ours.set_up()
    assert ours.members() == set(BANNED)
    ours.unban("192.0.2.7", "2001:db8:1:2::/64")
    assert ours.members() == {"198.51.100.0/24", "2001:db8::7", "2001:db8:3::/48"}
    assert not pf.blocks("192.0.2.7")
    assert machine.seen(*OWNERS) == before
    ours.tear_down()
    assert not ours.is_whole()
    ours.tear_down()
    assert machine.seen(*OWNERS) == before
    assert [r.out for r in machine.seen(f"pfctl -a {ours.action.guard} -s rules")] == [""]
    assert not pf.blocks("2001:db8::7")


def test_packets_of_the_banned_are_stopped_and_no_others(choice: Choice) -> None:
    pf, machine = with_pf()
    ours = guard("pf", machine, choice)
    ours.set_up()
    ours.ban(*BANNED)
    refused = {"drop": "block drop", "reject": "block return"}[dict(choice.options)["block"]]
    ports = range(1, 65536) if not choice.ports else (22, *range(8000, 8011))
    for protocol, port in PACKETS:
        stopped = not choice.ports or (protocol in ("tcp", "udp") and port in ports)
        for source in FROM_THEM:
            verdict = pf.verdict(source, protocol=protocol, port=port)
            assert verdict == (refused if stopped else "pass"), (source, protocol, port)
        for source in NEIGHBOURS:
            assert not pf.blocks(source, protocol=protocol, port=port)


def test_an_open_connection_of_the_newly_banned_ends_or_goes_on_as_chosen(choice: Choice) -> None:
    pf, machine = with_pf()
    ours = guard("pf", machine, choice)
    ours.set_up()
    for source in (*FROM_THEM, "192.0.2.8"):
        assert pf.connect(source)
    ours.ban(*BANNED)
    goes_on = dict(choice.options)["established"] == "keep"
    assert [pf.carries(source) for source in FROM_THEM] == [goes_on] * len(FROM_THEM)
    assert not pf.connect("192.0.2.7")
    assert pf.carries("192.0.2.8")


def test_whatever_was_chosen_before_a_new_choice_replaces_it_and_keeps_the_members(
    choice: Choice,
) -> None:
    _, machine = with_pf()
    ours = guard("pf", machine, choice)
    for other in CHOICES:
        if other.ports != choice.ports:
            continue
        before = guard("pf", machine, other)
        before.hold(BANNED)
        assert before.is_whole()
        ours.hold(BANNED)
        assert ours.is_whole()
        rules = machine.must(f"pfctl -a {ours.action.guard} -s rules").splitlines()
        # A rule for each protocol and port; one for all when no ports are named.
        assert len(rules) == (4 if choice.ports else 1)
        assert ours.members() == set(BANNED)


def test_the_rules_are_shown_as_the_check_expects_them() -> None:
    _, machine = with_pf()
    ours = guard("pf", machine, Choice(ports=SOME))
    ours.set_up()
    assert machine.must("pfctl -a fw_guard_22_8000to8010 -s rules") == (
        "block drop quick proto tcp from <banned> to any port = ssh\n"
        "block drop quick proto tcp from <banned> to any port 8000:8010\n"
        "block drop quick proto udp from <banned> to any port = ssh\n"
        "block drop quick proto udp from <banned> to any port 8000:8010\n"
    )


def test_guards_of_different_ports_do_not_disturb_each_other() -> None:
    pf, machine = with_pf()
    guards = [guard("pf", machine, Choice(ports=ports)) for ports in ((), SOME, WEB)]
    assert tuple(each.action.guard for each in guards) == NAMES
    for each, address in zip(guards, ("192.0.2.1", "192.0.2.2", "192.0.2.3"), strict=True):
        each.hold([address])
    assert [each.members() for each in guards] == [{"192.0.2.1"}, {"192.0.2.2"}, {"192.0.2.3"}]
    assert [pf.blocks("192.0.2.2", port=port) for port in (22, 80)] == [True, False]
    assert [pf.blocks("192.0.2.3", port=port) for port in (22, 80)] == [False, True]
    for gone in guards:
        gone.tear_down()
        for other in guards:
            assert other.is_whole() is (other is not gone)
        gone.hold([f"192.0.2.{guards.index(gone) + 1}"])
    assert [each.members() for each in guards] == [{"192.0.2.1"}, {"192.0.2.2"}, {"192.0.2.3"}]


@pytest.mark.parametrize(
    "done",
    [
        "pfctl -q -F all",
        "pfctl -q -F rules",
        "pfctl -q -a fw_guard -F all",
        "pfctl -q -a fw_guard -F rules",
        "pfctl -q -a fw_guard -t banned -T kill",
        "pfctl -q -a fw_guard -t banned -T flush",
        "pfctl -q -a fw_guard -t banned -T add 203.0.113.8",
        "pfctl -q -a fw_guard -t banned -T delete 192.0.2.7",
    ],
)
def test_whatever_an_admin_does_is_seen_at_a_glance_and_put_right(done: str) -> None:
    pf, machine = with_pf()
    ours = plain(machine)
    ours.hold(BANNED)
    seen = ours.glance()
    machine.must(done)
    assert not ours.is_whole() or ours.glance() != seen
    # What `-F` took of the owner's main rules only the owner can put back.
    machine.must("pfctl -q -f /etc/pf.conf")
    ours.hold(BANNED)
    assert ours.is_whole()
    assert ours.members() == set(BANNED)
    assert pf.blocks("192.0.2.7")
    assert not pf.blocks("203.0.113.8")


def test_a_reload_of_the_main_rules_changes_nothing_of_ours() -> None:
    _, machine = with_pf()
    ours = plain(machine)
    ours.hold(BANNED)
    seen = ours.glance()
    machine.must("pfctl -q -f /etc/pf.conf")
    assert ours.is_whole()
    assert ours.glance() == seen
    assert ours.members() == set(BANNED)


def test_a_table_made_anew_with_as_many_members_is_another_one() -> None:
    pf, machine = with_pf()
    ours = plain(machine)
    ours.hold(["192.0.2.7"])
    seen = ours.glance()
    pf.kernel.clock += 60
    machine.must("pfctl -q -a fw_guard -F all")
    ours.set_up()
    machine.must("pfctl -q -a fw_guard -t banned -T add 203.0.113.8")
    assert ours.is_whole()
    again = ours.glance()
    assert seen == (1, ("Cleared:     Tue Nov 14 22:13:20 2023",))
    assert again == (1, ("Cleared:     Tue Nov 14 22:14:20 2023",))


@pytest.mark.parametrize(
    ("conf", "is_whole", "passing"),
    [
        ("pass all\n", False, []),
        ('anchor "fw_guard/*"\n', False, []),
        ('anchor "fw_guard_22"\n', False, []),
        ('anchor "fw_guard"\npass quick all\n', True, []),
        ('pass all\nanchor "fw_guard"\n', True, []),
        (
            'pass quick all\nanchor "fw_guard"\n',
            True,
            ["pass quick all flags S/SA keep state"],
        ),
        ('pass out quick all\nanchor "fw_guard"\n', True, []),
        (
            'pass in quick proto tcp to port 7\nanchor "fw_guard"\n',
            True,
            ["pass in quick proto tcp from any to any port = echo flags S/SA keep state"],
        ),
    ],
)
def test_main_rules_that_let_the_banned_through_are_told(
    conf: str, is_whole: bool, passing: list[str]
) -> None:
    pf, machine = with_pf(conf)
    ours = plain(machine)
    ours.set_up()
    ours.ban("192.0.2.7")
    assert ours.is_whole() is is_whole
    if is_whole:
        assert ours.passing() == passing
        # Port 7 is what the last of these rules lets through.
        assert pf.blocks("192.0.2.7", port=7) is (passing == [])


def test_the_advice_names_the_line_that_the_guard_wants() -> None:
    _, machine = with_pf()
    advice = [check.advice for check in guard("pf", machine, Choice(ports=WEB)).action.checks]
    assert 'put the line `anchor "fw_guard_80"` into /etc/pf.conf' in advice[1]


def test_pf_switched_off_is_not_whole() -> None:
    _, machine = with_pf()
    ours = plain(machine)
    ours.hold(BANNED)
    machine.must("pfctl -q -d")
    assert not ours.is_whole()


def test_above_the_limit_of_a_request_only_the_listing_fails() -> None:
    pf, machine = with_pf()
    ours = plain(machine)
    ours.set_up()
    pf.kernel.request_maxcount = 4
    ours.ban(*BANNED[:3])
    ours.ban(*BANNED[3:])
    assert ours.glance() == (5, ("Cleared:     Tue Nov 14 22:13:20 2023",))
    (listing,) = ours.action.listings
    result = machine.run(listing.argv)
    assert result.code not in listing.ok
    advice = [hint.advice for hint in ours.action.hints if hint.error in result.err]
    assert advice == [
        "the table may be larger than net.pf.request_maxcount; "
        "try `sysctl net.pf.request_maxcount=400000`"
    ]
    ours.unban("192.0.2.7")
    assert not pf.blocks("192.0.2.7")
    assert ours.members() == set(BANNED) - {"192.0.2.7"}


def test_a_chunk_is_less_than_a_request_takes() -> None:
    _, machine = with_pf()
    assert plain(machine).action.chunk == 30_000


ADMINS = st.sampled_from(
    [
        "pfctl -q -F all",
        "pfctl -q -f /etc/pf.conf",
        *(
            f"pfctl -q -a {name} {rest}"
            for name in NAMES
            for rest in ("-F all", "-F rules", "-t banned -T kill", "-t banned -T add 203.0.113.8")
        ),
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
    _, machine = with_pf()
    for chosen, members, admins in past:
        guard("pf", machine, chosen).hold(members)
        machine.must(admins)
    machine.must("pfctl -q -f /etc/pf.conf")
    ours = guard("pf", machine, choice)
    ours.hold(wanted)
    assert ours.is_whole()
    assert ours.members() == wanted
    seen = ours.glance()
    assert seen is not None
    assert seen[0] == len(wanted)
