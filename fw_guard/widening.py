"""Networks are banned while enough of their hosts are; the pass and a person's hand both ask here.

A network's ban is one of the jail ``networks``, or ``networks/LABEL`` for a firewall that is not
the default one: of each firewall the hosts are counted apart. It follows from the bans of its
hosts: whenever one of these comes or goes, it is worked out anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fw_guard import addresses, folding
from fw_guard.folding import Member
from fw_guard.hits import NETWORKS
from fw_guard.networks import digest
from fw_guard.schema import Ban
from fw_guard.wanting import Labels, Sparing, is_of_networks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fw_guard.config import Config
    from fw_guard.folding import Fold, Folded
    from fw_guard.safety import Protection
    from fw_guard.store import Store

RULES = "networks"
MEANS = "networks follow"
LOGGED_IN = "an address in it logged in before"


class Widened:
    """What became of networks: those ``banned``, ``freed`` with the reason, ``held`` with it."""

    def __init__(self) -> None:
        """Start with none."""
        self.banned: list[Ban] = []
        self.freed: list[tuple[Ban, str]] = []
        self.held: list[tuple[str, str, str]] = []


def widen(config: Config, store: Store, protection: Protection, now: int) -> Widened:
    """Work out the bans of networks whose hosts' bans have changed since the last pass.

    When the owner has changed what they follow from, of all networks. While the configuration has
    faults, they stay as they are: a jail that is broken may know who is never to be banned. Nothing
    is committed.
    """
    widened = Widened()
    if config.faults or config.filter_faults:
        store.set_note(MEANS, "")  # all of them are worked out when it has none any more
        return widened
    rules = config.general.networks
    spelled = " ".join(map(str, rules))
    hosts = store.dirty() | store.ended_since_pass(now)
    means = follows(config)
    known: set[str] = set()
    if (means, spelled) != (store.note(MEANS), store.note(RULES)):
        hosts |= {ban.host for ban in store.bans(now)}
        known = {ban.host for ban in store.wide_bans(now) if is_of_networks(ban.jail)}
        store.set_note(MEANS, means)
    if spelled != store.note(RULES):
        for ban in store.wide_bans(now):
            if is_of_networks(ban.jail):
                end(store, ban, now)
                widened.freed.append((ban, "`networks` has changed"))
        store.set_note(RULES, spelled)
    if not rules:
        return widened
    networks = {
        (rule, network)
        for host in hosts
        for rule in rules
        if (network := folding.network_of(host, rule)) is not None
    }
    networks |= {
        (rule, network)
        for network in known.union(network for _, network in store.held_within(NETWORKS))
        for rule in rules
        if addresses.split(network)[1] == rule.length
    }
    for rule, network in sorted(networks):
        work_out(config, store, protection, rule, network, now, widened)
    return widened


def follows(config: Config) -> str:
    """Give what says, beside the rules, which networks are banned where: firewalls, exceptions."""
    labels = sorted(Labels(config).by_jail.items())
    ignored = digest((config.ignoreip, *(jail.ignoreip for jail in config.jails)))
    return f"{config.label} {labels} {ignored}"


def work_out(
    config: Config,
    store: Store,
    protection: Protection,
    rule: Fold,
    network: str,
    now: int,
    widened: Widened,
) -> None:
    """Ban one network, or change the end of its ban, or end it; in each firewall."""
    labels = Labels(config)
    within = store.bans_within(network, now)
    members: dict[str, list[Member]] = {}
    for ban in within:
        if not is_of_networks(ban.jail):
            members.setdefault(labels.of(ban), []).append(Member(ban.host, ban.since, ban.until))
    before = {ban.jail: ban for ban in within if ban.host == network and is_of_networks(ban.jail)}
    jails = {labels.jail_of_networks(label): label for label in members}
    held = {jail for jail, host in store.held_within(NETWORKS) if host == network}
    for jail in sorted({*jails, *before, *held}):
        label = jails.get(jail, "")
        after = store.pardoned(jail, network)
        folded = folding.fold(rule, members.get(label, ()), network, now, after)
        known = before.get(jail)
        if folded is None:
            if known is not None:
                end(store, known, now)
                widened.freed.append((known, "too few of its addresses are banned"))
            store.release(jail, network)
            continue
        if known is not None and known.until == folded.until:
            continue
        reason = refusal(config, store, protection, jail, network, now)
        if reason:
            store.hold(jail, network, now, reason)
            if jail not in held:
                widened.held.append((jail, network, reason))
            continue
        ban = ban_of(jail, folded, label, now if known is None else known.since)
        store.keep_ban(ban)
        if known is None:
            widened.banned.append(ban)


def ban_of(jail: str, folded: Folded, label: str, since: int) -> Ban:
    """Give the ban of a network."""
    return Ban(jail, folded.network, since, folded.until, folded.members, folded.reason, label)


def end(store: Store, ban: Ban, now: int) -> None:
    """Let the ban of a network end now; unlike a person's unban it may be made again."""
    store.end_bans(ban.host, now, ban.jail)


def refusal(
    config: Config, store: Store, protection: Protection, jail: str, network: str, now: int
) -> str:
    """Say why a network may not be banned, empty when it may."""
    reason = Sparing(config, protection).reason(jail, network)
    if reason:
        return reason
    return LOGGED_IN if any(logins_in(config, store, network, now)) else ""


def logins_in(config: Config, store: Store, network: str, now: int) -> Iterator[str]:
    """Give the hosts inside a network, or around it, that logged in of late."""
    wide = addresses.split(network)
    for host in logged_in(config, store, now):
        if addresses.overlap(addresses.split(host), wide):
            yield host


def logged_in(config: Config, store: Store, now: int) -> list[str]:
    """Give the hosts that logged in so lately that it holds bans back."""
    logintime = max((jail.logintime for jail in config.jails), default=0)
    return store.logged_in(now - logintime) if logintime else []
