"""Step 6 of a pass: each firewall in use is made to hold what the store says, and no more.

A firewall is known by its label: an action, and the ports that it shuts if not all. Of each the
store keeps how it looked when it was last left (``Sight``). While it looks the same, only hosts
whose bans have changed since are told to it. When it does not, when what it is to hold follows
from other settings than before, and once an hour in any case, all of it is compared.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from fw_guard import evidence, firewall
from fw_guard.faults import FaultsError
from fw_guard.firewall import FirewallError, MissingToolError, Sight
from fw_guard.guarding import Guarded
from fw_guard.text import count
from fw_guard.wanting import Wanting, prolong

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fw_guard.config import Config
    from fw_guard.firewall import Generation
    from fw_guard.guarding import Known
    from fw_guard.planning import Plan
    from fw_guard.processes import Run
    from fw_guard.safety import Protection
    from fw_guard.store import Store
    from fw_guard.templates import Command

Trouble = tuple[int, str]
SET_UP = "set up"
APPLIED = "applied"
MEANS = "means"
COMPARED_EVERY = 3_600
# So many members are listed no more often than that because others have changed their own rules.
MANY = 5_000
SUSPECTED_EVERY = 600
# A kernel ends a ban so many seconds later than it was told to, at most: it was told that late.
LATE = 5


def apply(
    config: Config,
    store: Store,
    protection: Protection,
    now: int,
    *,
    dry_run: bool,
    say: Callable[[str], object],
    run: Run = firewall.run_command,
    generation: Generation = evidence.generation,
) -> list[Trouble]:
    """Make every firewall in use hold the bans in force; give the troubles as (exit code, text).

    A dry run says the commands and runs only those that ask. One firewall's refusal does not keep
    another from being mended. While a configuration has faults in its defaults, what the firewalls
    hold stays as it is.
    """

    def run_or_say(argv: Sequence[str], stdin: str) -> firewall.Result:
        if argv:
            return run(argv, stdin)
        say(stdin)
        return firewall.Result(0, "", "")

    if not config.sound:
        return []
    applied = int(store.note(APPLIED) or 0)
    wanting = Wanting(config, store, protection, now, applied)
    earlier = frozenset(store.note(SET_UP).split())
    is_new = store.note(MEANS) != wanting.means
    if is_new:
        wanting.relabel(earlier)
    labels = wanting.labels(earlier)
    moved: dict[str, str] = {}
    every = {
        label: Guarded(config, store, label, now, run_or_say, generation, moved)
        for label in sorted(earlier | labels)
    }
    used = [label for label in sorted(labels) if label in earlier or wanting.has(label, is_new)]
    # What is no longer used goes when the others hold what they should, and not before.
    gone = sorted(earlier - labels) if not config.faults else []
    if dry_run:
        told = [rehearse(every[label], wanting, say) for label in used]
        told += [rehearse(every[label], None, say) for label in gone]
        return [trouble for some in told for trouble in some]
    troubles = [trouble for label in used for trouble in hold(every[label], wanting, earlier)]
    is_refused = any(every[label].refused for label in used)
    for label in gone:
        troubles += thin_out(every[label]) if is_refused else let_go(every[label])
        for other in used if not is_refused else ():
            every[other].forget()  # its furniture may have been the same, or stood beside it
            troubles += hold(every[other], wanting, earlier)
    for guarded in every.values() if moved else ():
        if (known := guarded.known()) is not None:
            guarded.learn(*known)
    unheard = [label for label in used if label not in store.note(SET_UP).split()]
    has_news = bool(wanting.changed) or is_new
    if has_news or not applied <= now < applied + COMPARED_EVERY:
        store.clean()
        store.set_note(APPLIED, str(now))
        store.set_note(MEANS, "" if unheard else wanting.means)  # else they are asked for anew
    store.commit()
    return troubles


def hold(guarded: Guarded, wanting: Wanting, earlier: frozenset[str]) -> list[Trouble]:
    """Make one firewall hold what it should; one that was not in use ``earlier`` is from now on.

    A pass that is killed after that must not forget its furniture. It is in use no longer when its
    tool is not there.
    """
    is_new = guarded.label not in earlier
    if is_new:
        use(guarded, is_used=True)
        guarded.store.commit()
    try:
        return mend(guarded, wanting, is_new=is_new)
    except FaultsError as error:
        guarded.refuse()
        return [(error.status, str(error))]
    except FirewallError as error:
        if is_new and isinstance(error, MissingToolError):
            use(guarded, is_used=False)
        guarded.refuse()
        return [(error.status, f"{guarded.label}: {error}")]


def let_go(guarded: Guarded) -> list[Trouble]:
    """Take away the furniture of a firewall that is in use no longer.

    Its tool may only be missing for a moment; what it put in place is there still.
    """
    try:
        guarded.take_away()
    except MissingToolError:
        return []
    except FaultsError as error:
        return [(error.status, str(error))]
    except FirewallError as error:
        return [(error.status, f"{guarded.label}: {error}")]
    use(guarded, is_used=False)
    guarded.store.set_note(f"options {guarded.label}", "")
    return []


def thin_out(guarded: Guarded) -> list[Trouble]:
    """Lift the bans that are over in a firewall that is to go, but not yet."""
    try:
        told = guarded.told()
        wanted: dict[str, int | None] = {}
        for ban in guarded.store.bans_now(told, guarded.now):
            prolong(wanted, ban)
        if wanted.keys() == told.keys():
            return []
        outcome = firewall.reconcile(
            guarded.action, wanted, guarded.now, told=told, brace=guarded.brace, run=guarded.run
        )
    except FaultsError as error:
        return [(error.status, str(error))]
    except FirewallError as error:
        return [(error.status, f"{guarded.label}: {error}")]
    guarded.store.untell(guarded.label, told.keys() - outcome.plan.held)
    return []


def rehearse(
    guarded: Guarded, wanting: Wanting | None, say: Callable[[str], object]
) -> list[Trouble]:
    """Say what would be done to one firewall, whatever is wrong with it."""
    try:
        return dry(guarded, wanting, say)
    except FaultsError as error:
        return [(error.status, str(error))]
    except FirewallError as error:
        return [(error.status, f"{guarded.label}: {error}")]


def use(guarded: Guarded, *, is_used: bool) -> None:
    """Keep whether a firewall is in use."""
    labels = {*guarded.store.note(SET_UP).split()} - {guarded.label}
    if is_used:
        labels.add(guarded.label)
    guarded.store.set_note(SET_UP, " ".join(sorted(labels)))


def mind_the_clock(store: Store, now: int) -> None:
    """Trust nothing of the firewalls when the clock was set back since the last pass.

    They end bans by a clock of their own, which was not.
    """
    if max(int(store.note(key) or 0) for key in ("pass", APPLIED)) > now:
        for label in store.note(SET_UP).split():
            store.set_note(f"sight {label}", "")
        store.set_note(MEANS, "")
        store.doubt()


def mend(guarded: Guarded, wanting: Wanting, *, is_new: bool) -> list[Trouble]:
    """Make one firewall hold what it should; say whom it could not take."""
    means = guarded.means(wanting)
    known = guarded.known()
    every = SUSPECTED_EVERY if guarded.is_suspect else COMPARED_EVERY
    is_fresh = known is not None and known.compared <= guarded.now < known.compared + every
    if known is not None and is_fresh and known.means == means:
        left = known.sight
        seen = look(guarded, left.text)
        if seen is not None and seen.text == left.text and is_expected(guarded, left, seen):
            return adjust(guarded, wanting, left, known)
        if seen is not None and is_let_be(guarded, known, seen):
            guarded.suspect(is_suspect=True)
            return adjust(guarded, wanting, seen, known)
    if not is_new and guarded.is_changed:
        guarded.take_away()  # what other options put there
    return compare(guarded, wanting, means)


def is_let_be(guarded: Guarded, known: Known, seen: Sight) -> bool:
    """Say whether somebody has changed rules, but none of our furniture, and of late enough.

    Where others change rules all the time, to list many members every time would cost too much.
    """
    same_place = seen.text.rpartition(" ")[0] == known.sight.text.rpartition(" ")[0]
    return (
        is_counted(seen.text)
        and same_place
        and guarded.now < known.compared + SUSPECTED_EVERY
        and guarded.store.members(guarded.label, guarded.now) > MANY
        and not firewall.fails_a_check(guarded.action, firewall.once(guarded.run))
    )


def is_expected(guarded: Guarded, left: Sight, seen: Sight) -> bool:
    """Say whether a firewall has as many members as it should; some may end at this moment."""
    if left.members is None or seen.members is None:
        return left.members is seen.members
    ending = guarded.store.ending(guarded.label, guarded.now + LATE)
    return left.members - ending <= seen.members <= left.members


def is_counted(text: str) -> bool:
    """Say whether evidence is the kernel's own count of changes."""
    return text.partition(" ")[0] in evidence.KINDS


