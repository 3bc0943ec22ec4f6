"""The field types: what each takes and what it does not."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fw_guard import addresses
from fw_guard.patterns.fields import DEFAULT_TYPE, KNOWN_NAMES, TYPES, FieldType, type_for
from tests.patterns.trees import UNTIMED

ADDRESSES = [
    *("192.0.2.7", "203.0.113.255", "2001:db8::7", "2001:DB8::7", "::1", "::", "2001:db8::"),
    *("2001:db8:1:2:3:4:5:6", "::ffff:192.0.2.7", "::ffff:c000:207", "fe80::7%em0"),
    *("fe80::1:2%vlan10.3", "[2001:db8::7]", "[::ffff:192.0.2.7]", "[fe80::7%em0]"),
]
NAMES = [
    *("www.example.com", "www.example.com.", "p654aaf.okymff01.ap.example.jp", "localhost", "a"),
    *("_dmarc.example.net", "1-2-3-4.example.net", "xn--bcher-kva.example", "UNKNOWN"),
]
NETWORKS = ["192.0.2.0/24", "0.0.0.0/0", "2001:db8::/32", "::/0", "2001:db8:1:2::/64", "::1/128"]
NO_HOST = [
    *(
        "",
        ".example.com",
        "-example.com",
        "a b",
        "a,b",
        "a@b",
        "a/b",
        "exämple.com",
        "192.0.2.7:22",
    ),
    *("[192.0.2.7]", "[www.example.com]", "[2001:db8::7", "2001:db8::7]", "a:b", "12:30", "a\n"),
]

TAKEN: dict[str, list[str]] = {
    "addr": ADDRESSES,
    "ipv4": ["192.0.2.7", "203.0.113.255"],
    "ipv6": [text for text in ADDRESSES if ":" in text],
    "host": [*ADDRESSES, *NAMES],
    "name": [*ADDRESSES, *NAMES],
    "net": [*NETWORKS, *(text for text in ADDRESSES if "[" not in text)],
    "int": ["0", "22", "007", "999999999999999999"],
    "word": ["a", "[x]", "a=b", "<>", '"', "失敗", "\x00"],
    "text": ["", "a", " ", "a b\tc\r", "\x00\x1b[0m", "失敗"],
    "quoted": ["", "a b", r"\"", r"a \"b\" c", r"\\", r"\x16\x03", "'{}'", "失敗"],
    "httpdate": ["07/Feb/2017:02:32:54 +0900", "31/Dec/1999:23:59:60 -0330"],
    "isotime": [
        *("2017-02-07T02:32:54+09:00", "2017-02-07T02:32:54.123456Z", "2017-02-07 02:32:54"),
        *("2017-02-07 02:32:54,123", "2017-02-07T02:32:54+0900"),
    ],
}
NOT_TAKEN: dict[str, list[str]] = {
    "addr": [*NO_HOST, *NAMES, *NETWORKS, "192.0.2", "192.0.2.7.", "1.2.3.4.5", "1922.0.2.7"],
    "ipv4": [*NO_HOST, *NAMES, "192.0.2", "1.2.3.4.5", "1922.0.2.7", "2001:db8::7", "::"],
    "ipv6": [*NO_HOST, *NAMES, *NETWORKS, "192.0.2.7", "2001:db8::7:"],
    "host": [*NO_HOST, *NETWORKS],
    "name": [*NO_HOST, *NETWORKS],
    "net": [*NO_HOST, *NAMES, "192.0.2.0/", "192.0.2.0/2400", "[2001:db8::]/32", "192.0.2.0/a"],
    "int": ["", "-1", "+1", "1.5", "1e3", " 1", "1 ", "0x1", "1234567890123456789", "٣"],
    "word": ["", " ", "a b", "a\tb", "a\r", "a\n"],
    "text": ["\n", "a\n", "\na"],
    "quoted": ['"', 'a"b', "a\\", "a\nb", "\\\n"],
    "httpdate": [
        *("07/Feb/2017:02:32:54", "7/Feb/2017:02:32:54 +0900", "07/feb/2017:02:32:54 +0900"),
        *("2017-02-07T02:32:54+09:00", "07/Feb/2017:02:32:54  +0900", "Feb  7 02:32:54"),
    ],
    "isotime": [
        *("2017-02-07", "2017-02-07T02:32", "2017-02-07  02:32:54", "2017-02-07T02:32:54 Z"),
        *("2017/02/07 02:32:54", "17-02-07T02:32:54", "2017-02-07T02:32:54.Z", "07/Feb/2017"),
    ],
}


def takes(kind: str, text: str) -> bool:
    """Say whether ``text``, in UTF-8, is a value of the type ``kind``."""
    return re.fullmatch(TYPES[kind].regex, text.encode()) is not None


def cases(table: dict[str, list[str]]) -> list[tuple[str, str]]:
    """Give every pair of a type and a text of ``table``."""
    return [(kind, text) for kind, texts in table.items() for text in texts]


@pytest.mark.parametrize(("kind", "text"), cases(TAKEN))
def test_a_type_takes(kind: str, text: str) -> None:
    assert takes(kind, text)


@pytest.mark.parametrize(("kind", "text"), cases(NOT_TAKEN))
def test_a_type_does_not_take(kind: str, text: str) -> None:
    assert not takes(kind, text)


def test_every_type_is_tested() -> None:
    assert set(TAKEN) == set(NOT_TAKEN) == set(TYPES)


@pytest.mark.parametrize("kind", ["addr", "host", "name", "net"])
@UNTIMED
@given(address=st.ip_addresses())
def test_every_address_is_taken_as_python_writes_it(kind: str, address: object) -> None:
    assert takes(kind, str(address))


@UNTIMED
@given(address=st.ip_addresses(v=6), zone=st.from_regex(r"[a-z]{1,6}[0-9]{1,3}", fullmatch=True))
def test_what_the_project_reads_as_an_address_in_brackets_is_taken(
    address: object, zone: str
) -> None:
    text = f"[{address}%{zone}]"
    assert addresses.host(text) is not None
    assert takes("addr", text)
    assert takes("host", text)


@pytest.mark.parametrize("kind", TYPES)
@UNTIMED
@given(value=st.binary(max_size=12))
def test_no_type_takes_a_newline(kind: str, value: bytes) -> None:
    assert re.fullmatch(TYPES[kind].regex, b"%b\n" % value) is None
    assert re.fullmatch(TYPES[kind].regex, b"a%b\nb" % value) is None


@pytest.mark.parametrize("kind", TYPES.values(), ids=TYPES.keys())
def test_a_type_says_what_it_takes_and_has_no_groups(kind: FieldType) -> None:
    assert TYPES[kind.name] is kind
    assert kind.takes.strip()
    assert "\n" not in kind.takes + kind.noun
    assert re.compile(kind.regex).groups == 0


def test_a_known_name_brings_its_type() -> None:
    assert dict(KNOWN_NAMES) == {
        "host": "host",
        "name": "name",
        "net": "net",
        "address": "net",
        "method": "word",
        "time": "httpdate",
        "pid": "int",
        "port": "int",
        "status": "int",
        "times": "int",
    }
    assert [type_for(name) for name in ("port", "user", "path", None)] == [
        *("int", DEFAULT_TYPE, DEFAULT_TYPE, DEFAULT_TYPE)
    ]
    assert DEFAULT_TYPE == "text"
