"""An action file becomes an Action, or a list of all its faults.

    title = "..."                 what a person calls it
    chunk, most, beyond, max_seconds, rewrite          see templates.Action
    [[check]]     argv, ok, has, advice                is our furniture there? else `setup` runs
    [[setup]]     argv, stdin, ok, unless, when
    [[ban]]       argv, ok, for, up_to, and [[ban.stdin]] for, each, text, join
    [[unban]]     the same
    [[list]]      argv, ok, after, until, split, pattern, length
    [[teardown]]  as setup
    [[hint]]      error, advice
    [[sample]]    ban or unban, commands / list, addresses / check, intact

Such a file is written once and then runs as root for years. So its samples are part of it: a file
whose templates and patterns do not do what its samples say is no action.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fw_guard import addresses, listings, templates, tomlfile
from fw_guard.faults import Fault, FaultsError, in_order
from fw_guard.listings import Check, Listing, Shape
from fw_guard.patterns.compile import compile_pattern
from fw_guard.patterns.grammar import PatternError, parse
from fw_guard.templates import (
    ADDRESS_HOLES,
    CLASSES,
    HOLE,
    TEXT_HOLES,
    Action,
    Batch,
    Command,
    Hint,
    Part,
    Sample,
    Step,
)
from fw_guard.text import count, printable
from fw_guard.tomlfile import listed as words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fw_guard.templates import SampleKind
    from fw_guard.tomlfile import Document, Table

CHUNK = 30_000
LARGEST = 1_000_000_000
LIST_HOLES = ("each", "addresses", "networks")
KINDS: tuple[SampleKind, ...] = ("ban", "unban", "list", "check")


def load(path: str, *, trusted: bool = False) -> Action:
    """Read the action file at ``path``; raise FaultsError with every fault of it.

    ``trusted`` is for the files that ship: whoever owns them is not asked.
    """
    return parse_action(tomlfile.open_document(path, trusted=trusted))


def parse_action(document: Document) -> Action:
    """Read an action from an open document; raise FaultsError with every fault of it."""
    action = _action(document.root)
    document.check()
    if faults := check_samples(action):
        raise FaultsError(in_order(faults))
    return action


def check_samples(action: Action) -> list[Fault]:
    """Give a fault for everything that the action does otherwise than its samples say."""
    return [
        Fault(action.path, sample.line, sample.column, difference, sample.source)
        for sample in action.samples
        for difference in _differences(action, sample)
    ]


def _differences(action: Action, sample: Sample) -> Iterator[str]:
    """Say how a sample fails."""
    if sample.kind == "ban" or sample.kind == "unban":
        members = {address: seconds or None for address, seconds in sample.members}
        made = templates.batch(action, sample.kind, members, now=0)
        yield from _command_differences(sample.kind, made, sample.commands)
    elif sample.kind == "list":
        found = {a for listing in action.listings for a in listings.listed(listing, sample.output)}
        for address in sorted(found - set(sample.listed)):
            yield f"[[list]] also reads {address} here; expected only what `addresses` names"
        for address in sample.listed:
            if address not in found:
                yield f"[[list]] does not read {address} here; expected all that `addresses` names"
    else:
        lacks = [source for c in action.checks for source in listings.lacking(c, sample.output)]
        if not sample.intact and not lacks:
            yield "[[check]] finds all of `has` here; expected something to be missing"
        for source in lacks if sample.intact else ():
            yield f"[[check]] finds no line '{source}' here; expected all of `has`"


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


def _action(root: Table) -> Action:
    action = Action(
        path=root.document.path,
        title=root.text("title", required=True),
        chunk=root.integer("chunk", CHUNK, least=1, most=LARGEST),
        most=root.integer("most", 0, least=1, most=LARGEST),
        beyond=root.text("beyond"),
        max_seconds=root.integer("max_seconds", 0, least=60, most=LARGEST),
        rewrite=root.boolean("rewrite", default=False),
        checks=tuple(_check(table) for table in root.tables("check")),
        setup=tuple(_step(table) for table in root.tables("setup")),
        ban=tuple(_batch(table) for table in root.tables("ban")),
        unban=tuple(_batch(table) for table in root.tables("unban")),
        listings=tuple(_listing(table) for table in root.tables("list")),
        teardown=tuple(_step(table) for table in root.tables("teardown")),
        hints=tuple(_hint(table) for table in root.tables("hint")),
        samples=tuple(sample for table in root.tables("sample") for sample in _sample(table)),
    )
    root.finish()
    _agreement(root, action)
    _coverage(root, action)
    return action


def _agreement(root: Table, action: Action) -> None:
    """Note where the tables of one file do not go together."""
    unbanned = {kind for batch in action.unban for kind in batch.classes}
    never = [kind for kind in CLASSES if kind in action.classes - unbanned]
    if not action.ban:
        root.fault(None, "no [[ban]]; expected one that says how an address is banned")
    elif action.rewrite and action.unban:
        root.fault("unban", "[[unban]] beside `rewrite`; expected [[ban]] alone: it writes the set")
    elif action.rewrite and not all(batch.parts for batch in action.ban):
        root.fault("ban", "`rewrite` without [[ban.stdin]]; expected the text of the whole set")
    elif not action.rewrite and not action.unban:
        root.fault(None, "no [[unban]]; expected one that says how an address is let in again")
    elif not action.rewrite and never:
        message = f"[[unban]] takes no {words(never)}, which [[ban]] does"
        root.fault("unban", f"{message}; expected the same classes of addresses")
    if action.setup and not action.checks:
        root.fault("setup", "[[setup]] without [[check]]; expected one that says when it is needed")


def _coverage(root: Table, action: Action) -> None:
    """Note what no sample shows."""
    for kind, batches in (("ban", action.ban), ("unban", action.unban)):
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
    if not action.checks and any(sample.kind == "check" for sample in action.samples):
        root.fault("sample", "a [[sample]] of `check` without [[check]]; expected one to show")
    if action.listings and not any(sample.kind == "list" for sample in action.samples):
        root.fault(None, "no [[sample]] of `list`; expected one with the tool's own output")


def _check(table: Table) -> Check:
    sources = table.texts("has")
    check = Check(
        argv=_argv(table),
        ok=_ok(table),
        has=tuple(_shape(table, "has", source, item) for item, source in enumerate(sources)),
        advice=table.text("advice"),
    )
    table.finish()
    return check


def _step(table: Table) -> Step:
    command = Command(_argv(table), table.text("stdin"), _ok(table))
    _filled(table, "stdin", command.stdin, ())
    step = Step(command, _argv(table, "unless"), _argv(table, "when"))
    table.finish()
    return step


def _batch(table: Table) -> Batch:
    parts = tuple(_part(part) for part in table.tables("stdin"))
    if parts:
        taken = {kind for part in parts for kind in part.classes}
        classes = tuple(kind for kind in CLASSES if kind in taken)
        argv = _argv(table, required=False)
    else:
        classes = _classes(table)
        argv = _argv(table, required=False, holes=ADDRESS_HOLES)
        if not any(HOLE.search(word) for word in argv) and not table.has("stdin"):
            message = "the address is neither in `argv` nor in a table `stdin`; expected it in one"
            table.fault(None, message)
    up_to = 0 if parts else table.integer("up_to", 0, least=1, most=LARGEST)
    batch = Batch(argv, _ok(table), parts, classes, up_to)
    table.finish()
    return batch


def _part(table: Table) -> Part:
    part = Part(_classes(table), table.text("each"), table.text("text"), table.text("join", "\n"))
    _filled(table, "each", part.each, ADDRESS_HOLES)
    _filled(table, "text", part.text, TEXT_HOLES)
    used = HOLE.findall(part.text) if part.text else ["each"]
    if not any(hole in used for hole in LIST_HOLES):
        table.fault("text", f"`text` has no address; expected a hole {words(LIST_HOLES)}")
    elif "each" in used and not any(hole in part.each for hole in ("{address}", "{network}")):
        table.fault("each", "`each` has no address; expected a hole address or network")
    elif "each" not in used and part.each:
        table.fault("each", "`each` is never used; expected a hole each in `text`")
    table.finish()
    return part


def _listing(table: Table) -> Listing:
    def pattern(key: str) -> Shape | None:
        return _shape(table, key, table.text(key)) if table.has(key) else None

    entry = _shape(table, "pattern", table.text("pattern", required=True))
    if table.has("pattern") and entry.regex and not entry.group:
        table.fault("pattern", "the pattern has no field `address`; expected one {address}")
    listing = Listing(
        argv=_argv(table),
        ok=_ok(table),
        after=pattern("after"),
        until=pattern("until"),
        split=table.text("split"),
        entry=entry,
        length=table.integer("length", 0, least=1, most=128),
    )
    table.finish()
    return listing


def _hint(table: Table) -> Hint:
    hint = Hint(table.text("error", required=True), table.text("advice", required=True))
    table.finish()
    return hint


def _argv(
    table: Table, key: str = "argv", *, required: bool | None = None, holes: Sequence[str] = ()
) -> tuple[str, ...]:
    """Read a command's words; ``argv`` itself is required unless told otherwise."""
    argv = table.texts(key, required=key == "argv" if required is None else required)
    if argv and not argv[0]:
        table.fault(key, f"`{key}` names no program; expected its name first")
    for item, word in enumerate(argv):
        if "\0" in word:
            table.fault(key, f"`{key}` holds a NUL character; expected plain words")
        _filled(table, key, word, holes if item else (), item)
    if argv and "/" in argv[0] and not argv[0].startswith("/"):
        table.fault(key, f"{argv[0]!r} is no program; expected a bare name or a path from /")
    return argv


