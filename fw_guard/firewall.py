"""An action and the wanted set become commands, the commands are run, the outcome is told.

Of a firewall that nobody has changed since, only what changed in the store is told (``adjust``);
that nobody has is seen by cheap evidence (``sight``), which costs the same however many are banned.
Otherwise, and from time to time, its tools are asked what is there, and the difference is written
(``reconcile``): what was lost by a reboot, a flush or another program's reload is put back, and
what does not belong there is taken out. A change is one batch, with all addresses on a standard
input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fw_guard import evidence, listings
from fw_guard.planning import RENEWED_BEFORE, Plan, is_slow, planned
from fw_guard.processes import FirewallError, MissingToolError, Result, run_command, shown
from fw_guard.templates import Command
from fw_guard.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from fw_guard.processes import Run
    from fw_guard.schema import Told
    from fw_guard.templates import Action, Step

    Look = Callable[[tuple[str, ...]], Result]
    Generation = Callable[[str], str | None]
    Brace = Callable[[Plan], object]

__all__ = (
    "RENEWED_BEFORE",
    "FirewallError",
    "MissingToolError",
    "Result",
    "is_slow",
    "run_command",
    "shown",
)

SHOWN_LINES = 3
REFUSALS = ("ermission denied", "not permitted")


class Sight(NamedTuple):
    """Evidence that a firewall is as it was left: equal evidence, equal firewall.

    ``members`` is how many it has, None where that is not seen.
    """

    text: str
    members: int | None


class Outcome(NamedTuple):
    """What was done; whether the furniture was set up first; how the firewall looks since.

    ``began`` is how it looked before, as far as the kernel counts the changes to it.
    ``sight`` is None when somebody else was at work meanwhile, or no cheap evidence is to be had:
    then the next pass compares the whole.
    """

    plan: Plan
    was_set_up: bool
    sight: Sight | None
    began: str = ""


def trust(_plan: Plan) -> None:
    """Do nothing about what is about to be done."""


def sight(
    action: Action, run: Run = run_command, generation: Generation = evidence.generation
) -> Sight | None:
    """Look at a firewall at a cost that does not grow with its members.

    None when it is not as it should be, or when that cannot be seen so cheaply. One that cannot
    list holds what it was told, for all that anybody can see.
    """
    if action.generation:
        return counted(action.generation, generation)
    look = once(answering(action, run))
    if (action.listings and not action.glances) or fails_a_check(action, look):
        return None
    counts: list[int] = []
    marks: list[str] = []
    for glance in action.glances:
        result = look(glance.argv)
        if result.code not in glance.ok:
            return None
        count, some = listings.glanced(glance, result.out)
        marks += some
        if count is not None:
            counts.append(count)
    return Sight("\n".join(marks), sum(counts) if counts else None)


def counted(kind: str, generation: Generation = evidence.generation) -> Sight | None:
    """Look at a firewall whose changes the kernel counts."""
    text = generation(kind)
    return None if text is None else Sight(f"{kind} {text}", None)


def adjust(
    action: Action,
    wanted: Mapping[str, int | None],
    told: Mapping[str, Told],
    now: int,
    seen: Sight,
    *,
    brace: Brace = trust,
    run: Run = run_command,
    generation: Generation = evidence.generation,
) -> Outcome:
    """Change a firewall that is as it was left, and looks as ``seen``, for some addresses.

    These are those of ``wanted`` (address -> its end in epoch seconds, or None), to be banned, and
    the others of ``told``, which it holds. ``brace`` is told what is about to be done, if anything.
    Raises FirewallError; AddressError.
    """
    plan = planned(action, wanted, told, now, whole=False)
    if plan.commands:
        brace(plan)
    for command in plan.commands:
        perform(action, command, run)
    if not plan.commands:
        return Outcome(plan, was_set_up=False, sight=seen)
    after = sight(action, run, generation)
    text = evidence.after(seen.text, len(plan.commands)) if action.generation else seen.text
    is_ours = after is not None and after.text == text
    return Outcome(plan, was_set_up=False, sight=after if is_ours else None, began=seen.text)


def reconcile(
    action: Action,
    wanted: Mapping[str, int | None],
    now: int,
    *,
    told: Mapping[str, Told],
    brace: Brace = trust,
    run: Run = run_command,
    generation: Generation = evidence.generation,
) -> Outcome:
    """Make the firewall hold ``wanted`` and nobody else: address -> its end, or None for good.

    ``told`` is what it was last made to hold. Of an action that cannot list it is taken for what it
    holds; of others it says which of the members have another end by now. ``brace`` is told what is
    about to be done, if anything. Raises FirewallError; AddressError for an address that is not
    canonical.
    """
    look, was_set_up, before = furnish(action, run, generation)
    present = members_of(action, look) if action.listings else told.keys()
    plan = planned(action, wanted, {address: told.get(address) for address in present}, now)
    if plan.commands:
        brace(plan)
    for command in plan.commands:
        perform(action, command, run)
    seen = sight(action, run, generation)
    if seen is not None and action.generation:
        text = evidence.after(before.text, len(plan.commands)) if before else ""
        seen = seen if seen.text == text else None
    return Outcome(plan, was_set_up, seen, before.text if before else "")


def intended(
    action: Action,
    wanted: Mapping[str, int | None],
    now: int,
    *,
    told: Mapping[str, Told],
    run: Run = run_command,
) -> list[Command]:
    """Give the commands that ``reconcile`` would run to change something; run those that ask."""
    look = once(run)
    setup = action.setup if is_incomplete(action, look) else ()
    present: Collection[str] = told.keys()
    if setup and action.empties:
        present = ()
    elif action.listings:
        present = members_of(action, look, silent=True)
    plan = planned(action, wanted, {address: told.get(address) for address in present}, now)
    return [*(step.command for step in setup if _due(step, run)), *plan.commands]


def set_up(action: Action, run: Run = run_command) -> None:
    """Put our furniture into the firewall; again changes no rule. ``reconcile`` sees to it."""
    for step in action.setup:
        if _due(step, answering(action, run)):
            perform(action, step.command, run)


def teardown(action: Action, run: Run = run_command) -> None:
    """Take away all that ``setup`` and ``ban`` ever put there; again is no error."""
    for step in action.teardown:
        if _due(step, answering(action, run)):
            perform(action, step.command, run)


def furnish(
    action: Action, run: Run, generation: Generation = evidence.generation
) -> tuple[Look, bool, Sight | None]:
    """See that the furniture is there, else set it up.

    Give the way to look, whether it was set up, and what the kernel had counted just before that
    look: what others change after it is seen in the end.
    """
    before = counted(action.generation, generation) if action.generation else None
    look = once(answering(action, run))
    if not is_incomplete(action, look):
        return look, False, before
    set_up(action, run)
    before = counted(action.generation, generation) if action.generation else None
    look = once(answering(action, run))
    for check in action.checks:
        result = look(check.argv)
        if result.code not in check.ok:
            raise refusal(action, Command(check.argv, ok=check.ok), result)
        if lacks := listings.lacking(check, result.out):
            advice = f"; {check.advice}" if check.advice else ""
            raise FirewallError(
                f"`{shown(check.argv)}` shows no line `{printable(lacks[0])}`, "
                f"even after the set-up of {printable(action.title)!r}{advice}"
            )
    return look, True, before


def is_incomplete(action: Action, look: Look) -> bool:
    """Say whether anything of the furniture is missing, as far as the tools tell."""
    return fails_a_check(action, look) or (
        bool(action.setup) and any(look(each.argv).code not in each.ok for each in action.listings)
    )


def fails_a_check(action: Action, look: Look) -> bool:
    """Say whether anything that the checks ask for is missing."""
    for check in action.checks:
        result = look(check.argv)
        if result.code not in check.ok or listings.lacking(check, result.out):
            return True
    return False


def members_of(action: Action, look: Look, *, silent: bool = False) -> set[str]:
    """Give who is banned now; ``silent``: a tool that cannot list counts as an empty set."""
    if not action.listings:
        raise ValueError(f"the action {action.title!r} cannot list; expected the actual set")
    members: set[str] = set()
    for listing in action.listings:
        result = look(listing.argv)
        if result.code in listing.ok:
            members.update(listings.listed(listing, result.out))
        elif not silent:
            raise refusal(action, Command(listing.argv), result)
    return members


def once(run: Run) -> Look:
    """Give a way to ask a tool that asks each question once: a check and a list may share it."""
    answers: dict[tuple[str, ...], Result] = {}

    def look(argv: tuple[str, ...]) -> Result:
        if argv not in answers:
            answers[argv] = run(argv, "")
        return answers[argv]

    return look


def answering(action: Action, run: Run) -> Run:
    """Give a way to ask that raises FirewallError for a question which cannot be asked.

    Who may not ask, or meets a lock, has no answer. To take that for a no would be to put a rule
    there a second time, or to leave it behind.
    """

    def ask(argv: Sequence[str], stdin: str) -> Result:
        result = run(argv, stdin)
        hints = (hint.error for hint in action.hints if hint.unanswered)
        if result.code != 0 and any(word in result.err for word in (*REFUSALS, *hints)):
            raise refusal(action, Command(tuple(argv), stdin), result)
        return result

    return ask


def _due(step: Step, run: Run) -> bool:
    """Say whether a step of ``setup`` or ``teardown`` is called for."""
    if step.unless:
        result = run(step.unless, "")
        if result.code == 0 and listings.fit_all(step.shows, result.out):
            return False
    return not step.when or run(step.when, "").code == 0


def perform(action: Action, command: Command, run: Run) -> None:
    """Run a command that must succeed."""
    result = run(command.argv, command.stdin)
    if result.code not in command.ok:
        raise refusal(action, command, result)


def refusal(action: Action, command: Command, result: Result) -> FirewallError:
    """Give the error for a command that failed: which, how, what it said, what to do."""
    said = [printable(line) for line in (result.err or result.out).splitlines() if line.strip()]
    how = f"exit code {result.code}" if result.code >= 0 else f"signal {-result.code}"
    words = ": " + "; ".join(said[:SHOWN_LINES]) if said else ""
    needs_root = any(word in result.err for word in REFUSALS)
    advice = [hint.advice for hint in action.hints if hint.error in result.err]
    if needs_root and not advice:
        advice = ["expected to be run as root (in a container, with CAP_NET_ADMIN)"]
    return FirewallError(
        f"`{shown(command.argv)}` failed with {how}{words}{''.join(f'; {a}' for a in advice)}",
        needs_root=needs_root,
    )
