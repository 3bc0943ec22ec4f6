"""A small internet in the kernel: a guarded server, an attacker and a neighbour, on one switch.

    server     192.0.2.1    2001:db8:1::1          the host whose firewall is under test
    attacker   192.0.2.7    2001:db8:1:7::7        each client is in a /64 of its own
    neighbour  192.0.2.8    2001:db8:1:8::8
    switch     192.0.2.254  2001:db8:1:ffff::fe    a bridge in a namespace of its own, with no rules

    guest      198.51.100.2  2001:db8:2::2         on demand: behind the server, which forwards

Every host is a network namespace; nothing of it is ever seen in the namespace of the machine
itself. Link layer addresses are entered for good on every host: real attackers come through a
router, so a drop rule must not disturb the neighbour discovery of IPv6, and an unbanned client is
back at once.
"""

import contextlib
import functools
import ipaddress
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from subprocess import CompletedProcess
from types import TracebackType
from typing import Self

from . import probes
from .echo import EchoServer, echo_sockets
from .namespace import Namespace, NetworkError, ip
from .probes import Connection, Family

IPV4_PREFIX = 24
IPV6_PREFIX = 48
READY_TIMEOUT = 10.0  # seconds a fresh link may take before it counts as broken
READY_INTERVAL = 0.02  # seconds between two packets that try a fresh link


class Host:
    """One machine of a `Network`, which makes it and takes it away again.

    ipv4 and ipv6 are its addresses as text; namespace is the network namespace it lives in.
    """

    def __init__(self, name: str, namespace: Namespace, ipv4: str, ipv6: str) -> None:
        self.name = name
        self.namespace = namespace
        self.ipv4 = ipv4
        self.ipv6 = ipv6
        self._connections: list[Connection] = []
        self._ports: set[int] = set()

    def __repr__(self) -> str:
        return f"<Host {self.name} {self.ipv4} {self.ipv6}>"

    def address(self, family: Family) -> str:
        """The address of IPv4 or IPv6."""
        return self.ipv4 if family == 4 else self.ipv6

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: str = "",
        env: Mapping[str, str] | None = None,
        timeout: float = 30,
        check: bool = False,
    ) -> CompletedProcess[str]:
        """Run a command on this host, in a session of its own, and wait for it.

        `env`, when given, is the command's whole environment: {} is an empty one. `timeout` is in
        seconds. Output is text, with surrogate escapes for what is not UTF-8. A program that does
        not exist is exit code 255, as ip(8) reports it.
        Raises TimeoutExpired, after killing the session; CalledProcessError, with what the command
        said, when `check` and the exit code is not 0.
        """
        return self.namespace.run(argv, stdin=stdin, env=env, timeout=timeout, check=check)

    @contextlib.contextmanager
    def listen(self, port: int) -> Iterator[None]:
        """Echo what arrives on the port, TCP and UDP, IPv4 and IPv6, throughout the with block.

        Raises OSError when the port is taken.
        """
        sockets = self.namespace.call(functools.partial(echo_sockets, port))
        with EchoServer(sockets):
            self._ports.add(port)
            try:
                yield
            finally:
                self._ports.remove(port)

    def can_connect(
        self, host: "Host", port: int, *, family: Family = 4, timeout: float = probes.TIMEOUT
    ) -> bool:
        """Whether a new TCP connection to the host's echo server opens and echoes.

        False for silence (after `timeout` seconds) and for a refusal. Raises NetworkError when
        nobody listens: an empty port would look like a working ban.
        """
        host._must_listen(port)
        return probes.connects(self.namespace, host.address(family), port, family, timeout)

    def can_exchange_udp(
        self, host: "Host", port: int, *, family: Family = 4, timeout: float = probes.TIMEOUT
    ) -> bool:
        """Whether a datagram to the host's echo server comes back; otherwise as `can_connect`."""
        host._must_listen(port)
        return probes.exchanges_udp(self.namespace, host.address(family), port, family, timeout)

    def can_ping(
        self, host: "Host", *, family: Family = 4, timeout: float = probes.TIMEOUT
    ) -> bool:
        """Whether the host answers an ICMP echo request within `timeout` seconds."""
        return probes.pings(self.namespace, host.address(family), family, timeout)

    def reach(self, host: "Host", port: int, *, timeout: float = probes.TIMEOUT) -> frozenset[str]:
        """What gets through to the host: those of tcp4, udp4, icmp4, tcp6, udp6 and icmp6 that do.

        All are tried at once, so that a client that is shut out costs one timeout and not six.
        """
        families: tuple[Family, ...] = (4, 6)
        with ThreadPoolExecutor() as executor:
            answers = {}
            for family in families:
                for protocol, probe in (
                    ("tcp", functools.partial(self.can_connect, host, port)),
                    ("udp", functools.partial(self.can_exchange_udp, host, port)),
                    ("icmp", functools.partial(self.can_ping, host)),
                ):
                    answers[f"{protocol}{family}"] = executor.submit(
                        probe, family=family, timeout=timeout
                    )
            return frozenset(name for name, answer in answers.items() if answer.result())

    def answers(
        self, host: "Host", port: int, *, timeout: float = probes.TIMEOUT
    ) -> dict[str, probes.Answer]:
        """What the host answers to each of tcp4, udp4, icmp4, tcp6, udp6 and icmp6."""
        host._must_listen(port)
        families: tuple[Family, ...] = (4, 6)
        with ThreadPoolExecutor() as executor:
            asked = {}
            for family in families:
                where = (self.namespace, host.address(family))
                for name, probe in (
                    ("tcp", functools.partial(probes.tcp_answer, *where, port)),
                    ("udp", functools.partial(probes.udp_answer, *where, port)),
                    ("icmp", functools.partial(probes.ping_answer, *where)),
                ):
                    answer = executor.submit(probe, family=family, timeout=timeout)
                    asked[f"{name}{family}"] = answer
            return {name: answer.result() for name, answer in asked.items()}

    def open_connection(
        self, host: "Host", port: int, *, family: Family = 4, timeout: float = probes.TIMEOUT
    ) -> Connection:
        """Open a TCP connection to the host's echo server; the network closes it at the latest.

        It has echoed once when it is returned, so the server has accepted it. Raises OSError when
        it cannot be opened (TimeoutError for silence), NetworkError when nobody listens.
        """
        host._must_listen(port)
        connection = probes.open_connection(
            self.namespace, host.address(family), port, family, timeout
        )
        self._connections.append(connection)
        if not connection.alive():
            raise NetworkError(f"{self!r} connected to port {port} of {host!r}, which did not echo")
        return connection

    def close_connections(self) -> None:
        """Close every connection that was opened from this host."""
        for connection in self._connections:
            connection.close()

    def _must_listen(self, port: int) -> None:
        if port not in self._ports:
            raise NetworkError(
                f"nobody listens on port {port} of {self!r}, so a probe of it would show nothing; "
                f"expected to be inside `with {self.name}.listen({port}):`"
            )


