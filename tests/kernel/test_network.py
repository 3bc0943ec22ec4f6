"""The test network is honest: what it says gets through does, and the rest is really dropped."""

import functools
import json
import subprocess
from collections.abc import Iterator

import pytest

from .namespace import Namespace, NetworkError
from .network import Host, Network
from .probes import Family
from .requirements import require

PORT = 2222
IPV4 = frozenset({"tcp4", "udp4", "icmp4"})
IPV6 = frozenset({"tcp6", "udp6", "icmp6"})
NOTHING: frozenset[str] = frozenset()

SOON = 0.5  # seconds; long for a virtual wire, short for tests that wait for silence

families = pytest.mark.parametrize("family", [4, 6])


@pytest.fixture
def server(network: Network) -> Iterator[Host]:
    """The network's server, listening."""
    with network.server.listen(PORT):
        yield network.server


def add_in_nft(host: Host, *rules: str, hook: str = "input") -> None:
    """Add the rules to a chain of the host's input (or other) hook; the chain accepts the rest."""
    lines = [
        "add table inet test",
        f"add chain inet test rules {{ type filter hook {hook} priority 0; policy accept; }}",
        *(f"add rule inet test rules {rule}" for rule in rules),
    ]
    host.run(["nft", "-f", "-"], stdin="\n".join(lines) + "\n", check=True)


def test_without_rules_every_client_reaches_the_server(network: Network, server: Host) -> None:
    assert network.attacker.reach(server, PORT) == IPV4 | IPV6
    assert network.neighbour.reach(server, PORT) == IPV4 | IPV6


def test_the_server_reaches_its_clients_and_itself(network: Network, server: Host) -> None:
    assert server.reach(server, PORT) == IPV4 | IPV6
    with network.attacker.listen(PORT):
        assert server.reach(network.attacker, PORT) == IPV4 | IPV6


@families
def test_each_question_alone_is_answered_yes_without_rules(
    network: Network, server: Host, family: Family
) -> None:
    assert network.attacker.can_connect(server, PORT, family=family)
    assert network.attacker.can_exchange_udp(server, PORT, family=family)
    assert network.attacker.can_ping(server, family=family)


@pytest.mark.needs("nft")
@pytest.mark.parametrize(
    ("match", "left"),
    [("ip saddr 192.0.2.7", IPV6), ("ip6 saddr 2001:db8:1:7::7", IPV4)],
    ids=["IPv4", "IPv6"],
)
def test_a_dropped_source_is_shut_out_in_its_family_and_its_neighbour_is_not(
    network: Network, server: Host, match: str, left: frozenset[str]
) -> None:
    add_in_nft(server, f"{match} drop")
    assert network.attacker.reach(server, PORT, timeout=SOON) == left
    assert network.neighbour.reach(server, PORT) == IPV4 | IPV6


@pytest.mark.needs("nft")
@pytest.mark.parametrize(
    ("dropped", "left"),
    [
        (
            (
                f"ip protocol tcp tcp dport {PORT}",
                f"ip6 nexthdr udp udp dport {PORT}",
                "icmp type echo-request",
            ),
            {"tcp6", "udp4", "icmp6"},
        ),
        (
            (
                f"ip6 nexthdr tcp tcp dport {PORT}",
                f"ip protocol udp udp dport {PORT}",
                "icmpv6 type echo-request",
            ),
            {"tcp4", "udp6", "icmp4"},
        ),
    ],
    ids=["tcp4-udp6-icmp4", "tcp6-udp4-icmp6"],
)
def test_each_protocol_is_told_apart_in_each_family(
    network: Network, server: Host, dropped: tuple[str, ...], left: set[str]
) -> None:
    add_in_nft(server, *(f"{match} drop" for match in dropped))
    assert network.attacker.reach(server, PORT, timeout=SOON) == left


@pytest.mark.needs("iptables", "ip6tables", "ipset")
def test_iptables_with_and_without_an_ipset_shut_the_attacker_out(
    network: Network, server: Host
) -> None:
    server.run(["ipset", "create", "test", "hash:ip"], check=True)
    server.run(["ipset", "add", "test", "192.0.2.7"], check=True)
    match = ["-m", "set", "--match-set", "test", "src"]
    server.run(["iptables", "-A", "INPUT", *match, "-j", "DROP"], check=True)
    server.run(["ip6tables", "-A", "INPUT", "-s", "2001:db8:1:7::7", "-j", "DROP"], check=True)
    assert network.attacker.reach(server, PORT, timeout=SOON) == NOTHING
    assert network.neighbour.reach(server, PORT) == IPV4 | IPV6


