"""What bans, unbans, a restored firewall and an idle pass cost, beside fail2ban, in one run.

    python3 bench/firewall.py

Needs root on Linux, pip, and of apt: nftables, ipset, iptables, iproute2, fail2ban. It makes
network namespaces and directories of its own and leaves nothing behind but docs/firewall.md.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import random
import signal
import sys
import tempfile
import time
from typing import TYPE_CHECKING, NamedTuple

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from bench import fail2ban, machine, measure, namespaces, report, workload
from bench.errors import BenchError
from bench.guard import ROOT, Guard, Installed, guard
from bench.measure import Figure
from bench.report import Ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.measure import Key
    from bench.namespaces import Namespace

    Job = Callable[[], Iterator[Figure]]

COMMAND = "python3 bench/firewall.py"
PAGE = os.path.join(ROOT, "docs", "firewall.md")
PACKAGES = ("nftables", "ipset", "iptables", "iproute2", "fail2ban")
TOOLS = ("nft", "ipset", "iptables-save", "ip", "fail2ban-server", "fail2ban-client")

OURS = "fw-guard, nftables"
BARE = ("python -c pass", "nothing", 0)
BY_HAND, BY_PASS, RESTORED, UNBANNED = "by hand", "by a pass", "restored", "unbanned by hand"
SINGLY = "by hand, a call each"
IDLE, NEVER, COMPARED = "idle pass", "idle pass, never banned", "idle pass, compared whole"
MINUTE = "idle minute"
SIZES = (2_000, 20_000)
COMMON = SIZES[0]  # what both are measured at
SINGLE_CALLS = 100
STANDING = {
    "nftables": (0, 1_000, 20_000, 100_000),
    "ipset": (0, 100_000),
    "iptables": (0, 200),  # no more is sensible: it is one rule after the other
}
AIM_OF_BANS, AIM_OF_IDLE = 300, "at most 1.5"
MOST = max(STANDING["nftables"])
HOUR = 3700


class Repeats(NamedTuple):
    """How often each kind of work is done."""

    bans: int = 5
    idle: int = 15
    compared: int = 3
    fail2ban: int = 3
    minutes: int = 6
    seconds: float = 10.0


QUICK = Repeats(bans=2, idle=5, compared=1, fail2ban=1, minutes=1)


def tell(text: str) -> None:
    """Say on standard error how far it is."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")


def by_hand(installed: Installed, size: int) -> Iterator[Figure]:
    """Ban so many, restore them after a flush, unban them."""
    hosts = workload.addresses(size)
    with guard(installed, "nftables") as ours:
        yield Figure(OURS, BY_HAND, size, True, (ours.ban(hosts),))
        ours.expect(size)
        namespaces.flush(ours.inside)
        yield Figure(OURS, RESTORED, size, True, (ours.run().cpu,))
        ours.expect(size)
        yield Figure(OURS, UNBANNED, size, True, (ours.unban(hosts),))
        ours.expect(0)


def by_pass(installed: Installed, size: int) -> Iterator[Figure]:
    """Ban so many from a log."""
    with guard(installed, "nftables") as ours:
        with open(ours.log, "a", encoding="utf-8") as file:
            file.write(workload.auth_log(workload.addresses(size), time.time()))
        yield Figure(OURS, BY_PASS, size, True, (ours.run().cpu,))
        ours.expect(size)


def theirs_by_hand(action: str) -> Iterator[Figure]:
    """Let fail2ban ban, restart and unban."""
    hosts, who = workload.addresses(COMMON), f"fail2ban, {action}"
    with fail2ban.server(action) as server:
        yield Figure(who, BY_HAND, COMMON, True, (server.ban(hosts),))
        yield Figure(who, RESTORED, COMMON, True, (server.restart(COMMON),))
        yield Figure(who, UNBANNED, COMMON, True, (server.unban(hosts),))


def theirs_singly(action: str) -> Iterator[Figure]:
    """Let fail2ban ban with a call of its client each; a hundred tell."""
    hosts, who = workload.addresses(SINGLE_CALLS), f"fail2ban, {action}"
    with fail2ban.server(action) as server:
        yield Figure(who, SINGLY, SINGLE_CALLS, True, (server.ban_singly(hosts),))


def theirs_by_log(action: str) -> Iterator[Figure]:
    """Let fail2ban read the lines that our pass reads."""
    with fail2ban.server(action) as server:
        lines = workload.auth_log(workload.addresses(COMMON), time.time())
        seconds = server.read(lines, COMMON)
        yield Figure(f"fail2ban, {action}", BY_PASS, COMMON, True, (seconds,))


