"""What a firewall is to hold and what it holds become what has to change. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fw_guard import addresses, templates
from fw_guard.schema import UNSURE, Told

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fw_guard.templates import Action, Command

V4_COMPATIBLE = addresses.split("::/96")
# A ban that the firewall would end too soon is renewed so many seconds before that.
RENEWED_BEFORE = 600
# Of more networks than these it is quicker to begin anew than to let each in again: in nftables
# each costs the more the more there are.
REBUILT_ABOVE = 100


class Plan(NamedTuple):
    """What has to change, and how.

    ``left_out`` are wanted addresses that the firewall cannot take, each with the reason. When the
    ``commands`` are done, ``tell`` is what it has been told, as far as that is news, and ``held``
    are those of the wanted addresses that it holds.
    """

    ban: tuple[str, ...]
    renew: tuple[str, ...]
    unban: tuple[str, ...]
    commands: tuple[Command, ...]
    left_out: tuple[tuple[str, str], ...]
    tell: Mapping[str, Told]
    held: frozenset[str]


def planned(
    action: Action,
    wanted: Mapping[str, int | None],
    actual: Mapping[str, Told | None],
    now: int,
    *,
    whole: bool = True,
) -> Plan:
    """Give what turns the ``actual`` set into the wanted one (address -> epoch seconds, or None).

    ``actual`` says of each address what the firewall was told of it, None when that is not known,
    and UNSURE when it is not known either whether it heard: then it is told again.
    A ban that is over is not wanted, nor is one inside a wanted network. Of more than the firewall
    takes, those that end last are kept. If these sets are the ``whole`` of it, the furniture may be
    set up anew, where that empties it. Raises AddressError.
    """
    current = {address: until for address, until in wanted.items() if until is None or until > now}
    left_out = _unfit(action, (a for a in current if a not in actual or a.endswith("/0")))
    takes = uncovered({a: until for a, until in current.items() if a not in left_out}, now)
    for address in _beyond(action, takes):
        left_out[address] = f"is one more than the {action.most} that the action takes"
        left_out[address] += f"; {action.beyond}" if action.beyond else ""
        del takes[address]
    held = {address for address, told in actual.items() if told != UNSURE}
    keeps_time, classes = action.keeps_time, action.classes
    ban = in_order(takes.keys() - held)
    renew = in_order(
        address
        for address in takes.keys() & held
        if keeps_time and is_outdated(actual[address], takes[address], now)
    )
    unban = in_order(
        address
        for address in actual.keys() - takes.keys()
        if templates.subject(address).kind in classes
    )
    commands: list[Command] = []
    if not (ban or renew or unban):
        pass
    elif whole and action.empties and is_slow((*renew, *unban)):
        ban, renew = in_order(takes), []
        commands = [step.command for step in action.setup]
        commands += templates.batch(action, "ban", {a: takes[a] for a in ban}, now)
    elif action.rewrite:
        commands = templates.batch(action, "ban", {a: takes[a] for a in in_order(takes)}, now)
    else:
        commands += templates.batch(action, "ban", {a: takes[a] for a in ban}, now)
        commands += templates.batch(action, "renew", {a: takes[a] for a in renew}, now)
        freed = templates.batch(action, "unban", dict.fromkeys(unban), now)
        # Hosts give way to their network when it is banned; networks must go before others come.
        commands = [*freed, *commands] if any(map(addresses.is_wide, unban)) else commands + freed
    reasons = tuple((address, left_out[address]) for address in in_order(left_out))
    news = {*ban, *renew, *(a for a in takes.keys() & held if actual[a] is None)}
    longest = action.max_seconds if keeps_time else None
    tell = {address: told_of(takes[address], now, longest) for address in news}
    return Plan(
        *(tuple(ban), tuple(renew), tuple(unban), tuple(commands), reasons, tell, frozenset(takes))
    )


def is_slow(changed: Iterable[str]) -> bool:
    """Say whether so many networks are to be let in, or banned anew, that it would take long."""
    return sum(map(addresses.is_wide, changed)) > REBUILT_ABOVE


def told_of(until: int | None, now: int, longest: int | None) -> Told:
    """Give what a firewall knows of an address when it is told now to ban it ``until`` then.

    ``longest`` is the longest time it can keep, in seconds (0: any), None when it keeps no time.
    """
    if until is None or longest is None:
        return Told(until, None)
    return Told(until, now + templates.seconds_left(until, now, longest))


def is_outdated(told: Told | None, until: int | None, now: int) -> bool:
    """Say whether the firewall has another end of a ban than ``until``, or ends it much sooner."""
    if told is None or told.until != until:
        return True
    soon = told.expires is not None and told.expires - now <= RENEWED_BEFORE
    return soon and (until is None or until > told.expires)  # type: ignore[operator]


def _unfit(action: Action, wanted: Iterable[str]) -> dict[str, str]:
    """Give those of the wanted addresses that no rule can be made of, each with the reason."""
    unfit = {}
    classes = action.classes
    for address in wanted:
        subject = templates.subject(address)
        if not subject.length:
            unfit[address] = "is every address there is"
        elif addresses.covers(V4_COMPATIBLE, addresses.split(address)):
            unfit[address] = "is of ::/96, which no peer's packet comes from"
        elif subject.kind not in classes:
            unfit[address] = f"is of the class {subject.kind}, which the action cannot ban"
    return unfit


def _beyond(action: Action, wanted: Mapping[str, int | None]) -> list[str]:
    """Give the addresses that are more than the action takes: those that end soonest."""
    if not action.most or len(wanted) <= action.most:
        return []
    ends = sorted((until is None, until or 0, address) for address, until in wanted.items())
    return [address for _, _, address in ends[: len(wanted) - action.most]]


def outlasts(around: int | None, host: str, until: int | None, now: int) -> bool:
    """Say whether a host need not be banned beside a network around it, banned until ``around``.

    It has to be before the network's ban ends, if its own goes on. But networks are not banned in
    each other: not every firewall can hold that.
    """
    if around is None or around > now + RENEWED_BEFORE or addresses.is_wide(host):
        return True
    return until is not None and until <= around


def uncovered(wanted: Mapping[str, int | None], now: int) -> dict[str, int | None]:
    """Give ``wanted`` without what a wider network of it shuts out as well, and long enough."""
    lengths = {(":" in address, address.partition("/")[2]) for address in wanted}
    if len(lengths) == len({is_ipv6 for is_ipv6, _ in lengths}):
        return dict(wanted)  # one length in each family: none can hold another, and none is parsed
    parts = {address: addresses.split(address) for address in wanted}
    networks = {network: wanted[address] for address, network in parts.items()}
    widths = {len(value): set[int]() for value, _ in networks}
    for value, length in networks:
        widths[len(value)].add(length)
    return {
        address: wanted[address]
        for address, (value, length) in parts.items()
        if not any(
            around in networks and outlasts(networks[around], address, wanted[address], now)
            for wider in widths[len(value)]
            if wider < length
            for around in ((addresses.masked(value, wider), wider),)
        )
    }


def in_order(texts: Iterable[str]) -> list[str]:
    """Give addresses as a person sorts them: IPv4 first, by number, a network before its hosts."""

    def key(text: str) -> tuple[bytes, int]:
        value, length = addresses.split(text)
        return addresses.sortable(value), length

    return sorted(texts, key=key)