@pytest.mark.needs("nft")
@pytest.mark.parametrize("kind", ["port-unreachable", "admin-prohibited"])
def test_a_refusal_shuts_out_like_silence(network: Network, server: Host, kind: str) -> None:
    add_in_nft(
        server,
        f"tcp dport {PORT} reject with tcp reset",
        f"udp dport {PORT} reject with icmpx type {kind}",
    )
    assert network.attacker.reach(server, PORT) == {"icmp4", "icmp6"}


@pytest.mark.needs("nft")
def test_a_reset_is_told_to_who_opens_a_connection(network: Network, server: Host) -> None:
    add_in_nft(server, f"tcp dport {PORT} reject with tcp reset")
    with pytest.raises(ConnectionRefusedError):
        network.attacker.open_connection(server, PORT)


@pytest.mark.needs("nft")
def test_a_reset_ends_an_open_connection(network: Network, server: Host) -> None:
    connection = network.attacker.open_connection(server, PORT)
    add_in_nft(server, f"tcp dport {PORT} reject with tcp reset")
    assert not connection.alive()


@pytest.mark.needs("nft")
def test_a_drop_on_the_attackers_own_way_out_shuts_it_out(network: Network, server: Host) -> None:
    add_in_nft(network.attacker, "drop", hook="output")
    assert network.attacker.reach(server, PORT, timeout=SOON) == NOTHING


@pytest.mark.needs("nft")
def test_a_client_is_back_as_soon_as_its_rule_is_gone(network: Network, server: Host) -> None:
    add_in_nft(server, "ip6 saddr 2001:db8:1:7::7 drop")
    assert not network.attacker.can_connect(server, PORT, family=6, timeout=SOON)
    server.run(["nft", "delete", "table", "inet", "test"], check=True)
    assert network.attacker.reach(server, PORT) == IPV4 | IPV6


@pytest.mark.needs("nft")
@families
def test_an_open_connection_lives_until_its_source_is_dropped(
    network: Network, server: Host, family: Family
) -> None:
    with (
        network.attacker.open_connection(server, PORT, family=family) as attackers,
        network.neighbour.open_connection(server, PORT, family=family) as neighbours,
    ):
        assert attackers.alive()
        add_in_nft(server, "ip saddr 192.0.2.7 drop", "ip6 saddr 2001:db8:1:7::7 drop")
        assert not attackers.alive(timeout=SOON)
        assert neighbours.alive()
        # Not merely closed: the same connection goes on once the rule is gone.
        server.run(["nft", "delete", "table", "inet", "test"], check=True)
        assert attackers.alive(timeout=5)


@pytest.mark.needs("nft")
def test_a_rule_for_new_connections_leaves_an_open_one_alone(
    network: Network, server: Host
) -> None:
    connection = network.attacker.open_connection(server, PORT)
    add_in_nft(server, "tcp flags & (syn | ack) == syn drop")
    assert connection.alive()
    assert not network.attacker.can_connect(server, PORT, timeout=SOON)


@pytest.mark.needs("nft")
def test_opening_a_connection_through_a_drop_rule_is_an_error(
    network: Network, server: Host
) -> None:
    add_in_nft(server, "ip saddr 192.0.2.7 drop")
    with pytest.raises(TimeoutError):
        network.attacker.open_connection(server, PORT, timeout=SOON)


def test_a_closed_connection_is_an_error_to_ask(network: Network, server: Host) -> None:
    connection = network.attacker.open_connection(server, PORT)
    connection.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        connection.alive()


def test_a_connection_dies_with_the_echo_server(network: Network) -> None:
    with network.server.listen(PORT):
        connection = network.attacker.open_connection(network.server, PORT)
    assert not connection.alive()


def test_asking_for_a_port_where_nobody_listens_is_an_error(network: Network) -> None:
    with network.server.listen(PORT):
        pass
    for ask in (
        functools.partial(network.attacker.can_connect, network.server, PORT),
        functools.partial(network.attacker.can_exchange_udp, network.server, PORT),
        functools.partial(network.attacker.open_connection, network.server, PORT),
        functools.partial(network.attacker.reach, network.server, PORT),
    ):
        with pytest.raises(NetworkError, match="nobody listens on port 2222"):
            ask()


