"""An action and the wanted set become commands, the commands are run, the outcome is told.

The tools are asked what is there, and only the difference is written: a pass in a quiet minute runs
no tool that changes anything. A change is one batch, with all addresses on a standard input.
What was lost by a reboot, a flush or another program's reload is found missing and put back.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from fw_guard import addresses, listings, templates
from fw_guard.errors import GuardError
from fw_guard.templates import Command
from fw_guard.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from fw_guard.templates import Action, Step

DIRECTORIES = ("/sbin", "/usr/sbin", "/bin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin")
PATH = ":".join(DIRECTORIES)
TIMEOUT = 30.0
SHOWN_LINES = 3
REFUSALS = ("ermission denied", "not permitted")
V4_COMPATIBLE = addresses.split("::/96")


class Result(NamedTuple):
    """What a process left: its exit code (below 0: the signal that ended it), output, errors."""

    code: int
    out: str
    err: str


if TYPE_CHECKING:
    Run = Callable[[Sequence[str], str], Result]
    Look = Callable[[tuple[str, ...]], Result]


class FirewallError(GuardError):
    """The firewall refused, or could not be asked; the message is for the person who mends it."""

    def __init__(self, message: str, *, needs_root: bool = False) -> None:
        """Keep the message, and whether it was for want of privilege."""
        super().__init__(message)
        self.needs_root = needs_root
        self.status = os.EX_NOPERM if needs_root else os.EX_UNAVAILABLE


class MissingToolError(FirewallError):
    """The firewall's tool is not installed."""


class Plan(NamedTuple):
    """What has to change, and how: unbans first, then bans.

    ``left_out`` are wanted addresses that the firewall cannot take, each with the reason.
    """

    ban: tuple[str, ...]
    unban: tuple[str, ...]
    commands: tuple[Command, ...]
    left_out: tuple[tuple[str, str], ...]


class Outcome(NamedTuple):
    """What was done: whom it banned or renewed, whom it unbanned, whether it set things up first.

    ``left_out`` is as in Plan.
    """

    banned: tuple[str, ...]
    unbanned: tuple[str, ...]
    was_set_up: bool
    left_out: tuple[tuple[str, str], ...] = ()


