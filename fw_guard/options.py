"""The words of the command line: verbs, options, and what they mean."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import stat
import sys
import time
from datetime import datetime
from typing import Any

from fw_guard import __version__, durations, places
from fw_guard.faults import WIDEST
from fw_guard.text import decoded

NARROWEST = 40


class Parser(argparse.ArgumentParser):
    """An argument parser that leaves with sysexits' 64 on a wrong word, and guesses none."""

    def __init__(self, **settings: Any) -> None:
        """Take no beginnings of options for the options."""
        super().__init__(**settings, allow_abbrev=False)

    def error(self, message: str) -> None:  # type: ignore[override]
        """Say what is wrong, and how to ask for help."""
        sys.stderr.write(f"{self.prog}: {message}; see {self.prog} --help\n")
        sys.exit(os.EX_USAGE)


def duration(text: str) -> int:
    """Read ``--for``."""
    try:
        return durations.parse(text)
    except durations.DurationError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def words_of(text: str) -> str:
    """Read ``--reason``: what the terminal sent, whatever its encoding."""
    return decoded(os.fsencode(text))


def moment(text: str) -> int:
    """Read ``--now``: ISO 8601; a time without an offset is in the zone of the machine."""
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError, OSError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time; expected ISO 8601 such as 2017-02-07T04:42:00+09:00"
        ) from None


def common() -> Parser:
    """Give the options that stand before or after the verb."""
    parser = Parser(prog="fw-guard", add_help=False, argument_default=argparse.SUPPRESS)
    group = parser.add_argument_group("options, before or after the verb")
    group.add_argument("-c", "--config", metavar="DIR", help="where fw-guard.toml lies")
    group.add_argument("--state", metavar="DIR", help="where the state is kept")
    group.add_argument("--json", action="store_true", help="answer in JSON")
    group.add_argument(
        "-n", "--dry-run", action="store_true", help="say what would be done, and do nothing"
    )
    group.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors")
    group.add_argument("-v", "--verbose", action="store_true", help="say more")
    group.add_argument("--color", choices=("auto", "always", "never"), help="(auto)")
    group.add_argument("--version", action="version", version=f"fw-guard {__version__}")
    group.add_argument("--now", metavar="TIME", type=moment, help="judge as at TIME (ISO 8601)")
    return parser


TAKE_A_VALUE = {
    "-m": "--reason",
    "--reason": "--reason",
    "-j": "--jail",
    "--jail": "--jail",
    "--for": "--for",
}
# Those that take none, and may stand in one word with others: -nv, -vj sshd.
FLAGS = re.compile(r"-([hnqv]+)([a-zA-Z].*)?")
VERBS = {
    "run": "one pass: read what the logs gained, ban and unban",
    "status": "jails, hits, bans, and how far each log was read",
    "list": "the bans in force, or those that shut ADDRESS out",
    "ban": "ban by hand",
    "unban": "unban by hand",
    "why": "the lines and the sum that banned an address, or hold it back",
    "check": "configuration, filters, actions and their samples; do the firewalls block?",
    "try": "which lines of a log a filter matches",
    "replay": "whom the jails would have banned over old logs",
}


