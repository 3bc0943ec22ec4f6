"""Headers of programs that keep a log of their own, and of the journal's tool."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fw_guard.logs.headers import FORMATS, Header, header

SYSLOG = header("syslog")
NGINX = header("nginx")
CTIME = header("ctime")
PLAIN = header("plain")

FAILED = b"Failed password for root from 192.0.2.7 port 4711 ssh2"


@pytest.mark.parametrize(
    ("before", "stamp"),
    [
        (b"Mar 04 03:12:55 gw ", b"Mar 04 03:12:55"),
        (b"Mar 04 03:12:55.123456 gw ", b"Mar 04 03:12:55.123456"),
        (b"2026-03-04T03:12:55+0100 gw ", b"2026-03-04T03:12:55+0100"),
        (b"2026-03-04T03:12:55+01:00 gw ", b"2026-03-04T03:12:55+01:00"),
        (b"2026-03-04T03:12:55.123456+0100 gw ", b"2026-03-04T03:12:55.123456+0100"),
        (b"Wed 2026-03-04 03:12:55 CET gw ", b"2026-03-04 03:12:55 CET"),
        (b"Wed 2026-03-04 03:12:55 UTC gw ", b"2026-03-04 03:12:55 UTC"),
        (b"Wed 2026-03-04 03:12:55 -03 gw ", b"2026-03-04 03:12:55 -03"),
        (b"Wed 2026-03-04 03:12:55.123456 CET gw ", b"2026-03-04 03:12:55.123456 CET"),
        (b"1772593975.123456 gw ", b"1772593975.123456"),
    ],
)
def test_each_output_of_journalctl_is_syslog(before: bytes, stamp: bytes) -> None:
    line = before + b"sshd[87]: " + FAILED
    found = SYSLOG(line)
    assert found is not None
    assert (found.stamp, found.program, found.pid) == (stamp, b"sshd", b"87")
    assert line[found.start :] == FAILED


@pytest.mark.parametrize(
    "line",
    [
        b"2026-03-04 03:12:55 CET gw sshd[87]: no weekday",
        b"Wed 2026-03-04 03:12:55 gw sshd[87]: no zone",
        b"Wed 1772593975.123456 gw sshd[87]: a weekday before seconds",
        b"1772593975 gw sshd[87]: whole seconds",
        b"1772593975.123 gw sshd[87]: thousandths",
        b"x1772593975.123456 gw sshd[87]: text in front",
        b"Wed 2026-03-04 03:12:55 CET sshd[87]: there is no host",
        b"Wednesday 2026-03-04 03:12:55 CET gw sshd[87]: a whole weekday",
    ],
)
def test_what_only_resembles_the_journal_has_no_header(line: bytes) -> None:
    assert SYSLOG(line) is None


def test_the_program_of_a_journal_line_is_not_taken_from_its_message() -> None:
    line = b"1772593975.123456 gw su[9]: 1772593975.123456 gw sshd[87]: " + FAILED
    found = SYSLOG(line)
    assert found is not None
    assert (found.program, found.pid) == (b"su", b"9")


def test_nginx_gives_stamp_process_and_what_follows_them() -> None:
    line = b'2026/03/04 03:12:55 [error] 87#4711: *12 user "anna": password mismatch'
    found = NGINX(line)
    assert found is not None
    assert (found.stamp, found.program, found.pid) == (b"2026/03/04 03:12:55", b"", b"87")
    assert line[found.start :] == b'*12 user "anna": password mismatch'


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b" 2026/03/04 03:12:55 [error] 87#87: *1 a blank before",
        b"2026/03/04 03:12:55 error 87#87: *1 no brackets",
        b"2026/03/04 03:12:55 [ERROR] 87#87: *1 not nginx",
        b"2026/03/04 03:12:55 [error] 87: *1 no thread",
        b"2026/03/04 03:12:55 [error] 87#87 *1 no colon",
        b"2026-03-04 03:12:55 [error] 87#87: *1 another date",
        b"x 2026/03/04 03:12:55 [error] 87#87: *1 text in front",
    ],
)
def test_what_is_no_line_of_nginx_has_no_header(line: bytes) -> None:
    assert NGINX(line) is None


@pytest.mark.parametrize(
    ("line", "stamp", "message"),
    [
        (b"Wed Mar  4 03:12:55 2026 [pid 8] FAIL", b"Mar  4 03:12:55 2026", b"[pid 8] FAIL"),
        (b"Wed Mar 04 03:12:55 2026 : Auth: x", b"Mar 04 03:12:55 2026", b": Auth: x"),
        (b"Wed Mar  4 03:12:55 2026", b"Mar  4 03:12:55 2026", b""),
        (b"Wed Mar  4 03:12:55 2026   \t x", b"Mar  4 03:12:55 2026", b"x"),
        (
            b"[Wed Mar 04 03:12:55.123456 2026] [core:error] [pid 8] x",
            b"Mar 04 03:12:55.123456 2026",
            b"[core:error] [pid 8] x",
        ),
        (b"[Wed Mar 04 03:12:55 2026] [error] ]", b"Mar 04 03:12:55 2026", b"[error] ]"),
    ],
)
def test_the_date_of_ctime_is_taken_off_with_its_brackets(
    line: bytes, stamp: bytes, message: bytes
) -> None:
    found = CTIME(line)
    assert found is not None
    assert (found.stamp, line[found.start :]) == (stamp, message)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"Mar  4 03:12:55 2026 no weekday",
        b"Wed Mar  4 03:12:55 no year",
        b"[Wed Mar  4 03:12:55 2026 no closing bracket",
        b"[Wed Mar  4 03:12:55 20266] five digits",
        b"Wed, 04 Mar 2026 03:12:55 +0100 a mail's date",
        b" Wed Mar  4 03:12:55 2026 a blank before",
        b"x [Wed Mar  4 03:12:55 2026] text in front",
    ],
)
def test_what_does_not_begin_with_the_date_of_ctime_has_no_header(line: bytes) -> None:
    assert CTIME(line) is None


FORMS = [
    (b"2026-03-04 03:12:55", b"2026-03-04 03:12:55"),
    (b"2026-03-04  3:12:55", b"2026-03-04  3:12:55"),
    (b"2026-03-04 3:12:55", b"2026-03-04 3:12:55"),
    (b"2026-03-04T03:12:55", b"2026-03-04T03:12:55"),
    (b"2026-03-04 03:12:55.123456", b"2026-03-04 03:12:55.123456"),
    (b"2026-03-04 03:12:55,123", b"2026-03-04 03:12:55,123"),
    (b"2026-03-04T03:12:55.123Z", b"2026-03-04T03:12:55.123Z"),
    (b"2026-03-04 03:12:55 UTC", b"2026-03-04 03:12:55 UTC"),
    (b"2026-03-04 03:12:55 GMT", b"2026-03-04 03:12:55 GMT"),
    (b"2026-03-04 03:12:55+0100", b"2026-03-04 03:12:55+0100"),
    (b"2026-03-04 03:12:55 +0100", b"2026-03-04 03:12:55 +0100"),
    (b"2026-03-04T03:12:55+01:00", b"2026-03-04T03:12:55+01:00"),
    (b"2026-03-04 03:12:55.123 -03", b"2026-03-04 03:12:55.123 -03"),
    (b"2026/03/04 03:12:55", b"2026/03/04 03:12:55"),
    (b"2026/03/04 03:12:55.123456", b"2026/03/04 03:12:55.123456"),
    (b"04-Mar-2026 03:12:55.123", b"04-Mar-2026 03:12:55.123"),
    (b"04/Mar/2026:03:12:55 +0100", b"04/Mar/2026:03:12:55 +0100"),
    (b"Mar  4 03:12:55", b"Mar  4 03:12:55"),
    (b"Mar  4 3:12:55", b"Mar  4 3:12:55"),
    (b"Mar  4 2026 03:12:55", b"Mar  4 2026 03:12:55"),
    (b"Wed Mar  4 03:12:55 2026", b"Mar  4 03:12:55 2026"),
    (b"Wed Mar 04 03:12:55.123456 2026", b"Mar 04 03:12:55.123456 2026"),
    (b"1772593975.123", b"1772593975.123"),
    (b"1772593975", b"1772593975"),
    (b"1772593975123", b"1772593975123"),
    (b"1772593975123456", b"1772593975123456"),
    (b"87:M 04 Mar 2026 03:12:55.123", b"04 Mar 2026 03:12:55.123"),
    (b"260304  3:12:55", b"260304  3:12:55"),
    (b"260304 13:12:55", b"260304 13:12:55"),
]


@pytest.mark.parametrize(("written", "stamp"), FORMS)
@pytest.mark.parametrize("bracket", [b"%s", b"[%s]"])
@pytest.mark.parametrize(
    ("after", "message"),
    [(b"", b""), (b" login failed", b"login failed"), (b" \t [8] x", b"[8] x")],
)
def test_a_plain_line_begins_with_one_of_many_stamps(
    written: bytes, stamp: bytes, bracket: bytes, after: bytes, message: bytes
) -> None:
    line = bracket % written + after
    found = PLAIN(line)
    assert found is not None
    assert (found.stamp, line[found.start :]) == (stamp, message)
    assert (found.program, found.pid) == (b"", b"")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"2026-03-04 03:12:55, INFO x", b", INFO x"),
        (b"2026-03-04T03:12:55Z: x", b": x"),
        (b"2026-03-04 03:12:55 ERROR x", b"ERROR x"),
        (b"2026-03-04 03:12:55 CET [8] x", b"CET [8] x"),
        (b"2026-03-04 03:12:55 -1 x", b"-1 x"),
        (b"2026-03-04 03:12:55 UTCx", b"UTCx"),
        (b"2026-03-04 03:12:55] x", b"] x"),
        (b"[2026-03-04 03:12:55 INFO] x", b"INFO] x"),
        (b"[2026/03/04 03:12:55.123456,  2] x", b",  2] x"),
        (b"Mar  4 03:12:55 2019 was a year", b"2019 was a year"),
        (b"1772593975.123:87): x", b":87): x"),
        (b"26-03-04 03:12:55 x", b"26-03-04 03:12:55 x"),
        (b"[] x", b"[] x"),
        (b"", b""),
        (b" 2026-03-04 03:12:55 a blank before", b" 2026-03-04 03:12:55 a blank before"),
        (b"login at 2026-03-04 03:12:55", b"login at 2026-03-04 03:12:55"),
        (b"2026-03-04 03:12 x", b"2026-03-04 03:12 x"),
        (b"2026-03-04 03:12:555 x", b"2026-03-04 03:12:555 x"),
        (b"17725939751 x", b"17725939751 x"),
        (b"1772593975x", b"1772593975x"),
        (b"203.0.113.7 x", b"203.0.113.7 x"),
        (b"{}", b"{}"),
    ],
)
def test_what_follows_a_stamp_or_is_none_is_the_message(line: bytes, message: bytes) -> None:
    found = PLAIN(line)
    assert found is not None
    assert line[found.start :] == message


def test_only_the_stamp_at_the_start_is_taken_off_not_one_that_a_peer_wrote_behind_it() -> None:
    line = b"2026-03-04 03:12:55 [2020-01-01 00:00:00] login of x from 203.0.113.66"
    found = PLAIN(line)
    assert found == Header(b"2026-03-04 03:12:55", b"", b"", 20)


def test_a_plain_line_without_a_stamp_has_an_empty_one() -> None:
    assert PLAIN(b"login of anna failed") == Header(b"", b"", b"", 0)


PIECES = st.lists(
    st.sampled_from(
        [
            *(
                b"[",
                b"]",
                b" ",
                b"  ",
                b"\t",
                b":",
                b",",
                b".",
                b"x",
                b"1",
                b"\x00\xff",
                b"Z",
                b"*",
            ),
            *(b"2026-03-04", b"T", b"03:12:55", b".123", b"+0100", b"UTC", b"Wed ", b"Mar  4 "),
            *(b"2026", b"2026/03/04 ", b"87#87: ", b"[error]", b"1772593975", b"87:M ", b"gw "),
            *(b"sshd[1]: ", b"04-Mar-2026 ", b"04/Mar/2026:", b"260304 "),
        ]
    ),
    max_size=14,
).map(b"".join)


@settings(deadline=None, max_examples=300)
@given(PIECES, st.sampled_from(list(FORMATS)))
def test_no_line_breaks_a_reader_and_its_parts_are_parts_of_it(line: bytes, name: str) -> None:
    found = header(name)(line)
    assert (found is not None) or name != "plain"
    if found is not None:
        assert 0 <= found.start <= len(line)
        assert found.stamp in line
        assert found.program in line
        assert found.pid in line


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(FORMS), st.sampled_from([b"%s", b"[%s]"]), PIECES)
def test_whatever_the_message_holds_a_plain_stamp_ends_where_it_ends(
    form: tuple[bytes, bytes], bracket: bytes, message: bytes
) -> None:
    line = bracket % form[0] + b" x" + message
    found = PLAIN(line)
    assert found is not None
    assert found.stamp == form[1]
    assert line[found.start :] == b"x" + message
