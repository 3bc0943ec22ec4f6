"""What may be chosen of an action, and what its holes stand for under one choice.

    [option.block]                  # the first value is the default
    [option.block.drop]             # a value: its holes, the same in every value of the option
    verdict = "drop"
    [option.block.reject]
    verdict = "reject"

    [option.ports]                  # `some` is chosen by naming ports, `none` by naming none
    join  = ", "                    # between two ports
    range = "-"                     # between the first and the last of a range
    most  = 15                      # as many ports may be named; a range counts two
    [option.ports.none]
    scope = ""
    [option.ports.some]
    scope = "th dport != { {ports} } return"

    with = { block = "reject", ports = "some" }     # in a table: it stands under these values alone

Beside the holes of the options there are ``{guard}``, the name of the furniture; ``{choice}``,
every option with its value, so that furniture can say what it was made for; and ``{ports}``. These
three hold nothing that is special to a pattern, and are filled in patterns too; the others are not.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from fw_guard import ports, templates, tomlfile
from fw_guard.templates import ADDRESS_HOLES, HOLE, TEXT_HOLES, Choice
from fw_guard.tomlfile import listed as words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fw_guard.tomlfile import Document, Table

NAME = re.compile(r"[a-z][a-z0-9_]*")
PORTS = "ports"
PORT_VALUES = ("none", "some")
GENERAL = ("guard", "choice", "ports")
RESERVED = {*GENERAL, *ADDRESS_HOLES, *TEXT_HOLES}
SOME_PORTS = ((22, 22), (8000, 8010))
Values = dict[str, dict[str, str]]


class Option(NamedTuple):
    """One option: every value with its holes, the default first.

    ``join``, ``dash`` and ``most`` say how ports are written, and how many may be, 0 for any.
    """

    values: Values
    join: str = ","
    dash: str = "-"
    most: int = 0


class Chosen(NamedTuple):
    """The options of a file, the value of each, what the holes stand for, the whole choice.

    Of a file that is ``believed`` no pattern is read.
    """

    options: Mapping[str, Option]
    values: Mapping[str, str]
    holes: Mapping[str, str]
    choice: Choice
    believed: bool = False


def read(root: Table, choice: Choice) -> Chosen:
    """Read what may be chosen in a file and choose; faults are noted, and the default serves."""
    tables = root.table("option")
    options = dict(_options(tables)) if tables else {}
    values = _settled(tables or root, options, choice)
    general = {
        "guard": templates.guard_name(choice.ports),
        "choice": " ".join(f"{name}={value}" for name, value in values.items()),
    }
    if PORTS in options:
        general[PORTS] = ports.spell(choice.ports, options[PORTS].join, options[PORTS].dash)
    holes = {
        hole: filled(text, general)
        for name, option in options.items()
        for hole, text in option.values[values[name]].items()
    }
    return Chosen(options, values, {**holes, **general}, _whole(values, choice))


def read_choice(table: Table | None, options: Mapping[str, Option]) -> Choice:
    """Read the choice that a sample is for, and give it with the value of every option."""
    named = Choice()
    if table is not None:
        texts = ((name, table.text(name)) for name in table.values if name != PORTS)
        named = Choice(tuple(texts), _read_ports(table))
        return _whole(_settled(table, options, named), named)
    return _whole({name: next(iter(option.values)) for name, option in options.items()}, named)


def _whole(values: Mapping[str, str], choice: Choice) -> Choice:
    """Give a choice with every option named, so that two that mean the same are the same."""
    return choice._replace(options=tuple((n, v) for n, v in values.items() if n != PORTS))


def filled(text: str, holes: Mapping[str, str]) -> str:
    """Give a text with these holes filled; a line that is nothing but an empty hole vanishes."""
    for name, value in holes.items():
        if not value and f"{{{name}}}" in text and "\n" in text:
            text = re.sub(rf"(?m)^[ \t]*\{{{name}\}}[ \t]*\n", "", text)
    return HOLE.sub(lambda hole: holes.get(hole[1], hole[0]), text)


def in_pattern(text: str, chosen: Chosen) -> str:
    """Give the source of a pattern with the holes filled that are filled there."""
    return filled(text, {name: chosen.holes[name] for name in GENERAL if name in chosen.holes})


def offset_in_file(text: str, chosen: Chosen, offset: int) -> int:
    """Give where in a pattern stands what is at ``offset`` once its holes are filled."""
    longer = 0
    for hole in HOLE.finditer(text):
        value = chosen.holes.get(hole[1], "") if hole[1] in GENERAL else hole[0]
        begin = hole.start() + longer
        if offset < begin + len(value):
            return hole.start() if offset > begin and value != hole[0] else offset - longer
        longer += len(value) - len(hole[0])
    return offset - longer


def standing(table: Table, key: str, chosen: Chosen) -> list[Table]:
    """Give those tables of the array ``key`` that stand under the choice."""
    return [each for each in table.tables(key) if stands(each, chosen)]


def stands(table: Table, chosen: Chosen) -> bool:
    """Say whether the choice is what the table's ``with`` wants, or it wants nothing."""
    wants = table.table("with")
    if wants is None:
        return True
    agrees = []
    for name in wants.values:
        wanted = wants.texts(name, required=True)
        option = chosen.options.get(name)
        if option is None:
            wants.fault(name, _unknown(name, chosen.options))
            continue
        for item, value in enumerate(wanted):
            if value not in option.values:
                said = f"`{name}` has no value {value!r}{tomlfile.meant(value, option.values)}"
                wants.fault(name, f"{said}; expected {words(option.values)}", 0, item)
        agrees.append(chosen.values[name] in wanted)
    return all(agrees)