def test_a_port_can_be_listened_on_once_at_a_time_and_again_later(
    network: Network, server: Host
) -> None:
    with pytest.raises(OSError, match="in use"), server.listen(PORT):
        pytest.fail("two echo servers share one port")
    with server.listen(PORT + 1):
        assert network.attacker.can_connect(server, PORT + 1)
    with server.listen(PORT + 1):
        assert network.attacker.can_connect(server, PORT + 1)


@pytest.mark.needs("nft")
def test_one_more_host_joins_a_network_whose_server_has_rules(
    network: Network, server: Host
) -> None:
    add_in_nft(server, "ip6 saddr 2001:db8:1:7::/64 drop")
    accomplice = network.join("accomplice", "192.0.2.9", "2001:db8:1:7::9")
    assert accomplice.reach(server, PORT, timeout=SOON) == IPV4
    assert network.neighbour.can_connect(server, PORT, family=6)


def test_two_networks_do_not_see_each_other(network: Network, server: Host) -> None:
    with Network() as other, other.server.listen(PORT):
        server.run(["ip", "link", "set", "dev", "eth0", "down"], check=True)
        assert other.attacker.reach(other.server, PORT) == IPV4 | IPV6
        assert network.attacker.reach(server, PORT, timeout=SOON) == NOTHING


def names_of(network: Network) -> set[str]:
    """The names of the network's namespaces."""
    return {host.namespace.name for host in network.hosts}


def namespaces_of_the_machine() -> set[str]:
    """The names of all namespaces there are."""
    shown = subprocess.run(
        ["ip", "-json", "netns", "list"], capture_output=True, text=True, check=True
    )
    return {entry["name"] for entry in json.loads(shown.stdout or "[]")}


def test_the_namespaces_are_gone_afterwards() -> None:
    require()
    with Network() as network:
        names = names_of(network)
        assert len(names) == 4
        assert names <= namespaces_of_the_machine()
    assert not names & namespaces_of_the_machine()


def fail_inside(network: Network) -> None:
    """Raise an error inside the network's block."""
    with network, network.server.listen(PORT):
        network.attacker.open_connection(network.server, PORT)
        raise LookupError("the test failed")


def test_the_namespaces_are_gone_after_a_failed_test() -> None:
    require()
    network = Network()
    with pytest.raises(LookupError, match="the test failed"):
        fail_inside(network)
    assert len(names_of(network)) == 4
    assert not names_of(network) & namespaces_of_the_machine()


class HalfNetwork(Network):
    """A network that breaks while it is being made."""

    def join(self, name: str, ipv4: str, ipv6: str) -> Host:
        if name == "neighbour":
            ipv4 = "192.0.2.300"
        return super().join(name, ipv4, ipv6)


def test_a_network_that_cannot_be_made_leaves_nothing_behind() -> None:
    require()
    network = HalfNetwork()
    with pytest.raises(ValueError, match=r"192\.0\.2\.300"), network:
        pytest.fail("a network was made with an impossible address")
    assert len(names_of(network)) == 3
    assert not names_of(network) & namespaces_of_the_machine()


def test_a_namespace_that_cannot_be_made_is_an_error_in_the_words_of_ip() -> None:
    require()
    with (
        Namespace("test") as namespace,
        pytest.raises(NetworkError, match=f"netns add {namespace.name}: .*File exists"),
    ):
        namespace.__enter__()
    assert not namespace.exists()


def network_of_the_machine() -> tuple[list[dict[str, object]], str]:
    """The machine's own addresses and rules, without the lifetimes and counters in them."""
    shown = subprocess.run(["ip", "-json", "address"], capture_output=True, text=True, check=True)
    interfaces: list[dict[str, object]] = json.loads(shown.stdout)
    for interface in interfaces:
        addresses = interface["addr_info"]
        assert isinstance(addresses, list)
        for address in addresses:
            del address["valid_life_time"], address["preferred_life_time"]
    rules = subprocess.run(
        ["nft", "--stateless", "list", "ruleset"], capture_output=True, text=True, check=True
    )
    return interfaces, rules.stdout


@pytest.mark.needs("nft", "iptables", "ipset")
def test_nothing_of_the_machines_own_network_changes() -> None:
    before = network_of_the_machine()
    with Network() as network, network.server.listen(PORT):
        add_in_nft(network.server, "ip saddr 192.0.2.7 drop")
        network.server.run(["iptables", "-A", "INPUT", "-s", "192.0.2.7", "-j", "DROP"], check=True)
        network.server.run(["ipset", "create", "test", "hash:ip"], check=True)
        assert network.neighbour.can_connect(network.server, PORT)
        assert network_of_the_machine() == before
    assert network_of_the_machine() == before
