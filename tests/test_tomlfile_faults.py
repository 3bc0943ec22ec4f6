"""Every fault of a TOML file, shown at its place as its owner sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fw_guard.faults import FaultsError
from fw_guard.tomlfile import Document

if TYPE_CHECKING:
    from fw_guard.tomlfile import Table


def read_match(match: Table) -> None:
    match.text("name", required=True)
    match.texts("pattern", required=True)
    match.integer("weight", 1, least=1, most=1000)
    if where := match.table("where"):
        where.integer("status", 200, least=100, most=599)
        where.finish()
    match.finish()


def read(document: Document) -> None:
    """Read a small form that has a key of every kind."""
    root = document.root
    root.text("title")
    root.integer("maxretry", 5, least=1, most=1000)
    root.duration("findtime", 600)
    root.boolean("enabled", default=True)
    root.texts("logs")
    root.choice("format", ("syslog", "clf", "plain"), "syslog")
    if log := root.table("log"):
        log.text("program", required=True)
        log.finish()
    for match in root.tables("match"):
        read_match(match)
    root.finish()
    document.check()


def said(text: str) -> str:
    with pytest.raises(FaultsError) as refused:
        read(Document("guard.toml", text))
    return str(refused.value)


def test_a_sound_file_is_read_without_a_fault() -> None:
    read(
        Document(
            "guard.toml",
            'title = "x"\nmaxretry = 3\nfindtime = "5m"\nenabled = false\nlogs = "/var/log/x"\n'
            'format = "clf"\nlog = { program = "sshd" }\n'
            "[[match]]\nname = 'a'\npattern = ['b', 'c']\nwhere = { status = 404 }\n",
        )
    )


CASES = {
    "a value is missing": (
        "title =\n",
        "guard.toml:1:8: no TOML: invalid value",
        "    1 | title =",
        "      |        ^",
    ),
    "an equals sign is missing": (
        '# jails\ntitle "x"\n',
        "guard.toml:2:7: no TOML: expected '=' after a key in a key/value pair",
        '    2 | title "x"',
        "      |       ^",
    ),
    "a key stands twice": (
        "maxretry = 1\nmaxretry = 2\n",
        "guard.toml:2:13: no TOML: cannot overwrite a value",
        "    2 | maxretry = 2",
        "      |             ^",
    ),
    "a bracket is never closed": (
        'logs = ["/var/log/x",\n',
        "guard.toml:1:1: no TOML: invalid value",
        '    1 | logs = ["/var/log/x",',
        "      | ^",
    ),
    "a text is never closed": (
        "title = 'abc\n",
        'guard.toml:1:1: no TOML: expected "\'"',
        "    1 | title = 'abc",
        "      | ^",
    ),
    "a text is a number": (
        "  title = 7\n",
        "guard.toml:1:3: `title` is a whole number; expected a text",
        "    1 |   title = 7",
        "      |   ^",
    ),
    "a number is a text": (
        'title = "x"\n\nmaxretry = "5"\n',
        "guard.toml:3:1: `maxretry` is a text; expected a whole number",
        '    3 | maxretry = "5"',
        "      | ^",
    ),
    "a number is a truth": (
        "maxretry = true\n",
        "guard.toml:1:1: `maxretry` is true or false; expected a whole number",
        "    1 | maxretry = true",
        "      | ^",
    ),
    "a number has a fraction": (
        "maxretry = 2.5\n",
        "guard.toml:1:1: `maxretry` is a number; expected a whole number",
        "    1 | maxretry = 2.5",
        "      | ^",
    ),
    "a truth is a number": (
        "enabled = 1\n",
        "guard.toml:1:1: `enabled` is a whole number; expected true or false",
        "    1 | enabled = 1",
        "      | ^",
    ),
    "a time of day": (
        "findtime = 10:00:00\n",
        "guard.toml:1:1: `findtime` is a date or time; expected a time such as 10m",
        "    1 | findtime = 10:00:00",
        "      | ^",
    ),
    "a length of time without its unit": (
        'findtime = "10"\n',
        "guard.toml:1:1: '10' is no length of time; expected such as 90s, 10m, 2h or 1d",
        '    1 | findtime = "10"',
        "      | ^",
    ),
    "a length of time below one second": (
        "findtime = 0\n",
        "guard.toml:1:1: '0s' is no length of time; expected such as 90s, 10m, 2h or 1d",
        "    1 | findtime = 0",
        "      | ^",
    ),
    "a number is too small": (
        "maxretry = 0\n",
        "guard.toml:1:1: `maxretry` is 0; expected 1 to 1000",
        "    1 | maxretry = 0",
        "      | ^",
    ),
    "a number is too large": (
        "maxretry = 1001 # many\n",
        "guard.toml:1:1: `maxretry` is 1001; expected 1 to 1000",
        "    1 | maxretry = 1001 # many",
        "      | ^",
    ),
    "a choice that is near": (
        "format = 'syslogd'\n",
        "guard.toml:1:1: `format` is 'syslogd' (did you mean `syslog`?);"
        " expected syslog, clf or plain",
        "    1 | format = 'syslogd'",
        "      | ^",
    ),
    "a choice that is near nothing": (
        "format = 'xml'\n",
        "guard.toml:1:1: `format` is 'xml'; expected syslog, clf or plain",
        "    1 | format = 'xml'",
        "      | ^",
    ),
    "an unknown key that is near": (
        "maxretries = 5\n",
        "guard.toml:1:1: unknown key `maxretries` (did you mean `maxretry`?)",
        "    1 | maxretries = 5",
        "      | ^",
    ),
    "an unknown key that is near nothing": (
        "colour = 5\n",
        "guard.toml:1:1: unknown key `colour`",
        "    1 | colour = 5",
        "      | ^",
    ),
    "an unknown key with a dot": (
        'title = "x"\ncolour.red = 5\n',
        "guard.toml:2:1: unknown key `colour`",
        "    2 | colour.red = 5",
        "      | ^",
    ),
    "an unknown key in quotes": (
        '"a \\u001b b" = 5\n',
        "guard.toml:1:1: unknown key `a \\x1b b`",
        '    1 | "a \\u001b b" = 5',
        "      | ^",
    ),
    "an unknown table": (
        "[outer-walls]\nname = 1\n",
        "guard.toml:1:2: unknown key `outer-walls`",
        "    1 | [outer-walls]",
        "      |  ^",
    ),
    "a list holds a number": (
        "logs = ['/var/log/x', 7]\n",
        "guard.toml:1:1: `logs` holds a whole number; expected texts",
        "    1 | logs = ['/var/log/x', 7]",
        "      | ^",
    ),
    "a table is a text": (
        "log = 'sshd'\n",
        "guard.toml:1:1: `log` is a text; expected a table",
        "    1 | log = 'sshd'",
        "      | ^",
    ),
    "a key is missing in a table": (
        "title = 'x'\n\n  [ log ]  # where\n",
        "guard.toml:3:5: `program` is missing; expected a text",
        "    3 |   [ log ]  # where",
        "      |     ^",
    ),
    "a key is missing in an inline table": (
        "title = 'x'\nlog = {}\n",
        "guard.toml:2:1: `program` is missing; expected a text",
        "    2 | log = {}",
        "      | ^",
    ),
    "a dotted key": (
        "log.program = 5\n",
        "guard.toml:1:1: `program` is a whole number; expected a text",
        "    1 | log.program = 5",
        "      | ^",
    ),
    "a key inside an inline table": (
        "log = { program = 5 }\n",
        "guard.toml:1:9: `program` is a whole number; expected a text",
        "    1 | log = { program = 5 }",
        "      |         ^",
    ),
    "an unknown key behind others in an inline table": (
        "log = { program = 'a}', x.y = [{ z = 1 }, 2], progam = 5 }\n",
        "guard.toml:1:25: unknown key `x`",
        "    1 | log = { program = 'a}', x.y = [{ z = 1 }, 2], progam = 5 }",
        "      |                         ^",
        "guard.toml:1:47: unknown key `progam` (did you mean `program`?)",
        "    1 | log = { program = 'a}', x.y = [{ z = 1 }, 2], progam = 5 }",
        "      |                                               ^",
    ),
    "a key in an inline table inside a table of an array": (
        "[[match]]\nname = 'a'\npattern = 'b'\nwhere = { status = 4 }\n",
        "guard.toml:4:11: `status` is 4; expected 100 to 599",
        "    4 | where = { status = 4 }",
        "      |           ^",
    ),
    "a key of the second table of a list": (
        "match = [{ name = 'a', pattern = 'b' }, { name = 'c', pattern = [], weight = 0 }]\n",
        "guard.toml:1:55: `pattern` is empty; expected a text or a list of texts",
        "    1 | match = [{ name = 'a', pattern = 'b' }, { name = 'c', pattern = [], weight = 0 }]",
        "      |                                                       ^",
        "guard.toml:1:69: `weight` is 0; expected 1 to 1000",
        "    1 | match = [{ name = 'a', pattern = 'b' }, { name = 'c', pattern = [], weight = 0 }]",
        "      |                                                                     ^",
    ),
    "a list of values where tables are due": (
        "match = ['a']\n",
        "guard.toml:1:1: `match` is a list of values; expected tables, as [[match]]",
        "    1 | match = ['a']",
        "      | ^",
    ),
    "one table where several are due": (
        "[match]\nname = 'a'\n",
        "guard.toml:1:2: `match` is a table; expected a list",
        "    1 | [match]",
        "      |  ^",
    ),
    "a key is missing in the second table of an array": (
        "[[match]]\nname = 'a'\npattern = 'b'\n[[match]]\npattern = 'c'\n",
        "guard.toml:4:3: `name` is missing; expected a text",
        "    4 | [[match]]",
        "      |   ^",
    ),
    "a list is missing": (
        "[[match]]\nname = 'a'\n",
        "guard.toml:1:3: `pattern` is missing; expected a text or a list of texts",
        "    1 | [[match]]",
        "      |   ^",
    ),
    "a list is empty": (
        "[[match]]\nname = 'a'\npattern = []\n",
        "guard.toml:3:1: `pattern` is empty; expected a text or a list of texts",
        "    3 | pattern = []",
        "      | ^",
    ),
    "a number out of range in the second table of an array": (
        "[[match]]\nname = 'a'\npattern = 'b'\nweight = 2\n"
        "[[match]]\nname = 'c'\npattern = 'd'\nweight = 0\n",
        "guard.toml:8:1: `weight` is 0; expected 1 to 1000",
        "    8 | weight = 0",
        "      | ^",
    ),
    "a table below the second table of an array": (
        "[[match]]\nname = 'a'\npattern = 'b'\n[match.where]\nstatus = 404\n"
        "[[match]]\nname = 'c'\npattern = 'd'\n[match.where]\nstatus = 4\n",
        "guard.toml:10:1: `status` is 4; expected 100 to 599",
        "   10 | status = 4",
        "      | ^",
    ),
    "several faults come in the order of their lines": (
        "enabled = 1\ntitel = 'x'\nmaxretry = 'y'\n[log]\n[[match]]\nname = 'a'\npattern = 'b'\n"
        "weight = 1001\n",
        "guard.toml:1:1: `enabled` is a whole number; expected true or false",
        "    1 | enabled = 1",
        "      | ^",
        "guard.toml:2:1: unknown key `titel` (did you mean `title`?)",
        "    2 | titel = 'x'",
        "      | ^",
        "guard.toml:3:1: `maxretry` is a text; expected a whole number",
        "    3 | maxretry = 'y'",
        "      | ^",
        "guard.toml:4:2: `program` is missing; expected a text",
        "    4 | [log]",
        "      |  ^",
        "guard.toml:8:1: `weight` is 1001; expected 1 to 1000",
        "    8 | weight = 1001",
        "      | ^",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_fault_is_shown_at_its_place(case: tuple[str, ...]) -> None:
    text, *expected = case
    assert said(text).splitlines() == expected


def test_a_fault_that_is_found_twice_is_shown_once() -> None:
    document = Document("guard.toml", "maxretry = 0\n")
    for _ in range(2):
        document.root.integer("maxretry", 5, least=1, most=9)
    with pytest.raises(FaultsError) as refused:
        document.check()
    assert len(refused.value.faults) == 1


def test_what_is_nested_beyond_reason_is_a_fault_and_no_crash() -> None:
    assert said("a = " + "[" * 100_000) == "guard.toml: is nested too deeply; expected a few levels"


def test_a_number_beyond_reason_is_a_fault_and_no_crash() -> None:
    assert said("maxretry = " + "9" * 5_000).startswith("guard.toml: no TOML: ")
