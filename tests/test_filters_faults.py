"""What the author of a filter is told: what is wrong, at its place, and what was expected."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from fw_guard import filterfiles
from fw_guard.filters import Wanted
from fw_guard.tomlfile import Document

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "title = 'mine'\nservice = 'mine'\nlog = { format = 'syslog', program = ['mine'] }\n"
MATCH = "[[match]]\nname = 'p'\npattern = '{host} asked for {path:word}: {status}'\n"
LINE = "Mar  4 03:12:55 gw mine[8]: 192.0.2.7 asked for {}: {}"
SAMPLE = f"[[sample]]\nline = '{LINE.format('/a', 401)}'\nhost = '192.0.2.7'\n"
NONE = "[[sample]]\nline = 'Mar  4 03:12:55 gw mine[8]: other'\nmatch = false\n"


def faults(text: str, path: str = "mine.toml") -> list[str]:
    """Give the faults of a filter in the order of their lines."""
    document = Document(path, text)
    filterfiles.read(document)
    return [str(fault) for fault in sorted(document.faults, key=lambda each: each.line)]


def heads(text: str) -> list[str]:
    """Give the first line of each fault."""
    return [fault.splitlines()[0] for fault in faults(text)]


def sampled(path: str, status: object) -> str:
    """Give a sample that must match."""
    return SAMPLE + f"[[sample]]\nline = '{LINE.format(path, status)}'\nhost = '192.0.2.7'\n" + NONE


@pytest.mark.parametrize(
    ("where", "path", "status", "said"),
    [
        ("status = [401, 403]", "/a", 200, "where status is 200, expected 401 or 403"),
        ("path = ['/a', '/b']", "/x", 401, "where path is '/x', expected '/a' or '/b'"),
        (
            "path = ['/a', '@holes']",
            "/x",
            401,
            "where path is '/x', expected '/a' or one of @holes",
        ),
        ("status = 401, path = '/a'", "/x", 200, "where status is 200, expected 401"),
        ("status = 401, path = '/a'", "/x", 401, "where path is '/x', expected '/a'"),
    ],
)
def test_a_sample_that_where_leaves_out_is_told_the_field_its_value_and_what_was_expected(
    tmp_path: Path, where: str, path: str, status: int, said: str
) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "holes.txt").write_text("/cgi-bin/*\n")
    text = HEAD + MATCH + f"where = {{ {where} }}\n" + sampled(path, status)
    (fault,) = faults(text, str(tmp_path / "mine.toml"))
    line = LINE.format(path, status)
    assert fault.splitlines()[3:] == [
        f"      {line}",
        f"      {'':{len(line)}}^ p matched up to here; {said}",
    ]


def test_a_long_value_is_cut() -> None:
    text = HEAD + MATCH + "where = { path = '/a' }\n" + sampled("/" + "x" * 100, 401)
    (fault,) = faults(text)
    assert fault.endswith(f"where path is '/{'x' * 76}...', expected '/a'")


def test_a_number_with_more_digits_than_python_reads_equals_none() -> None:
    wanted = Wanted(frozenset({b"x"}), frozenset({404}), re.compile(b"y+"), "404")
    fits = [wanted.fits(text) for text in (b"404", b"0404", b"x", b"yy", b"405", b"9" * 5000)]
    assert fits == [True, True, True, True, False, False]


@pytest.mark.parametrize("key", ["forgeable", "doubtful"])
def test_a_reason_that_is_no_text_is_one_fault(key: str) -> None:
    said = [f"mine.toml:7:1: `{key}` is true or false; expected a text"]
    assert heads(HEAD + MATCH + f"{key} = true\n" + SAMPLE + NONE) == said


def test_the_second_of_two_matches_of_one_name_is_at_fault() -> None:
    other = MATCH.replace("asked for", "got")
    assert heads(HEAD + MATCH + other + MATCH.replace("asked for", "put") + SAMPLE + NONE) == [
        f"mine.toml:{line}:1: two [[match]] are named 'p'; expected a name for each"
        for line in (8, 11)
    ]


def test_matches_without_a_name_are_not_said_to_share_one() -> None:
    nameless = MATCH.replace("name = 'p'\n", "")
    found = heads(HEAD + nameless + nameless + SAMPLE + NONE)
    assert [fault.split(": ", 1)[1] for fault in found] == [
        "`name` is missing; expected a text"
    ] * 2


@pytest.mark.parametrize(
    ("where", "place", "said"),
    [
        ("{ status = 401, pth = '/a' }", "7:25", "no field 'pth' in the pattern (did you mean"),
        ("{ status = 1.5 }", "7:11", "`status` narrows by no value"),
        ("{ path = ['@none'] }", "7:11", "there is no list 'none'"),
    ],
)
def test_a_fault_inside_where_is_placed_at_its_key(where: str, place: str, said: str) -> None:
    (fault,) = heads(HEAD + MATCH + f"where = {where}\n" + SAMPLE + NONE)
    assert fault.startswith(f"mine.toml:{place}: {said}")


def test_the_patterns_of_a_match_that_forge_each_other_are_told_apart() -> None:
    patterns = "['lost {host}', 'gone {user:word} from {host}', 'gone {host} from {user:word}']"
    (first, *_) = faults(
        HEAD + f"[[match]]\nname = 'login'\npattern = {patterns}\n" + SAMPLE + NONE
    )
    assert "expected a text that 'login#2' and 'login#3' cannot share" in first
    assert "^ 'login#2' reads host" in first
    assert "^ 'login#3' reads host" in first


@pytest.mark.parametrize(
    ("sample", "said"),
    [
        ("mach = 'p'", "13:1: no field `mach` in the patterns (did you mean `match`?)"),
        ("mach = false", "13:1: no field `mach` in the patterns (did you mean `match`?)"),
        ("pth = '/a'", "13:1: no field `pth` in the patterns (did you mean `path`?)"),
        ("colour = 'red'", "13:1: no field `colour` in the patterns"),
        (
            "host = '192.0.2.7 '",
            "13:1: '192.0.2.7 ' is no address and no name; expected the host of the line alone",
        ),
        (
            "host = '192.0.2.256'",
            "13:1: '192.0.2.256' is no address and no name; expected the host of the line alone",
        ),
        ("path = '/b'", "11:3: a sample that matches says whom; expected `host`"),
    ],
)
def test_a_sample_is_told_what_is_wrong_with_its_keys(sample: str, said: str) -> None:
    wrong = f"\n[[sample]]\nline = '{LINE.format('/a', 401)}'\n{sample}\n"
    assert heads(HEAD + MATCH + SAMPLE + wrong + NONE) == [f"mine.toml:{said}"]


def test_a_pattern_at_fault_does_not_make_its_fields_unknown_to_the_samples() -> None:
    broken = MATCH.replace("{path:word}", "{path:wrod}")
    sample = SAMPLE + "path = '/a'\n"
    (fault,) = heads(HEAD + broken + sample + NONE)
    assert "no such type 'wrod'" in fault


def test_the_host_is_never_the_service_s_own() -> None:
    assert heads(HEAD + MATCH + "own = ['path', 'host']\n" + SAMPLE + NONE) == [
        "mine.toml:7:1: 'host' is the peer, which no service fills; expected other fields"
    ]
