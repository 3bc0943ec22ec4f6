"""The shipped actions against the Linux kernel itself, with real packets."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from .acting import ALL_CLASSES, HOUR, NOW, Guard, changed, shipped
from .machine import EVERYTHING, IPV4, IPV6, back_ends
from .network import Network

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .probes import Family

PORT = 7
SILENCE = 0.5  # seconds without an answer that count as shut out
ATTACKER4, ATTACKER6 = "192.0.2.7", "2001:db8:1:7::/64"
NEIGHBOUR4 = "192.0.2.8"

every_back_end = back_ends("nftables", "iptables", "ipset")
back_ends_with_times = back_ends("nftables", "ipset")


@pytest.fixture
def network() -> Iterator[Network]:
    """A network whose server echoes on PORT."""
    with Network() as network, network.server.listen(PORT):
        yield network


@pytest.fixture
def guard(back_end: str, needed_programs: None, network: Network) -> Guard:
    """The action on the server, which has rules of its owner's."""
    return shipped(back_end, network.server)


def until(condition: Callable[[], bool]) -> bool:
    """Wait until it holds, ten seconds at most."""
    deadline = time.monotonic() + 10
    while not (held := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return held


@every_back_end
class TestPackets:
    """Who is banned gets nothing through, and nobody else notices."""

    def test_a_banned_source_is_shut_out_and_its_neighbour_is_not(
        self, guard: Guard, network: Network
    ) -> None:
        assert network.attacker.reach(network.server, PORT) == EVERYTHING
        outcome = guard.wants({ATTACKER4: NOW + HOUR, ATTACKER6: NOW + HOUR})
        assert (outcome.plan.ban, outcome.was_set_up) == ((ATTACKER4, ATTACKER6), True)
        assert network.attacker.reach(network.server, PORT, timeout=SILENCE) == frozenset()
        assert network.neighbour.reach(network.server, PORT) == EVERYTHING

    @pytest.mark.parametrize(
        ("banned", "left"),
        [
            ("192.0.2.7", IPV6),
            ("192.0.2.0/29", IPV6),
            ("2001:db8:1:7::7", IPV4),
            ("2001:db8:1:7::/64", IPV4),
            ("2001:db8:1::/61", IPV4),
        ],
    )
    def test_every_class_of_addresses_shuts_out(
        self, guard: Guard, network: Network, banned: str, left: frozenset[str]
    ) -> None:
        guard.wants({banned: NOW + HOUR})
        assert network.attacker.reach(network.server, PORT, timeout=SILENCE) == left
        assert network.neighbour.reach(network.server, PORT) == EVERYTHING

    def test_another_host_of_the_same_64_is_banned_with_it(
        self, guard: Guard, network: Network
    ) -> None:
        other = network.join("other", "192.0.2.9", "2001:db8:1:7:ffff::9")
        guard.wants({ATTACKER6: None})
        assert other.reach(network.server, PORT, timeout=SILENCE) == IPV4

    def test_an_open_connection_is_cut(self, guard: Guard, network: Network) -> None:
        connections = [
            network.attacker.open_connection(network.server, PORT, family=family)
            for family in (4, 6)
        ]
        guard.wants({ATTACKER4: NOW + HOUR, ATTACKER6: NOW + HOUR})
        assert [connection.alive(SILENCE) for connection in connections] == [False, False]

    def test_an_owner_that_accepts_everything_does_not_let_a_banned_source_in(
        self, guard: Guard, network: Network
    ) -> None:
        for tool in ("iptables", "ip6tables"):
            network.server.run([tool, "-A", "INPUT", "-j", "ACCEPT"], check=True)
        guard.wants({ATTACKER4: None, ATTACKER6: None})
        assert network.attacker.reach(network.server, PORT, timeout=SILENCE) == frozenset()

    def test_an_unban_lets_in_at_once(self, guard: Guard, network: Network) -> None:
        guard.wants({ATTACKER4: None, ATTACKER6: None, NEIGHBOUR4: None})
        outcome = guard.wants({NEIGHBOUR4: None})
        assert changed(outcome) == ((), (), (ATTACKER4, ATTACKER6))
        assert network.attacker.reach(network.server, PORT) == EVERYTHING
        assert network.neighbour.reach(network.server, PORT, timeout=SILENCE) == IPV6

    def test_a_host_stays_shut_out_when_its_network_takes_its_place(
        self, guard: Guard, network: Network
    ) -> None:
        guard.wants({ATTACKER4: NOW + HOUR, ATTACKER6: NOW + HOUR})
        wanted = {
            ATTACKER4: NOW + HOUR,
            ATTACKER6: NOW + HOUR,
            "192.0.2.0/29": NOW + HOUR,
            "2001:db8:1::/61": NOW + HOUR,
        }
        outcome = guard.wants(wanted)
        assert outcome.plan.ban == ("192.0.2.0/29", "2001:db8:1::/61")
        assert network.attacker.reach(network.server, PORT, timeout=SILENCE) == frozenset()
        guard.wants({ATTACKER4: NOW + HOUR, ATTACKER6: NOW + HOUR})
        assert network.attacker.reach(network.server, PORT, timeout=SILENCE) == frozenset()


@back_ends_with_times
class TestTimes:
    """The kernel itself ends a ban."""

    @pytest.mark.parametrize(
        ("banned", "shut"),
        [
            ("192.0.2.7", IPV4),
            ("192.0.2.0/29", IPV4),
            ("2001:db8:1:7::7", IPV6),
            ("2001:db8:1:7::/64", IPV6),
            ("2001:db8:1::/61", IPV6),
        ],
    )
    def test_a_ban_ends_without_another_pass(
        self, guard: Guard, network: Network, banned: str, shut: frozenset[str]
    ) -> None:
        guard.wants({banned: NOW + 2, "192.0.2.8": None, "2001:db8:1:8::/64": NOW + HOUR})
        before = len(guard.calls)
        family: Family = 4 if shut == IPV4 else 6
        assert not network.attacker.can_ping(network.server, family=family, timeout=0.2)
        assert until(lambda: network.attacker.can_ping(network.server, family=family, timeout=0.2))
        assert network.attacker.reach(network.server, PORT) == EVERYTHING
        assert network.neighbour.reach(network.server, PORT, timeout=SILENCE) == frozenset()
        assert len(guard.calls) == before

    @pytest.mark.parametrize("banned", sorted(ALL_CLASSES))
    def test_a_changed_time_replaces_the_old_one(self, guard: Guard, banned: str) -> None:
        guard.wants({banned: NOW + HOUR})
        assert 3500 < seconds_left(guard, banned) <= 3600
        assert changed(guard.wants({banned: NOW + 86400})) == ((), (banned,), ())
        assert 86300 < seconds_left(guard, banned) <= 86400
        assert changed(guard.adjusts({banned: None}, banned)) == ((), (banned,), ())
        assert seconds_left(guard, banned) == 0
        guard.adjusts({banned: NOW + 600}, banned)
        assert 500 < seconds_left(guard, banned) <= 600

    def test_a_ban_longer_than_the_kernel_can_keep_is_taken(self, guard: Guard) -> None:
        century = NOW + 100 * 365 * 86400
        outcome = guard.wants(dict.fromkeys(ALL_CLASSES, century))
        assert outcome.plan.ban == tuple(ALL_CLASSES)
        assert changed(guard.wants(dict.fromkeys(ALL_CLASSES, century))) == ((), (), ())


def seconds_left(guard: Guard, address: str) -> int:
    """The time that the kernel gives an address, 0 for good."""
    if guard.action.path.endswith("ipset.toml"):
        name = "fw_guard6" if ":" in address else "fw_guard4"
        text = guard.host.run(["ipset", "save", name], check=True).stdout
        found = re.search(rf"^add {name} {re.escape(address)} timeout (\d+)$", text, re.MULTILINE)
        assert found is not None, text
        return int(found[1])
    text = guard.host.run(["nft", "list", "table", "inet", "fw_guard"], check=True).stdout
    listed = address.removesuffix("/64")
    found = re.search(rf"[ {{]{re.escape(listed)}( timeout \w+ expires (\w+))?[ ,]", text)
    assert found is not None, text
    if not found[1]:
        return 0
    units = {"d": 86400, "h": 3600, "m": 60, "s": 1, "ms": 0}
    return sum(int(n) * units[unit] for n, unit in re.findall(r"(\d+)(ms|[dhms])", found[2]))
