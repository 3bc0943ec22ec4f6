"""Where things stand in a TOML file: characters inside its texts, and every key."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fw_guard.faults import FaultsError
from fw_guard.tomlfile import Document

if TYPE_CHECKING:
    from fw_guard.tomlfile import Keys, Place


def said(text: str) -> str:
    """Give the faults of a file whose patterns may not hold a mark of exclamation."""
    document = Document("guard.toml", text)
    root = document.root
    root.integer("maxretry", 5, least=1, most=1000)
    for match in root.tables("match"):
        for item, pattern in enumerate(match.texts("pattern")):
            if "!" in pattern:
                match.fault("pattern", "no mark of exclamation", pattern.index("!"), item)
    with pytest.raises(FaultsError) as refused:
        document.check()
    return str(refused.value)


CASES = {
    "inside a literal text": (
        "[[match]]\nname = 'a'\npattern = 'from {host!}'\n",
        "guard.toml:3:22: no mark of exclamation",
        "    3 | pattern = 'from {host!}'",
        "      |                      ^",
    ),
    "inside a text in double quotes": (
        '[[match]]\nname = "a"\npattern = "from!"\n',
        "guard.toml:3:16: no mark of exclamation",
        '    3 | pattern = "from!"',
        "      |                ^",
    ),
    "inside a text with escapes the key is shown": (
        '[[match]]\nname = "a"\npattern = "\\tfrom!"\n',
        "guard.toml:3:1: no mark of exclamation",
        '    3 | pattern = "\\tfrom!"',
        "      | ^",
    ),
    "inside a literal text of several lines": (
        "[[match]]\nname = 'a'\npattern = '''\nfrom\n  ho!st'''\n",
        "guard.toml:5:5: no mark of exclamation",
        "    5 |   ho!st'''",
        "      |     ^",
    ),
    "inside the first line of a literal text of several lines": (
        "[[match]]\nname = 'a'\npattern = '''f!\nto'''\n",
        "guard.toml:3:15: no mark of exclamation",
        "    3 | pattern = '''f!",
        "      |               ^",
    ),
    "inside a text of several lines in double quotes": (
        '[[match]]\nname = \'a\'\npattern = """\nfrom\nho!st"""\n',
        "guard.toml:5:3: no mark of exclamation",
        '    5 | ho!st"""',
        "      |   ^",
    ),
    "inside the second text of a list that the first begins with": (
        "[[match]]\nname = 'a'\npattern = [\n  'b! c',\n  'b!',\n]\n",
        "guard.toml:4:5: no mark of exclamation",
        "    4 |   'b! c',",
        "      |     ^",
        "guard.toml:5:5: no mark of exclamation",
        "    5 |   'b!',",
        "      |     ^",
    ),
    "the same text in a later table is not meant": (
        "[[match]]\nname = 'a'\npattern = \"b\\u0021\"\n[[match]]\nname = 'c'\npattern = 'b!'\n",
        "guard.toml:3:1: no mark of exclamation",
        '    3 | pattern = "b\\u0021"',
        "      | ^",
        "guard.toml:6:13: no mark of exclamation",
        "    6 | pattern = 'b!'",
        "      |             ^",
    ),
    "a tab before the caret": (
        "[[match]]\nname = 'a'\n\tpattern = 'b\t!'\n",
        "guard.toml:3:15: no mark of exclamation",
        "    3 |  pattern = 'b !'",
        "      |               ^",
    ),
    "wide characters before the caret": (
        "[[match]]\nname = 'a'\npattern = '日本!'\n",
        "guard.toml:3:14: no mark of exclamation",
        "    3 | pattern = '日本!'",
        "      |                ^",
    ),
    "a very long line": (
        f"[[match]]\nname = 'a'\npattern = '{'b' * 500}!{'c' * 500}'\n",
        "guard.toml:3:512: no mark of exclamation",
        f"    3 | {'b' * 80}!{'c' * 79}",
        f"      | {'':80}^",
    ),
    "lines that end as on Windows": (
        "title = 'x'\r\nmaxretry = 0\r\n",
        "guard.toml:2:1: `maxretry` is 0; expected 1 to 1000",
        "    2 | maxretry = 0",
        "      | ^",
    ),
    "characters that end lines elsewhere end none here": (
        "# a\x85b\u2028c\nmaxretry = 0\n",
        "guard.toml:2:1: `maxretry` is 0; expected 1 to 1000",
        "    2 | maxretry = 0",
        "      | ^",
    ),
    "after a text of several lines that looks like a file": (
        "title = '''\n[log]\nmaxretry = 3\n'''\nmaxretry = 0\n",
        "guard.toml:5:1: `maxretry` is 0; expected 1 to 1000",
        "    5 | maxretry = 0",
        "      | ^",
    ),
    "after a list whose last line looks like a table": (
        "logs = [\n  'a',\n  'b'\n]\nmatch = [\n  ['c']\n]\nmaxretry = 0\n",
        "guard.toml:5:1: `match` is a list of values; expected tables, as [[match]]",
        "    5 | match = [",
        "      | ^",
        "guard.toml:8:1: `maxretry` is 0; expected 1 to 1000",
        "    8 | maxretry = 0",
        "      | ^",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_fault_is_shown_at_its_place(case: tuple[str, ...]) -> None:
    text, *expected = case
    assert said(text).splitlines() == expected


NAMES = st.text(alphabet="abz09_-.\"'# =[]é", max_size=6)
VALUES = (
    *("1", "0x1f", "1e3", "true", "07:32:00", "1979-05-27T07:32:00Z", "''"),
    *("'it # = ['", '"\\"]\\u00e9"', '""', "[]", "{}", "[1, [2], 'x']", "{ a = 1, b.c = [2] }"),
    *("'''\n[a]\nb = 1\n'''", '"""\\"""\n[[a]]\nz = 1\n"""', "'''a''''", '"""a"""""', "''''''"),
    *(
        "[\n  'a', # b = 1\n  [1],\n  ['a']\n]",
        "[\n[\n'''\nz = 1\n'''\n]\n]",
        "[{ a = 1 }, { b = 2 }]",
        "{ '}' = ']', \"{\" = '{', a = [[], {}, '['] }",
    ),
)


@st.composite
def spelled(draw: st.DrawFn, name: str) -> str:
    """One way to write a key."""
    ways = [json.dumps(name)]
    if name and set(name) <= set("abz09_-"):
        ways.append(name)
    if "'" not in name:
        ways.append(f"'{name}'")
    return draw(st.sampled_from(ways))


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, list[tuple[Keys, Place]]]:
    """A TOML text and where each of its keys stands."""
    lines: list[str] = []
    keys: list[tuple[Keys, Place]] = []
    blank = st.sampled_from(["", " ", "\t", "   "])
    note = st.sampled_from(["", " # x = 1", "# [a]", "\t#'''"])

    def line(before: str, after: str, path: Keys, names: list[str]) -> None:
        dotted = f"{draw(blank)}.{draw(blank)}".join(draw(spelled(name)) for name in names)
        keys.append((path, (sum(each.count("\n") + 1 for each in lines) + 1, len(before) + 1)))
        lines.append(before + dotted + after)

    def filling(path: Keys) -> None:
        for name in draw(st.lists(NAMES, max_size=3, unique=True)):
            names = [name, *draw(st.lists(NAMES, max_size=2))]
            value = draw(st.sampled_from(VALUES))
            after = f"{draw(blank)}={draw(blank)}{value}{draw(note)}"
            line(draw(blank), after, (*path, *names), names)
            lines.extend(draw(st.sampled_from([[], [""], ["# a = 1"]])))

    filling(())
    taken = {path[0] for path, _ in keys}
    for name in draw(st.lists(NAMES, max_size=3, unique=True)):
        if name in taken:
            continue
        if draw(st.booleans()):
            names = [name, *draw(st.lists(NAMES, max_size=2))]
            line(f"{draw(blank)}[{draw(blank)}", f"{draw(blank)}]{draw(note)}", (*names,), names)
            filling((*names,))
            continue
        for index in range(draw(st.integers(1, 3))):
            line(
                f"{draw(blank)}[[{draw(blank)}",
                f"{draw(blank)}]]{draw(note)}",
                (name, index),
                [name],
            )
            if draw(st.booleans()):
                filling((name, index))
            else:
                inner = draw(NAMES)
                line("[", "]", (name, index, inner), [name, inner])
                filling((name, index, inner))
    return draw(st.sampled_from(["\n", "\r\n"])).join(("\n".join(lines)).split("\n")), keys


