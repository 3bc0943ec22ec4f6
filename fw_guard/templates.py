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
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple

from fw_guard import addresses

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fw_guard.listings import Check, Listing

    SampleKind = Literal["ban", "unban", "list", "check"]

FAMILIES = {"host4": 4, "net4": 4, "host6": 6, "prefix64": 6, "net6": 6}
CLASSES = tuple(FAMILIES)
HOLE = re.compile(r"\{([a-z][a-z0-9_]*)\}")
ADDRESS_HOLES = ("address", "network", "length", "seconds", "class", "family")
TEXT_HOLES = ("each", "addresses", "networks", "class", "family")


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

    It is skipped when the command ``unless`` succeeds, and run only when ``when`` does; empty:
    whatever they say.
    """

    command: Command
    unless: tuple[str, ...]
    when: tuple[str, ...]


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
    """A command of ``ban`` or ``unban``: one process for many addresses, made of ``parts``.

    Without parts it is one process for each address of the ``classes``, which stands in its
    arguments; it is then left out when there are more than ``up_to`` of them, unless that is 0.
    """

    argv: tuple[str, ...]
    ok: tuple[int, ...]
    parts: tuple[Part, ...]
    classes: tuple[str, ...]
    up_to: int


class Hint(NamedTuple):
    """What to do when a tool's complaint contains ``error``."""

    error: str
    advice: str


class Sample(NamedTuple):
    """What an action file says that it does; ``line``, ``column`` and ``source`` say where.

    ``ban`` and ``unban`` turn ``members`` (address, seconds) into ``commands``, ``list`` turns
    ``output`` into ``listed``, ``check`` finds in ``output`` what it looks for or not (``intact``).
    """

    kind: SampleKind
    line: int
    column: int
    source: str
    members: tuple[tuple[str, int], ...] = ()
    commands: tuple[Command, ...] = ()
    output: str = ""
    listed: tuple[str, ...] = ()
    intact: bool = True


class Action(NamedTuple):
    """How one firewall is driven.

    ``chunk``: addresses a process takes; ``most``: addresses the firewall takes, with the advice
    ``beyond``; ``max_seconds``: the longest time it can keep; 0: no limit. ``rewrite``: each
    change writes the whole set with ``ban``.
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
    kind: Literal["ban", "unban"],
    members: Mapping[str, int | None],
    now: int,
) -> list[Command]:
    """Give the commands that ban or unban ``members`` (address: epoch second of its end or None).

    Addresses keep their order. An action that rewrites takes the whole set, under either name.
    Raises AddressError.
    """
    subjects = [
        subject(address, seconds_left(until, now, action.max_seconds))
        for address, until in members.items()
    ]
    batches = action.ban if kind == "ban" or action.rewrite else action.unban
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
