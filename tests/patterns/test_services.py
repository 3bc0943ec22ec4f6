"""Patterns of real services against lines: what matches, with which values, and what does not."""

from __future__ import annotations

import pytest

from tests.patterns.trees import matched

INETD = "refused connection from {?{user:word}@}{host}, service {service:word} ({proto:word})"
WRAPPED = "refused connect from {*} ({host})"
PAM_ERROR = (
    "error: PAM: {authentication error|Authentication failure|authentication failure"
    "|User not known to the underlying authentication module}"
    " for {?{illegal|invalid} user }{user} from {host}{? via {*:addr}}"
)
SSHD = (
    "Failed {method} for {?{invalid|illegal} user }{user} from {host}"
    "{? port {port}}{? ssh2}{?: {*:word} {*:word}}"
)
INVALID = "Invalid user {user} from {host}{? port {port}}"
PAM_HEAD = (
    "{?pam_unix{?({module:word})}{?:} |(pam_unix) }authentication failure; logname={?{*:word}}"
)
PAM = (
    PAM_HEAD + " uid={*:word} euid={*:word} tty={?{*:word}} ruser={?{ruser:word}}"
    " rhost={host}{? user={user}}"
)
PAM_RUSER = PAM_HEAD + " uid={*:word} euid={*:word} tty={?{*:word}} ruser={ruser} rhost={host}"
DOVECOT = (
    "{protocol:word}-login: {Aborted login|Disconnected|Login aborted}"
    "{?: {Inactivity|Connection closed|Logged out}} (auth failed, {tries:int} attempts"
    "{? in {*:int} secs}){? (auth_failed)}: {?user=<{user}>, }method={method:word}, rip={host}, "
    "lip={*:addr}{?, TLS{?: {*:word}}}{?, session=<{*:word}>}"
)
POSTFIX = (
    "{?warning: }{*:word}[{host}]: SASL {method:word} authentication failed: {*}"
    "{?, sasl_username={user}}"
)
PROFTPD = (
    "{*:word} ({*:word}[{host}]){?:} {?- }USER {user}"
    "{ (Login failed): {*}|: no such user found from {*:word} [{*:addr}] to {*:word}}"
)
VSFTPD = '[pid {*:int}] [{user}] FAIL LOGIN: Client "{host}"{?, "{*:quoted}"}'
APACHE = (
    '{host} {*:word} {user} [{time:httpdate}] "{method:word} {path:word}{? {*:word}}" '
    '{status:int} {*:word}{? "{referer:quoted}" "{agent:quoted}"{*}}'
)
NGINX = (
    '*{*:int} {user "{user}"{ was not found in "{*:word}"|: password mismatch}'
    "|no user/password was provided for basic authentication}, client: {host}, "
    'server: {?{*:word}}, request: "{request:quoted}", host: "{*:word}"'
    '{?, referrer: "{*:quoted}"}'
)