class Network:
    """The hosts of this module's heading, joined and proven to be up; a context manager.

    Needs root, ip(8) and a kernel with network namespaces, veth and bridges. Raises NetworkError.
    Leaving it removes every namespace, with the processes and connections in it.
    """

    server: Host
    attacker: Host
    neighbour: Host

    def __init__(self) -> None:
        self._resources = contextlib.ExitStack()
        self._members: list[tuple[Host, str]] = []  # each host with its link layer address

    @property
    def hosts(self) -> tuple[Host, ...]:
        """Every host, the switch first."""
        return tuple(host for host, _ in self._members)

    def __enter__(self) -> Self:
        try:
            self._start_switch()
            self.server = self.join("server", "192.0.2.1", "2001:db8:1::1")
            self.attacker = self.join("attacker", "192.0.2.7", "2001:db8:1:7::7")
            self.neighbour = self.join("neighbour", "192.0.2.8", "2001:db8:1:8::8")
        except BaseException:
            self._resources.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._resources.close()

    def join(self, name: str, ipv4: str, ipv6: str) -> Host:
        """Add one more host, of 192.0.2.0/24 and 2001:db8:1::/48, and wait until it is up.

        The rules that the server has by then do not matter. Raises ValueError for an address that
        is none.
        """
        host, hardware = self._new_host(name, ipv4, ipv6)
        switch, _ = self._members[0]
        port = f"port{len(self._members)}"
        ip(
            "-netns",
            switch.namespace.name,
            batch=[
                # Both ends are born where they belong; the machine's own namespace never sees them.
                f"link add {port} type veth "
                f"peer name eth0 address {hardware} netns {host.namespace.name}",
                f"link set {port} master bridge up",
            ],
        )
        self._configure(host, "eth0")
        self._introduce(host, hardware)
        _wait_until_ready(host, switch)
        return host

    def join_behind(self, router: Host, name: str = "guest") -> Host:
        """Add a host that only the router reaches directly, as a container behind its machine.

        The router forwards, and the clients know the way.
        """
        host, hardware = self._new_host(name, "198.51.100.2", "2001:db8:2::2")
        near, far = router.namespace.name, host.namespace.name
        link = f"link add guests type veth peer name eth0 address {hardware} netns {far}"
        ip("-netns", near, batch=[link, "link set guests up"])
        gates = ("198.51.100.1/24", "2001:db8:2::1/64 nodad")
        ip("-netns", near, batch=[f"address add {gate} dev guests" for gate in gates])
        self._configure(host, "eth0")
        routes = (f"via {router.ipv4}", f"via {router.ipv6}")
        ip(
            "-netns",
            far,
            batch=["route add default via 198.51.100.1", "route add default via 2001:db8:2::1"],
        )
        router.namespace.call(_forward)
        for client, _ in self._members:
            if client.name not in ("switch", router.name):
                networks = zip(("198.51.100.0/24", "2001:db8:2::/48"), routes, strict=True)
                lines = [f"route add {network} {way}" for network, way in networks]
                ip("-netns", client.namespace.name, batch=lines)
        _wait_until_ready(self.attacker, host)
        return host

    def _start_switch(self) -> None:
        switch, hardware = self._new_host("switch", "192.0.2.254", "2001:db8:1:ffff::fe")
        ip(
            "-netns",
            switch.namespace.name,
            batch=[f"link add bridge address {hardware} type bridge stp_state 0"],
        )
        self._configure(switch, "bridge")
        self._introduce(switch, hardware)

    def _new_host(self, name: str, ipv4: str, ipv6: str) -> tuple[Host, str]:
        """An unconnected host, and a link layer address that no other host of the network has."""
        namespace = Namespace(name)
        host = Host(
            name, namespace, str(ipaddress.IPv4Address(ipv4)), str(ipaddress.IPv6Address(ipv6))
        )
        self._resources.enter_context(namespace)
        # A socket keeps its namespace alive even without a name, so connections go first.
        self._resources.callback(host.close_connections)
        return host, f"02:00:00:00:00:{len(self._members) + 1:02x}"

    def _configure(self, host: Host, interface: str) -> None:
        host.namespace.call(_enable_ipv6)
        ip(
            "-netns",
            host.namespace.name,
            batch=[
                "link set lo up",
                f"link set {interface} up",
                f"address add {host.ipv4}/{IPV4_PREFIX} dev {interface}",
                # Duplicate address detection would keep the address back for a second or two.
                f"address add {host.ipv6}/{IPV6_PREFIX} dev {interface} nodad",
            ],
        )

    def _introduce(self, newcomer: Host, hardware: str) -> None:
        """Enter the newcomer's link layer address on every host, and theirs on the newcomer."""
        for host, _ in self._members:
            ip("-netns", host.namespace.name, batch=_neighbours(host, [(newcomer, hardware)]))
        if self._members:
            ip("-netns", newcomer.namespace.name, batch=_neighbours(newcomer, self._members))
        self._members.append((newcomer, hardware))


