"""Questions that only a real packet answers: does TCP, UDP or ICMP get there and back?

A probe is a random token that has to come back. False means that it did not: silence until the
timeout, or a refusal that a firewall can send. Every other error is a fault of the test and raised.
"""

import errno
import os
import secrets
import socket
import struct
import time
from types import TracebackType
from typing import Literal, Self

from .namespace import Namespace

Family = Literal[4, 6]
Answer = Literal["echo", "reset", "prohibited", "silence"]

TIMEOUT = (
    1.0  # seconds until silence counts as dropped; a veth pair answers in well under a millisecond
)
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}

# What reject rules of any type make of a socket call (Linux, net/ipv4/icmp.c and net/ipv6/icmp.c),
# besides ConnectionError and TimeoutError; EPERM is a drop on the way out of the own host.
REFUSALS = frozenset(
    {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENOPROTOOPT, errno.EACCES, errno.EPERM}
)

TOKEN_BYTES = 16
RECEIVE_BYTES = 65536
ICMP_REQUEST_AND_REPLY = {4: (8, 0), 6: (128, 129)}  # RFC 792; RFC 4443
ICMP_PROHIBITED = {4: (3, 13), 6: (1, 1)}  # type and code: RFC 1812, 5.2.7.1; RFC 4443, 3.1


class Connection:
    """An open TCP connection to an echo server; a context manager that closes it."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def alive(self, timeout: float = TIMEOUT) -> bool:
        """Whether a new token comes back over this very connection within `timeout` seconds.

        A connection that was cut and is let through again answers only at TCP's next
        retransmission, whose distance doubles each time: give such a question as many seconds as
        the cut lasted, and some.
        """
        deadline = time.monotonic() + timeout
        token = secrets.token_bytes(TOKEN_BYTES)
        received = b""
        try:
            self._socket.settimeout(timeout)
            self._socket.sendall(token)
            # Echoes of earlier tokens, held up while the connection was cut, may come first.
            while token not in received:
                self._socket.settimeout(_left(deadline))
                chunk = self._socket.recv(RECEIVE_BYTES)
                if not chunk:
                    return False
                received += chunk
        except OSError as error:
            return _false_if_refused(error)
        return True

    def close(self) -> None:
        """Close it; harmless when it is closed already."""
        self._socket.close()


def open_connection(
    namespace: Namespace, address: str, port: int, family: Family, timeout: float = TIMEOUT
) -> Connection:
    """Connect from the namespace to an echo server.

    Raises OSError: TimeoutError for silence, ConnectionRefusedError and others for a refusal.
    """
    connecting = _open(namespace, family, socket.SOCK_STREAM)
    try:
        connecting.settimeout(timeout)
        connecting.connect((address, port))
    except OSError:
        connecting.close()
        raise
    return Connection(connecting)


def connects(
    namespace: Namespace, address: str, port: int, family: Family, timeout: float = TIMEOUT
) -> bool:
    """Whether TCP connects and echoes; either part may take `timeout` seconds."""
    try:
        with open_connection(namespace, address, port, family, timeout) as connection:
            return connection.alive(timeout)
    except OSError as error:
        return _false_if_refused(error)


def exchanges_udp(
    namespace: Namespace, address: str, port: int, family: Family, timeout: float = TIMEOUT
) -> bool:
    """Whether one datagram is echoed within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    token = secrets.token_bytes(TOKEN_BYTES)
    with _open(namespace, family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, port))
            probe.send(token)
            received = b""
            while received != token:
                probe.settimeout(_left(deadline))
                received = probe.recv(RECEIVE_BYTES)
        except OSError as error:
            return _false_if_refused(error)
    return True


