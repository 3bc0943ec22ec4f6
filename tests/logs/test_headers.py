"""Headers: where the logger's words end and the message begins."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fw_guard.logs.headers import FORMATS, Header, header, last_repeated, repeated

SYSLOG = header("syslog")
CLF = header("clf")

REFUSED = b"refused connection from p654aaf.okymff01.ap.so-net.ne.jp, service ftpd (tcp)"


def taken(line: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """Give stamp, program, pid and message of a syslog line that has a header."""
    found = SYSLOG(line)
    assert found is not None
    return found.stamp, found.program, found.pid, line[found.start :]


@pytest.mark.parametrize(
    ("before", "stamp"),
    [
        (b"Feb  7 02:26:52 server ", b"Feb  7 02:26:52"),
        (b"Mar 2 16:15:08 server ", b"Mar 2 16:15:08"),
        (b"Feb 22 11:23:13 server ", b"Feb 22 11:23:13"),
        (b"Feb 07 02:26:52 server ", b"Feb 07 02:26:52"),
        (b"<13>Feb  7 02:26:52 server ", b"Feb  7 02:26:52"),
        (b"Feb  7 02:26:52 <auth.info> server ", b"Feb  7 02:26:52"),
        (b"Feb  7 02:26:52 <4.6> server ", b"Feb  7 02:26:52"),
        (b"Feb  7 02:26:52 s ", b"Feb  7 02:26:52"),
        (b"Feb  7 02:26:52 www-1.example.com ", b"Feb  7 02:26:52"),
        (b"Feb  7 02:26:52 192.0.2.1 ", b"Feb  7 02:26:52"),
        (b"Feb  7 02:26:52 2001:db8::7 ", b"Feb  7 02:26:52"),
        (b"Feb  7 02:26:52 2001:db8:: ", b"Feb  7 02:26:52"),
        (b"Feb  7 02:26:52 fe80::1%em0 ", b"Feb  7 02:26:52"),
        (b"Feb  7 2017 02:26:52 server ", b"Feb  7 2017 02:26:52"),
        (b"2017 Feb  7 02:26:52 server ", b"2017 Feb  7 02:26:52"),
        (b"Feb  7 02:26:52 2017 server ", b"Feb  7 02:26:52 2017"),
        (b"Feb  7 02:26:52.123 server ", b"Feb  7 02:26:52.123"),
        (b"2024-03-04T03:12:55.123456+09:00 host ", b"2024-03-04T03:12:55.123456+09:00"),
        (b"2024-03-04T03:12:55Z host ", b"2024-03-04T03:12:55Z"),
        (b"<13>2024-03-04T03:12:55-05:00 host ", b"2024-03-04T03:12:55-05:00"),
    ],
)
def test_each_form_of_stamp_and_host_is_passed_over(before: bytes, stamp: bytes) -> None:
    line = before + b"inetd[27756]: " + REFUSED
    assert taken(line) == (stamp, b"inetd", b"27756", REFUSED)


@pytest.mark.parametrize(
    ("tag", "program", "pid"),
    [
        (b"sshd[12]:", b"sshd", b"12"),
        (b"inetd[12]:", b"inetd", b"12"),
        (b"/usr/sbin/cron[1]:", b"/usr/sbin/cron", b"1"),
        (b"sshd(pam_unix)[812]:", b"sshd(pam_unix)", b"812"),
        (b"postfix/smtpd[4]:", b"postfix/smtpd", b"4"),
        (b"gdm-password][1234]:", b"gdm-password]", b"1234"),
        (b"sshd-session[7]:", b"sshd-session", b"7"),
        (b"su:", b"su", b""),
        (b"kernel:", b"kernel", b""),
        (b"cron[]:", b"cron", b""),
    ],
)
def test_the_program_is_what_stands_before_the_bracket_or_colon(
    tag: bytes, program: bytes, pid: bytes
) -> None:
    line = b"Feb  7 02:26:52 server " + tag + b" the message"
    assert taken(line) == (b"Feb  7 02:26:52", program, pid, b"the message")


@pytest.mark.parametrize(
    "message",
    [
        b"last message repeated 3 times",
        b"-- MARK --",
        b"syslogd 1.4.1: restart.",
        b"exiting on signal 15",
        b"a message that says sshd[1]: Failed password for root from 192.0.2.7 port 1 ssh2",
        b"foo:bar: two colons make no tag",
        b"foo[1]bar: no tag either",
        b"sshd[1]:without a blank",
        b"sshd[1 2]: a blank in the pid",
    ],
)
def test_a_line_without_a_tag_has_no_program_and_keeps_its_message(message: bytes) -> None:
    line = b"Feb  7 02:26:52 server " + message
    assert taken(line) == (b"Feb  7 02:26:52", b"", b"", message)


def test_a_tag_inside_the_message_is_never_taken() -> None:
    message = b"USER=root sshd[1]: Failed password for root from 192.0.2.7 port 1 ssh2"
    assert taken(b"Feb  7 02:26:52 server su[9]: " + message)[1:] == (b"su", b"9", message)


def test_a_message_that_begins_with_blanks_is_not_looked_into_for_a_tag() -> None:
    line = b"Feb  7 02:26:52 server  sshd[1]: Failed password for root"
    assert taken(line)[1:] == (b"", b"", b"sshd[1]: Failed password for root")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"Feb  7 02:26:52 server su:", b""),
        (b"Feb  7 02:26:52 server su: ", b""),
        (b"Feb  7 02:26:52 server su:\r", b"\r"),
        (b"Feb  7 02:26:52 server su:   twice", b"twice"),
        (b"Feb  7 02:26:52 server su: caf\xe9\x00\xff", b"caf\xe9\x00\xff"),
    ],
)
def test_the_message_begins_after_the_blanks_and_may_be_empty(line: bytes, message: bytes) -> None:
    assert taken(line)[1:] == (b"su", b"", message)


RFC5424 = b"2024-03-04T03:12:55.003Z mail.example.com "


@pytest.mark.parametrize(
    ("line", "program", "pid", "message"),
    [
        (b"<34>1 " + RFC5424 + b"su - ID47 - 'su root' failed", b"su", b"", b"'su root' failed"),
        (b"1 " + RFC5424 + b"sshd 12 - - Invalid user x", b"sshd", b"12", b"Invalid user x"),
        (b"<38>1 " + RFC5424 + b"- - - - text: of nobody", b"", b"", b"text: of nobody"),
        (b"<38>1 " + RFC5424 + b'sshd 12 - [a@1 k="v"] text', b"sshd", b"12", b"text"),
        (
            b"<38>1 " + RFC5424 + rb'sshd 12 - [a@1 k="v \] \" su[1\]: x"][b] text',
            b"sshd",
            b"12",
            b"text",
        ),
        (b"<38>1 " + RFC5424 + rb'sshd 12 - [a k="\n\\" l=""] text', b"sshd", b"12", b"text"),
        (b"<38>1 " + RFC5424 + b"sshd 12 - - \xef\xbb\xbftext", b"sshd", b"12", b"text"),
        (b"<38>1 " + RFC5424 + b"sshd 12 - -  text", b"sshd", b"12", b"text"),
        (b"<38>1 " + RFC5424 + b"sshd 12 - -", b"sshd", b"12", b""),
        (b"<38>1 " + RFC5424 + b"sshd 12 - [a]", b"sshd", b"12", b""),
    ],
)
def test_rfc_5424_gives_its_fields(line: bytes, program: bytes, pid: bytes, message: bytes) -> None:
    assert taken(line) == (b"2024-03-04T03:12:55.003Z", program, pid, message)


def test_rfc_5424_without_a_time_keeps_the_dash() -> None:
    assert taken(b"<34>1 - host su - - - text") == (b"-", b"su", b"", b"text")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"no header at all",
        b"Feb  7 02:26:52",
        b"Feb  7 02:26:52 server",
        b" Feb  7 02:26:52 server sshd[1]: a blank before",
        b"feb  7 02:26:52 server sshd[1]: text",
        b"Feb   7 02:26:52 server sshd[1]: three blanks",
        b"Feb  7 2:26:52 server sshd[1]: text",
        b"Feb  7 02:26 server sshd[1]: text",
        b"\x00\x00Feb  7 02:26:52 server sshd[1]: text",
        b"<1234>Feb  7 02:26:52 server sshd[1]: text",
        b"2024-03-04 03:12:55Z host sshd[1]: no T",
        b"<34>1 2024-03-04T03:12:55Z host su - ID47 text without data",
        b'<34>1 2024-03-04T03:12:55Z host su - ID47 [a k="open text',
        b"<34>1 2024-03-04T03:12:55Z host su - ID47 [a]text",
        b"<34>2 2024-03-04T03:12:55Z host su - - - text",
    ],
)
def test_what_is_no_syslog_line_has_no_header(line: bytes) -> None:
    assert SYSLOG(line) is None


REQUEST = b'"GET /scripts/x.do HTTP/1.1" 302 346 "-" "Mozilla/4.0 [07/Feb/2017]"'


@pytest.mark.parametrize(
    "before",
    [
        b"p654aaf.okymff01.ap.so-net.ne.jp - - ",
        b"192.0.2.7 - alice ",
        b"2001:db8::7 - - ",
        b"www.example.com:443 192.0.2.7 - - ",
        b"192.0.2.7 - [01/Jan/1999:00:00:00 +0000] ",
        rb"192.0.2.7 - [01/Jan/1999:00:00:00 +0000] \"GET ",
    ],
)
def test_a_clf_line_is_its_own_message_and_its_stamp_stands_before_the_request(
    before: bytes,
) -> None:
    line = before + b"[07/Feb/2017:02:32:54 +0900] " + REQUEST
    assert CLF(line) == Header(b"07/Feb/2017:02:32:54 +0900", b"", b"", 0)


def test_the_first_stamp_before_a_quotation_mark_counts_not_one_in_the_request() -> None:
    line = (
        b"192.0.2.7 - - [07/Feb/2017:02:32:54 +0900] "
        b'"GET /[01/Jan/1999:00:00:00 +0000] "x" HTTP/1.1" 404 1'
    )
    found = CLF(line)
    assert found is not None
    assert found.stamp == b"07/Feb/2017:02:32:54 +0900"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"192.0.2.7 - - - nothing in brackets",
        b"192.0.2.7 - - [07/Feb/2017:02:32:54] " + REQUEST,
        b"192.0.2.7 - - [07/Feb/2017:02:32:54 +0900]" + REQUEST,
        b"192.0.2.7 - - [7/Feb/2017:02:32:54 +0900] " + REQUEST,
        b"[Tue Feb 07 02:32:54 2017] [error] [client 192.0.2.7] File does not exist",
    ],
)
def test_what_is_no_clf_line_has_no_header(line: bytes) -> None:
    assert CLF(line) is None


def test_every_format_of_the_table_has_a_reader() -> None:
    assert {"syslog", "clf"} <= set(FORMATS)
    for name in FORMATS:
        found = header(name)(b"\x01")
        assert found == Header(b"", b"", b"", 0) if name == "plain" else found is None


def test_an_unknown_format_is_refused_with_those_there_are() -> None:
    with pytest.raises(
        ValueError, match="no such log format 'sislog'; expected one of syslog, clf"
    ):
        header("sislog")


HOSTS = st.sampled_from([b"s", b"server", b"www.example.com", b"192.0.2.1", b"2001:db8::7"])
LOGGED = st.binary(max_size=60).map(lambda text: text.replace(b"\n", b"").lstrip(b" "))


@settings(deadline=None)
@given(
    HOSTS,
    st.from_regex(rb"[a-z/_.()-]{1,12}", fullmatch=True),
    st.from_regex(rb"(\[[0-9]{1,5}\])?", fullmatch=True),
    LOGGED,
)
def test_whatever_the_message_holds_the_program_is_the_loggers(
    host: bytes, program: bytes, pid: bytes, message: bytes
) -> None:
    line = b"Feb  7 02:26:52 " + host + b" " + program + pid + b": " + message
    assert taken(line) == (b"Feb  7 02:26:52", program, pid.strip(b"[]"), message)


@settings(deadline=None)
@given(
    st.text('<>[]:-. 0123456789T+FebZ"\\=\r\n\x00a', max_size=90), st.sampled_from(list(FORMATS))
)
def test_a_start_lies_within_the_line(text: str, name: str) -> None:
    line = text.encode()
    found = header(name)(line)
    assert found is None or 0 <= found.start <= len(line)


INNER = b"Failed password for root from 192.0.2.7 port 4242 ssh2"


@pytest.mark.parametrize(
    ("message", "times", "inner"),
    [
        (b"message repeated 5 times: [ " + INNER + b"]", 5, INNER),
        (b"message repeated 1 times: [" + INNER + b"] \r", 1, INNER),
        (b"message repeated 100000 times: [ a ]b]]", 100_000, b"a ]b]"),
        (b"message repeated 2 times: []", 2, b""),
    ],
)
def test_a_repeated_message_gives_its_count_and_what_was_repeated(
    message: bytes, times: int, inner: bytes
) -> None:
    number, start, end = repeated(message)
    assert (number, message[start:end]) == (times, inner)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        INNER,
        b"message repeated 0 times: [ x]",
        b"message repeated 100001 times: [ x]",
        b"message repeated 99999999999999999999 times: [ x]",
        b"message repeated -1 times: [ x]",
        b"message repeated 5 times: [ x",
        b"message repeated 5 times: [ x] and more",
        b"  message repeated 5 times: [ x]",
        b"user message repeated 5 times: [ x]",
        b"last message repeated 5 times",
    ],
)
def test_any_other_message_stands_for_itself(message: bytes) -> None:
    assert repeated(message) == (1, 0, len(message))


@pytest.mark.parametrize(
    ("program", "message", "times"),
    [
        (b"", b"last message repeated 3 times", 3),
        (b"syslogd", b"last message repeated 1 times\r", 1),
        (b"", b"last message repeated 1 time", 1),
        (b"", b"last message repeated 100000 times", 100_000),
        (b"", b"last message repeated 100001 times", 0),
        (b"", b"last message repeated 0 times", 0),
        (b"", b"last message repeated 3 times or so", 0),
        (b"sshd", b"last message repeated 3 times", 0),
        (b"", b"my last message repeated 3 times", 0),
    ],
)
def test_only_syslogd_itself_says_that_the_last_message_came_again(
    program: bytes, message: bytes, times: int
) -> None:
    assert last_repeated(program, message) == times


@pytest.mark.parametrize(
    ("line", "program", "pid", "message"),
    [
        (b"Feb  7 02:26:52 sshd[12]: there is no host", b"sshd", b"12", b"there is no host"),
        (b"Feb  7 02:26:52 su: there is no host", b"su", b"", b"there is no host"),
        (b"Feb  7 02:26:52 imap-login: Info: text", b"imap-login", b"", b"Info: text"),
    ],
)
def test_a_line_may_name_no_host(line: bytes, program: bytes, pid: bytes, message: bytes) -> None:
    found = SYSLOG(line)
    assert found is not None
    assert (found.program, found.pid, line[found.start :]) == (program, pid, message)
    assert not found.hosted


def test_a_stamp_without_a_zone_is_local() -> None:
    found = SYSLOG(b"2024-03-04T03:12:55 host sshd[1]: no zone")
    assert found is not None
    assert found.stamp == b"2024-03-04T03:12:55"
    assert found.hosted


def test_the_number_that_solaris_puts_before_a_message_is_no_part_of_it() -> None:
    line = b"Feb  7 02:26:52 server sshd[12]: [ID 800047 auth.info] Failed password"
    found = SYSLOG(line)
    assert found is not None
    assert line[found.start :] == b"Failed password"
    other = b"Feb  7 02:26:52 server sshd[12]: [ID 800047 auth.info]Failed password"
    found = SYSLOG(other)
    assert found is not None
    assert other[found.start :] == b"[ID 800047 auth.info]Failed password"


def test_a_line_of_multilog_names_its_program() -> None:
    line = b"@400000004c91b044077a9e94 dovecot-auth: pam_unix(dovecot:auth): text"
    found = SYSLOG(line)
    assert found is not None
    assert (found.stamp, found.program) == (b"@400000004c91b044077a9e94", b"dovecot-auth")
    assert line[found.start :] == b"pam_unix(dovecot:auth): text"


@pytest.mark.parametrize("line", [b"Mar  3 00:17:22 [sshd] text", b"Mar  3 00:17:22 [sshd]: text"])
def test_metalog_writes_the_program_in_brackets(line: bytes) -> None:
    found = SYSLOG(line)
    assert found is not None
    assert (found.program, found.pid, found.hosted) == (b"sshd", b"", False)
    assert line[found.start :] == b"text"


def test_a_bracket_in_a_value_of_structured_data_may_stand_unescaped() -> None:
    line = b'<38>1 2019-07-08T17:40:17Z host sshd 5 - [a b="[c]"][d@9 e="\\"]"] text'
    found = SYSLOG(line)
    assert found is not None
    assert line[found.start :] == b"text"
