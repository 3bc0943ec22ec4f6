"""The README cannot drift: its examples run, and what the program takes is in it."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

import pytest

from fw_guard import config, filterfiles, options
from fw_guard.filters import FORMATS
from fw_guard.patterns.fields import TYPES
from fw_guard.places import files as file_names
from fw_guard.places import names, shipped
from fw_guard.tomlfile import Document
from tests.conftest import ROOT

if TYPE_CHECKING:
    from tests.conftest import Guard

USERS = ("anna", "b.c", "d@example.com", *map(str, range(10)))
README = (ROOT / "README.md").read_text()


def blocks() -> list[str]:
    """Give the indented blocks of the README."""
    found = re.findall(r"(?:^    .*\n|^\n(?=    ))+", README, re.MULTILINE)
    return ["\n".join(line[4:] for line in block.splitlines()).strip() + "\n" for block in found]


def block(start: str) -> str:
    """Give the block that starts so."""
    (found,) = (each for each in blocks() if each.startswith(start))
    return found


def test_the_configuration_of_the_readme_is_sound(guard: Guard) -> None:
    guard.write("fw-guard.toml", block("action   = "))
    loaded = config.load(str(guard.etc))
    assert loaded.faults == ()
    assert [jail.name for jail in loaded.jails] == ["sshd"]
    assert loaded.action == "nftables"


def test_the_filter_of_the_readme_works_as_soon_as_it_is_dropped_in(guard: Guard) -> None:
    log = guard.log("mydaemon.log", "")
    text = block("title   = ").replace("/var/log/messages", str(log))
    guard.write("fw-guard.toml", 'action = "preview"\n')
    guard.write("filters/mydaemon.toml", text)
    assert guard.run("check").returncode == 0
    guard.now = "2026-03-04T03:13:00+00:00"
    line = (
        "2026-03-04T03:12:55Z gw mydaemon[8{}]: login of anna from 203.0.113.7 port 4711 failed\n"
    )
    guard.log("mydaemon.log", "".join(line.format(number) for number in range(5)))
    assert "203.0.113.7" in guard.run("run").stdout


def test_the_matches_of_the_readme_that_are_of_json_read_such_lines() -> None:
    denied = (
        '{"ts":1,"status":401,"user_id":"anna","request":{"method":"POST","remote_ip":"192.0.2.7"}}'
    )
    login = '{"ts":1,"error":{"text":"login of anna from 192.0.2.8:4711 failed"}}'
    samples = (
        f"[[sample]]\nline = '{denied}'\nhost = '192.0.2.7'\nuser = 'anna'\nmatch = 'denied'\n"
        f"[[sample]]\nline = '{login}'\nhost = '192.0.2.8'\nport = '4711'\nmatch = 'login'\n"
        f"[[sample]]\nline = '{denied.replace('401', '200')}'\nmatch = false\n"
    )
    head = "title = 'mine'\nservice = 'mine'\n"
    document = Document("mine.toml", head + block("log = {") + samples)
    filterfiles.read(document)
    document.check()


def test_every_format_of_a_log_is_in_the_readme() -> None:
    assert set(FORMATS) <= set(re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE))


def test_try_shows_the_near_miss_of_the_readme(guard: Guard) -> None:
    guard.write("filters/mydaemon.toml", block("title   = "))
    header = "Mar  4 03:12:55 gw mydaemon[87]: "
    lines = ["ready", "login of bert from 192.0.2.8 failed"]
    lines += [f"login of {user} from 192.0.2.7 port 4711 was refused" for user in USERS]
    log = guard.log("messages", "".join(f"{header}{line}\n" for line in lines))
    said = guard.run("try", "mydaemon", str(log)).stdout.replace(str(log), "messages")
    assert block("messages:3 ") in said


@pytest.mark.parametrize("verb", options.VERBS)
def test_every_verb_is_in_the_readme(verb: str) -> None:
    assert f"fw-guard {verb}" in README


def test_every_type_of_field_is_in_the_readme() -> None:
    (row,) = (line for line in README.splitlines() if line.startswith("| `{port:int}`"))
    assert set(re.findall(r"`(\w+)`", row)) == set(TYPES)


def test_every_setting_of_a_jail_is_in_the_readme() -> None:
    rows = [line for line in README.splitlines() if line.startswith("| `")]
    named = {word for row in rows for word in re.findall(r"`(\w+)`", row.split("|")[1])}
    settings = {"action", "maxretry", "findtime", "limits", "bantime", "ignoreip", "logintime"}
    assert settings | {"prefix6"} <= named


def test_every_shipped_filter_and_action_is_toml_that_says_what_it_is_for() -> None:
    for path in (*file_names(shipped("filters")), *file_names(shipped("actions"))):
        with open(path, "rb") as file:
            assert len(tomllib.load(file)["title"]) > 10


def test_every_shipped_sample_uses_documentation_addresses_or_the_founding_lines() -> None:
    documented = re.compile(
        r"192\.0\.2\.|198\.51\.100\.|203\.0\.113\.|2001:db8:|::ffff:192\.0\.2\.|127\.0\.0\.|233\.252\.0\."
    )
    address = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])")
    for path in file_names(shipped("filters")):
        found = filterfiles.load(path, trusted=True)
        for sample in found.samples:
            for text in address.findall(sample.line):
                assert documented.match(text) or text == "121.101.74.175", (path, text)


def test_the_forgery_of_the_readme_is_the_one_that_is_shown() -> None:
    text = (
        'title = "mydaemon"\nservice = "mydaemon"\nlog = { format = "syslog" }\n\n'
        "[[match]]\nname = \"login\"\npattern = 'login of {user} from {host}: {*}'\n"
    )
    document = Document("filters/mydaemon.toml", text)
    filterfiles.read(document)
    shown = next(str(fault) for fault in document.faults if "forgeable" in fault.message)
    readme = (ROOT / "README.md").read_text()
    assert "\n".join(f"      {line}" for line in shown.splitlines()) in readme


def test_the_readme_names_every_filter_that_ships() -> None:
    ships = (ROOT / "README.md").read_text().partition("## What ships")[2].partition("\n## ")[0]
    named = re.findall(r"`([a-z0-9-]+)`", ships.partition("* logins")[2])
    assert sorted(named) == sorted(names("filters", ""))
