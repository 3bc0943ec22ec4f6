"""What an action is made of, and how its templates become commands.

Every address is of one class, and an action says for each class what is written for it:

    host4      192.0.2.7              one IPv4 address
    net4       198.51.100.0/24        an IPv4 network
    host6      2001:db8::7            one IPv6 address
    prefix64   2001:db8:1:2::/64      an IPv6 /64, which is what is normally banned of IPv6
    net6       2001:db8:1::/48        an IPv6 network of any other length

A hole in a template is one lower-case word in braces, ``{address}``; braces around anything else
stand for themselves. Everything here is a plain value or a pure function, so that whoever wants to
see what would be run need not run it. Nothing but canonical addresses, whole numbers and the
action's own words can reach a command.

One action may be at work several times over: once for all ports, and once for each list of ports
that a jail names. Each has furniture of its own in the firewall, named by ``guard_name``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple

from fw_guard import addresses

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fw_guard.listings import Check, Glance, Listing, Shape

    SampleKind = Literal["ban", "renew", "unban", "list", "check", "setup", "teardown", "glance"]
    Ports = tuple[tuple[int, int], ...]

FAMILIES = {"host4": 4, "net4": 4, "host6": 6, "prefix64": 6, "net6": 6}
CLASSES = tuple(FAMILIES)
HOLE = re.compile(r"\{([a-z][a-z0-9_]*)\}")
ADDRESS_HOLES = ("address", "network", "length", "seconds", "class", "family")
TEXT_HOLES = ("each", "addresses", "networks", "class", "family")
GUARD = "fw_guard"
LONGEST_GUARD = 24  # a chain of iptables has at most 28 characters, and an action may add some


class Choice(NamedTuple):
    """What is chosen of an action: (option, value) each; an option not named has its default.

    ``ports`` are (first, last) each, sorted, none touching the next; none: whatever the port.
    """

    options: tuple[tuple[str, str], ...] = ()
    ports: Ports = ()


class Subject(NamedTuple):
    """An address or network with what the holes of a template stand for.

    ``network`` is the address without a length, ``seconds`` the time left, 0 for good.
    """

    address: str
    kind: str
    network: str
    length: int
    seconds: int


class Command(NamedTuple):
    """One process: its arguments, its standard input, and the exit codes that mean success.

    No arguments: the input is printed instead, as the action ``preview`` does.
    """

    argv: tuple[str, ...]
    stdin: str = ""
    ok: tuple[int, ...] = (0,)


class Step(NamedTuple):
    """A command of ``setup`` or ``teardown``.

    It is skipped when the command ``unless`` succeeds and each of ``shows`` fits some line of its
    output, and run only when ``when`` succeeds; empty: whatever they say.
    """

    command: Command
    unless: tuple[str, ...]
    when: tuple[str, ...]
    shows: tuple[Shape, ...] = ()


class Part(NamedTuple):
    """A piece of a batch's standard input: one ``each`` an address, within ``text`` if it is given.

    ``text`` is written once for all addresses of the ``classes``; one that has the hole ``class``
    or ``family`` once for each class or family.
    """

    classes: tuple[str, ...]
    each: str
    text: str
    join: str


class Batch(NamedTuple):
    """A command of ``ban``, ``renew`` or ``unban``: one process for many, made of ``parts``.

    Without parts it is one process for each address of the ``classes``, which stands in its
    arguments; it is then left out when there are more than ``up_to`` of them, unless that is 0.
    """

    argv: tuple[str, ...]
    ok: tuple[int, ...]
    parts: tuple[Part, ...]
    classes: tuple[str, ...]
    up_to: int


class Hint(NamedTuple):
    """What to do when a tool's complaint contains ``error``.

    ``unanswered``: a question that ends so is not answered with no; nobody knows the answer.
    """

    error: str
    advice: str
    unanswered: bool = False


class Sample(NamedTuple):
    """What an action file says that it does; ``line``, ``column`` and ``source`` say where.

    ``ban``, ``renew`` and ``unban`` turn ``members`` (address, seconds) into ``commands``, which
    ``setup`` and ``teardown`` consist of; ``list`` turns ``output`` into ``listed``, ``glance``
    into ``total`` and ``marks``; ``check`` finds in ``output`` what it looks for or not
    (``intact``) and the lines ``passes`` ahead of that. All this is so under one ``choice``.
    """

    kind: SampleKind
    line: int
    column: int
    source: str
    choice: Choice = Choice()
    members: tuple[tuple[str, int], ...] = ()
    commands: tuple[Command, ...] = ()
    output: str = ""
    listed: tuple[str, ...] = ()
    intact: bool = True
    passes: tuple[str, ...] = ()
    total: int | None = None
    marks: tuple[str, ...] = ()


class Action(NamedTuple):
    """How one firewall is driven.

    ``chunk``: addresses a process takes; ``most``: addresses the firewall takes, with the advice
    ``beyond``; ``max_seconds``: the longest time it can keep; 0: no limit. ``rewrite``: each
    change writes the whole set with ``ban``. ``empties``: the set-up leaves nobody banned.
    ``guard`` is the name of the furniture, ``generation`` what counts the changes to the firewall
    by itself: ``nf_tables``, or nothing.
    """

    path: str
    title: str
    chunk: int
    most: int
    beyond: str
    max_seconds: int
    rewrite: bool
    checks: tuple[Check, ...]
    setup: tuple[Step, ...]
    ban: tuple[Batch, ...]
    unban: tuple[Batch, ...]
    listings: tuple[Listing, ...]
    teardown: tuple[Step, ...]
    hints: tuple[Hint, ...]
    samples: tuple[Sample, ...]
    renew: tuple[Batch, ...] = ()
    glances: tuple[Glance, ...] = ()
    generation: str = ""
    empties: bool = False
    guard: str = GUARD

    @property
    def classes(self) -> frozenset[str]:
        """The classes of addresses that it can ban."""
        return frozenset(name for batch in self.ban for name in batch.classes)

    @property
    def keeps_time(self) -> bool:
        """Whether the firewall itself ends a ban, so that a changed time must be told to it."""
        return any(
            "{seconds}" in text
            for batch in self.ban
            for text in (*batch.argv, *(part.each for part in batch.parts))
        )


def guard_name(ports: Ports) -> str:
    """Give the name that furniture for these ports has in a firewall: a-z 0-9 _, short enough."""
    if not ports:
        return GUARD
    words = [f"{first}" if first == last else f"{first}to{last}" for first, last in ports]
    name = "_".join([GUARD, *words])
    if len(name) <= LONGEST_GUARD:
        return name
    import zlib  # here, because hardly anybody lists so many ports

    return f"{GUARD}_{zlib.crc32(name.encode()):08x}"


def subject(address: str, seconds: int = 0) -> Subject:
    """Give the class and the parts of a canonical address; raise AddressError for any other text.

    This is the last gate before a template: it takes no text that it would not itself have made.
    """
    value, length = addresses.split(address)
    proper = addresses.network(value, length)
    if proper != address:
        raise addresses.AddressError(f"{address!r} is not canonical; expected {proper!r}")
    family = 4 if len(value) == 4 else 6
    if length == addresses.WIDTHS[len(value)]:
        kind = f"host{family}"
    elif (family, length) == (6, 64):
        kind = "prefix64"
    else:
        kind = f"net{family}"
    return Subject(address, kind, addresses.spelled(value), length, seconds)


def seconds_left(until: int | None, now: int, longest: int) -> int:
    """Give the whole seconds from ``now`` to ``until``, 0 for good, at most ``longest`` (0: any).

    A time that is over gives 1, never 0: it must not become a ban for good.
    """
    if until is None:
        return 0
    left = max(1, until - now)
    return min(left, longest) if longest else left


def batch(
    action: Action,
    kind: Literal["ban", "renew", "unban"],
    members: Mapping[str, int | None],
    now: int,
) -> list[Command]:
    """Give the commands that ban, renew or unban ``members`` (address: epoch second or None).

    Addresses keep their order. An action that rewrites takes the whole set, under any name; one
    that says nothing of renewing bans again. Raises AddressError.
    """
    subjects = [
        subject(address, seconds_left(until, now, action.max_seconds))
        for address, until in members.items()
    ]
    batches = action.unban if kind == "unban" and not action.rewrite else action.ban
    if kind == "renew" and action.renew:
        batches = action.renew
    return [
        command
        for each in batches
        for command in _commands(each, subjects, action.chunk, whole=action.rewrite)
    ]


def _commands(
    batch: Batch, subjects: Sequence[Subject], chunk: int, *, whole: bool
) -> Iterator[Command]:
    """Give the processes of one batch; an empty set is one too, if the ``whole`` set is written."""
    mine = [subject for subject in subjects if subject.kind in batch.classes]
    if batch.parts:
        size = max(1, len(mine)) if whole else chunk
        for start in range(0, max(len(mine), whole), size):
            some = mine[start : start + size]
            stdin = "".join(_written(part, some, whole=whole) for part in batch.parts)
            yield Command(batch.argv, stdin, batch.ok)
    elif len(mine) <= batch.up_to or not batch.up_to:
        formats = [_format(word) for word in batch.argv]
        for subject in mine:
            values = _values(subject)
            yield Command(tuple(word % values for word in formats), "", batch.ok)


def _written(part: Part, subjects: Sequence[Subject], *, whole: bool) -> str:
    """Give the standard input that one part makes for ``subjects``."""
    each = _format(part.each)
    if not part.text:
        mine = [subject for subject in subjects if subject.kind in part.classes]
        return "".join(f"{each % _values(subject)}\n" for subject in mine)
    text = _format(part.text if part.text.endswith("\n") else f"{part.text}\n")
    written = []
    for kinds in _groups(part):
        some = [subject for subject in subjects if subject.kind in kinds]
        if some or whole:
            values = {
                "each": part.join.join(each % _values(subject) for subject in some),
                "addresses": part.join.join(subject.address for subject in some),
                "networks": part.join.join(subject.network for subject in some),
                "class": kinds[0],
                "family": FAMILIES[kinds[0]],
            }
            written.append(text % values)
    return "".join(written)


def _groups(part: Part) -> list[tuple[str, ...]]:
    """Give the classes that share one writing of the part's text."""
    if "{class}" in part.text:
        return [(kind,) for kind in part.classes]
    if "{family}" in part.text:
        families = [tuple(kind for kind in part.classes if FAMILIES[kind] == f) for f in (4, 6)]
        return [kinds for kinds in families if kinds]
    return [part.classes]


def _format(template: str) -> str:
    """Give a template as a format for ``%``, which fills ten thousand in a few milliseconds."""
    return HOLE.sub(r"%(\1)s", template.replace("%", "%%"))


def _values(subject: Subject) -> dict[str, object]:
    """Give what each of the ADDRESS_HOLES stands for."""
    return {
        "address": subject.address,
        "network": subject.network,
        "length": subject.length,
        "seconds": subject.seconds,
        "class": subject.kind,
        "family": FAMILIES[subject.kind],
    }
