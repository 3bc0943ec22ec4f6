"""Step 6 of a pass: each firewall in use is made to hold what the store says, and no more."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from fw_guard import firewall, places
from fw_guard.faults import FaultsError
from fw_guard.firewall import FirewallError, MissingToolError
from fw_guard.text import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from fw_guard.config import Config
    from fw_guard.safety import Protection
    from fw_guard.store import Store
    from fw_guard.templates import Action

Trouble = tuple[int, str]
Wanted = dict[str, int | None]
SET_UP = "set up"
CHANGED = "changed"


def apply(
    config: Config,
    store: Store,
    protection: Protection,
    now: int,
    *,
    dry_run: bool,
    say: Callable[[str], object],
    run: firewall.Run = firewall.run_command,
) -> list[Trouble]:
    """Make every action in use hold the bans in force; give the troubles as (exit code, text).

    Whose ban has changed is known from ``remember``. A dry run says the commands and runs only
    those that ask. One firewall's refusal does not keep another from being mended. While a
    configuration has faults in its defaults, what the firewalls hold stays as it is.
    """

    def run_or_say(argv: Sequence[str], stdin: str) -> firewall.Result:
        if argv:
            return run(argv, stdin)
        say(stdin)
        return firewall.Result(0, "", "")

    if not config.sound:
        return []
    changed = frozenset(store.note(CHANGED).split())
    wanted = wanted_sets(config, store, protection, now)
    earlier = set(store.note(SET_UP).split())
    in_use = set(earlier)
    troubles: list[Trouble] = []
    for name in sorted({*wanted, *earlier}):
        members = wanted.get(name)
        if (not members and name not in earlier) or (members is None and config.faults):
            continue
        try:
            action = load(config, name)
            if dry_run:
                troubles += dry(
                    action, store, name, members, now, changed=changed, say=say, run=run_or_say
                )
            elif members is None:
                firewall.teardown(action, run_or_say)
                store.tell(name, {})
                in_use.discard(name)
            else:
                in_use.add(name)
                troubles += mend(action, store, name, members, now, changed=changed, run=run_or_say)
        except FaultsError as error:
            troubles.append((error.status, str(error)))
        except MissingToolError as error:
            # It may only be missing for a moment; what it put in place is there still.
            if name not in earlier:
                in_use.discard(name)
            if members is not None:
                troubles.append((error.status, f"{name}: {error}"))
        except FirewallError as error:
            troubles.append((error.status, f"{name}: {error}"))
    if not dry_run:
        store.set_note(SET_UP, " ".join(sorted(in_use)))
        store.set_note(CHANGED, " ".join(sorted(changed)) if troubles else "")
        store.commit()
    return troubles


def remember(store: Store, changed: Iterable[str]) -> None:
    """Keep whose ban has changed, with the change itself, until the firewall has been told."""
    store.set_note(CHANGED, " ".join(sorted({*store.note(CHANGED).split(), *changed})))


def wanted_sets(
    config: Config, store: Store, protection: Protection, now: int
) -> dict[str, Wanted]:
    """Give, for each action in use, whom it must ban and until when; the longest ban counts.

    A ban of a jail that is gone, or broken for the moment, stays with the action that made it.
    Whoever is protected is left out here once more, whatever the store says.
    """
    actions_of = {jail.name: jail.action for jail in config.jails}
    ignored_by = {jail.name: jail.ignoreip for jail in config.jails}
    sets: dict[str, Wanted] = {name: {} for name in {config.action, *actions_of.values()}}
    for ban in store.bans(now):
        if protection.reason(ban.host, ignored_by.get(ban.jail, ())):
            continue
        name = actions_of.get(ban.jail) or ban.action or config.action
        members = sets.setdefault(name, {})
        known = members.get(ban.host, 0)
        members[ban.host] = None if known is None or ban.until is None else max(known, ban.until)
    return sets


def load(config: Config, name: str) -> Action:
    """Read an action: the owner's, else the shipped one of that name."""
    from fw_guard import actions  # pyparsing comes with it: a pass without bans does without both

    try:
        path, ships = places.find("actions", name, config.directory)
    except FileNotFoundError as error:
        said = f"{error.filename} is gone; put it back until it has taken its furniture away"
        raise FirewallError(f"there is no action {name!r}: {said}") from None
    return actions.load(path, trusted=ships)


def mend(
    action: Action,
    store: Store,
    name: str,
    wanted: Wanted,
    now: int,
    *,
    changed: frozenset[str],
    run: firewall.Run,
) -> list[Trouble]:
    """Make one firewall hold ``wanted``; say whom it could not take."""
    actual = None if action.listings else store.told(name)
    outcome = firewall.reconcile(action, wanted, now, changed=changed, actual=actual, run=run)
    if not action.listings:
        left_out = {address for address, _ in outcome.left_out}
        held = firewall.uncovered(wanted)
        store.tell(name, {host: until for host, until in held.items() if host not in left_out})
    if not outcome.left_out:
        return []
    address, reason = outcome.left_out[0]
    more = f", and {count(len(outcome.left_out) - 1, 'more')}" if outcome.left_out[1:] else ""
    return [(os.EX_UNAVAILABLE, f"{name}: {address} cannot be banned{more}: it {reason}")]


def dry(
    action: Action,
    store: Store,
    name: str,
    wanted: Wanted | None,
    now: int,
    *,
    changed: frozenset[str],
    say: Callable[[str], object],
    run: firewall.Run,
) -> list[Trouble]:
    """Say the commands that would be run, also those of a tool that is not there."""
    refusals: list[Trouble] = []

    def ask(argv: Sequence[str], stdin: str) -> firewall.Result:
        try:
            return run(argv, stdin)
        except FirewallError as error:
            refusals.append((os.EX_UNAVAILABLE, f"{name}: {error}"))
            return firewall.Result(os.EX_UNAVAILABLE, "", str(error))

    if wanted is None:
        commands = [step.command for step in action.teardown]
    else:
        actual = None if action.listings else store.told(name)
        commands = firewall.intended(action, wanted, now, changed=changed, actual=actual, run=ask)
    for command in commands:
        say(f"{firewall.shown(command.argv)}\n{command.stdin}" if command.argv else command.stdin)
    return refusals[:1]