def alternatives(options: Mapping[str, Option]) -> Iterator[Choice]:
    """Give every choice that differs from the default in one value, and one with ports."""
    for name, option in options.items():
        if name == PORTS:
            yield Choice(ports=SOME_PORTS)
            continue
        for value in list(option.values)[1:]:
            yield Choice(((name, value),))


def _read_ports(table: Table) -> templates.Ports:
    values = table.get(PORTS)
    if values is None:
        return ()
    try:
        return ports.read(values if isinstance(values, list) else [values])
    except ports.PortError as error:
        table.fault(PORTS, str(error))
        return ()


def _settled(table: Table, options: Mapping[str, Option], choice: Choice) -> dict[str, str]:
    """Give the value of every option; note where a choice names what is not there."""
    values = {name: next(iter(option.values)) for name, option in options.items()}
    wrong = dict(misfits(options, choice))
    for name, said in wrong.items():
        table.fault(name if table.has(name) or name in options else None, said)
    values |= {n: v for n, v in choice.options if n not in wrong}
    if choice.ports and PORTS in options:
        values[PORTS] = PORT_VALUES[1]
    return values


def misfits(options: Mapping[str, Option], choice: Choice) -> Iterator[tuple[str, str]]:
    """Give each option of which a choice names what is not there, with what is wrong."""
    for name, value in choice.options:
        if name not in options or name == PORTS:
            yield name, _unknown(name, options)
        elif value not in options[name].values:
            known = options[name].values
            said = f"`{name}` has no value {value!r}{tomlfile.meant(value, known)}"
            yield name, f"{said}; expected {words(known)}"
    if choice.ports and PORTS not in options:
        yield PORTS, _unknown(PORTS, options)
    elif choice.ports:
        most, named = options[PORTS].most, sum(1 + (a != b) for a, b in choice.ports)
        if most and named > most:
            said = f"{named} ports are named; expected {most} at the most (a range counts two)"
            yield PORTS, said


def offered(document: Document) -> Mapping[str, Option]:
    """Give the options of an action file as far as they can be read, and nothing else of it."""
    tables = document.root.table("option")
    return dict(_options(tables)) if tables else {}


def _unknown(name: str, options: Mapping[str, Option]) -> str:
    expected = words(options) if options else "none here"
    return f"no option {name!r}{tomlfile.meant(name, options)}; expected {expected}"


def _options(tables: Table) -> Iterator[tuple[str, Option]]:
    """Read ``[option.NAME]`` each."""
    owners: dict[str, str] = {}
    general = GENERAL if tables.has(PORTS) else GENERAL[:2]
    for name in tables.values:
        table = tables.table(name)
        if not NAME.fullmatch(name):
            tables.fault(name, f"an option cannot be named {name!r}; expected a-z 0-9 _")
            continue
        if table is None:
            continue
        join, dash, most = ",", "-", 0
        if name == PORTS:
            join, dash = table.text("join", ","), table.text("range", "-")
            most = table.integer("most", 0, least=1, most=ports.LAST)
        settings = ("join", "range", "most") if name == PORTS else ()
        names = [key for key in table.values if key not in settings]
        values = dict(_values(table, names, general))
        if name == PORTS and tuple(values) != PORT_VALUES:
            tables.fault(name, "the values of `ports` are fixed; expected none, then some")
            continue
        if not values:
            tables.fault(name, f"the option {name!r} has no value; expected a table for each")
            continue
        for hole in next(iter(values.values())):
            if hole in owners:
                said = f"the hole `{hole}` is one of the option {owners[hole]!r} too"
                tables.fault(name, f"{said}; expected another name")
            owners.setdefault(hole, name)
        yield name, Option(values, join, dash, most)


def _values(
    table: Table, names: Sequence[str], general: Sequence[str]
) -> Iterator[tuple[str, dict[str, str]]]:
    """Read ``[option.NAME.VALUE]`` each; every one gets the holes of the first."""
    first: dict[str, str] | None = None
    for name in names:
        value = table.table(name)
        if not NAME.fullmatch(name):
            table.fault(name, f"a value cannot be named {name!r}; expected a-z 0-9 _")
            continue
        if value is None:
            continue
        holes = {hole: value.text(hole).removesuffix("\n") for hole in value.values}
        for hole, text in holes.items():
            _sound(value, hole, text, general)
        first = holes if first is None else first
        if holes.keys() != first.keys():
            said = words(f"`{hole}`" for hole in first) if first else "none"
            table.fault(name, f"{name!r} has other holes than {names[0]!r}; expected {said}")
        yield name, {hole: holes.get(hole, "") for hole in first}


def _sound(value: Table, hole: str, text: str, general: Sequence[str]) -> None:
    """Note what is wrong with one hole of a value."""
    if not NAME.fullmatch(hole):
        value.fault(hole, f"a hole cannot be named {hole!r}; expected a-z 0-9 _")
    elif hole in RESERVED:
        value.fault(hole, f"the hole `{hole}` has a meaning of its own; expected another name")
    for inner in HOLE.finditer(text):
        if inner[1] not in general:
            said = f"unknown hole `{inner[1]}`{tomlfile.meant(inner[1], general)}"
            value.fault(hole, f"{said}; expected {words(general)}", inner.start() + 1)