def theirs_idle(action: str, repeats: Repeats) -> Iterator[Figure]:
    """Leave fail2ban alone, without bans and with some."""
    with fail2ban.server(action) as server:
        for standing in (0, COMMON):
            if standing:
                server.ban(workload.addresses(standing))
            server.idle(2)
            for _ in range(repeats.minutes):
                seconds = server.idle(repeats.seconds)
                yield Figure(f"fail2ban, {action}", MINUTE, standing, False, (seconds,))


def in_turn(jobs: list[tuple[Job, int]], dice: random.Random) -> Iterator[Figure]:
    """Do each job as often as it says, all of them in one random order."""
    order = [job for job, often in jobs for _ in range(often)]
    dice.shuffle(order)
    for number, job in enumerate(order, 1):
        for figure in job():
            cpu = f"{report.milliseconds(figure.middle)} ms"
            tell(f"{number}/{len(order)} {figure.who}, {figure.what}, {figure.bans:,}: {cpu}")
            yield figure


def bare(installed: Installed, inside: Namespace) -> Iterator[Figure]:
    """Start the Python of fw-guard for nothing."""
    cpu = measure.done([installed.python, "-c", "pass"], inside).cpu
    yield Figure(*BARE, False, (cpu,))


def one_pass(ours: Guard, what: str, standing: int) -> Iterator[Figure]:
    """Make a pass that finds nothing to do."""
    yield Figure(f"fw-guard, {ours.action}", what, standing, False, (ours.run().cpu,))


def idle(installed: Installed, repeats: Repeats, dice: random.Random) -> Iterator[Figure]:
    """Make passes that find nothing to do, over all states in turn; then those that compare."""
    with contextlib.ExitStack() as stack:
        nowhere = stack.enter_context(namespaces.namespace())
        untouched = stack.enter_context(guard(installed, "nftables"))
        states = [
            (stack.enter_context(guard(installed, action)), standing)
            for action, sizes in STANDING.items()
            for standing in sizes
        ]
        for ours, standing in states:
            tell(f"{ours.action}: {standing:,} bans are made, to stand")
            stand(ours, standing)
        jobs: list[Job] = [
            functools.partial(bare, installed, nowhere),
            functools.partial(one_pass, untouched, NEVER, 0),
            *(functools.partial(one_pass, ours, IDLE, standing) for ours, standing in states),
        ]
        yield from in_turn([(job, repeats.idle) for job in jobs], dice)
        for ours, standing in states:
            tell(f"{ours.action}: passes that compare {standing:,} bans whole")
            for hours in range(1, repeats.compared + 1):
                cpu = ours.run(later=HOUR * hours).cpu
                yield Figure(f"fw-guard, {ours.action}", COMPARED, standing, False, (cpu,))
            ours.expect(standing)


def stand(ours: Guard, standing: int) -> None:
    """Ban so many and let a pass see it; for none, ban one and let it go, so that all is set up."""
    hosts = workload.addresses(standing or 1)
    ours.ban(hosts)
    if not standing:
        ours.unban(hosts)
    ours.run()
    ours.expect(standing)


def bans(installed: Installed, repeats: Repeats, dice: random.Random) -> Iterator[Figure]:
    """Do all work on bans, ours and theirs in one random order; theirs with the cheapest action."""
    tried = list(
        in_turn([(functools.partial(theirs_by_hand, each), 1) for each in fail2ban.ACTIONS], dice)
    )
    yield from tried
    action = cheapest(measure.merged(tried))
    jobs: list[tuple[Job, int]] = [
        (functools.partial(theirs_by_hand, action), repeats.fail2ban - 1),
        (functools.partial(theirs_singly, action), repeats.fail2ban),
        (functools.partial(theirs_by_log, action), repeats.fail2ban),
    ]
    for size in SIZES:
        jobs.append((functools.partial(by_hand, installed, size), repeats.bans))
        jobs.append((functools.partial(by_pass, installed, size), repeats.bans))
    yield from in_turn(jobs, dice)
    tell(f"fail2ban is left alone, {2 * repeats.minutes} times {repeats.seconds:g} s")
    yield from theirs_idle(action, repeats)


def cheapest(figures: dict[Key, Figure]) -> str:
    """Give fail2ban's action that bans, restores and unbans for the least CPU in all."""
    sums = {
        action: sum(
            figures[f"fail2ban, {action}", what, COMMON].middle
            for what in (BY_HAND, RESTORED, UNBANNED)
        )
        for action in fail2ban.ACTIONS
    }
    return min(sums, key=lambda action: sums[action])