def _ok(table: Table) -> tuple[int, ...]:
    """Read the exit codes that mean success."""
    codes = table.get("ok")
    if codes is None:
        return (0,)
    if isinstance(codes, list) and codes and all(type(code) is int for code in codes):
        return tuple(codes)
    table.fault("ok", "`ok` is no list of exit codes; expected such as [0, 1]")
    return (0,)


def _classes(table: Table) -> tuple[str, ...]:
    """Read the classes of addresses that something is for; all when it does not say."""
    classes = table.texts("for", CLASSES)
    for name in classes:
        if name not in CLASSES:
            meant = tomlfile.meant(name, CLASSES)
            table.fault("for", f"no class {name!r} of addresses{meant}; expected {words(CLASSES)}")
    return tuple(name for name in CLASSES if name in classes)


def _filled(table: Table, key: str, text: str, known: Sequence[str], item: int = 0) -> None:
    """Note every hole of ``text`` that nothing fills."""
    for hole in HOLE.finditer(text):
        if hole[1] not in known:
            expected = (
                words(known) if known else "none here (a brace with a blank inside is a brace)"
            )
            message = f"unknown hole `{hole[1]}`{tomlfile.meant(hole[1], known)}"
            table.fault(key, f"{message}; expected {expected}", hole.start() + 1, item)