def look(guarded: Guarded, text: str) -> Sight | None:
    """Look at a firewall as cheaply as can be: of a generation not even its action is read."""
    if is_counted(text):
        return firewall.counted(text.partition(" ")[0], guarded.generation)
    return firewall.sight(guarded.action, guarded.run, guarded.generation)


def adjust(guarded: Guarded, wanting: Wanting, left: Sight, known: Known) -> list[Trouble]:
    """Tell a firewall that is as it was ``left`` whose bans have changed since.

    Also those that it would end by itself too early, and those that it may have ended by now: its
    clock need not be ours.
    """
    label, store = guarded.label, guarded.store
    guarded.learn(left, known.compared, known.means)
    hosts = wanting.changed.union(store.expiring(label, guarded.now + firewall.RENEWED_BEFORE))
    if not hosts:
        return []
    wanted = wanting.some(label, hosts)
    told = guarded.told(hosts)
    if not wanted and not told:
        return []
    action = guarded.believed if is_counted(left.text) else guarded.action
    is_slow = action.empties and firewall.is_slow((*wanted, *told))
    if action.most or action.rewrite or is_slow:  # what one address does may move another
        return compare(guarded, wanting, known.means)
    outcome = firewall.adjust(
        action,
        wanted,
        told,
        guarded.now,
        left,
        brace=guarded.brace,
        run=guarded.run,
        generation=guarded.generation,
    )
    guarded.move(outcome)
    plan, seen = outcome.plan, outcome.sight
    store.tell(label, plan.tell)
    store.untell(label, plan.unban)
    if left.members is not None:
        left = Sight(left.text, left.members + len(plan.ban) - len(plan.unban))
    if seen is not None and left.members is not None:
        seen = Sight(seen.text, left.members) if is_expected(guarded, left, seen) else None
    guarded.learn(seen, known.compared, known.means)
    return left_out(label, plan)