def parser() -> Parser:
    """Give the parser of the whole command line."""
    shared = common()
    top = Parser(
        prog="fw-guard",
        description="Bans hosts that knock too often: one short pass a minute, no daemon.",
        parents=[shared],
    )
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True, parser_class=Parser)
    made = {
        verb: verbs.add_parser(verb, help=text, description=text, parents=[shared])
        for verb, text in VERBS.items()
    }
    made["status"].add_argument("jail", nargs="?", metavar="JAIL")
    made["list"].add_argument("address", nargs="?", metavar="ADDRESS")
    made["ban"].add_argument(
        "addresses", nargs="+", metavar="ADDRESS", help="- for those on standard input"
    )
    made["ban"].add_argument(
        "--for", dest="length", type=duration, metavar="TIME", help="such as 2h; else bantime"
    )
    made["ban"].add_argument(
        "-m", "--reason", type=words_of, default="by hand", help="kept with the ban"
    )
    made["ban"].add_argument(
        "--force", action="store_true", help="also one that is protected, such as your own"
    )
    made["unban"].add_argument(
        "addresses", nargs="*", metavar="ADDRESS", help="- for those on standard input"
    )
    made["unban"].add_argument("--all", action="store_true", help="every ban")
    made["why"].add_argument("address", metavar="ADDRESS", help="an address, or a host name")
    made["check"].add_argument(
        "files", nargs="*", metavar="FILE", help="these alone, and no firewall"
    )
    made["check"].add_argument(
        "--firewall",
        action="store_true",
        help="prove it: ban addresses that nobody has, read them back, free them",
    )
    made["try"].add_argument("filter", metavar="FILTER", help="a filter's name or file")
    made["try"].add_argument("logs", nargs="*", metavar="LOG", help="- or nothing: standard input")
    made["replay"].add_argument("logs", nargs="+", metavar="LOG")
    made["replay"].add_argument("-j", "--jail", action="append", help="this jail only")
    return top


def joined(words: list[str]) -> list[str]:
    """Join the options of verbs with their values, which may look like options themselves.

    Short options in one word are taken apart: some are the verb's and some are shared, so that
    neither parser would know them all.
    """
    found: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            found += [word, *rest]
            break
        *flags, last = apart(word)
        found += flags
        if last in TAKE_A_VALUE and (value := next(rest, None)) is not None:
            found.append(f"{TAKE_A_VALUE[last]}={value}")
        else:
            found.append(last)
    return found


def apart(word: str) -> list[str]:
    """Give ``-v`` and ``-j`` for ``-vj``; what does not begin with short flags is left whole."""
    found = FLAGS.fullmatch(word)
    if found is None:
        return [word]
    return [*(f"-{letter}" for letter in found[1]), *([f"-{found[2]}"] if found[2] else ())]


def parse(words: list[str]) -> argparse.Namespace:
    """Read the command line; leave with 64 when it makes no sense."""
    reader = parser()
    # The shared options may stand between the others, where a parser of verbs would not look.
    shared, rest = common().parse_known_args(joined(words))
    if rest and rest[0].startswith("-") and rest[0] not in ("-h", "--help", "--"):
        reader.error(f"unknown option {rest[0]}")
    options = reader.parse_args(rest)
    defaults = {
        "config": places.config_directory(),
        "state": places.state_directory(),
        "json": False,
        "dry_run": False,
        "quiet": False,
        "verbose": False,
        "color": "auto",
        "now": int(time.time()),
    }
    for name, value in (defaults | vars(shared)).items():
        setattr(options, name, value)
    options.config_given = hasattr(shared, "config")
    if options.verb == "check" and options.firewall and options.files:
        reader.error("check: --firewall is for the whole configuration; expected no FILE")
    if options.verb == "unban" and bool(options.addresses) == options.all:
        reader.error("unban: expected ADDRESS... or --all")
    return options


def columns() -> int:
    """Give how wide lines on standard output may be: as the terminal, or ``WIDEST`` elsewhere."""
    if not sys.stdout.isatty():
        return WIDEST
    return max(NARROWEST, shutil.get_terminal_size((WIDEST, 1)).columns)


def wants_bar(chosen: argparse.Namespace, *, scrolls: bool) -> bool:
    """Say whether standard error gets a progress bar: on a terminal that nobody else writes to.

    ``scrolls`` says that lines go to standard output meanwhile; at the end of a pipe there may be
    a pager.
    """
    if chosen.quiet or chosen.json or os.environ.get("TERM") == "dumb" or not sys.stderr.isatty():
        return False
    if sys.stdout.isatty():
        return not scrolls
    mode = os.fstat(sys.stdout.fileno()).st_mode
    return not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode))


def wants_color(choice: str) -> bool:
    """Say whether standard output gets colour: --color, NO_COLOR, a terminal that is not dumb."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return sys.stdout.isatty()