def test_keys_inside_inline_tables_and_lists_are_found() -> None:
    text = "a = { b = [1, { c = 2 }], 'd.e'.f = { } }\n[[g]]\nh = [\n  [{ i = 3 }],\n]\nj = 4\n"
    document = Document("guard.toml", text)
    assert document.places == {
        ("a",): (1, 1),
        ("a", "b"): (1, 7),
        ("a", "b", 1, "c"): (1, 17),
        ("a", "d.e", "f"): (1, 27),
        ("g", 0): (2, 3),
        ("g", 0, "h"): (3, 1),
        ("g", 0, "h", 0, 0, "i"): (4, 6),
        ("g", 0, "j"): (6, 1),
    }


def test_a_text_in_an_inline_table_is_looked_for_between_its_key_and_the_next() -> None:
    text = "match = [{ name = 'b!', pattern = ['b', 'b!'], weight = 1 }]\n"
    assert said(text).splitlines()[0] == "guard.toml:1:43: no mark of exclamation"


@given(documents())
def test_every_key_is_found_where_its_name_stands(
    written: tuple[str, list[tuple[Keys, Place]]],
) -> None:
    text, keys = written
    tomllib.loads(text)
    document = Document("guard.toml", text)
    for path, place in keys:
        assert document.place(path) == place
        assert document.place((*path, "no such key")) == place