def ratios(figures: dict[Key, Figure], action: str) -> Iterator[Ratio]:
    """Hold theirs against ours, and ours against ours."""
    theirs = f"fail2ban, {action}"
    for what in (BY_HAND, BY_PASS, RESTORED, UNBANNED):
        ratio = figures[theirs, what, COMMON].middle / figures[OURS, what, COMMON].middle
        text = f"{COMMON:,} bans, {what}: fail2ban to fw-guard"
        yield Ratio(text, ratio, f"at least {AIM_OF_BANS}" if what == BY_HAND else "")
    for ours, sizes in STANDING.items():
        most, none = (figures[f"fw-guard, {ours}", IDLE, size].middle for size in (sizes[-1], 0))
        text = f"idle pass, {ours}: over {sizes[-1]:,} bans to over none any more"
        yield Ratio(text, most / none, AIM_OF_IDLE)
    most = figures[OURS, IDLE, MOST].middle
    never, minute = figures[OURS, NEVER, 0].middle, figures[theirs, MINUTE, 0].middle
    text = f"idle pass, nftables: over {MOST:,} bans to where nobody was ever banned"
    yield Ratio(text, most / never, AIM_OF_IDLE)
    yield Ratio("a minute of fail2ban to an idle pass, none banned", minute / never)


def versions(installed: Installed) -> Iterator[str]:
    """Say what is measured."""
    python = machine.told((installed.python, "--version"))
    yield f"{machine.told((installed.script, '--version'))} on {python}"
    # The program of Debian's package names that Python, wherever another may be.
    python = machine.told(("/usr/bin/python3", "--version"))
    yield f"{machine.told((fail2ban.CLIENT, '--version'))} on {python}"
    for tool in ("nft", "ipset", "iptables"):
        yield machine.told((tool, "--version"))


def page(figures: dict[Key, Figure], where: str) -> str:
    """Write the page."""
    action = cheapest(figures)
    single = figures[f"fail2ban, {action}", BY_HAND, COMMON].per_ban
    whole = COMMON * single / AIM_OF_BANS
    return report.PAGE.format(
        command=COMMAND,
        date=time.strftime("%Y-%m-%d"),
        cheapest=action,
        machine=where,
        bans=report.bans_table(figures.values()),
        idle=report.idle_table(figures.values(), figures[BARE]),
        ratios=report.ratios_table(ratios(figures, action)),
        aim_of_bans=AIM_OF_BANS,
        goal=f"{report.milliseconds(whole)} ms",
        single=f"{report.milliseconds(single)} ms",
        common=f"{COMMON:,}",
        packages=" ".join(PACKAGES),
    )


def words() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="CPU of bans: fw-guard's and fail2ban's.")
    parser.add_argument("--quick", action="store_true", help="fewer runs of everything")
    parser.add_argument("--only", choices=tuple(PARTS), help="a part of it")
    parser.add_argument("--json", metavar="FILE", help="keep every sample there")
    return parser.parse_args()


def main() -> int:
    """Measure, print the tables; write the page when all of it was measured in full."""
    chosen = words()
    os.umask(0o077)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    dice = random.Random(workload.SEED)  # noqa: S311 - an order, no secret
    repeats = QUICK if chosen.quick else Repeats()
    parts = [chosen.only] if chosen.only else list(PARTS)
    try:
        machine.need(TOOLS, PACKAGES)
        with tempfile.TemporaryDirectory(prefix="fw-guard-bench-") as place:
            tell("fw-guard is installed")
            installed = Installed(place)
            where = machine.described(versions(installed))
            taken = [figure for part in parts for figure in PARTS[part](installed, repeats, dice)]
    except BenchError as error:
        sys.stderr.write(f"bench: {error}\n")
        return os.EX_UNAVAILABLE
    figures = measure.merged(taken)
    if chosen.json:
        with open(chosen.json, "w", encoding="utf-8") as file:
            json.dump([figure._asdict() for figure in figures.values()], file, indent=1)
    if chosen.only:
        sys.stdout.write(report.tables(figures.values(), figures.get(BARE)))
    else:
        written = page(figures, where)
        sys.stdout.write(written)
        if not chosen.quick:
            os.makedirs(os.path.dirname(PAGE), mode=0o755, exist_ok=True)
            with open(PAGE, "w", encoding="utf-8") as file:
                file.write(written)
    return os.EX_OK


PARTS = {"idle": idle, "bans": bans}

if __name__ == "__main__":
    sys.exit(main())