def pings(namespace: Namespace, address: str, family: Family, timeout: float = TIMEOUT) -> bool:
    """Whether one ICMP echo request is answered within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    protocol = socket.IPPROTO_ICMP if family == 4 else socket.IPPROTO_ICMPV6
    request, reply = ICMP_REQUEST_AND_REPLY[family]
    identity_and_token = os.urandom(4 + TOKEN_BYTES)  # identifier, sequence number, data
    with _open(namespace, family, socket.SOCK_RAW, protocol) as probe:
        try:
            probe.sendto(_icmp_packet(request, identity_and_token), (address, 0))
            while True:
                probe.settimeout(_left(deadline))
                # A raw socket hears all ICMP of the namespace, the own request on loopback too.
                packet = probe.recv(RECEIVE_BYTES)
                # An IPv4 raw socket gives the IP header as well; its length is counted in words.
                message = packet[(packet[0] & 0x0F) * 4 :] if family == 4 else packet
                if message[0] == reply and message[4:] == identity_and_token:
                    return True
        except OSError as error:
            return _false_if_refused(error)


def tcp_answer(
    namespace: Namespace, address: str, port: int, family: Family, timeout: float = TIMEOUT
) -> Answer:
    """What a new TCP connection is answered; "prohibited" is ICMP's word for a firewall's no."""
    try:
        with open_connection(namespace, address, port, family, timeout) as connection:
            return "echo" if connection.alive(timeout) else "silence"
    except OSError as error:
        return _answer_of(error)


def udp_answer(
    namespace: Namespace, address: str, port: int, family: Family, timeout: float = TIMEOUT
) -> Answer:
    """What a datagram is answered."""
    with _open(namespace, family, socket.SOCK_DGRAM) as probe:
        probe.settimeout(timeout)
        try:
            probe.connect((address, port))
            probe.send(secrets.token_bytes(TOKEN_BYTES))
            probe.recv(RECEIVE_BYTES)
        except OSError as error:
            return _answer_of(error)
    return "echo"


def ping_answer(
    namespace: Namespace, address: str, family: Family, timeout: float = TIMEOUT
) -> Answer:
    """What an ICMP echo request is answered. A raw socket is told of no error: it hears it."""
    deadline = time.monotonic() + timeout
    protocol = socket.IPPROTO_ICMP if family == 4 else socket.IPPROTO_ICMPV6
    request, reply = ICMP_REQUEST_AND_REPLY[family]
    identity_and_token = os.urandom(4 + TOKEN_BYTES)
    with _open(namespace, family, socket.SOCK_RAW, protocol) as probe:
        probe.sendto(_icmp_packet(request, identity_and_token), (address, 0))
        while (left := deadline - time.monotonic()) > 0:
            probe.settimeout(left)
            try:
                packet = probe.recv(RECEIVE_BYTES)
            except TimeoutError:
                break
            message = packet[(packet[0] & 0x0F) * 4 :] if family == 4 else packet
            if identity_and_token not in message:
                continue
            if (message[0], message[1]) == ICMP_PROHIBITED[family]:
                return "prohibited"
            if message[0] == reply:
                return "echo"
    return "silence"


def _answer_of(error: OSError) -> Answer:
    if isinstance(error, TimeoutError):
        return "silence"
    if isinstance(error, ConnectionRefusedError | ConnectionResetError):
        return "reset"
    if error.errno in (errno.EHOSTUNREACH, errno.EACCES):  # for ICMP; for ICMPv6
        return "prohibited"
    raise error


def _open(namespace: Namespace, family: Family, kind: int, protocol: int = 0) -> socket.socket:
    return namespace.call(lambda: socket.socket(FAMILIES[family], kind, protocol))


def _left(deadline: float) -> float:
    """The seconds left until the deadline; TimeoutError when there are none."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError(errno.ETIMEDOUT, "no answer before the deadline")
    return left


def _false_if_refused(error: OSError) -> Literal[False]:
    """False for silence and for what a firewall refuses with; raises every other error."""
    if isinstance(error, TimeoutError | ConnectionError) or error.errno in REFUSALS:
        return False
    raise error


def _icmp_packet(kind: int, rest: bytes) -> bytes:
    """An ICMP message of code 0. The kernel replaces the checksum for ICMPv6, but not for ICMP."""
    unsigned = struct.pack("!BBH", kind, 0, 0) + rest
    return struct.pack("!BBH", kind, 0, _internet_checksum(unsigned)) + rest


def _internet_checksum(data: bytes) -> int:
    """The checksum of RFC 1071 over an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