def _neighbours(host: Host, others: Sequence[tuple[Host, str]]) -> list[str]:
    """Lines for ip(8) that enter the link layer addresses of the others on the host."""
    interface = "bridge" if host.name == "switch" else "eth0"
    return [
        f"neighbour replace {address} lladdr {hardware} dev {interface} nud permanent"
        for other, hardware in others
        for address in (other.ipv4, other.ipv6)
    ]


def _enable_ipv6() -> None:
    """Switch IPv6 on in the namespace of the calling thread, if the kernel starts it off."""
    for scope in ("all", "default"):
        with open(f"/proc/sys/net/ipv6/conf/{scope}/disable_ipv6", "r+") as setting:
            if setting.read().strip() != "0":
                setting.seek(0)
                setting.write("0")


def _forward() -> None:
    """Let the namespace of the calling thread forward packets, as a machine of containers does."""
    for setting in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        with open(f"/proc/sys/net/{setting}", "w") as file:
            file.write("1")


def _wait_until_ready(host: Host, switch: Host) -> None:
    """Send packets over a new link until they are answered: carriers come up when they like."""
    families: tuple[Family, ...] = (4, 6)
    deadline = time.monotonic() + READY_TIMEOUT
    for family in families:
        while not host.can_ping(switch, family=family, timeout=READY_INTERVAL):
            if time.monotonic() > deadline:
                raise NetworkError(
                    f"{host!r} got no answer from {switch!r} over IPv{family} "
                    f"within {READY_TIMEOUT:g} seconds"
                )
