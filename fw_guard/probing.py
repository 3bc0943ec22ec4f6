"""Do the chosen firewalls really shut out? Each is looked at, and nothing is changed.

To look is to ask what a pass asks, and to tell apart what the next pass mends from what only the
owner can: a tool that is not there, a firewall that is switched off, an anchor that is not called.
A [[check]] with an `advice` is about such a thing; what the others miss, [[setup]] brings about.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from fw_guard import applying, evidence, firewall, listings
from fw_guard.faults import FaultsError
from fw_guard.guarding import Guarded
from fw_guard.processes import FirewallError, Result, shown
from fw_guard.settings import parted
from fw_guard.store import Store
from fw_guard.templates import Command
from fw_guard.text import count, printable
from fw_guard.wanting import Labels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fw_guard.answers import Answer
    from fw_guard.applying import Trouble
    from fw_guard.config import Config
    from fw_guard.firewall import Look
    from fw_guard.listings import Check
    from fw_guard.processes import Run
    from fw_guard.templates import Action

PRINTS = "only prints what it would do, and shuts nobody out"
UNSET = "will be set up by the first ban"
UNSEEN = "has no [[check]], so that nobody can see whether it works"
SHOWN_LINES = 3


class Report(NamedTuple):
    """What is found out about one firewall in use.

    ``works`` says whether whoever it is told to shut out is shut out: None when that cannot be
    said, as before it is set up, or while something stands before it. ``tried`` are the addresses
    that it was tried with; ``proved`` says whether they were seen to come and go, None when that
    was not asked for, or cannot be seen. ``notes`` are for the owner to know, ``troubles``
    (exit code, text) for him to mend.
    """

    label: str
    works: bool | None = None
    proved: bool | None = None
    tried: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    troubles: tuple[Trouble, ...] = ()

    def answer(self) -> Answer:
        """Give the report as ``check --json`` says it."""
        return {
            "label": self.label,
            "action": parted(self.label)[0],
            "works": self.works,
            "proved": self.proved,
            "tried": list(self.tried),
            "notes": [*self.notes, *(text for _, text in self.troubles)],
        }


class Seen(NamedTuple):
    """What its tools show of a firewall.

    ``missing`` is what `setup` brings about, ``refused`` what only the owner can, ``ahead`` what
    stands before our rules.
    """

    missing: tuple[str, ...]
    refused: tuple[str, ...]
    ahead: tuple[str, ...]


def examine(action: Action, run: Run) -> Seen:
    """Ask the tools, change nothing; raise FirewallError when they cannot do their work at all."""
    look = firewall.once(run)
    missing: list[str] = []
    refused: list[str] = []
    ahead: list[str] = []
    for check in action.checks:
        result, complaint = asked(action, check.argv, check.ok, look)
        if not complaint and (lacks := listings.lacking(check, result.out)):
            complaint = f"`{shown(check.argv)}` shows no line `{printable(lacks[0])}`"
        if not complaint:
            ahead += standing_ahead(check, result)
        elif check.advice or not action.setup:
            refused.append(f"{complaint}; {check.advice}" if check.advice else complaint)
        else:
            missing.append(complaint)
    for each in () if action.checks else action.glances or action.listings:
        _, complaint = asked(action, each.argv, each.ok, look)
        if complaint:
            refused.append(complaint)
    return Seen(tuple(missing), tuple(refused), tuple(ahead))


def asked(
    action: Action, argv: tuple[str, ...], ok: tuple[int, ...], look: Look
) -> tuple[Result, str]:
    """Give what a tool answers, and what it complains of.

    Raises FirewallError when that is nothing that a set-up mends: of who is not root, or what the
    action has a hint for.
    """
    result = look(argv)
    if result.code in ok:
        return result, ""
    error = firewall.refusal(action, Command(argv, ok=ok), result)
    if error.needs_root or any(hint.error in result.err for hint in action.hints):
        raise error
    return result, str(error)


def standing_ahead(check: Check, result: Result) -> Iterator[str]:
    """Say which lines stand before ours and let some of the banned through."""
    lines = listings.ahead(check, result.out)
    where = f"before ours in `{shown(check.argv)}`"
    for line in lines[:SHOWN_LINES]:
        yield f"`{printable(line)}` stands {where}: {check.caution}"
    if more := len(lines[SHOWN_LINES:]):
        yield f"so {'does' if more == 1 else 'do'} {count(more, 'more line')} {where}"


def report(label: str, action: Action, seen: Seen, *, is_known: bool) -> Report:
    """Say what was seen of a firewall; ``is_known`` is one that a pass has set up."""
    if seen.refused:
        troubles = tuple((os.EX_UNAVAILABLE, text) for text in seen.refused)
        return Report(label, works=False, notes=seen.ahead, troubles=troubles)
    notes = list(seen.ahead)
    if seen.missing and is_known:
        notes.append(f"is not in place: {seen.missing[0]}; the next pass puts that right")
    elif seen.missing:
        notes.append(UNSET)
    elif not action.checks:
        notes.append(UNSEEN)
    return Report(label, works=None if notes else True, notes=tuple(notes))


def only_prints(action: Action) -> bool:
    """Say whether an action runs nothing to ban."""
    return not any(batch.argv for batch in action.ban)


def look_at(config: Config, state: str, now: int, run: Run = firewall.run_command) -> list[Report]:
    """Look at every firewall in use, and change nothing. Raises StoreError."""
    with Store(state, reading=True) as store:
        known = store.note(applying.SET_UP).split()

        def looked(label: str) -> Report:
            action = Guarded(config, store, label, now, run, evidence.generation).action
            if only_prints(action):
                return Report(label, notes=(PRINTS,))
            return report(label, action, examine(action, run), is_known=label in known)

        return each_in_use(config, looked)


def each_in_use(config: Config, find: Callable[[str], Report]) -> list[Report]:
    """Give the report on each firewall of a jail, and on that of bans by hand."""
    reports = []
    for label in sorted(Labels(config).used) if config.sound else ():
        try:
            reports.append(find(label))
        except FaultsError as error:
            troubles = tuple((error.status, str(fault)) for fault in error.faults)
            reports.append(Report(label, works=False, troubles=troubles))
        except FirewallError as error:
            works = None if error.needs_root else False
            reports.append(Report(label, works, troubles=((error.status, str(error)),)))
    return reports