def compare(guarded: Guarded, wanting: Wanting, means: str) -> list[Trouble]:
    """Compare a firewall with all that it should hold, and write the difference."""
    label, store, action = guarded.label, guarded.store, guarded.action
    wanted = wanting.whole(label)
    told = guarded.told()
    outcome = firewall.reconcile(
        action,
        wanted,
        guarded.now,
        told=told,
        brace=guarded.brace,
        run=guarded.run,
        generation=guarded.generation,
    )
    guarded.move(outcome)
    held = outcome.plan.held
    store.untell(label, store.told(label).keys() - held)
    store.tell(label, outcome.plan.tell)
    seen = outcome.sight
    if seen is not None and seen.members is not None and seen.members <= len(held):
        # More than that would be members which the listing passes over, such as an exception.
        whole = Sight(seen.text, len(held))
        seen = whole if is_expected(guarded, whole, seen) else None
    guarded.learn(seen, guarded.now, means)
    guarded.suspect(is_suspect=False)
    store.set_note(f"options {label}", guarded.options)
    return left_out(label, outcome.plan)


def left_out(label: str, plan: Plan) -> list[Trouble]:
    """Say whom a firewall could not take."""
    if not plan.left_out:
        return []
    address, reason = plan.left_out[0]
    more = f", and {count(len(plan.left_out) - 1, 'more')}" if plan.left_out[1:] else ""
    return [(os.EX_UNAVAILABLE, f"{label}: {address} cannot be banned{more}: it {reason}")]


def dry(guarded: Guarded, wanting: Wanting | None, say: Callable[[str], object]) -> list[Trouble]:
    """Say the commands that would be run, also those of a tool that is not there.

    Without ``wanting`` the firewall is no longer in use.
    """
    refusals: list[Trouble] = []

    def ask(argv: Sequence[str], stdin: str) -> firewall.Result:
        try:
            return guarded.run(argv, stdin)
        except FirewallError as error:
            refusals.append((os.EX_UNAVAILABLE, f"{guarded.label}: {error}"))
            return firewall.Result(os.EX_UNAVAILABLE, "", str(error))

    def ask_nobody(_argv: Sequence[str], _stdin: str) -> firewall.Result:
        return firewall.Result(os.EX_UNAVAILABLE, "", "")  # as it will be once all is taken away

    action, label = guarded.action, guarded.label
    is_made_anew = label in guarded.store.note(SET_UP).split() and guarded.is_changed
    commands = []
    if wanting is None or is_made_anew:
        commands += [step.command for step in action.teardown]
    if wanting is not None:
        wanted = wanting.whole(label)
        told = {} if is_made_anew else guarded.told()
        run = ask_nobody if is_made_anew else ask
        commands += firewall.intended(action, wanted, guarded.now, told=told, run=run)
    for command in commands:
        say(written(command))
    return refusals[:1]


def written(command: Command) -> str:
    """Give a command as a dry run says it: its words, then its standard input."""
    return f"{firewall.shown(command.argv)}\n{command.stdin}" if command.argv else command.stdin
