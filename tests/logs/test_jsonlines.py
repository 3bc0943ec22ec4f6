"""JSON lines: what stands at a path, and which lines are left alone."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fw_guard.logs.jsonlines import DEEPEST, record


def at(line: bytes, path: str) -> bytes | None:
    """Give what a line, which must be one to be read, says at a path."""
    found = record(line)
    assert found is not None
    return found.text(path)


@pytest.mark.parametrize(
    ("line", "path", "value"),
    [
        (b'{"host":"192.0.2.7"}', "host", b"192.0.2.7"),
        (b' \t{"host": "192.0.2.7"} \r', "host", b"192.0.2.7"),
        (b'{"a":{"b":{"c":"x"}}}', "a.b.c", b"x"),
        (b'{"n":401}', "n", b"401"),
        (b'{"n":-7}', "n", b"-7"),
        (b'{"n":18446744073709551615}', "n", b"18446744073709551615"),
        (b'{"n":1772593975.123}', "n", b"1772593975.123"),
        (b'{"n":1.5e3}', "n", b"1.5e3"),
        (b'{"t":true,"f":false}', "t", b"true"),
        (b'{"t":true,"f":false}', "f", b"false"),
        (b'{"n":null}', "n", None),
        (b'{"n":""}', "n", b""),
        (b'{"a":["x"]}', "a", None),
        (b'{"a":["x"]}', "a.0", None),
        (b'{"a":[{"b":"x"}]}', "a.b", None),
        (b'{"a":{"b":"x"}}', "a", None),
        (b'{"a":"x"}', "a.b", None),
        (b'{"a":"x"}', "b", None),
        (b"{}", "a", None),
        ('{"u":"jürgen"}'.encode(), "u", "jürgen".encode()),
        (rb'{"u":"j\u00fcrgen"}', "u", "jürgen".encode()),
        (rb'{"u":"\ud83d\ude00"}', "u", "\U0001f600".encode()),
        (rb'{"u":"a\nb\u0000"}', "u", b"a\nb\x00"),
        (rb'{"u":"\ud800"}', "u", b"\xed\xa0\x80"),
        (b'{"u":"\xff\xfe"}', "u", b"\xff\xfe"),
        (b'{"u":"\xff\\ud800"}', "u", b"\xed\xb3\xbf\xed\xa0\x80"),
    ],
)
def test_a_path_leads_to_bytes(line: bytes, path: str, value: bytes | None) -> None:
    assert at(line, path) == value


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (b'{"a.b.c":"whole","a":{"b":{"c":"deep"}}}', b"whole"),
        (b'{"a":{"b":{"c":"deep"}},"a.b.c":"whole"}', b"whole"),
        (b'{"a.b":{"c":"longer"},"a":{"b.c":"shorter"}}', b"longer"),
        (b'{"a":{"b.c":"inner","b":{"c":"deep"}}}', b"inner"),
        (b'{"a.b":{"d":"x"},"a":{"b":{"c":"deep"}}}', b"deep"),
        (b'{"a.b.c":null,"a":{"b":{"c":"deep"}}}', b"deep"),
        (b'{"a.b":["x"],"a":{"b.c":7}}', b"7"),
    ],
)
def test_a_key_with_dots_is_tried_and_the_longest_first(line: bytes, value: bytes) -> None:
    assert at(line, "a.b.c") == value


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"   ",
        b"text",
        b"null",
        b"7",
        b'"text"',
        b'[{"host":"192.0.2.7"}]',
        b"{",
        b'{"host":"192.0.2.7"',
        b'{"host":"192.0.2.7"} {}',
        b'{"host":"192.0.2.7"} text',
        b'Mar  4 03:12:55 gw x: {"host":"192.0.2.7"}',
        b'\xef\xbb\xbf{"host":"192.0.2.7"}',
        b'\x00{"host":"192.0.2.7"}',
        b"{'host':'192.0.2.7'}",
        b'{"host":"192.0.2.7",}',
        b'{"host":"a\nb"}',
        b'{"host":"a\x1b[0m"}',
        b'{"host":"\\x41"}',
        b'{"host":NaN}',
        b'{"host":Infinity}',
        b'{"host":-Infinity}',
        b'{"host":1e999}',
        b'{"host":-1e999}',
        b'{"host":123456789012345678901}',
        b'{"host":0.%s}' % (b"1" * 60),
        b'{"host":%s}' % (b"9" * 60_000),
        b'{"host":007}',
        b'{"host":"\xff"',
        "{\uff02host\uff02:\uff02192.0.2.7\uff02}".encode(),
    ],
)
def test_what_is_no_object_or_none_to_be_trusted_is_not_read(line: bytes) -> None:
    assert record(line) is None


@pytest.mark.parametrize(
    "line",
    [
        b'{"host":"192.0.2.7","host":"203.0.113.66"}',
        b'{"host":"192.0.2.7","user":"x","host":"192.0.2.7"}',
        b'{"host":"192.0.2.7","h\\u006fst":"203.0.113.66"}',
        b'{"a":{"host":"192.0.2.7","host":"203.0.113.66"}}',
        b'{"host":"192.0.2.7","a":[1,{"b":1,"b":1}]}',
        b'{"a":{"host":"192.0.2.7"},"a":{"user":"x"}}',
    ],
)
def test_a_line_with_a_key_twice_in_one_object_is_not_read(line: bytes) -> None:
    assert record(line) is None


def test_the_same_key_in_two_objects_is_no_matter() -> None:
    assert at(b'{"a":{"host":"192.0.2.7"},"b":{"host":"203.0.113.66"}}', "a.host") == b"192.0.2.7"


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_nesting_has_its_limit(opening: bytes, closing: bytes) -> None:
    def line(depth: int) -> bytes:
        return b'{"host":"192.0.2.7","x":' + opening * depth + b"1" + closing * depth + b"}"

    assert at(line(DEEPEST - 1), "host") == b"192.0.2.7"
    assert record(line(DEEPEST)) is None
    assert record(line(10_000)) is None


@pytest.mark.parametrize("piece", [b"[", b"{", b'{"a":', b'[{"a":', b'{"a":[['])
def test_a_bomb_of_brackets_is_only_a_line_that_is_not_read(piece: bytes) -> None:
    assert record(b'{"x":' + piece * (60_000 // len(piece))) is None


def test_many_brackets_side_by_side_are_not_deep() -> None:
    line = b'{"host":"192.0.2.7","x":[' + b",".join([b"[{}]"] * 5_000) + b"]}"
    assert at(line, "host") == b"192.0.2.7"


def test_brackets_inside_a_text_are_not_deep() -> None:
    assert at(b'{"host":"192.0.2.7","agent":"' + b"[{" * 5_000 + b'"}', "host") == b"192.0.2.7"


def test_a_peer_s_text_stays_inside_its_quotes() -> None:
    peer = '","host":"203.0.113.66","x":"'
    line = json.dumps({"user": peer, "host": "192.0.2.7"}).encode()
    assert at(line, "host") == b"192.0.2.7"
    assert at(line, "user") == peer.encode()
    unescaped = b'{"user":"' + peer.encode() + b'","host":"192.0.2.7"}'
    assert record(unescaped) is None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**19), 10**19) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab.", max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["a", "b", "ab"]), VALUES, max_size=3), st.booleans())
def test_every_text_and_number_of_an_object_is_found_at_its_key(
    value: dict[str, object], ascii_only: bool
) -> None:
    line = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    found = record(line)
    assert found is not None
    for key, inner in value.items():
        if isinstance(inner, bool):
            expected: bytes | None = b"true" if inner else b"false"
        elif isinstance(inner, (int, str)):
            expected = str(inner).encode()
        else:
            expected = None
        assert found.text(key) == expected


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.sampled_from(
            [
                *(b"{", b"}", b"[", b"]", b":", b",", b'"', b"\\", b" ", b"\xff", b"\x00"),
                *(b'"a"', b'"a.b"', b'"\\ud800"', b"1", b"-", b"e9", b".", b"null", b"NaN"),
                *(b'{"a":', b'"a":{"b":1}', b'"b":true'),
            ]
        ),
        max_size=20,
    ),
    st.sampled_from(["a", "a.b", "b", "a.b.c"]),
)
def test_no_line_breaks_the_reader(pieces: list[bytes], path: str) -> None:
    found = record(b"{" + b"".join(pieces))
    assert found is None or isinstance(found.text(path), bytes | None)


def test_the_paths_of_all_values_are_given() -> None:
    found = record(b'{"a": 1, "b": {"c": {"d": "x"}, "e.f": true, "g": null}, "h": ["i"], "j": {}}')
    assert found is not None
    assert found.paths() == ["a", "b.c.d", "b.e.f"]
    assert all(found.text(path) is not None for path in found.paths())
