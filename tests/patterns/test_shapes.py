"""Shapes: what is written down as a regular expression."""

from __future__ import annotations

import re
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fw_guard.patterns.shapes import (
    Captured,
    Either,
    Literal,
    OneOf,
    Repeat,
    Sequence,
    Shape,
    captures,
    none_of,
    one_of,
    optional,
    regex,
    sequence,
)
from tests.patterns.trees import UNTIMED

A, B = Literal(b"a"), one_of(b"b")


@pytest.mark.parametrize(
    ("shape", "written"),
    [
        (Literal(b"a.b|(c)"), rb"a\.b\|\(c\)"),
        (one_of(b"0123456789"), b"[0-9]"),
        (one_of(b"ab"), b"[ab]"),
        (one_of(b"abc-]^\\"), rb"[\-\\-\^a-c]"),
        (one_of(b" \t"), rb"[\t ]"),
        (one_of(b"\x00\xff"), rb"[\x00\xff]"),
        (none_of(b"\n"), rb"[^\n]"),
        (none_of(b' "'), rb'[^ "]'),
        (sequence(A, b"x", B), b"ax[b]"),
        (Sequence(()), b""),
        (Either((A, B)), b"(?:a|[b])"),
        (Either((Sequence(()), A)), b"(?:|a)"),
        (Repeat(B), b"[b]*"),
        (Repeat(B, 1), b"[b]+"),
        (Repeat(B, 2), b"[b]{2,}"),
        (Repeat(B, 3, 3), b"[b]{3}"),
        (Repeat(B, 1, 3), b"[b]{1,3}"),
        (Repeat(B, lazy=True), b"[b]*?"),
        (optional(B), b"[b]?"),
        (optional(A), b"(?:a)?"),
        (optional(Either((A, B))), b"(?:a|[b])?"),
        (optional(Captured("x", A)), b"(a)?"),
        (Repeat(sequence(A, B), 0, 1, lazy=True), b"(?:a[b])??"),
        (Captured("x", Either((A, B))), b"((?:a|[b]))"),
    ],
)
def test_a_shape_is_written_down(shape: Shape, written: bytes) -> None:
    assert regex(shape) == written


def test_captures_are_named_in_the_order_of_their_groups() -> None:
    shape = sequence(
        Captured("a", sequence(A, Captured("b", A))),
        Either((Captured("c", A), optional(Captured("d", Literal(b"z"))))),
        Repeat(Captured("a", B)),
    )
    found = re.fullmatch(regex(shape), b"aazb")
    assert found is not None
    assert dict(zip(captures(shape), found.groups(), strict=True)) == {
        "a": b"b",  # the last of the two groups of that name
        "b": b"a",
        "c": None,
        "d": b"z",
    }


@UNTIMED
@given(st.frozensets(st.integers(0, 255), min_size=1, max_size=255))
def test_a_set_of_bytes_takes_its_members_alone(members: frozenset[int]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        machine = re.compile(regex(OneOf(members)))
    assert {byte for byte in range(256) if machine.fullmatch(bytes([byte]))} == members
