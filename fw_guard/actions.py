"""An action file becomes an Action, or a list of all its faults.

    title = "..."                 what a person calls it
    chunk, most, beyond, max_seconds, rewrite, empties, generation     see templates.Action
    [option]      what may be chosen, see choices; `with` may stand in all tables but the last two
    [[check]]     argv, ok, after, until, has          is our furniture there? else `setup` runs
                  advice                               only for what no `setup` can bring about
                  ahead, harmless, caution             what stands before it and lets some through
    [[setup]]     argv, stdin, ok, unless, shows, when
    [[ban]]       argv, ok, for, up_to, and [[ban.stdin]] for, each, text, join
    [[renew]]     the same, for those that are banned already, with another time; else `ban` serves
    [[unban]]     the same
    [[list]]      argv, ok, after, until, split, pattern, length
    [[glance]]    argv, ok, pattern                    is all as it was? costs the same at any size
    [[teardown]]  as setup
    [[hint]]      error, advice, unanswered
    [[sample]]    see actionsamples

Such a file is written once and then runs as root for years. So its samples are part of it: a file
whose templates and patterns do not do what its samples say is no action.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from fw_guard import actionsamples, choices, tomlfile
from fw_guard.faults import Fault, FaultsError, in_order
from fw_guard.listings import Check, Glance, Listing, Shape
from fw_guard.templates import (
    ADDRESS_HOLES,
    CLASSES,
    HOLE,
    TEXT_HOLES,
    Action,
    Batch,
    Choice,
    Command,
    Hint,
    Part,
    Step,
)
from fw_guard.tomlfile import Document
from fw_guard.tomlfile import listed as words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fw_guard.choices import Chosen
    from fw_guard.patterns.compile import Compiled
    from fw_guard.tomlfile import Table

CHUNK = 30_000
LARGEST = 1_000_000_000
LIST_HOLES = ("each", "addresses", "networks")
GENERATIONS = ("nf_tables",)
DEFAULTS = Choice()


def load(
    path: str, *, trusted: bool = False, choice: Choice = DEFAULTS, believed: bool = False
) -> Action:
    """Read the action file at ``path`` for a choice; raise FaultsError with every fault of it.

    ``trusted`` is for the files that ship: whoever owns them is not asked. The samples of that very
    choice are tried. A file that is ``believed``, for it was tried as it is, gives an action that
    can do all but look: its patterns are not read, which takes pyparsing.
    """
    document = tomlfile.open_document(path, trusted=trusted)
    if not believed:
        return parse_action(document, choice)
    chosen = choices.read(document.root, choice)._replace(believed=True)
    return _action(document.root, chosen)


def parse_action(document: Document, choice: Choice = DEFAULTS) -> Action:
    """Read an action from an open document; raise FaultsError with every fault of it."""
    root = document.root
    chosen = choices.read(root, choice)
    samples = actionsamples.read(root, chosen.options)
    mine = tuple(sample for sample in samples if sample.choice == chosen.choice)
    action = _action(root, chosen)._replace(samples=mine)
    _agreement(root, action, chosen)
    if chosen.choice == choices.read_choice(None, chosen.options):
        actionsamples.note_gaps(root, action)
    document.check()
    if faults := actionsamples.check_samples(action):
        raise FaultsError(in_order(faults))
    return action


def check(path: str, *, trusted: bool = False) -> list[Fault]:
    """Give every fault that an action file has under any choice, once.

    It is read for the defaults, for every other value alone, for some ports, and for whatever its
    samples choose.
    """
    try:
        document = tomlfile.open_document(path, trusted=trusted)
        chosen = choices.read(document.root, DEFAULTS)
        samples = actionsamples.read(document.root, chosen.options)
    except FaultsError as error:
        return list(error.faults)
    of_samples = (sample.choice for sample in samples)
    faults: list[Fault] = []
    for choice in dict.fromkeys((DEFAULTS, *choices.alternatives(chosen.options), *of_samples)):
        try:
            parse_action(Document(path, document.text), choice)
        except FaultsError as error:
            faults.extend(error.faults)
    return list(in_order(faults))


def _action(root: Table, chosen: Chosen) -> Action:
    def standing(key: str) -> list[Table]:
        return choices.standing(root, key, chosen)

    action = Action(
        path=root.document.path,
        title=root.text("title", required=True),
        chunk=root.integer("chunk", CHUNK, least=1, most=LARGEST),
        most=root.integer("most", 0, least=1, most=LARGEST),
        beyond=root.text("beyond"),
        max_seconds=root.integer("max_seconds", 0, least=60, most=LARGEST),
        rewrite=root.boolean("rewrite", default=False),
        empties=root.boolean("empties", default=False),
        checks=tuple(_check(table, chosen) for table in standing("check")),
        setup=tuple(_step(table, chosen) for table in standing("setup")),
        ban=_batches(root, "ban", chosen),
        unban=_batches(root, "unban", chosen),
        listings=tuple(_listing(table, chosen) for table in standing("list")),
        teardown=tuple(_step(table, chosen) for table in standing("teardown")),
        hints=tuple(_hint(table, chosen) for table in root.tables("hint")),
        samples=(),
        renew=_batches(root, "renew", chosen),
        glances=tuple(_glance(table, chosen) for table in standing("glance")),
        generation=root.choice("generation", GENERATIONS, "") if root.has("generation") else "",
        guard=chosen.holes["guard"],
    )
    root.finish()
    return action


def _agreement(root: Table, action: Action, chosen: Chosen) -> None:
    """Note where the tables of one file do not go together."""
    for key in ("ban", "unban"):
        if root.has(key) and not getattr(action, key) and not action.rewrite:
            said = f"no [[{key}]] is left with {chosen.holes['choice']}"
            root.fault(key, f"{said}; expected one for every value")
    if not root.has("ban"):
        root.fault(None, "no [[ban]]; expected one that says how an address is banned")
    elif action.rewrite and root.has("unban"):
        root.fault("unban", "[[unban]] beside `rewrite`; expected [[ban]] alone: it writes the set")
    elif action.rewrite and root.has("renew"):
        root.fault("renew", "[[renew]] beside `rewrite`; expected [[ban]] alone: it writes the set")
    elif action.rewrite and not all(batch.parts for batch in action.ban):
        root.fault("ban", "`rewrite` without [[ban.stdin]]; expected the text of the whole set")
    elif not action.rewrite and not root.has("unban"):
        root.fault(None, "no [[unban]]; expected one that says how an address is let in again")
    elif not action.rewrite:
        for key, batches in (("unban", action.unban), ("renew", action.renew)):
            taken = {kind for batch in batches for kind in batch.classes}
            never = [kind for kind in CLASSES if kind in action.classes - taken]
            if batches and never:
                message = f"[[{key}]] takes no {words(never)}, which [[ban]] does"
                root.fault(key, f"{message}; expected the same classes of addresses")
    if action.setup and not action.checks:
        root.fault("setup", "[[setup]] without [[check]]; expected one that says when it is needed")


def _check(table: Table, chosen: Chosen) -> Check:
    check = Check(
        argv=_argv(table, chosen),
        ok=_ok(table),
        has=_shapes(table, "has", chosen),
        advice=_text(table, "advice", chosen),
        ahead=_shapes(table, "ahead", chosen),
        harmless=_shapes(table, "harmless", chosen),
        caution=_text(table, "caution", chosen),
        after=_optional(table, "after", chosen),
        until=_optional(table, "until", chosen),
    )
    if check.ahead and not (check.has and check.caution):
        table.fault("ahead", "`ahead` alone; expected `has` and `caution` beside it")
    for key in ("harmless", "caution"):
        if table.has(key) and not check.ahead:
            table.fault(key, f"`{key}` without `ahead`; expected both")
    table.finish()
    return check


def _step(table: Table, chosen: Chosen) -> Step:
    command = Command(_argv(table, chosen), _text(table, "stdin", chosen), _ok(table))
    unless, when = _argv(table, chosen, "unless"), _argv(table, chosen, "when")
    step = Step(command, unless, when, _shapes(table, "shows", chosen))
    if step.shows and not unless:
        table.fault("shows", "`shows` without `unless`; expected the command that shows it")
    table.finish()
    return step


def _batches(root: Table, key: str, chosen: Chosen) -> tuple[Batch, ...]:
    """Read [[ban]], [[renew]] or [[unban]]; one whose every part is for another choice is gone."""
    return tuple(
        _batch(table, choices.standing(table, "stdin", chosen), chosen)
        for table in choices.standing(root, key, chosen)
        if not table.tables("stdin") or choices.standing(table, "stdin", chosen)
    )


def _batch(table: Table, stdin: Sequence[Table], chosen: Chosen) -> Batch:
    parts = tuple(_part(part, chosen) for part in stdin)
    if parts:
        taken = {kind for part in parts for kind in part.classes}
        classes = tuple(kind for kind in CLASSES if kind in taken)
        argv = _argv(table, chosen, required=False)
    else:
        classes = _classes(table)
        argv = _argv(table, chosen, required=False, holes=ADDRESS_HOLES)
        if not any(HOLE.search(word) for word in argv) and not table.has("stdin"):
            message = "the address is neither in `argv` nor in a table `stdin`; expected it in one"
            table.fault(None, message)
    up_to = 0 if parts else table.integer("up_to", 0, least=1, most=LARGEST)
    batch = Batch(argv, _ok(table), parts, classes, up_to)
    table.finish()
    return batch


def _part(table: Table, chosen: Chosen) -> Part:
    part = Part(
        classes=_classes(table),
        each=_text(table, "each", chosen, ADDRESS_HOLES),
        text=_text(table, "text", chosen, TEXT_HOLES),
        join=table.text("join", "\n"),
    )
    used = HOLE.findall(part.text) if part.text else ["each"]
    if not any(hole in used for hole in LIST_HOLES):
        table.fault("text", f"`text` has no address; expected a hole {words(LIST_HOLES)}")
    elif "each" in used and not any(hole in part.each for hole in ("{address}", "{network}")):
        table.fault("each", "`each` has no address; expected a hole address or network")
    elif "each" not in used and part.each:
        table.fault("each", "`each` is never used; expected a hole each in `text`")
    table.finish()
    return part


def _listing(table: Table, chosen: Chosen) -> Listing:
    entry = _shape(table, "pattern", table.text("pattern", required=True), chosen)
    if table.has("pattern") and entry.regex and not entry.group:
        table.fault("pattern", "the pattern has no field `address`; expected one {address}")
    listing = Listing(
        argv=_argv(table, chosen),
        ok=_ok(table),
        after=_optional(table, "after", chosen),
        until=_optional(table, "until", chosen),
        split=table.text("split"),
        entry=entry,
        length=table.integer("length", 0, least=1, most=128),
    )
    table.finish()
    return listing


def _glance(table: Table, chosen: Chosen) -> Glance:
    source = table.text("pattern", required=True)
    shape = _shape(table, "pattern", source, chosen, field="count")
    if "{count" in source and shape.regex and (not shape.group or "{count:int}" not in source):
        message = "`count` is no number, or stands twice; expected one {count:int}"
        table.fault("pattern", message, source.index("{count"))
    glance = Glance(_argv(table, chosen), _ok(table), shape)
    table.finish()
    return glance


def _hint(table: Table, chosen: Chosen) -> Hint:
    error = _text(table, "error", chosen, required=True)
    advice = _text(table, "advice", chosen, required=True)
    hint = Hint(error, advice, table.boolean("unanswered", default=False))
    table.finish()
    return hint


def _argv(
    table: Table,
    chosen: Chosen,
    key: str = "argv",
    *,
    required: bool | None = None,
    holes: Sequence[str] = (),
) -> tuple[str, ...]:
    """Read a command's words; ``argv`` itself is required unless told otherwise."""
    words = table.texts(key, required=key == "argv" if required is None else required)
    if words and not words[0]:
        table.fault(key, f"`{key}` names no program; expected its name first")
    if any("\0" in word for word in words):
        table.fault(key, f"`{key}` holds a NUL character; expected plain words")
    if words and "/" in words[0] and not words[0].startswith("/"):
        table.fault(key, f"{words[0]!r} is no program; expected a bare name or a path from /")
    return tuple(
        _filled(table, key, word, chosen, holes if item else (), item)
        for item, word in enumerate(words)
    )


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


