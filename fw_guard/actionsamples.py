"""The samples of an action file: read, tried, and missed where there is none.

    [[sample]]    ban or renew = [[address, seconds], ...], commands
                  unban = [address, ...], commands
                  list = output, addresses
                  check = output, intact, passes         the lines that are told as standing ahead
                  glance = output, count, marks
                  setup or teardown = true, commands     of all steps, whatever decides about them
                  options = { block = "reject", ports = [22, "8000-8010"] }      for this choice

One sample is for one choice, and is tried on the action that was read for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fw_guard import addresses, choices, listings, templates
from fw_guard.faults import Fault
from fw_guard.templates import CLASSES, Command, Sample
from fw_guard.text import count, printable
from fw_guard.tomlfile import listed as words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fw_guard.choices import Option
    from fw_guard.templates import Action, SampleKind
    from fw_guard.tomlfile import Table

KINDS: tuple[SampleKind, ...] = (
    *("ban", "renew", "unban", "list", "check", "glance", "setup", "teardown"),
)


def check_samples(action: Action) -> list[Fault]:
    """Give a fault for everything that the action does otherwise than its samples say."""
    return [
        Fault(action.path, sample.line, sample.column, difference, sample.source)
        for sample in action.samples
        for difference in _differences(action, sample)
    ]


def _differences(action: Action, sample: Sample) -> Iterator[str]:
    """Say how a sample fails."""
    kind = sample.kind
    if kind == "ban" or kind == "renew" or kind == "unban":
        members = {address: seconds or None for address, seconds in sample.members}
        made = templates.batch(action, kind, members, now=0)
        yield from _command_differences(kind, made, sample.commands)
    elif kind == "setup" or kind == "teardown":
        steps = action.setup if kind == "setup" else action.teardown
        yield from _command_differences(kind, [step.command for step in steps], sample.commands)
    elif kind == "list":
        found = {a for listing in action.listings for a in listings.listed(listing, sample.output)}
        for address in sorted(found - set(sample.listed)):
            yield f"[[list]] also reads {address} here; expected only what `addresses` names"
        for address in sample.listed:
            if address not in found:
                yield f"[[list]] does not read {address} here; expected all that `addresses` names"
    elif kind == "glance":
        yield from _glance_differences(action, sample)
    else:
        yield from _check_differences(action, sample)


def _check_differences(action: Action, sample: Sample) -> Iterator[str]:
    """Say what the checks find otherwise than a sample says."""
    lacks = [source for c in action.checks for source in listings.lacking(c, sample.output)]
    if not sample.intact and not lacks:
        yield "[[check]] finds all of `has` here; expected something to be missing"
    for source in lacks if sample.intact else ():
        yield f"[[check]] finds no line '{source}' here; expected all of `has`"
    found = {line for c in action.checks for line in listings.ahead(c, sample.output)}
    for line in sorted(found - set(sample.passes)):
        yield f"[[check]] finds '{line}' ahead here; expected only what `passes` names"
    for line in sample.passes:
        if line not in found:
            yield f"[[check]] does not find '{line}' ahead here; expected all that `passes` names"


def _glance_differences(action: Action, sample: Sample) -> Iterator[str]:
    """Say what is read at a glance otherwise than a sample says.

    Two glances that read the same of the outputs of two commands read it once of one.
    """
    glances = {glance.pattern.source: glance for glance in action.glances}.values()
    seen = [listings.glanced(glance, sample.output) for glance in glances]
    counts = [number for number, _ in seen if number is not None]
    total = sum(counts) if counts else None
    if total != sample.total:
        is_, should = ("none" if n is None else n for n in (total, sample.total))
        yield f"[[glance]] reads the count {is_} here; expected {should}"
    marks = tuple(mark for _, some in seen for mark in some)
    if marks != sample.marks:
        is_, should = (
            words(f"'{mark}'" for mark in m) if m else "none" for m in (marks, sample.marks)
        )
        yield f"[[glance]] keeps the lines {is_} here; expected {should}"


def _command_differences(
    kind: str, made: Sequence[Command], expected: Sequence[Command]
) -> Iterator[str]:
    """Say how commands differ, by the first line of each that does."""
    if len(made) != len(expected):
        yield f"[[{kind}]] makes {count(len(made), 'command')} of this; expected {len(expected)}"
    for number, (mine, yours) in enumerate(zip(made, expected, strict=False), 1):
        if mine.argv != yours.argv:
            is_, should = printable(" ".join(mine.argv)), printable(" ".join(yours.argv))
            yield f"command {number} of [[{kind}]] is `{is_}` here; expected `{should}`"
        if mine.stdin != yours.stdin:
            yield f"input of command {number} of [[{kind}]]: {_line_difference(mine, yours)}"


def _line_difference(mine: Command, yours: Command) -> str:
    """Say where two standard inputs part."""
    ours, theirs = mine.stdin.splitlines(), yours.stdin.splitlines()
    at = next(
        (at for at, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1]),
        min(len(ours), len(theirs)),
    )
    is_, should = (
        f"`{printable(lines[at])}`" if at < len(lines) else "nothing" for lines in (ours, theirs)
    )
    if is_ == should:
        return "its last line has no end; expected a newline"
    return f"line {at + 1} is {is_} here; expected {should}"


def note_gaps(root: Table, action: Action) -> None:
    """Note what no sample of the default choice shows."""
    kinds = {sample.kind for sample in action.samples}
    for kind, batches in (("ban", action.ban), ("renew", action.renew), ("unban", action.unban)):
        shown = {
            templates.subject(address).kind
            for sample in action.samples
            if sample.kind == kind
            for address, _ in sample.members
        }
        taken = {name for batch in batches for name in batch.classes}
        if missing := [name for name in CLASSES if name in taken - shown]:
            message = f"no [[sample]] of `{kind}` has an address of the class {words(missing)}"
            root.fault(None, f"{message}; expected every class that it takes")
    if not action.checks and "check" in kinds:
        root.fault("sample", "a [[sample]] of `check` without [[check]]; expected one to show")
    for key, tables in (("list", action.listings), ("glance", action.glances)):
        if tables and key not in kinds:
            said = f"no [[sample]] of `{key}`; expected one with the tool's own output"
            root.fault(None, said)


def read(root: Table, options: Mapping[str, Option]) -> tuple[Sample, ...]:
    """Read every sample of a file that can be read, whatever choice it is for."""
    return tuple(s for table in root.tables("sample") for s in _sample(table, options))


def _sample(table: Table, options: Mapping[str, Option]) -> Iterator[Sample]:
    """Read a sample, if it can be read."""
    kinds = [kind for kind in KINDS if table.has(kind)]
    if len(kinds) != 1:
        table.fault(None, f"a [[sample]] of nothing; expected one of {words(KINDS)}")
        return
    (kind,) = kinds
    line, column = table.document.place(table.keys)
    choice = choices.read_choice(table.table("options"), options)
    sample = Sample(kind, line, column, table.document.lines[line - 1], choice)
    if kind == "list":
        texts = table.texts("addresses", required=True)
        sample = sample._replace(
            output=table.text("list"), listed=tuple(_canonical(table, "addresses", texts))
        )
    elif kind == "check":
        sample = sample._replace(
            output=table.text("check"),
            intact=table.boolean("intact", default=True),
            passes=table.texts("passes"),
        )
    elif kind == "glance":
        number = table.integer("count", 0) if table.has("count") else None
        marks = table.texts("marks")
        sample = sample._replace(output=table.text("glance"), total=number, marks=marks)
    else:
        commands = [_expected(command) for command in table.tables("commands")]
        sample = sample._replace(members=tuple(_members(table, kind)), commands=tuple(commands))
    table.finish()
    yield sample


def _expected(table: Table) -> Command:
    command = Command(table.texts("argv"), table.text("stdin"))
    table.finish()
    return command


def _members(table: Table, kind: SampleKind) -> Iterator[tuple[str, int]]:
    """Read what a sample bans, as [[address, seconds], ...], or unbans, as [address, ...]."""
    if kind == "setup" or kind == "teardown":
        if table.get(kind) is not True:
            table.fault(kind, f"`{kind}` says nothing; expected true")
        return
    if kind == "unban":
        for address in _canonical(table, kind, table.texts(kind)):
            yield address, 0
        return
    values = table.get(kind)
    for value in values if isinstance(values, list) else [values]:
        match value:
            case [str(address), int(seconds)] if seconds >= 0 and seconds is not True:
                for proper in _canonical(table, kind, (address,)):
                    yield proper, seconds
            case _:
                table.fault(kind, f'no ban {value!r}; expected such as ["192.0.2.7", 3600]')


def _canonical(table: Table, key: str, texts: Sequence[str]) -> Iterator[str]:
    """Give the addresses among ``texts``; note what is none, or is not as it would be handed in."""
    for text in texts:
        try:
            yield templates.subject(text).address
        except addresses.AddressError as error:
            table.fault(key, str(error))
