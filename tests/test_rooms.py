"""The rooms: none imports one above it, none has two jobs, each effect has one place."""

from __future__ import annotations

import ast
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

# From the ground up. Whoever adds a room says here what it may lean on.
ORDER = (
    *("__init__", "errors", "text", "places", "durations", "ports", "evidence"),
    *("addresses", "networks"),
    *("ownaddresses", "surroundings", "sessions", "safety", "folding", "hits", "hosts"),
    *("faults", "tomlfile", "doubts", "proofs"),
    *("patterns.__init__", "patterns.shapes", "patterns.fields", "patterns.tree"),
    *("patterns.grammar", "patterns.compile", "patterns.nearly"),
    *("patterns.automaton", "patterns.linear", "patterns.proof"),
    *("logs.__init__", "logs.stamps", "logs.headers", "logs.jsonlines", "logs.clock"),
    *("logs.reader", "engine", "schema", "processes"),
    *("listings", "templates", "choices", "actionsamples", "actions", "planning", "firewall"),
    *("filters", "nearest", "samples", "wrappers", "proving", "filterfiles"),
    *("settings", "fitting", "config", "judging", "matching", "misses", "bans", "store"),
    *("wanting", "widening", "freeing", "guarding"),
    *("answers", "views", "gathering", "applying", "passes", "manual", "replaying", "trying"),
    *("tryviews", "checking", "probing", "rehearsing", "progress"),
    *("options", "cli", "__main__"),
)
PATHS = {
    path.relative_to(ROOT / "fw_guard").with_suffix("").as_posix().replace("/", "."): path
    for path in sorted((ROOT / "fw_guard").rglob("*.py"))
}


def imported(path: Path) -> set[str]:
    """Give the rooms that a file imports, at its top or inside a function, also for types alone."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fw_guard"):
            base = (node.module or "").removeprefix("fw_guard").removeprefix(".")
            for alias in node.names:
                name = f"{base}.{alias.name}".removeprefix(".")
                found.add(name if name in PATHS else base or "__init__")
        elif isinstance(node, ast.Import):
            found |= {a.name[9:] for a in node.names if a.name.startswith("fw_guard.")}
    return {f"{name}.__init__" if f"{name}.__init__" in PATHS else name for name in found}


def test_every_room_has_its_place() -> None:
    assert set(ORDER) == set(PATHS)


@pytest.mark.parametrize("room", ORDER)
def test_no_room_imports_one_above_it(room: str) -> None:
    above = set(ORDER[ORDER.index(room) :])
    assert imported(PATHS[room]) & above == set()


@pytest.mark.parametrize("room", ORDER)
def test_no_room_is_above_four_hundred_lines(room: str) -> None:
    assert len(PATHS[room].read_text().splitlines()) <= 400


@pytest.mark.parametrize(
    ("word", "rooms"),
    [
        ("import sqlite3", {"bans", "store"}),
        ("import subprocess", {"processes"}),
        ("print(", set()),
        ("sys.stdout", {"cli", "options"}),
        ("shell=", set()),
        ("import pickle", set()),
        ("eval(", set()),
    ],
)
def test_each_effect_has_one_place(word: str, rooms: set[str]) -> None:
    assert {room for room, path in PATHS.items() if word in path.read_text()} == rooms


def test_list_reads_no_configuration_and_pays_for_no_pyparsing(tmp_path: Path) -> None:
    script = (
        "import sys; from fw_guard import cli;"
        "code = cli.dispatch(['list', '--state', sys.argv[1]]);"
        "sys.exit(code or ('pyparsing' in sys.modules and 'pyparsing was imported'))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "state")]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