MATCHING: list[tuple[str, str, dict[str, str]]] = [
    (
        INETD,
        "refused connection from 192.0.2.7, service telnetd (tcp)",
        {"host": "192.0.2.7", "service": "telnetd", "proto": "tcp"},
    ),
    (
        INETD,
        "refused connection from root@scan-7.example.net, service ftpd (tcp6)",
        {"user": "root", "host": "scan-7.example.net", "service": "ftpd", "proto": "tcp6"},
    ),
    (WRAPPED, "refused connect from scan.example.jp (192.0.2.175)", {"host": "192.0.2.175"}),
    (WRAPPED, "refused connect from a (b) (2001:db8::7)", {"host": "2001:db8::7"}),
    (
        PAM_ERROR,
        "error: PAM: authentication error for illegal user cisco from scan.example.jp",
        {"user": "cisco", "host": "scan.example.jp"},
    ),
    (
        PAM_ERROR,
        "error: PAM: User not known to the underlying authentication module for invalid user "
        "from from 198.51.100.4 via 203.0.113.9",
        {"user": "from", "host": "198.51.100.4"},
    ),
    (
        SSHD,
        "Failed password for invalid user cisco from 203.0.113.4 port 50273 ssh2",
        {"method": "password", "user": "cisco", "host": "203.0.113.4", "port": "50273"},
    ),
    (
        SSHD,
        "Failed none for  from fe80::7%em0 port 22 ssh2: RSA SHA256:abc",
        {"method": "none", "user": "", "host": "fe80::7%em0", "port": "22"},
    ),
    (INVALID, "Invalid user a b  from 192.0.2.7", {"user": "a b", "host": "192.0.2.7"}),
    (
        INVALID,
        "Invalid user  from ::ffff:192.0.2.7 port 4022",
        {"user": "", "host": "::ffff:192.0.2.7", "port": "4022"},
    ),
    (
        PAM,
        "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= "
        "rhost=192.0.2.7  user=root",
        {"module": "sshd:auth", "host": "192.0.2.7", "user": "root"},
    ),
    (
        PAM,
        "(pam_unix) authentication failure; logname=op uid=0 euid=0 tty= ruser=x "
        "rhost=gw.example.com ",
        {"ruser": "x", "host": "gw.example.com"},
    ),
    (
        PAM_RUSER,
        "authentication failure; logname= uid=0 euid=0 tty=ftp ruser=John Doe rhost=192.0.2.7",
        {"ruser": "John Doe", "host": "192.0.2.7"},
    ),
    (
        DOVECOT,
        "imap-login: Disconnected: Inactivity (auth failed, 3 attempts in 12 secs): "
        "user=<info@example.com>, method=PLAIN, rip=2001:db8::7, lip=192.0.2.1, TLS: "
        "read(size=1)_failed, session=<Zm9v+1>",
        {
            "protocol": "imap",
            "tries": "3",
            "user": "info@example.com",
            "method": "PLAIN",
            "host": "2001:db8::7",
        },
    ),
    (
        DOVECOT,
        "pop3-login: Aborted login (auth failed, 1 attempts): method=LOGIN, rip=198.51.100.3, "
        "lip=192.0.2.1, TLS",
        {"protocol": "pop3", "tries": "1", "method": "LOGIN", "host": "198.51.100.3"},
    ),
    (
        POSTFIX,
        "warning: unknown[203.0.113.80]: SASL LOGIN authentication failed: UGFzc3dvcmQ6",
        {"host": "203.0.113.80", "method": "LOGIN"},
    ),
    (
        POSTFIX,
        "mail.example.org[203.0.113.80]: SASL PLAIN authentication failed: (reason "
        "unavailable), sasl_username=info@example.com",
        {"host": "203.0.113.80", "method": "PLAIN", "user": "info@example.com"},
    ),
    (
        PROFTPD,
        "ftp.example.com (scan.example.net[192.0.2.7]) - USER root (Login failed): Incorrect "
        "password",
        {"host": "192.0.2.7", "user": "root"},
    ),
    (
        PROFTPD,
        "ftp.example.com (scan.example.net[192.0.2.7]): USER joe: no such user found from "
        "scan.example.net [192.0.2.7] to 198.51.100.1:21",
        {"host": "192.0.2.7", "user": "joe"},
    ),
    (
        VSFTPD,
        '[pid 1234] [admin] FAIL LOGIN: Client "192.0.2.7"',
        {"user": "admin", "host": "192.0.2.7"},
    ),
    (
        VSFTPD,
        r'[pid 1234] [] FAIL LOGIN: Client "::ffff:192.0.2.7", "say \"hi\""',
        {"user": "", "host": "::ffff:192.0.2.7"},
    ),
    (
        APACHE,
        '192.0.2.7 - - [07/Feb/2017:02:32:54 +0900] "GET /cgi-bin/phf HTTP/1.0" 404 209',
        {
            "host": "192.0.2.7",
            "user": "-",
            "time": "07/Feb/2017:02:32:54 +0900",
            "method": "GET",
            "path": "/cgi-bin/phf",
            "status": "404",
        },
    ),
    (
        APACHE,
        'scan.example.com - J Doe [07/Feb/2017:02:32:54 +0900] "HEAD /" 403 - "-" '
        r'"a \"quoted\" agent" 12ms extra',
        {
            "host": "scan.example.com",
            "user": "J Doe",
            "time": "07/Feb/2017:02:32:54 +0900",
            "method": "HEAD",
            "path": "/",
            "status": "403",
            "referer": "-",
            "agent": r"a \"quoted\" agent",
        },
    ),
    (
        NGINX,
        '*29 user "admin" was not found in "/usr/local/etc/htpasswd", client: 192.0.2.7, '
        'server: www.example.com, request: "GET /a HTTP/1.1", host: "www.example.com"',
        {"user": "admin", "host": "192.0.2.7", "request": "GET /a HTTP/1.1"},
    ),
    (
        NGINX,
        "*30 no user/password was provided for basic authentication, client: 2001:db8::7, "
        'server: , request: "GET / HTTP/1.1", host: "example.com", referrer: "http://x/"',
        {"host": "2001:db8::7", "request": "GET / HTTP/1.1"},
    ),
    ("{net}", "192.0.2.0/24", {"net": "192.0.2.0/24"}),
    ("{net}", "2001:db8::", {"net": "2001:db8::"}),
    ("{net} {*:int}", "192.0.2.7/32 0", {"net": "192.0.2.7/32"}),
    (
        "-A {*:word} -s {net} -j DROP",
        "-A fw-guard -s 192.0.2.7/32 -j DROP",
        {"net": "192.0.2.7/32"},
    ),
]

