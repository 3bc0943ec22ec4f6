"""Filters of several formats and of JSON: what they read, and what a faulty one is told."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from fw_guard import filterfiles, places
from fw_guard.faults import FaultsError
from fw_guard.tomlfile import Document
from tests.conftest import ROOT

if TYPE_CHECKING:
    from fw_guard.filters import Filter

TITLE = "title = 'mine'\nservice = 'mine'\n"
MATCH = "[[match]]\nname = 'failed'\npattern = 'bad login from {host}'\n"
GOOD = "[[sample]]\nline = 'Mar  4 03:12:55 gw mine[8]: bad login from 192.0.2.7'\n"
BAD = "[[sample]]\nline = 'Mar  4 03:12:55 gw mine[8]: good login from 192.0.2.7'\nmatch = false\n"
TEXT = MATCH + GOOD + "host = '192.0.2.7'\n" + BAD

JSON = "log = { format = 'json', time = 'ts', message = 'msg' }\n"
FIELDS = (
    "[[match]]\nname = 'denied'\nwhere = { status = [401, 403], 'request.method' = 'POST' }\n"
    "fields = { host = 'request.ip', user = 'user' }\n"
)
READ = """\
[[sample]]
line = '{"ts":1772593975.5,"status":401,"user":"anna","request":{"ip":"192.0.2.7","method":"POST"}}'
host = '192.0.2.7'
"""
UNREAD = """\
[[sample]]
line = '{"ts":1772593975.5,"status":200,"user":"anna","request":{"ip":"192.0.2.7","method":"POST"}}'
match = false
"""
SAMPLES = READ + UNREAD


def faults(text: str) -> str:
    """Give the rendered faults of a filter text, empty when it has none."""
    try:
        document = Document("mine.toml", text)
        filterfiles.read(document)
        document.check()
    except FaultsError as error:
        return str(error)
    return ""


def one(text: str) -> Filter:
    """Give the filter of a sound text."""
    document = Document("mine.toml", text)
    found = filterfiles.read(document)
    document.check()
    return found


def host(found: Filter, line: bytes) -> bytes | None:
    """Give the host that a filter reads in a line."""
    reading = found.read(line)
    return None if reading is None else reading.fields["host"]


def test_every_shipped_filter_says_whose_versions_it_follows() -> None:
    for path in places.files(places.shipped("filters")):
        document = Document(path, (ROOT / path).read_text())
        assert document.root.text("versions"), path


@pytest.mark.parametrize(
    ("formats", "line", "read"),
    [
        ("'syslog'", b"Mar  4 03:12:55 gw mine[8]: bad login from 192.0.2.7", True),
        ("'nginx'", b"2026/03/04 03:12:55 [error] 8#8: bad login from 192.0.2.7", True),
        ("'ctime'", b"[Wed Mar  4 03:12:55 2026] bad login from 192.0.2.7", True),
        ("'plain'", b"2026-03-04 03:12:55 bad login from 192.0.2.7", True),
        ("'plain'", b"bad login from 192.0.2.7", True),
        ("'ctime'", b"2026-03-04 03:12:55 bad login from 192.0.2.7", False),
        ("'ctime', 'plain'", b"2026-03-04 03:12:55 bad login from 192.0.2.7", True),
        ("'syslog', 'plain'", b"2026-03-04 03:12:55 bad login from 192.0.2.7", True),
        ("'syslog', 'plain'", b"Mar  4 03:12:55 gw x: bad login from 192.0.2.7", True),
        # The plain format comes first and takes every line: the host is a part of its message.
        ("'plain', 'syslog'", b"Mar  4 03:12:55 gw x: bad login from 192.0.2.7", False),
        # The syslog header decides, though what follows would be a line of the second format.
        ("'syslog', 'plain'", b"Mar  4 03:12:55 bad login from 192.0.2.7", False),
    ],
)
def test_the_first_format_whose_header_a_line_has_decides(
    formats: str, line: bytes, read: bool
) -> None:
    found = one(f"{TITLE}log = {{ format = [{formats}, 'clf'] }}\n" + sampled(line, read=read))
    assert host(found, line) == (b"192.0.2.7" if read else None)


def sampled(line: bytes, *, read: bool) -> str:
    """Give matches and samples among which is ``line``."""
    samples = f"[[sample]]\nline = '{line.decode()}'\n" + (
        "host = '192.0.2.7'\n" if read else "match = false\n"
    )
    other = "[[sample]]\nline = 'x'\nmatch = false\n"
    if read:
        return MATCH + samples + other
    # Something has to match: an access log's line, which no other of the formats can be.
    clf = (
        "[[match]]\nname = 'clf'\npattern = '{host} - - [{time:httpdate}] \"-\" {status}'\n"
        "[[sample]]\nline = '192.0.2.7 - - [04/Mar/2026:03:12:55 +0000] \"-\" 400'\n"
        "host = '192.0.2.7'\n"
    )
    return clf + samples + other


def test_a_program_narrows_lines_of_syslog_alone() -> None:
    log = "log = { format = ['syslog', 'plain'], program = 'mine' }\n"
    found = one(TITLE + log + TEXT)
    assert host(found, b"Mar  4 03:12:55 gw mine[8]: bad login from 192.0.2.7") == b"192.0.2.7"
    assert host(found, b"Mar  4 03:12:55 gw yours[8]: bad login from 192.0.2.7") is None
    assert host(found, b"2026-03-04 03:12:55 bad login from 192.0.2.7") == b"192.0.2.7"


def test_a_message_that_says_it_was_repeated_does_so_in_syslog_alone() -> None:
    found = one(TITLE + "log = { format = ['syslog', 'plain'] }\n" + TEXT)
    message = b"message repeated 9 times: [ bad login from 192.0.2.7]"
    reading = found.read(b"Mar  4 03:12:55 gw mine[8]: " + message)
    assert reading is not None
    assert reading.times == 9
    assert found.read(b"2026-03-04 03:12:55 " + message) is None


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("log = { format = 'sylog' }\n", "no format is named 'sylog' (did you mean `syslog`?)"),
        ("log = { format = ['syslog', 'jsn'] }\n", "(did you mean `json`?)"),
        ("log = { format = [] }\n", "`format` is empty; expected a text or a list of texts"),
        ("log = { format = 7 }\n", "`format` holds a whole number; expected texts"),
        ("log = { format = ['syslog', 'syslog'] }\n", "'syslog' stands twice; expected it once"),
        ("log = { format = 'syslog', time = 'ts' }\n", "`time` is for JSON; expected no `time`"),
        ("log = { format = 'syslog', message = 'm' }\n", "`message` is for JSON; expected no"),
        ("log = { format = 'plain', program = 'x' }\n", "`program` narrows lines of syslog"),
        ("log = { format = 'syslog', tim = 'ts' }\n", "unknown key `tim` (did you mean `time`?)"),
    ],
)
def test_a_faulty_log_table_is_told_so(log: str, said: str) -> None:
    assert said in faults(TITLE + log + TEXT)


@pytest.mark.parametrize("key", ["fields = { host = 'a.b' }\n", "in = 'a.b'\n"])
def test_what_only_json_has_is_a_fault_elsewhere(key: str) -> None:
    text = TITLE + "log = { format = 'syslog' }\n" + MATCH + key + GOOD + BAD
    word = key.split()[0]
    assert f"`{word}` is for JSON; expected no `{word}`, or `format = 'json'`" in faults(text)


def test_a_sample_without_any_of_the_headers_is_told_which_were_expected() -> None:
    text = TITLE + "log = { format = ['nginx', 'ctime'] }\n" + TEXT
    assert "the line has no nginx or ctime header" in faults(text)


def test_a_filter_of_json_without_any_pattern_is_sound() -> None:
    assert faults(TITLE + JSON + FIELDS + SAMPLES) == ""


PATTERN = "[[match]]\nname = 'said'\npattern = 'bad login from {host}'\n"
SAID = "[[sample]]\nline = '{\"msg\":\"bad login from [2001:db8::7]\"}'\nhost = '2001:db8::7'\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (JSON + FIELDS + SAMPLES + "user = 'x'\n", "a sample that must not match has no `user`"),
        (JSON + FIELDS + READ + "user = 'bob'\n" + UNREAD, "`user` is read as 'anna'; expected"),
        (JSON + PATTERN + SAID + UNREAD, ""),
        (JSON + PATTERN + "in = 'err'\n" + SAID.replace("msg", "err") + UNREAD, ""),
        (
            JSON + PATTERN + "in = 'err'\n" + SAID + UNREAD,
            "said: `err` is not there, expected a text",
        ),
        (JSON.replace(", message = 'msg'", "") + PATTERN + SAID + UNREAD, "`pattern` has no text"),
        (JSON.replace("time = 'ts', ", "") + PATTERN + SAID + UNREAD, "`time` is missing"),
        (JSON.replace("'ts'", "'a..b'") + PATTERN + SAID + UNREAD, "'a..b' is no path; expected 1"),
        (JSON.replace("'ts'", "'a.b.c.d.e.f.g.h.i'") + PATTERN + SAID + UNREAD, "is no path"),
        (JSON.replace("'ts'", "''") + PATTERN + SAID + UNREAD, "'' is no path"),
        (
            JSON.replace("'json'", "['json', 'syslog']") + PATTERN + SAID + UNREAD,
            "expected it alone",
        ),
        (JSON + PATTERN + "fields = { host = 'a' }\n" + SAID + UNREAD, "stands in `fields` too"),
        (JSON + "[[match]]\nname = 'a'\n" + SAMPLES, "no host is read; expected `fields = { host"),
        (JSON + "[[match]]\nname = 'a'\nfields = { hst = 'a' }\n" + SAMPLES, "no host is read"),
        (JSON + FIELDS + "in = 'a'\n" + SAMPLES, "`in` is the path of a text without a `pattern`"),
        (JSON + FIELDS + "kind = 'pair'\n" + SAMPLES, "pairs nothing; expected a {name} field"),
        (JSON + FIELDS.replace("user =", "User =") + SAMPLES, "no field can be named 'User'"),
        (
            JSON + FIELDS.replace("'user'", "7") + SAMPLES,
            "`user` is a whole number; expected a text",
        ),
        (JSON + FIELDS.replace("'request.method'", "request.method") + SAMPLES, "a path in quotes"),
        (JSON + FIELDS.replace("'POST'", "1.5") + SAMPLES, "narrows by no value"),
        (JSON + FIELDS.replace("'POST'", "[]") + SAMPLES, "narrows by no value"),
        (JSON + FIELDS.replace("'POST'", "'@none'") + SAMPLES, "there is no list 'none'"),
        (JSON + FIELDS.replace("request.method", "a..b") + SAMPLES, "'a..b' is no path"),
        (
            JSON + FIELDS + SAMPLES.replace('"POST"', '"GET"'),
            "denied: where request.method is 'GET', expected 'POST'",
        ),
        (
            JSON + FIELDS + SAMPLES.replace('"method"', '"m"'),
            "denied: where request.method is not there, expected 'POST'",
        ),
        (
            JSON + FIELDS + READ.replace('"ip"', '"user"') + UNREAD,
            "denied: host at `request.ip` is not there, expected an address or a name",
        ),
        (
            JSON + FIELDS + SAMPLES.replace('"method"', '"Method"'),
            "where request.method is not there (did you mean `request.Method`?), expected 'POST'",
        ),
        (
            JSON + PATTERN + "in = 'error.mesg'\n" + SAID + UNREAD,
            "said: `error.mesg` is not there (did you mean `msg`?), expected a text",
        ),
        (
            JSON + FIELDS + READ.replace('"192.0.2.7"', '"1.2.3"') + UNREAD,
            "denied: host at `request.ip` is '1.2.3', expected an address or a name",
        ),
        (
            JSON + FIELDS + READ.replace("401", "200") + UNREAD,
            "denied: where status is 200, expected 401 or 403",
        ),
        (
            JSON
            + PATTERN
            + "where = { user = 'bob' }\nfields = { user = 'user' }\n"
            + SAID.replace('{"msg', '{"user":"anna","msg')
            + UNREAD,
            "said: where user is 'anna', expected 'bob'",
        ),
        (
            JSON + PATTERN + SAID.replace("login", "logon") + UNREAD,
            "said matched 'bad log' of `msg`; expected 'login from '",
        ),
        (
            JSON + FIELDS + READ.replace('{"ts"', '{"ts":1,"ts"') + UNREAD,
            "is no JSON object, or has",
        ),
    ],
)
def test_a_filter_of_json_is_told_its_faults(text: str, said: str) -> None:
    if said:
        assert said in faults(TITLE + text)
    else:
        assert faults(TITLE + text) == ""


def line(**values: object) -> bytes:
    """Give a line of the filter FIELDS with some of its parts changed."""
    request = {"ip": values.pop("ip", "192.0.2.7"), "method": values.pop("method", "POST")}
    return json.dumps(
        {"ts": 1, "status": 401, "user": "anna", "request": request} | values
    ).encode()


def test_where_narrows_by_paths_and_by_fields() -> None:
    found = one(TITLE + JSON + FIELDS.replace("'POST'", "'POST', user = ['anna', 'x']") + SAMPLES)
    assert host(found, line()) == b"192.0.2.7"
    assert host(found, line(status="403")) == b"192.0.2.7"
    assert host(found, line(status=404)) is None
    assert host(found, line(status=[401])) is None
    assert host(found, line(status=None)) is None
    assert host(found, line(method="GET")) is None
    assert host(found, line(user="bob")) is None


def test_where_takes_truth_and_negative_numbers() -> None:
    where = FIELDS.replace("'request.method' = 'POST'", "ok = false, code = [-32, 5]")
    samples = SAMPLES.replace('"ts"', '"ok":false,"code":-32,"ts"')
    found = one(TITLE + JSON + where + samples)
    assert host(found, line(ok=False, code=-32)) == b"192.0.2.7"
    assert host(found, line(ok=False, code=5)) == b"192.0.2.7"
    assert host(found, line(ok=True, code=5)) is None
    assert host(found, line(ok=0, code=5)) is None
    assert host(found, line(ok=False, code=32)) is None


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("192.0.2.7", True),
        ("[2001:db8::7]", True),
        ("::ffff:192.0.2.7", True),
        ("host.example.net", True),
        ("192.0.2.7:4711", False),
        ("192.0.2.7, 203.0.113.66", False),
        (" 192.0.2.7", False),
        ("192.0.2.7\n", False),
        ("192.0.2.7\u0000", False),
        ("\uff11\uff19\uff12.0.2.7", False),
        ("192\u20240.2.7", False),
        ("\ud800", False),
        ("", False),
        (7, False),
        (None, False),
        (["192.0.2.7"], False),
    ],
)
def test_a_host_of_json_is_an_address_or_a_name_and_nothing_more(
    written: object, read: bool
) -> None:
    found = one(TITLE + JSON + FIELDS + SAMPLES)
    assert (found.read(line(ip=written)) is not None) == read


def test_fields_beside_a_pattern_join_what_it_reads() -> None:
    both = PATTERN + "fields = { user = 'user', port = 'port' }\nwhere = { user = 'anna' }\n"
    sample = SAID.replace('{"msg', '{"user":"anna","msg')
    found = one(TITLE + JSON + both + sample + UNREAD)
    reading = found.read(b'{"ts":7,"user":"anna","port":22,"msg":"bad login from 192.0.2.7"}')
    assert reading is not None
    assert reading.fields == {"user": b"anna", "port": b"22", "host": b"192.0.2.7"}
    assert reading.header.stamp == b"7"
    assert found.read(b'{"ts":7,"user":"bob","msg":"bad login from 192.0.2.7"}') is None
    assert found.read(b'{"ts":7,"msg":"bad login from 192.0.2.7"}') is None


def test_a_peer_who_writes_json_into_his_name_is_still_himself() -> None:
    found = one(TITLE + JSON + FIELDS + SAMPLES)
    peer = 'x","request":{"ip":"203.0.113.66","method":"POST"},"y":"'
    assert host(found, line(user=peer)) == b"192.0.2.7"
    unescaped = line(user="PEER").replace(b"PEER", peer.encode())
    assert host(found, unescaped) is None


def test_whoever_has_no_json_log_does_not_pay_for_json() -> None:
    script = (
        "import sys; from fw_guard import filterfiles, matching;"
        "from fw_guard.places import shipped;"
        "found = filterfiles.load(shipped('filters') + '/inetd.toml', trusted=True);"
        "found.read(b'{}'); sys.exit('json' in sys.modules and 'json was imported')"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
