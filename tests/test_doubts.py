"""Doubt: text before the host that names another address, or is too long to be a name."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fw_guard import filterfiles
from fw_guard.doubts import LONGEST, cast_doubt
from fw_guard.tomlfile import Document
from tests.patterns.trees import UNTIMED

HEAD = """\
title = 'mine'
service = 'mine'
log = { format = 'syslog' }
"""
SAMPLES = """\
[[sample]]
line = 'Mar  4 03:12:55 gw mine[8]: bad login of anna at 198.51.100.1 from 192.0.2.7'
host = '192.0.2.7'
[[sample]]
line = 'Mar  4 03:12:55 gw mine[8]: good'
match = false
"""


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("203.0.113.66", "192.0.2.7"),
        ("x from 203.0.113.66 port 22 ssh2: y", "192.0.2.7"),
        ("<203.0.113.66>", "192.0.2.7"),
        ("203.0.113.66.", "192.0.2.7"),
        ("2001:db8::66", "2001:db8::7"),
        ("[2001:db8::66]:22", "192.0.2.7"),
        ("::ffff:203.0.113.66", "192.0.2.7"),
        ("192.0.2.7 203.0.113.66", "192.0.2.7"),
        ("203.0.113.66", "host.example.net"),
        ("from:203.0.113.66 port", "192.0.2.7"),
        ("0:203.0.113.66", "192.0.2.7"),
        ("ip:2001:db8::66", "192.0.2.7"),
        ("from 2001:db8::66: x", "192.0.2.7"),
        ("::ffff:203.0.113.66:", "192.0.2.7"),
        ("203.0.113.66.4711 > x", "192.0.2.7"),
        ("x" * (LONGEST + 1), "192.0.2.7"),
    ],
)
def test_another_address_before_the_host_casts_doubt(text: str, host: str) -> None:
    assert cast_doubt([b"anna", text.encode()], host.encode())


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("", "192.0.2.7"),
        ("anna", "192.0.2.7"),
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7", "::ffff:192.0.2.7"),
        ("2001:DB8:0::7", "[2001:db8::7]"),
        # The reverse name of an address holds its digits, often the other way round.
        ("7.2.0.192.dynamic.example.net", "192.0.2.7"),
        ("static-203.0.113.66.example.net", "192.0.2.7"),
        ("host.203.0.113.66", "192.0.2.7"),
        ("1.2.3", "192.0.2.7"),
        ("999.1.1.1", "192.0.2.7"),
        ("12:30:45", "192.0.2.7"),
        ("C0:FF:EE:00:00:01", "192.0.2.7"),
        ("a::b::c", "192.0.2.7"),
        ("std::string", "192.0.2.7"),
        ("dead::beefy", "192.0.2.7"),
        ("Mozilla/5.0 Chrome/120.0.0.0 Safari", "192.0.2.7"),
        ("x" * LONGEST, "192.0.2.7"),
        ("２０３.0.113.66", "192.0.2.7"),
    ],
)
def test_what_is_no_other_address_casts_none(text: str, host: str) -> None:
    assert not cast_doubt([text.encode()], host.encode())


AROUND = st.sampled_from(
    ["{}", "from {} port", "({})", "<{}>,", "x={} y", "[{}]", "from {}: x", "ip {}.", "@{},"]
)


@UNTIMED
@given(st.ip_addresses(), AROUND)
def test_every_address_that_stands_by_itself_is_seen(address: object, around: str) -> None:
    assume(not str(address).endswith(".0.0"))
    text = around.format(address).encode()
    assert cast_doubt([text], b"192.0.2.7") is (str(address) != "192.0.2.7")
    assert not cast_doubt([text], str(address).encode())


@UNTIMED
@given(st.lists(st.binary(max_size=40)), st.binary(max_size=20))
def test_no_bytes_are_too_strange(texts: list[bytes], host: bytes) -> None:
    assert cast_doubt(texts, host) in (True, False)


def doubtful(match: str, message: str) -> bool:
    """Say whether a filter of one match doubts what it reads in ``message``."""
    samples = SAMPLES.replace("bad login of anna at 198.51.100.1 from 192.0.2.7", message)
    document = Document("mine.toml", f"{HEAD}[[match]]\nname = 'failed'\n{match}\n{samples}")
    found = filterfiles.read(document)
    assert document.faults == []
    reading = found.read(f"Mar  4 03:12:55 gw mine[8]: {message}".encode())
    assert reading is not None
    assert reading.fields["host"] == b"192.0.2.7"
    return reading.doubtful


@pytest.mark.parametrize(
    ("match", "message", "expected"),
    [
        ("pattern = 'by {user} from {host}'", "by anna from 192.0.2.7", False),
        ("pattern = 'by {user} from {host}'", "by 203.0.113.66 from 192.0.2.7", True),
        ("pattern = 'by {*} from {host}'", "by 203.0.113.66 from 192.0.2.7", True),
        ("pattern = 'by {*:word} from {host}'", "by 203.0.113.66 from 192.0.2.7", True),
        ("pattern = 'by {?{*} }from {host}'", "by 203.0.113.66 from 192.0.2.7", True),
        ("pattern = 'to {*:addr} from {host}'", "to 203.0.113.66 from 192.0.2.7", False),
        ("pattern = 'refused {name} ({host})'", "refused 192.0.2.7 (192.0.2.7)", False),
        ("pattern = 'refused {name} ({host})'", "refused 203.0.113.66 (192.0.2.7)", True),
        ("pattern = '{host} said {*}'", "192.0.2.7 said 203.0.113.66", False),
        (
            "pattern = 'by {user} from {host}'\nown = ['user']",
            ("by 203.0.113.66 from 192.0.2.7"),
            False,
        ),
        ("pattern = 'by {user} from {host}'\nforgeable = 'old'", "by anna from 192.0.2.7", True),
        ("pattern = '{{host} b|by {user} from {host}} x'", "192.0.2.7 b x", False),
    ],
)
def test_what_stands_before_the_host_and_may_be_a_strangers(
    match: str, message: str, expected: bool
) -> None:
    assert doubtful(match, message) is expected