def run_command(argv: Sequence[str], stdin: str, timeout: float = TIMEOUT) -> Result:
    """Run one tool and give what it left; the only place that starts a process.

    There is no shell, no PATH of cron's and none of the caller's environment. A tool that is not
    done after ``timeout`` seconds is killed with all that it started. A command without arguments
    is for whoever prints, not for this. Raises FirewallError.
    """
    tool = _tool(argv[0])
    import contextlib  # here, because the three cost 16 milliseconds: not all commands run a tool
    import signal
    import subprocess

    try:
        process = subprocess.Popen(
            [tool, *argv[1:]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="backslashreplace",
            cwd="/",
            env={"PATH": PATH, "LC_ALL": "C"},
            process_group=0,
        )
    except OSError as error:
        raise FirewallError(f"`{shown(argv)}` cannot be started: {error.strerror}") from None
    with process:
        try:
            out, err = process.communicate(stdin, timeout)
        except BaseException as error:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise FirewallError(
                    f"`{shown(argv)}` was not done after {timeout:g} seconds and was killed; "
                    "another program may hold the firewall's lock: the next pass tries again"
                ) from None
            raise
    return Result(process.returncode, out, err)


def _tool(name: str) -> str:
    """Give the path of a tool: a name is looked up in DIRECTORIES, a path is taken as it is."""
    paths = [name] if "/" in name else [f"{directory}/{name}" for directory in DIRECTORIES]
    for path in paths:
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    where = "" if "/" in name else f" (looked in {', '.join(DIRECTORIES)})"
    raise MissingToolError(
        f"`{printable(name)}` is not installed{where}; install it, or choose another `action`"
    )


def shown(argv: Sequence[str]) -> str:
    """Give a command as a person reads it."""
    return printable(" ".join(argv))


def reconcile(
    action: Action,
    wanted: Mapping[str, int | None],
    now: int,
    *,
    changed: Collection[str] = frozenset(),
    actual: Collection[str] | None = None,
    run: Run = run_command,
) -> Outcome:
    """Make the firewall hold ``wanted``: canonical address -> its end in epoch seconds, or None.

    ``changed`` are addresses whose end is not the one they were banned with. An action that cannot
    list takes ``actual``, what it was last made to hold. Raises FirewallError; AddressError for an
    address that is not canonical.
    """
    look, was_set_up = _furnished(action, run)
    if actual is None:
        actual = _members(action, look)
    plan = planned(action, wanted, actual, now, changed=changed)
    for command in plan.commands:
        _perform(action, command, run)
    return Outcome(plan.ban, plan.unban, was_set_up, plan.left_out)


def planned(
    action: Action,
    wanted: Mapping[str, int | None],
    actual: Collection[str],
    now: int,
    *,
    changed: Collection[str] = frozenset(),
) -> Plan:
    """Give what turns the ``actual`` set into the wanted one; nothing is run.

    A ban that is over is not wanted, nor is one inside a wanted network. Of more than the firewall
    takes, those that end last are kept. Raises AddressError.
    """
    present = set(actual)
    current = {address: until for address, until in wanted.items() if until is None or until > now}
    left_out = _unfit(action, (a for a in current if a not in present or a.endswith("/0")))
    takes = uncovered({a: until for a, until in current.items() if a not in left_out})
    for address in _beyond(action, takes):
        left_out[address] = f"is one more than the {action.most} that the action takes"
        left_out[address] += f"; {action.beyond}" if action.beyond else ""
        del takes[address]
    renewed = takes.keys() & set(changed) if action.keeps_time else set()
    ban = in_order(takes.keys() - present | renewed)
    unban = in_order(
        address
        for address in present - takes.keys()
        if templates.subject(address).kind in action.classes
    )
    commands: list[Command] = []
    if not action.rewrite:
        commands += templates.batch(action, "unban", dict.fromkeys(unban), now)
        commands += templates.batch(action, "ban", {a: takes[a] for a in ban}, now)
    elif ban or unban:
        commands = templates.batch(action, "ban", {a: takes[a] for a in in_order(takes)}, now)
    reasons = tuple((address, left_out[address]) for address in in_order(left_out))
    return Plan(tuple(ban), tuple(unban), tuple(commands), reasons)


def _unfit(action: Action, wanted: Iterable[str]) -> dict[str, str]:
    """Give those of the wanted addresses that no rule can be made of, each with the reason."""
    unfit = {}
    for address in wanted:
        subject = templates.subject(address)
        if not subject.length:
            unfit[address] = "is every address there is"
        elif addresses.covers(V4_COMPATIBLE, addresses.split(address)):
            unfit[address] = "is of ::/96, which no peer's packet comes from"
        elif subject.kind not in action.classes:
            unfit[address] = f"is of the class {subject.kind}, which the action cannot ban"
    return unfit


def _beyond(action: Action, wanted: Mapping[str, int | None]) -> list[str]:
    """Give the addresses that are more than the action takes: those that end soonest."""
    if not action.most or len(wanted) <= action.most:
        return []
    ends = sorted((until is None, until or 0, address) for address, until in wanted.items())
    return [address for _, _, address in ends[: len(wanted) - action.most]]


def uncovered(wanted: Mapping[str, int | None]) -> dict[str, int | None]:
    """Give ``wanted`` without what lies inside a wider network of it."""
    lengths = {(":" in address, address.partition("/")[2]) for address in wanted}
    if len(lengths) == len({is_ipv6 for is_ipv6, _ in lengths}):
        return dict(wanted)  # one length in each family: none can hold another, and none is parsed
    parts = {address: addresses.split(address) for address in wanted}
    networks = set(parts.values())
    widths = {len(value): set[int]() for value, _ in networks}
    for value, length in networks:
        widths[len(value)].add(length)
    return {
        address: wanted[address]
        for address, (value, length) in parts.items()
        if not any(
            (addresses.masked(value, wider), wider) in networks
            for wider in widths[len(value)]
            if wider < length
        )
    }


def in_order(texts: Iterable[str]) -> list[str]:
    """Give addresses as a person sorts them: IPv4 first, by number, a network before its hosts."""

    def key(text: str) -> tuple[int, bytes, int]:
        value, length = addresses.split(text)
        return len(value), value, length

    return sorted(texts, key=key)


def intended(
    action: Action,
    wanted: Mapping[str, int | None],
    now: int,
    *,
    changed: Collection[str] = frozenset(),
    actual: Collection[str] | None = None,
    run: Run = run_command,
) -> list[Command]:
    """Give the commands that ``reconcile`` would run to change something; run those that ask."""
    look = _once(run)
    setup = action.setup if _missing(action, look) else ()
    if actual is None:
        actual = _members(action, look, silent=True)
    plan = planned(action, wanted, actual, now, changed=changed)
    return [*(step.command for step in setup if _due(step, run)), *plan.commands]


def set_up(action: Action, run: Run = run_command) -> None:
    """Put our furniture into the firewall; again changes no rule. ``reconcile`` sees to it."""
    for step in action.setup:
        if _due(step, run):
            _perform(action, step.command, run)


def teardown(action: Action, run: Run = run_command) -> None:
    """Take away all that ``setup`` and ``ban`` ever put there; again is no error."""
    for step in action.teardown:
        if _due(step, run):
            _perform(action, step.command, run)


def _furnished(action: Action, run: Run) -> tuple[Look, bool]:
    """See that the furniture is there, else set it up; give the way to look and whether it was."""
    look = _once(run)
    if not _missing(action, look):
        return look, False
    set_up(action, run)
    look = _once(run)
    for check in action.checks:
        result = look(check.argv)
        if result.code not in check.ok:
            raise _refusal(action, Command(check.argv, ok=check.ok), result)
        if lacks := listings.lacking(check, result.out):
            advice = f"; {check.advice}" if check.advice else ""
            raise FirewallError(
                f"`{shown(check.argv)}` shows no line `{printable(lacks[0])}`, "
                f"even after the set-up of {printable(action.title)!r}{advice}"
            )
    return look, True


def _missing(action: Action, look: Look) -> bool:
    """Say whether anything of the furniture is missing, as far as the tools tell."""
    for check in action.checks:
        result = look(check.argv)
        if result.code not in check.ok or listings.lacking(check, result.out):
            return True
    return bool(action.setup) and any(
        look(each.argv).code not in each.ok for each in action.listings
    )


def _members(action: Action, look: Look, *, silent: bool = False) -> set[str]:
    """Give who is banned now; ``silent``: a tool that cannot list counts as an empty set."""
    if not action.listings:
        raise ValueError(f"the action {action.title!r} cannot list; expected the actual set")
    members: set[str] = set()
    for listing in action.listings:
        result = look(listing.argv)
        if result.code in listing.ok:
            members.update(listings.listed(listing, result.out))
        elif not silent:
            raise _refusal(action, Command(listing.argv), result)
    return members


def _once(run: Run) -> Look:
    """Give a way to ask a tool that asks each question once: a check and a list may share it."""
    answers: dict[tuple[str, ...], Result] = {}

    def look(argv: tuple[str, ...]) -> Result:
        if argv not in answers:
            answers[argv] = run(argv, "")
        return answers[argv]

    return look


def _due(step: Step, run: Run) -> bool:
    """Say whether a step of ``setup`` or ``teardown`` is called for."""
    if step.unless and run(step.unless, "").code == 0:
        return False
    return not step.when or run(step.when, "").code == 0


def _perform(action: Action, command: Command, run: Run) -> None:
    """Run a command that must succeed."""
    result = run(command.argv, command.stdin)
    if result.code not in command.ok:
        raise _refusal(action, command, result)


def _refusal(action: Action, command: Command, result: Result) -> FirewallError:
    """Give the error for a command that failed: which, how, what it said, what to do."""
    said = [printable(line) for line in (result.err or result.out).splitlines() if line.strip()]
    how = f"exit code {result.code}" if result.code >= 0 else f"signal {-result.code}"
    words = ": " + "; ".join(said[:SHOWN_LINES]) if said else ""
    needs_root = any(refusal in result.err for refusal in REFUSALS)
    advice = [hint.advice for hint in action.hints if hint.error in result.err]
    if needs_root and not advice:
        advice = ["expected to be run as root (in a container, with CAP_NET_ADMIN)"]
    return FirewallError(
        f"`{shown(command.argv)}` failed with {how}{words}{''.join(f'; {a}' for a in advice)}",
        needs_root=needs_root,
    )