NOT_MATCHING: list[tuple[str, str]] = [
    (INETD, "connection from 192.0.2.7, service ftpd (tcp)"),
    (INETD, "refused connection from 192.0.2.7; service ftpd (tcp)"),
    (INETD, "refused connection from 192.0.2.7, service ftpd (tcp) again"),
    (INETD, " refused connection from 192.0.2.7, service ftpd (tcp)"),
    (INETD, "refused connection from a b@192.0.2.7, service ftpd (tcp)"),
    (WRAPPED, "refused connect from scan.example.jp 192.0.2.175"),
    (WRAPPED, "refused connect from scan.example.jp (192.0.2.175"),
    (PAM_ERROR, "error: PAM: conversation error for root from 192.0.2.7"),
    (PAM_ERROR, "error: PAM: authentication error for root from 192.0.2.7 via gw.example.com"),
    (SSHD, "Accepted password for root from 203.0.113.4 port 50273 ssh2"),
    (SSHD, "Failed password for root from 203.0.113.4 port 50273 ssh2 [preauth]"),
    (INVALID, "Invalid user root from 192.0.2.7 port http"),
    (INVALID, "Invalid user from 192.0.2.7"),
    (
        PAM,
        "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=",
    ),
    (PAM, "pam_unix(sshd:session): session opened for user root"),
    (PAM_RUSER, "authentication failure; logname= uid=0 euid=0 tty=ftp ruser=x rhost=192.0.2.7 x"),
    (DOVECOT, "imap-login: Login: user=<a>, method=PLAIN, rip=192.0.2.7, lip=192.0.2.1"),
    (DOVECOT, "pop3-login: Aborted login (auth failed, 1 attempts): method=LOGIN, rip=192.0.2.7"),
    (POSTFIX, "warning: unknown[203.0.113.80]: SASL LOGIN authentication ok: x"),
    (POSTFIX, "connect from unknown[203.0.113.80]"),
    (PROFTPD, "ftp.example.com (scan.example.net[192.0.2.7]) - USER root: Login successful."),
    (VSFTPD, '[pid 1234] [admin] OK LOGIN: Client "192.0.2.7"'),
    (VSFTPD, '[pid 1234] [admin] FAIL LOGIN: Client "192.0.2.7", "a" b"'),
    (APACHE, '192.0.2.7 - - [7/Feb/2017:02:32:54 +0900] "GET / HTTP/1.0" 404 209'),
    (APACHE, '192.0.2.7 - - [07/Feb/2017:02:32:54 +0900] "GET /" 404 209 "-"'),
    (NGINX, '*29 user "a" was found in "b", client: 192.0.2.7, server: , request: "", host: "x"'),
    ("{net}", "Header: fw-guard"),
    ("{net}", "192.0.2.0/24 extra"),
    ("{net} {*:int}", "--- table(fw-guard), set(0) ---"),
    ("-A {*:word} -s {net} -j DROP", "-A fw-guard -d 192.0.2.7/32 -j DROP"),
    ("-A {*:word} -s {net} -j DROP", "-A fw-guard -s 192.0.2.7/32 -j DROP -m x"),
]


@pytest.mark.parametrize(("source", "message", "fields"), MATCHING)
def test_a_line_gives_these_fields(source: str, message: str, fields: dict[str, str]) -> None:
    assert matched(source, message) == fields


@pytest.mark.parametrize(("source", "message"), NOT_MATCHING)
def test_a_line_is_another(source: str, message: str) -> None:
    assert matched(source, message) is None