def _shape(table: Table, key: str, source: str, item: int = 0) -> Shape:
    """Read one pattern; a faulty one fits nothing."""
    try:
        pattern = parse(source)
    except PatternError as error:
        for offset, message in error.faults:
            table.fault(key, message, offset, item)
        return Shape(source, b"")
    compiled = compile_pattern(pattern)
    groups = [at for at, name in enumerate(compiled.fields, 1) if name == "address"]
    return Shape(source, compiled.regex, groups[0] if len(groups) == 1 else 0)


def _sample(table: Table) -> Iterator[Sample]:
    """Read a sample, if it can be read."""
    kinds = [kind for kind in KINDS if table.has(kind)]
    if len(kinds) != 1:
        table.fault(None, "a [[sample]] of nothing; expected one of ban, unban, list or check")
        return
    (kind,) = kinds
    line, column = table.document.place(table.keys)
    sample = Sample(kind, line, column, table.document.lines[line - 1])
    if kind == "list":
        texts = table.texts("addresses", required=True)
        sample = sample._replace(
            output=table.text("list"), listed=tuple(_canonical(table, "addresses", texts))
        )
    elif kind == "check":
        sample = sample._replace(
            output=table.text("check"), intact=table.boolean("intact", default=True)
        )
    else:
        commands = [_expected(command) for command in table.tables("commands")]
        sample = sample._replace(members=tuple(_members(table, kind)), commands=tuple(commands))
    table.finish()
    yield sample


def _expected(table: Table) -> Command:
    command = Command(table.texts("argv"), table.text("stdin"))
    table.finish()
    return command


def _members(table: Table, kind: str) -> Iterator[tuple[str, int]]:
    """Read what a sample bans, as [[address, seconds], ...], or unbans, as [address, ...]."""
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
