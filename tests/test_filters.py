"""Filters: the files that ship, and what a faulty one is told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fw_guard import filterfiles, places, samples
from fw_guard.faults import FaultsError
from fw_guard.places import files as file_names
from fw_guard.tomlfile import Document

if TYPE_CHECKING:
    from fw_guard.filters import Filter

SHIPPED = file_names(places.shipped("filters"))
HEAD = """\
title = 'mine'
service = 'mine'
log = { format = 'syslog', program = ['mine', 'mine-*'] }
"""
MATCH = "[[match]]\nname = 'failed'\npattern = 'bad login of {user} from {host}'\n"
GOOD = """\
[[sample]]
line = 'Mar  4 03:12:55 gw mine[8]: bad login of anna from 192.0.2.7'
host = '192.0.2.7'
"""
BAD = """\
[[sample]]
line = 'Mar  4 03:12:55 gw mine[8]: good login of anna from 192.0.2.7'
match = false
"""


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: Path(path).stem)
def test_a_shipped_filter_reads_its_samples(path: str) -> None:
    found = filterfiles.load(path, trusted=True)
    assert found.samples
    assert found.technique.startswith("T")


def test_the_filters_of_the_first_hour_ship() -> None:
    assert {"inetd", "sshd", "pam", "httpd-probes"} <= {Path(path).stem for path in SHIPPED}


def faults(text: str, name: str = "mine.toml") -> str:
    """Give the rendered faults of a filter text, empty when it has none."""
    try:
        document = Document(name, text)
        filterfiles.read(document)
        document.check()
    except FaultsError as error:
        return str(error)
    return ""


def test_a_sound_filter_has_no_faults() -> None:
    assert faults(HEAD + MATCH + GOOD + BAD) == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + MATCH + BAD, "no sample that must match"),
        (HEAD + MATCH + GOOD, "no sample that must not match"),
        (HEAD, "no [[match]]; expected at least one"),
        (HEAD + MATCH + MATCH + GOOD + BAD, "two [[match]] are named 'failed'"),
        (HEAD + MATCH.replace("{host}", "{hos}") + GOOD + BAD, "no host is read"),
        (HEAD + MATCH.replace("{host}", "{host:word}") + GOOD + BAD, "the host is of type 'word'"),
        (HEAD + MATCH + "kind = 'sucess'\n" + GOOD + BAD, "(did you mean `success`?)"),
        (HEAD + MATCH + "wieght = 3\n" + GOOD + BAD, "(did you mean `weight`?)"),
        (HEAD + MATCH + "weight = 0\n" + GOOD + BAD, "`weight` is 0; expected 1 to 1000"),
        (HEAD + MATCH + "kind = 'pair'\n" + GOOD + BAD, "pairs nothing; expected a {name} field"),
        (HEAD + MATCH + "where = { usr = 'x' }\n" + GOOD + BAD, "no field 'usr' in the pattern"),
        (HEAD + MATCH + "where = { user = '@none' }\n" + GOOD + BAD, "there is no list 'none'"),
        (HEAD + MATCH + "where = { user = '@../x' }\n" + GOOD + BAD, "no list can be named"),
        (HEAD + MATCH + "where = { user = 1.5 }\n" + GOOD + BAD, "narrows by no value"),
        (HEAD + MATCH + GOOD + "user = 'bob'\n" + BAD, "`user` is read as 'anna'; expected 'bob'"),
        (HEAD + MATCH + GOOD.replace("from", "fron") + BAD, "is not matched"),
        (HEAD + MATCH + GOOD + BAD.replace("good", "bad"), "must not match, but 'failed' reads"),
        (HEAD + MATCH + GOOD + BAD.replace("gw mine", "gw"), ""),
        (HEAD.replace("syslog", "sylog") + MATCH + GOOD + BAD, "(did you mean `syslog`?)"),
        ("title = 3\n" + MATCH + GOOD + BAD, "`title` is a whole number; expected a text"),
        (HEAD + MATCH + GOOD.replace("host = '192.0.2.7'\n", "") + BAD, "expected `host`"),
        (HEAD + MATCH + GOOD + "match = 'x'\n" + BAD, "no match is named 'x'; expected failed"),
    ],
)
def test_a_faulty_filter_is_told_so(text: str, said: str) -> None:
    if said:
        assert said in faults(text)
    else:
        assert faults(text) == ""


def test_a_match_that_no_sample_is_read_by_is_a_fault_at_its_place() -> None:
    second = MATCH.replace("failed", "other").replace("bad", "worse")
    assert faults(HEAD + MATCH + second + GOOD + BAD) == (
        "mine.toml:7:3: no sample is read by match 'other'; expected one for every [[match]]\n"
        "    7 | [[match]]\n"
        "      |   ^"
    )


def test_a_fault_in_a_pattern_stands_under_its_caret() -> None:
    text = HEAD + MATCH.replace("{user}", "{user:wrod}") + GOOD + BAD
    said = faults(text)
    assert said.startswith("mine.toml:6:")
    source, caret = said.splitlines()[1:3]
    assert source[caret.index("^") :].startswith(("wrod", "{user:wrod}"))


def test_a_failed_sample_shows_every_pattern_best_first() -> None:
    second = MATCH.replace("failed", "other").replace("bad login", "bad logout")
    third = GOOD.replace("bad login of anna from", "bad login of anna form")
    said = faults(HEAD + MATCH + second + GOOD + third + BAD + GOOD.replace("login", "logout"))
    rows = [row.strip() for row in said.splitlines() if "matched up to here" in row]
    assert rows[0].startswith("^ failed matched up to here; expected")
    assert rows[1].startswith("^ other matched up to here; expected")


def test_a_program_may_be_a_glob() -> None:
    text = HEAD + MATCH + GOOD.replace("mine[8]", "mine-auth[8]") + BAD
    assert faults(text) == ""
    assert "is not one of the filter's `program`" in faults(text.replace("mine-auth", "yours"))


def one(text: str) -> Filter:
    """Give the filter of a sound text."""
    document = Document("mine.toml", text)
    found = filterfiles.read(document)
    document.check()
    return found


def test_where_narrows_by_equality_by_number_by_any_of_a_list_and_by_globs(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "paths.txt").write_text("# holes\n/cgi-bin/*\n\n/old?.php\n")
    (tmp_path / "mine.toml").write_text(
        "title = 'x'\nservice = 'x'\nlog = { format = 'syslog' }\n"
        "[[match]]\nname = 'a'\npattern = '{host} {path:word} {status} {word:word}'\n"
        "where = { path = ['@paths', '/exact'], status = [403, 404], word = 'yes' }\n"
        "[[sample]]\nline = 'Mar  4 03:12:55 gw x: 192.0.2.7 /exact 403 yes'\nhost = '192.0.2.7'\n"
        "[[sample]]\nline = 'Mar  4 03:12:55 gw x: 192.0.2.7 /exact 200 yes'\nmatch = false\n"
    )
    found = filterfiles.load(str(tmp_path / "mine.toml"))

    def reads(message: str) -> bool:
        return found.read(b"Mar  4 03:12:55 gw x: " + message.encode()) is not None

    assert reads("192.0.2.7 /CGI-BIN/phf?x 404 yes")
    assert reads("192.0.2.7 /old1.php 404 yes")
    assert reads("192.0.2.7 /exact 0404 yes")
    assert not reads("192.0.2.7 /old12.php 404 yes")
    assert not reads("192.0.2.7 /x/cgi-bin/phf 404 yes")
    assert not reads("192.0.2.7 /exact 404 no")
    assert not reads("192.0.2.7 /Exact 404 yes")


def test_a_repeated_message_is_read_as_what_was_repeated() -> None:
    found = one(HEAD + MATCH + GOOD + BAD)
    line = b"Mar  4 03:12:55 gw mine[8]: message repeated 4 times: [ bad login of a from 192.0.2.7]"
    reading = found.read(line)
    assert reading is not None
    assert (reading.times, reading.fields["host"]) == (4, b"192.0.2.7")


@pytest.mark.parametrize("host", [b"UNKNOWN", b"999.1.1.1", b"1.2.3", b"010.1.1.1", b"-"])
def test_a_host_that_is_neither_address_nor_name_is_no_hit(host: bytes) -> None:
    found = one(HEAD + MATCH + GOOD + BAD)
    assert found.read(b"Mar  4 03:12:55 gw mine[8]: bad login of a from " + host) is None


def test_a_line_longer_than_eight_kilobytes_is_not_read() -> None:
    found = one(HEAD + MATCH + GOOD + BAD)
    start = b"Mar  4 03:12:55 gw mine[8]: bad login of "
    assert found.read(start + b"a" * 8000 + b" from 192.0.2.7") is not None
    assert found.read(start + b"a" * 8300 + b" from 192.0.2.7") is None


@pytest.mark.parametrize(
    ("log", "match", "line", "said"),
    [
        (
            "format = 'json', time = 't.s'",
            "fields = { host = 'ip' }",
            '{"ts":"2026-03-04T03:12:55Z","ip":"192.0.2.7"}',
            "expected one at `t.s`, as `time` in [log] says",
        ),
        (
            "format = 'plain'",
            "pattern = 'bad {host} x'",
            "bad 192.0.2.7 x",
            "expected a stamp before the message, or a {time} field",
        ),
        (
            "format = 'syslog'",
            "pattern = 'bad {host} x'",
            "Mar 34 03:12:55 gw mine: bad 192.0.2.7 x",
            "expected a stamp before the message, or a {time} field",
        ),
    ],
)
def test_a_sample_whose_time_cannot_be_read_is_told_of(
    log: str, match: str, line: str, said: str
) -> None:
    text = (
        f"title = 'x'\nservice = 'x'\nlog = {{ {log} }}\n[[match]]\nname = 'm'\n{match}\n"
        f"[[sample]]\nline = '{line}'\nhost = '192.0.2.7'\n"
        "[[sample]]\nline = 'Mar  4 03:12:55 gw mine: good'\nmatch = false\n"
    )
    document = Document("mine.toml", text)
    found = filterfiles.read(document)
    assert document.faults == []
    assert [f"expected {wanted}" for _, wanted in samples.untimed(found)] == [said]
