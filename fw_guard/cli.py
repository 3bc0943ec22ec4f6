"""The command line: words become calls, answers become output. The only room that prints."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import TYPE_CHECKING

from fw_guard.errors import GuardError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator

    from fw_guard.answers import Answer
    from fw_guard.applying import Trouble
    from fw_guard.config import Config
    from fw_guard.manual import Change, Hands
    from fw_guard.probing import Report

# From the least to what matters most.
SEVERITY = (
    *(os.EX_OK, os.EX_NOINPUT, os.EX_DATAERR, os.EX_CONFIG),
    *(os.EX_UNAVAILABLE, os.EX_NOPERM, os.EX_CANTCREAT, os.EX_IOERR),
)


def main() -> None:
    """Run the command line and leave with its exit code."""
    os.umask(0o077)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started us
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - for as long as we live
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A log may hold letters that the terminal's encoding lacks: they are spelled out.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = dispatch(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has gone. Standard output must not be flushed again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = os.EX_OK
    except OSError as error:
        sys.stderr.write(f"fw-guard: {error.filename or 'standard output'}: {error.strerror}\n")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = os.EX_IOERR
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def dispatch(words: list[str]) -> int:
    """Do what the words say; give the exit code."""
    from fw_guard import options

    chosen = options.parse(words)
    verbs: dict[str, Callable[[argparse.Namespace], int]] = {
        "run": run,
        "status": status,
        "list": list_bans,
        "ban": ban,
        "unban": unban,
        "why": why,
        "check": check,
        "try": try_filter,
        "replay": replay,
    }
    try:
        return verbs[chosen.verb](chosen)
    except GuardError as error:
        return complain(error, error.status)
    except PermissionError as error:
        return complain(f"{error.filename}: {error.strerror}; run as root", os.EX_NOPERM)


def complain(error: object, code: int) -> int:
    """Say on standard error what went wrong, if there is anything to say; give the code back.

    What names a place in a file begins with that, so that an editor can jump there.
    """
    text = str(error)
    if text:
        sys.stderr.write(f"{'' if code == os.EX_DATAERR else 'fw-guard: '}{text}\n")
    return code


def say(lines: Iterable[str]) -> None:
    """Write lines to standard output."""
    for line in lines:
        sys.stdout.write(f"{line}\n")


def say_json(answer: Answer) -> None:
    """Write one JSON document, on one line."""
    import json

    sys.stdout.write(json.dumps(answer, ensure_ascii=True) + "\n")


def configuration(chosen: argparse.Namespace, *, outlined: bool = False) -> tuple[Config, int]:
    """Read the configuration; say its faults; give it with the exit code they make.

    Filters that are ``outlined`` are not read.
    """
    from fw_guard import config

    with remembered(chosen) as proved:
        found = config.load(chosen.config, proved, outlined=outlined)
    code = os.EX_OK
    if found.filter_faults:
        code = os.EX_DATAERR
    if found.faults:
        code = os.EX_CONFIG
    for fault in (*found.faults, *found.filter_faults):
        sys.stderr.write(f"{fault}\n")
    return found, code


@contextlib.contextmanager
def remembered(chosen: argparse.Namespace) -> Iterator[set[str]]:
    """Give the proofs that are remembered; those added are remembered by a pass and a check."""
    from fw_guard import proofs

    known = proofs.recall(chosen.state)
    proved = set(known)
    yield proved
    if proved != known and chosen.verb in ("run", "check") and not chosen.dry_run:
        proofs.remember(chosen.state, proved)


def worst(codes: Iterable[int]) -> int:
    """Give the exit code that matters most."""
    return max(codes, key=SEVERITY.index)


def run(chosen: argparse.Namespace) -> int:
    """One pass."""
    from fw_guard import passes, views

    config, code = configuration(chosen)
    batch: list[str] = []
    figures = passes.run(config, chosen.state, chosen.now, dry_run=chosen.dry_run, say=batch.append)
    for trouble in figures.troubles:
        complain(trouble[1], trouble[0])
    answer = figures.answer()
    if chosen.json:
        say_json(answer)
    elif chosen.verbose or chosen.dry_run:
        say(views.run_view(answer))
    (sys.stderr if chosen.json else sys.stdout).writelines(batch)
    return worst([code, *(status for status, _ in figures.troubles)])


def status(chosen: argparse.Namespace) -> int:
    """Jails, hits, bans, lag."""
    from fw_guard import answers, options, views
    from fw_guard.store import Store

    config, code = configuration(chosen)
    if chosen.jail not in (None, *(jail.name for jail in config.jails)):
        return complain(f"there is no jail {chosen.jail!r}", 1)
    with Store(chosen.state, reading=True) as store:
        answer = answers.status_answer(config, store, chosen.now, chosen.jail)
    if chosen.json:
        say_json(answer)
    else:
        say(views.status_view(answer, color=options.wants_color(chosen.color)))
    return code


def list_bans(chosen: argparse.Namespace) -> int:
    """The bans in force."""
    from fw_guard import addresses, answers, options, views
    from fw_guard.store import Store

    try:
        asked = None if chosen.address is None else addresses.canonical(chosen.address)
    except addresses.AddressError as error:
        return complain(error, os.EX_USAGE)
    with Store(chosen.state, reading=True) as store:
        answer = answers.list_answer(store, chosen.now, asked)
    if chosen.json:
        say_json(answer)
    elif answer["bans"]:
        say(views.list_view(answer, chosen.now, color=options.wants_color(chosen.color)))
    elif not chosen.quiet and (asked or sys.stdout.isatty()):
        complain(f"{asked} is not banned" if asked else "nobody is banned", 1)
    return 1 if asked and not answer["bans"] else os.EX_OK


def ban(chosen: argparse.Namespace) -> int:
    """Ban by hand."""
    asked = spelled_out(chosen.addresses)
    return by_hand(
        chosen,
        lambda hands: hands.ban(asked, chosen.length, chosen.reason, force=chosen.force),
    )


def unban(chosen: argparse.Namespace) -> int:
    """Unban by hand."""
    asked = spelled_out(chosen.addresses)
    return by_hand(chosen, lambda hands: hands.unban(asked, everybody=chosen.all))


def spelled_out(asked: list[str]) -> list[str]:
    """Give the addresses asked for, with those of standard input in the place of ``-``."""
    if "-" not in asked:
        return asked
    given = [word for line in sys.stdin for word in line.partition("#")[0].split()]
    return [each for word in asked for each in (given if word == "-" else [word])]


def by_hand(chosen: argparse.Namespace, act: Callable[[Hands], Change]) -> int:
    """Ban or unban, mend the firewall at once, then say what came of each address."""
    from fw_guard import manual, views

    config, code = configuration(chosen, outlined=True)
    if not config.sound:
        return complain("the configuration has faults; nothing was done", code)
    troubles: list[Trouble] = []
    with manual.hands(config, chosen.state, chosen.now, dry_run=chosen.dry_run) as hands:
        change = act(hands)
        if not change.refused:
            say_batch = sys.stderr.write if chosen.json else sys.stdout.write
            troubles = hands.apply(say_batch)
    answer = change.answer(troubles)
    if chosen.json:
        say_json(answer)
    elif not chosen.quiet:
        done = "would be" if chosen.dry_run else "is not yet" if troubles else "is"
        say(views.change_view(answer, chosen.now, done))
    for refusal in change.refused:
        complain(f"{refusal}; nothing was done", os.EX_USAGE)
    for trouble in troubles:
        complain(trouble[1], trouble[0])
    if change.refused:
        return os.EX_USAGE
    return worst([code, *(status for status, _ in troubles)]) or (1 if change.still else 0)


def why(chosen: argparse.Namespace) -> int:
    """Say all that is known of one address or name."""
    from fw_guard import addresses, answers, firewall, options, passes, views
    from fw_guard.store import Store

    config, code = configuration(chosen)
    if addresses.name(chosen.address) is None:
        try:
            addresses.canonical(chosen.address)
        except addresses.AddressError as error:
            return complain(error, os.EX_USAGE)
    protection = passes.protection_of(config, firewall.run_command)
    with Store(chosen.state, reading=True) as store:
        answer = answers.why_answer(config, store, protection, chosen.address, chosen.now)
    known = any(answer[key] for key in ("bans", "wider", "hits", "held", "protected"))
    if chosen.json:
        say_json(answer)
    elif known:
        color = options.wants_color(chosen.color)
        say(views.why_view(answer, chosen.now, color=color, whole=chosen.verbose))
    elif not chosen.quiet:
        complain(f"nothing is known of {chosen.address}", 1)
    return code if known else 1


def check(chosen: argparse.Namespace) -> int:
    """Check the configuration, all filters and actions and the firewalls, or the files named."""
    from fw_guard import checking, options, views
    from fw_guard.text import count

    with remembered(chosen) as proved:
        if chosen.files:
            checked = checking.check_files(chosen.files, proved)
        else:
            checked = checking.check_all(chosen.config, proved)
    faults = (*checked.config_faults, *checked.faults)
    batch: list[str] = []
    reports, refusal = firewalls(chosen, checked.config, batch.append)
    if chosen.json:
        answers = [report.answer() for report in reports]
        say_json(checking.answer(checked) | {"firewalls": answers})
    else:
        for fault in faults:
            sys.stderr.write(f"{fault}\n")
        for note in checked.notes:
            complain(note, os.EX_OK)
        if chosen.verbose:
            color = options.wants_color(chosen.color)
            say(views.check_view(checking.answer(checked), color=color))
        if not chosen.quiet:
            say([f"{count(len(checked.files), 'file')} checked, {count(len(faults), 'fault')}"])
        say_reports(chosen, reports, {str(fault) for fault in faults})
    (sys.stderr if chosen.json else sys.stdout).writelines(batch)
    codes = [checked.status, *(status for report in reports for status, _ in report.troubles)]
    if refusal:
        codes.append(complain(refusal, refusal.status))
    unfound = chosen.config_given and not chosen.files and not checked.configured
    return os.EX_CONFIG if unfound else worst(codes)


def firewalls(
    chosen: argparse.Namespace, config: Config | None, say_batch: Callable[[str], object]
) -> tuple[list[Report], GuardError | None]:
    """Look at the firewalls in use, or try them; give what was found, and why no more was."""
    from fw_guard import probing, rehearsing
    from fw_guard.config import NoConfigError

    state, now = chosen.state, chosen.now
    try:
        if config is not None and config.sound:
            if not chosen.firewall:
                return probing.look_at(config, state, now), None
            dry_run = chosen.dry_run
            return rehearsing.prove(config, state, now, dry_run=dry_run, say=say_batch), None
        if chosen.firewall:
            raise NoConfigError("there is no sound configuration; no firewall was tried")
    except GuardError as error:
        return [], error
    return [], None


def say_reports(chosen: argparse.Namespace, reports: list[Report], told: set[str]) -> None:
    """Say what was found out about the firewalls, but for the faults that are ``told`` already."""
    from fw_guard import views

    for report in reports:
        for note in report.notes:
            complain(f"{report.label}: {note}", os.EX_OK)
        for status, text in report.troubles:
            if status != os.EX_DATAERR:
                complain(f"{report.label}: {text}", status)
            elif text not in told:
                complain(text, status)
        if not chosen.quiet:
            say(views.firewall_view(report.answer(), dry_run=chosen.dry_run))


def try_filter(chosen: argparse.Namespace) -> int:
    """Say which lines of a log a filter matches, and on a text run which nearly."""
    from fw_guard import options, trying, tryviews, views
    from fw_guard.progress import Progress
    from fw_guard.text import count

    found = trying.filter_named(chosen.filter, chosen.config)
    text = not chosen.json and not chosen.quiet
    trial = trying.Trial(found, chosen.now, explain=text)
    bar = sys.stderr.write if options.wants_bar(chosen, scrolls=True) else None
    with Progress(bar) as progress:
        for log in chosen.logs or ["-"]:
            for answer in trial.read(log, progress.tell):
                if chosen.json:
                    say_json(trying.for_programs(answer, named=len(chosen.logs) > 1))
                elif text:
                    say([views.try_view(answer, named=len(chosen.logs) > 1)])
    if text:
        color, columns = options.wants_color(chosen.color), options.columns()
        say(tryviews.summary_view(trial, columns, color=color, whole=chosen.verbose))
        sys.stdout.flush()  # before the totals, which go elsewhere
        told = f"{trial.matched} of {count(trial.lines, 'line')} matched by {found.name}"
        sys.stderr.write(f"{told}\n")
    return os.EX_OK if trial.matched else 1


def replay(chosen: argparse.Namespace) -> int:
    """Say whom the jails would have banned over old logs."""
    from fw_guard import firewall, options, passes, replaying, views
    from fw_guard.progress import Progress
    from fw_guard.text import count

    config, code = configuration(chosen)
    unknown = set(chosen.jail or ()) - {jail.name for jail in config.jails}
    if unknown:
        return complain(f"there is no jail {sorted(unknown)[0]!r}", 1)
    jails = [jail for jail in config.jails if not chosen.jail or jail.name in chosen.jail]
    protection = passes.protection_of(config, firewall.run_command)
    totals = {"hit": 0, "ban": 0, "unban": 0, "held": 0}
    bar = sys.stderr.write if options.wants_bar(chosen, scrolls=False) else None
    with Progress(bar) as progress:
        events = replaying.replay(config, jails, chosen.logs, protection, chosen.now, progress.tell)
    for event in events:
        totals[event["event"]] += 1
        if chosen.json:
            say_json(event)
        elif event["event"] != "hit" or chosen.verbose:
            say([views.event_view(event)])
    if not chosen.json and not chosen.quiet:
        lines, bans = count(totals["hit"], "matched line"), count(totals["ban"], "ban")
        sys.stderr.write(f"{lines}, {bans}, {totals['held']} held back\n")
    return code
