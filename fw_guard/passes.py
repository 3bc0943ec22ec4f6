"""The pass: the only room that knows the order of things.

1. the lock; 2. what each log gained; 3. its hits; 4. the engine's verdicts; 5. one transaction;
6. the firewall made equal to what the store says. Nothing but step 6 touches the firewall, nothing
but step 5 writes state.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from fw_guard import applying, engine, evidence, firewall
from fw_guard.answers import ban_answer
from fw_guard.errors import GuardError
from fw_guard.freeing import free_logged_in, free_protected
from fw_guard.gathering import Gathered, gather
from fw_guard.hits import BRAKED
from fw_guard.judging import reason_of, rule_of
from fw_guard.safety import Protection
from fw_guard.store import Ban, Store, StoreError, make_directory
from fw_guard.widening import widen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fw_guard.answers import Answer
    from fw_guard.applying import Trouble
    from fw_guard.config import Config, Jail
    from fw_guard.firewall import Generation, Result
    from fw_guard.networks import Guarded
    from fw_guard.processes import Run

DAY = 86_400
LATE_EVIDENCE = DAY
PRUNED = "pruned"
PRUNED_EVERY = 600


class LockedError(GuardError):
    """Another pass holds the lock; nothing is said of it."""

    status = os.EX_TEMPFAIL


class Figures:
    """What a pass did; ``troubles`` are (exit code, text)."""

    def __init__(self, gathered: Gathered) -> None:
        """Start at what was read."""
        self.gathered = gathered
        self.banned: list[Ban] = []
        self.unbanned: list[Ban] = []
        self.freed: list[tuple[Ban, str]] = []
        self.held: list[tuple[str, str, str]] = []
        self.made = self.braked = 0  # bans that are in force: made, and left to the next pass
        self.troubles: list[Trouble] = list(gathered.troubles)

    def answer(self) -> Answer:
        """Give the figures as ``run --json`` says them."""
        return {
            "logs": self.gathered.logs,
            "lines": self.gathered.lines,
            "hits": self.gathered.hits,
            "doubtful": self.gathered.doubtful,
            "undated": self.gathered.undated,
            "long": self.gathered.long,
            "banned": [ban_answer(ban) for ban in self.banned],
            "unbanned": [
                *(ban_answer(ban) | {"reason": "its time is over"} for ban in self.unbanned),
                *(ban_answer(ban) | {"reason": reason} for ban, reason in self.freed),
            ],
            "held": [
                {"jail": jail, "address": host, "reason": reason}
                for jail, host, reason in self.held
            ],
            "troubles": [text for _, text in self.troubles],
        }


@contextlib.contextmanager
def locked(state: str, *, wait: bool = False) -> Iterator[None]:
    """Hold the state's lock; raise LockedError when another pass does and ``wait`` is false.

    The kernel drops the lock when its holder dies.
    """
    path = os.path.join(state, "lock")
    try:
        make_directory(state)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except PermissionError as error:
        raise StoreError(f"{path}: {error.strerror}; run as root", os.EX_NOPERM) from None
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}", os.EX_CANTCREAT) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockedError from None
        yield
    finally:
        os.close(descriptor)


def run(
    config: Config,
    state: str,
    now: int,
    *,
    dry_run: bool,
    say: Callable[[str], object],
    run_command: Run = firewall.run_command,
    generation: Generation = evidence.generation,
) -> Figures:
    """Do one pass over ``config`` with the state in the directory ``state``; give its figures.

    ``say`` takes what is for standard output: a dry run's commands. While the configuration has
    faults in its defaults, nothing is done: without the owner's ``ignoreip`` nobody may be banned.
    A dry run makes no file. Raises LockedError when another pass is at work, StoreError,
    SafetyError.
    """
    if not config.sound:
        return Figures(Gathered())
    with contextlib.ExitStack() as stack:
        if not dry_run:
            stack.enter_context(locked(state))
        store = stack.enter_context(Store(state, copy=dry_run))
        protection = protection_of(config, run_command)
        figures = learn(config, store, protection, now)
        if not dry_run:
            store.commit()
        figures.troubles += applying.apply(
            config,
            store,
            protection,
            now,
            dry_run=dry_run,
            say=say,
            run=run_command,
            generation=generation,
        )
    return figures


def protection_of(config: Config, run: Callable[..., Result]) -> Protection:
    """Give the networks that are never banned here and now."""

    def guarded() -> Iterator[Guarded]:
        from fw_guard import sessions, surroundings  # a pass that asks about nobody needs neither

        yield from surroundings.around(lambda argv: run(argv, "").out)
        yield from sessions.live()

    return Protection(guarded, config.ignoreip)


def learn(config: Config, store: Store, protection: Protection, now: int) -> Figures:
    """Do steps 2 to 4: read, match, judge; everything is said to ``store``, nothing committed."""
    applying.mind_the_clock(store, now)
    gathered = gather(config, store, now)
    figures = Figures(gathered)
    jails = {jail.name: jail for jail in config.jails}
    braked = {(name, host) for name, host in store.held_for(BRAKED) if name in jails}
    for jail, host in braked:
        store.release(jail, host)
    for name, host in sorted(gathered.touched | braked):
        judge(jails[name], host, store, protection, figures, config.general.brake, now)
    if figures.braked:
        figures.troubles.append((os.EX_UNAVAILABLE, brake_text(figures, config.general.brake)))
    figures.unbanned = store.ended(int(store.note("pass") or now), now)
    figures.freed += free_protected(config, store, protection, now)
    figures.freed += free_logged_in(config, store, gathered.logins, now)
    widened = widen(config, store, protection, now)
    figures.banned += widened.banned
    figures.freed += widened.freed
    figures.held += widened.held
    if not config.faults and not is_recent(store.note(PRUNED), now):
        prune(config, store, now)
        store.set_note(PRUNED, str(now))
    store.set_note("pass", str(now))
    return figures


def judge(
    jail: Jail,
    host: str,
    store: Store,
    protection: Protection,
    figures: Figures,
    brake: int,
    now: int,
) -> None:
    """Ask the engine about one host; keep the bans that are due, or that one is held back.

    When the pass has made as many as ``brake``, one that would be in force waits for the next.
    """
    last = store.ban(jail.name, host)
    if last is not None and last.until is None:
        return
    told, after = store.told_of(jail.name, host), last.until if last else None
    case = engine.Case(told, after, store.logins(host), protected="")
    verdict = engine.judge(rule_of(jail), case)
    if verdict.bans and (reason := protection.reason(host, jail.ignoreip)):
        verdict = engine.judge(rule_of(jail), case._replace(protected=reason))
    for due in verdict.bans:
        if due.until is None or due.until > now:
            if figures.made >= brake:
                store.hold(jail.name, host, now, BRAKED)
                figures.braked += 1
                return
            figures.made += 1
        ban = Ban(jail.name, host, due.since, due.until, due.hits, reason_of(due), jail.label)
        store.keep_ban(ban, store.lines(jail.name, host, due.first, due.since))
        figures.banned.append(ban)
    held = verdict.held
    if held is not None and all(due.since < held.time for due in verdict.bans):
        store.hold(jail.name, host, held.time, held.reason)
        figures.held.append((jail.name, host, held.reason))


def is_recent(pruned: str, now: int) -> bool:
    """Say whether what is old was forgotten of late: that goes through all hits that are kept."""
    return bool(pruned) and int(pruned) <= now < int(pruned) + PRUNED_EVERY


def brake_text(figures: Figures, brake: int) -> str:
    """Say that the brake held bans back, and what to do about it."""
    return (
        f"more bans were due in this pass than `brake` = {brake}, which leaves {figures.braked} of"
        " them to the next; if a filter has gone wrong, `fw-guard unban --all` lets everybody in"
        " again"
    )


def prune(config: Config, store: Store, now: int) -> None:
    """Forget what no later pass can need.

    A hit goes when it is older than its jail's longest window. One that waits for the address of
    its name stays while a ban from it could still be in force, a day at most, and the hits around
    it stay with it.
    """
    waiting: dict[str, int] = {}
    for jail, _, time in store.waiting():
        waiting[jail] = min(time, waiting.get(jail, time))
    braked = {name for name, _ in store.held_for(BRAKED)}
    for each in config.jails:
        if each.name in braked:
            continue  # the next pass judges once more by the same hits
        patience = LATE_EVIDENCE if each.bantime is None else min(each.bantime, LATE_EVIDENCE)
        patient = now - each.window - patience
        oldest = max(patient, min(now, waiting.get(each.name, now)))
        store.prune(each.name, oldest - each.window, patient)
    longest = max((jail.window for jail in config.jails), default=DAY)
    logintime = max((jail.logintime for jail in config.jails), default=0)
    store.forget_pardons(now)
    store.prune_rest(
        [jail.name for jail in config.jails],
        now,
        now - logintime - longest - DAY,
        now - 2 * longest - 2 * DAY,
    )
