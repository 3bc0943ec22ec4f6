"""A firewall is tried: an address that nobody has is banned, seen in its list, and freed again.

All is done under the pass's lock and left as it was, and a process that is killed meanwhile leaves
nothing that the next pass does not take away.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from fw_guard import addresses, applying, evidence, firewall, passes, templates
from fw_guard.guarding import Guarded
from fw_guard.networks import Networks
from fw_guard.planning import in_order
from fw_guard.probing import PRINTS, Report, each_in_use, examine, only_prints, report
from fw_guard.processes import FirewallError, Result, shown
from fw_guard.store import Store
from fw_guard.templates import Command
from fw_guard.wanting import Wanting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from fw_guard.config import Config
    from fw_guard.firewall import Generation
    from fw_guard.processes import Run
    from fw_guard.safety import Protection
    from fw_guard.templates import Action

LONGEST_TRIAL = 60  # seconds; a firewall that keeps time frees who is tried by itself
FIRST = 0x77


def prove(
    config: Config,
    state: str,
    now: int,
    *,
    dry_run: bool,
    say: Callable[[str], object],
    run: Run = firewall.run_command,
    generation: Generation = evidence.generation,
) -> list[Report]:
    """Try every firewall in use, waiting for a pass that may be running.

    A dry run says the commands and runs only those that ask. Raises StoreError.
    """

    def run_or_not(argv: Sequence[str], stdin: str) -> Result:
        return run(argv, stdin) if argv else Result(0, "", "")

    with contextlib.ExitStack() as stack:
        if not dry_run:
            stack.enter_context(passes.locked(state, wait=True))
        store = stack.enter_context(Store(state, copy=dry_run))
        protection = passes.protection_of(config, run)
        prober = Prober(config, store, protection, now, run_or_not, generation)
        if dry_run:
            return each_in_use(config, lambda label: prober.intend(label, say))
        found = each_in_use(config, prober.prove)
        return [each._replace(proved=False) if each.troubles else each for each in found]


class NoTrialError(FirewallError):
    """There is no address that a firewall could be tried with."""


class Prober:
    """Tries firewalls with the state open and locked; whatever it changes it takes back."""

    def __init__(
        self,
        config: Config,
        store: Store,
        protection: Protection,
        now: int,
        run: Run,
        generation: Generation,
    ) -> None:
        """Work on the firewalls of a configuration."""
        self._config = config
        self._store = store
        self._protection = protection
        self._now = now
        self._run = run
        self._generation = generation
        applied = int(store.note(applying.APPLIED) or 0)
        self._wanting = Wanting(config, store, protection, now, applied)

    def prove(self, label: str) -> Report:
        """Ban, list, free, list; raise FirewallError, with all taken back, where that fails."""
        guarded, action = self._of(label)
        if only_prints(action):
            return Report(label, notes=(PRINTS,))
        seen, is_known = examine(action, self._run), label in self._known()
        if seen.refused:
            return report(label, action, seen, is_known=is_known)
        self._forget(guarded)
        if seen.missing and is_known:
            applying.mend(guarded, self._wanting, is_new=False)
            self._forget(guarded)
        is_new = bool(seen.missing) and not is_known
        with self._furnished(guarded) if is_new else contextlib.nullcontext():
            found = report(label, action, examine(action, self._run), is_known=True)
            there = self._there(label, action)
            try:
                trial = self._choose(action, there)
            except NoTrialError as error:
                return found._replace(troubles=((error.status, str(error)),))
            with undone(lambda: self._change(label, action, "unban", trial, there)):
                self._change(label, action, "ban", trial, there)
                self._must_show(action, trial, banned=True)
            self._must_show(action, trial, banned=False)
        return found._replace(proved=True if action.listings else None, tried=trial)

    def intend(self, label: str, say: Callable[[str], object]) -> Report:
        """Say the commands that ``prove`` would run; run those that ask."""
        guarded, action = self._of(label)
        if only_prints(action):
            return Report(label, notes=(PRINTS,))
        seen, is_known = examine(action, self._run), label in self._known()
        found = report(label, action, seen, is_known=is_known)
        if seen.refused:
            return found
        is_new = bool(seen.missing) and not is_known
        if seen.missing and is_known:
            applying.dry(guarded, self._wanting, say)
        there = set() if seen.missing else self._there(label, action)
        trial = self._choose(action, there)
        lists = dict.fromkeys(Command(each.argv) for each in action.listings)
        commands = [
            *(step.command for step in action.setup if is_new),
            *self._commands(label, action, "ban", trial, there),
            *lists,
            *self._commands(label, action, "unban", trial, there),
            *lists,
            *(step.command for step in action.teardown if is_new),
        ]
        for command in commands:
            say(applying.written(command))
        return found._replace(tried=trial)

    def _of(self, label: str) -> tuple[Guarded, Action]:
        guarded = Guarded(self._config, self._store, label, self._now, self._run, self._generation)
        return guarded, guarded.action

    def _known(self) -> set[str]:
        return set(self._store.note(applying.SET_UP).split())

    def _keep_known(self, known: Iterable[str]) -> None:
        self._store.set_note(applying.SET_UP, " ".join(sorted(known)))
        self._store.commit()

    def _forget(self, guarded: Guarded) -> None:
        """Have the next pass compare the whole, whatever becomes of this process."""
        guarded.forget()
        self._store.commit()

    @contextlib.contextmanager
    def _furnished(self, guarded: Guarded) -> Iterator[None]:
        """Set a firewall up that no pass has; take all away again, or leave that to a pass."""
        known = self._known()

        def take_away() -> None:
            firewall.teardown(guarded.action, self._run)
            self._keep_known(known)

        self._keep_known({*known, guarded.label})
        with undone(take_away):
            firewall.furnish(guarded.action, self._run)
            yield

    def _there(self, label: str, action: Action) -> set[str]:
        """Give who is banned now."""
        if action.listings:
            return firewall.members_of(action, firewall.once(self._run))
        return set(self._store.told(label))

    def _choose(self, action: Action, there: set[str]) -> tuple[str, ...]:
        """Give an address of each family that the action takes, which means nobody to anybody."""
        taken = Networks((addresses.split(each), "") for each in there)
        length = "/64" if "prefix64" in action.classes else ""
        kinds = {"host4": hosts4(), "prefix64" if length else "host6": hosts6(length)}
        trial = []
        for kind, candidates in kinds.items():
            if kind in action.classes:
                free = (each for each in candidates if self._is_free(each, taken))
                if (address := next(free, None)) is None:
                    raise NoTrialError("every address that it could be tried with is in use")
                trial.append(address)
        if action.most and len(there) + len(trial) > action.most:
            said = f"it holds {len(there)} addresses and takes {action.most}"
            raise NoTrialError(f"{said}: there is no room to try another")
        return tuple(trial)

    def _is_free(self, address: str, taken: Networks) -> bool:
        """Say whether an address is neither banned nor protected."""
        ignored = {jail.ignoreip for jail in self._config.jails}
        return not (
            taken.overlapping(addresses.split(address)) is not None
            or self._store.bans_over(address, self._now)
            or self._store.bans_within(address, self._now)
            or any(self._protection.reason(address, each) for each in ((), *ignored))
        )

    def _change(
        self, label: str, action: Action, kind: str, trial: tuple[str, ...], there: set[str]
    ) -> None:
        for command in self._commands(label, action, kind, trial, there):
            firewall.perform(action, command, self._run)

    def _commands(
        self, label: str, action: Action, kind: str, trial: tuple[str, ...], there: set[str]
    ) -> list[Command]:
        """Give what bans or frees; of an action that rewrites, with all who are banned anyway."""
        members: dict[str, int | None] = {}
        if action.rewrite:
            ends = {each: one.until or None for each, one in self._store.told(label).items()}
            members = {each: ends.get(each) for each in in_order(there)}
        if not action.rewrite or kind == "ban":
            members |= dict.fromkeys(trial, self._now + LONGEST_TRIAL)
        return templates.batch(action, "ban" if kind == "ban" else "unban", members, self._now)

    def _must_show(self, action: Action, trial: tuple[str, ...], *, banned: bool) -> None:
        """Raise FirewallError unless the firewall lists who was banned, and nobody freed."""
        if not action.listings:
            return
        there = firewall.members_of(action, firewall.once(self._run))
        wrong = [each for each in trial if (each in there) is not banned]
        if wrong:
            was = "banned, and is not in" if banned else "freed, and is still in"
            lists = "` and `".join(dict.fromkeys(shown(each.argv) for each in action.listings))
            raise FirewallError(f"{wrong[0]} was {was} what `{lists}` shows")


@contextlib.contextmanager
def undone(undo: Callable[[], None]) -> Iterator[None]:
    """Take back what is done within, also when that fails; then it is its failure that counts."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(FirewallError):
            undo()
        raise
    undo()


def hosts4() -> Iterator[str]:
    """Give the IPv4 addresses that are for documentation alone (RFC 5737)."""
    for network in ("203.0.113", "198.51.100", "192.0.2"):
        for last in (*range(77, 255), *range(1, 77)):
            yield f"{network}.{last}"


def hosts6(length: str) -> Iterator[str]:
    """Give networks of the IPv6 addresses for documentation (RFC 3849), or a host of each."""
    for third in range(FIRST, 0x1000):
        yield f"2001:db8:{third:x}::{length or '77'}"
