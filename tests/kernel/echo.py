"""A TCP and UDP echo server for one port, on IPv4 and IPv6, served by a thread of the tests.

Its sockets are opened, bound and listening before `EchoServer` exists, so a client never has to
wait for it.
"""

import contextlib
import selectors
import socket
import threading
from types import TracebackType
from typing import Self

CHUNK = 65536  # bytes; no probe sends more in one piece


def echo_sockets(port: int) -> list[socket.socket]:
    """Open the four sockets of an echo server, in the network namespace of the calling thread.

    Raises OSError when the port is taken.
    """
    with contextlib.ExitStack() as opened:
        sockets = []
        for family, anywhere in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                each = opened.enter_context(socket.socket(family, kind))
                each.setblocking(False)
                if kind == socket.SOCK_STREAM:
                    # A port whose last connections still linger may be listened on again.
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    each.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                each.bind((anywhere, port))
                if kind == socket.SOCK_STREAM:
                    each.listen()
                sockets.append(each)
        opened.pop_all()
    return sockets


class EchoServer:
    """Sends back what arrives on the sockets of `echo_sockets`, which it owns; context manager."""

    def __init__(self, sockets: list[socket.socket]) -> None:
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ)
        for each in sockets:
            self._selector.register(each, selectors.EVENT_READ)
        self._listening = frozenset(each for each in sockets if each.type == socket.SOCK_STREAM)
        self._thread = threading.Thread(target=self._serve, name="echo server", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop, and close the listening sockets and every accepted connection."""
        self._wake.close()
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
        self._selector.close()

    def _serve(self) -> None:
        while True:
            for key, _ in self._selector.select():
                ready = key.fileobj
                if ready is self._woken:
                    return
                if isinstance(ready, socket.socket):
                    self._answer(ready)

    def _answer(self, ready: socket.socket) -> None:
        # Rules of the firewall under test make any of these calls fail; the server outlives it.
        if ready in self._listening:
            with contextlib.suppress(OSError):
                accepted, _ = ready.accept()
                accepted.setblocking(False)
                self._selector.register(accepted, selectors.EVENT_READ)
        elif ready.type == socket.SOCK_DGRAM:
            with contextlib.suppress(OSError):
                ready.sendto(*ready.recvfrom(CHUNK))
        else:
            with contextlib.suppress(OSError):
                received = ready.recv(CHUNK)
                if received:
                    ready.sendall(received)
                    return
            self._selector.unregister(ready)
            ready.close()
