"""Folding: when enough hosts of one network are banned, the network is. Pure, as the engine is.

A network is banned while at least so many of its hosts are, and no longer: its ban ends with the
ban that leaves too few of them. What is counted is a host, however many jails have banned it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fw_guard import addresses

if TYPE_CHECKING:
    from collections.abc import Iterable

LENGTHS = {4: range(16, 32), 6: range(32, 64)}
FAMILIES = {4: 4, 16: 6}  # by the bytes of an address
NEVER = float("inf")
MOST_DIGITS = 12
EXPECTED = "expected such as '10 in /24' or '5 in /48'"


class Fold(NamedTuple):
    """A rule: so many banned hosts in a network of that length ban the network.

    A length from 16 to 31 is one of IPv4, from 32 to 63 of IPv6.
    """

    least: int
    length: int

    @property
    def family(self) -> int:
        """Give 4 or 6."""
        return 4 if self.length in LENGTHS[4] else 6

    def __str__(self) -> str:
        """Give the rule as it is written: ``10 in /24``."""
        return f"{self.least} in /{self.length}"


class Member(NamedTuple):
    """A ban of a host, or of the network that stands for one (``2001:db8:1:2::/64``).

    ``since`` and ``until`` are epoch seconds; until None is for good.
    """

    host: str
    since: int
    until: int | None


class Folded(NamedTuple):
    """A network that is banned: from, until (None for good), how many of its hosts are, and why."""

    network: str
    since: int
    until: int | None
    members: int
    reason: str


def parse(text: str) -> Fold:
    """Read a rule such as ``10 in /24``; raise ValueError that says what is wrong."""
    words = text.split()
    if len(words) != 3 or words[1] != "in" or not words[2].startswith("/"):
        raise ValueError(f"{text!r} is no rule for networks; {EXPECTED}")
    count, length = _number(words[0]), _number(words[2][1:])
    if count is None or length is None:
        raise ValueError(f"{text!r} is no rule for networks; {EXPECTED}")
    if length not in LENGTHS[4] and length not in LENGTHS[6]:
        raise ValueError(
            f"{text!r} has a length that is neither from 16 to 31 (IPv4) nor from 32 to 63 (IPv6); "
            f"{EXPECTED}"
        )
    if count < 2:
        raise ValueError(f"{text!r} asks for fewer than 2 addresses; {EXPECTED}")
    if length in LENGTHS[4] and count > (most := 2 ** (32 - length)):
        raise ValueError(f"{text!r} asks for more than the {most} of a /{length}; {EXPECTED}")
    return Fold(count, length)


def _number(text: str) -> int | None:
    """Give what ASCII digits say, as far as anybody means it."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS else None


def network_of(host: str, rule: Fold) -> str | None:
    """Give the canonical network that a banned host belongs to under a rule, or None.

    What is of the other family, or no smaller than the rule's networks, belongs to none; nor does
    an IPv4 host behind a translator (RFC 6052): every IPv4 host there is shares that prefix. Raises
    AddressError.
    """
    value, length = addresses.split(host)
    if FAMILIES[len(value)] != rule.family or length <= rule.length:
        return None
    if value.startswith(addresses.TRANSLATED):
        return None
    return addresses.network(value, rule.length)


def networks_of(host: str, rules: Iterable[Fold]) -> list[str]:
    """Give the networks that a banned host belongs to, each once, in the order of the rules."""
    found = (network_of(host, rule) for rule in rules)
    return list(dict.fromkeys(network for network in found if network is not None))


def fold(
    rule: Fold, members: Iterable[Member], network: str, now: int, after: int | None
) -> Folded | None:
    """Say that ``network`` (canonical) is banned at ``now``, since and until when; None if not.

    ``members`` are bans of hosts, in any order; those that are over, yet to come, or of no host of
    the network are passed over. ``after`` is when a person unbanned the network: a ban that began
    then or before counts for nothing more. It begins when so many of the present members were
    banned, and ends when fewer are left; should other bans come or go, ask again.
    """
    since: dict[str, int] = {}
    until: dict[str, float] = {}
    for member in members:
        end = NEVER if member.until is None else member.until
        counts = member.since <= now < end and (after is None or member.since > after)
        if counts and network_of(member.host, rule) == network:
            since[member.host] = min(member.since, since.get(member.host, member.since))
            until[member.host] = max(end, until.get(member.host, end))
    if len(until) < rule.least:
        return None
    begin = sorted(since.values())[rule.least - 1]
    end = sorted(until.values(), reverse=True)[rule.least - 1]
    kind = "networks" if any("/" in host for host in until) else "addresses"
    reason = f"{len(until)} of its {kind} are banned, limit {rule}"
    return Folded(network, begin, None if end == NEVER else int(end), len(until), reason)