def _text(
    table: Table, key: str, chosen: Chosen, known: Sequence[str] = (), *, required: bool = False
) -> str:
    """Read a text with its holes filled, but for those that are ``known`` to be filled later."""
    return _filled(table, key, table.text(key, required=required), chosen, known)


def _filled(
    table: Table, key: str, text: str, chosen: Chosen, later: Sequence[str], item: int = 0
) -> str:
    """Fill the holes of a text; note every hole that nothing fills, now or later."""
    known = (*later, *chosen.holes)
    for hole in HOLE.finditer(text):
        if hole[1] not in known:
            expected = (
                words(later) if later else "none here (a brace with a blank inside is a brace)"
            )
            message = f"unknown hole `{hole[1]}`{tomlfile.meant(hole[1], known)}"
            table.fault(key, f"{message}; expected {expected}", hole.start() + 1, item)
    return choices.filled(text, chosen.holes)


@cache
def _compiled(source: str) -> Compiled:
    """Read a pattern, once of those that stand several times; raise PatternError."""
    from fw_guard.patterns.compile import compile_pattern
    from fw_guard.patterns.grammar import parse

    return compile_pattern(parse(source))


def _shapes(table: Table, key: str, chosen: Chosen) -> tuple[Shape, ...]:
    """Read a list of patterns."""
    sources = enumerate(table.texts(key))
    return tuple(_shape(table, key, source, chosen, item) for item, source in sources)


def _optional(table: Table, key: str, chosen: Chosen) -> Shape | None:
    """Read a pattern that need not be there."""
    return _shape(table, key, table.text(key), chosen) if table.has(key) else None


def _shape(
    table: Table, key: str, source: str, chosen: Chosen, item: int = 0, *, field: str = "address"
) -> Shape:
    """Read one pattern; a faulty one fits nothing. Its group is that of ``field``."""
    filled = choices.in_pattern(source, chosen)
    if chosen.believed:
        return Shape(filled, b"")
    from fw_guard.patterns.grammar import PatternError  # pyparsing comes with it

    try:
        compiled = _compiled(filled)
    except PatternError as error:
        for offset, message in error.faults:
            table.fault(key, message, choices.offset_in_file(source, chosen, offset), item)
        return Shape(filled, b"")
    groups = [at for at, name in enumerate(compiled.fields, 1) if name == field]
    return Shape(filled, compiled.regex, groups[0] if len(groups) == 1 else 0)
