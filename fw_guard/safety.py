"""Who is never banned: this machine and what it needs, whoever is logged in, whom the owner names.

Judged when a ban is due and again when it is applied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fw_guard import addresses
from fw_guard.networks import Networks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fw_guard.addresses import Network

LOOPBACK = ("127.0.0.0/8", "::1")
NO_HOST = ("0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::", "ff00::/8")
IGNORED = "in ignoreip"


class Protection:
    """The networks that are never banned."""

    def __init__(
        self,
        guarded: Callable[[], Iterable[tuple[Network, str]]],
        ignored: tuple[Network, ...] = (),
    ) -> None:
        """Guard loopback, what is no host, and the ``ignored`` networks beside ``guarded``.

        ``guarded`` gives (network, reason), what matters most first. It is called when somebody is
        first asked about: a pass that bans nobody need not find out.
        """
        self._find = guarded
        self._guarded: Networks | None = None
        self._ignored = ignored
        self._lookups: dict[int, tuple[tuple[Network, ...], Networks]] = {}

    def reason(self, address: str, more: tuple[Network, ...] = ()) -> str:
        """Say why ``address``, or a network that shares one with it, may not be banned.

        ``more`` are the networks that a jail ignores, the common ones perhaps among them. The text
        is empty when it may. Raises what ``guarded`` raises.
        """
        network = addresses.split(address)
        if self._guarded is None:
            self._guarded = Networks(
                [
                    *((addresses.split(text), "loopback") for text in LOOPBACK),
                    *((addresses.split(text), "no single host's address") for text in NO_HOST),
                    *self._find(),
                ]
            )
        return (
            self._guarded.overlapping(network)
            or self._among(self._ignored).overlapping(network)
            or (self._among(more).overlapping(network) if more else None)
            or ""
        )

    def _among(self, networks: tuple[Network, ...]) -> Networks:
        """Give a way to look through a tuple of networks, made once for each.

        It is known again by its identity: to compare ten thousand networks at every question would
        cost more than to look through them. Those of a jail begin with the common ones, which are
        looked through already.
        """
        known = self._lookups.get(id(networks))
        if known is None:
            common = len(self._ignored)
            is_more = networks is not self._ignored and networks[:common] == self._ignored
            own = networks[common:] if is_more else networks
            known = networks, Networks((network, IGNORED) for network in own)
            self._lookups[id(networks)] = known
        return known[1]
