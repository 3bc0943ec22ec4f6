"""Evidence: a kernel's answer is read to the byte, and what is no answer is none."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fw_guard import evidence

if TYPE_CHECKING:
    from pathlib import Path

# As Linux 6.18 answers a Python with the process id 738,862, at generation 258: the headers in the
# byte order of the machine, the values in that of the network.
NEWGEN = 10 << 8 | 15
ATTRIBUTES = (
    struct.pack("=HH", 8, 1) + bytes.fromhex("00000102"),
    struct.pack("=HH", 8, 2) + bytes.fromhex("000b462e"),
    struct.pack("=HH", 11, 3) + b"python\0\0",
)


def message(*attributes: bytes, kind: int = NEWGEN, longer: int = 0) -> bytes:
    """Give a netlink message of these attributes, whose length says ``longer`` than it is."""
    body = bytes(4) + b"".join(attributes)
    return struct.pack("=IHHII", 16 + len(body) + longer, kind, 0, 0, 738_862) + body


def attribute(kind: int, value: bytes) -> bytes:
    """Give an attribute, filled up to four bytes."""
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


ANSWER = message(*ATTRIBUTES)


def test_the_generation_is_read_from_the_kernels_answer() -> None:
    assert len(ANSWER) == 48
    assert evidence.answered(ANSWER) == 258


@pytest.mark.parametrize(
    ("attributes", "generation"),
    [
        ([attribute(1, b"\0\0\0\x01")], 1),
        ([attribute(1, b"\xff\xff\xff\xff")], 4_294_967_295),
        ([attribute(3, b"nft\0"), attribute(1, b"\0\0\0\x11")], 17),
        ([attribute(3, b"python\0"), attribute(1, b"\0\0\0\x11")], 17),
        ([attribute(3, b""), attribute(1, b"\0\0\0\x11")], 17),
        ([attribute(0x4001, b"\0\0\0\x11")], 17),
    ],
)
def test_the_generation_is_found_wherever_it_stands(
    attributes: list[bytes], generation: int
) -> None:
    assert evidence.answered(message(*attributes)) == generation


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        bytes(20),
        b"\xff" * 48,
        message(),
        message(*ATTRIBUTES[1:]),
        message(*ATTRIBUTES, longer=1),
        message(*ATTRIBUTES, longer=-1_000_000 + 2**32 - 48),
        message(*ATTRIBUTES, longer=-29),
        message(ATTRIBUTES[0], longer=-1),
        message(ATTRIBUTES[0], longer=-4),
        message(ATTRIBUTES[0], longer=-6),
        message(*ATTRIBUTES, kind=2),
        message(*ATTRIBUTES, kind=3),
        message(*ATTRIBUTES, kind=10 << 8 | 16),
        message(attribute(1, b"\0\0\0\0")),
        message(attribute(1, b"\0\0\x01")),
        message(attribute(1, b"")),
        message(attribute(1, b"\0\0\0\0\0\0\0\x11")),
        message(struct.pack("=HH", 0, 3), ATTRIBUTES[0]),
        message(struct.pack("=HH", 3, 3), ATTRIBUTES[0]),
        message(struct.pack("=HH", 0xFFFF, 3), ATTRIBUTES[0]),
        message(struct.pack("=HH", 8, 1)),
        message(b"\x08\0"),
    ],
)
def test_what_tells_no_generation_is_none(answer: bytes) -> None:
    assert evidence.answered(answer) is None


def test_an_error_of_the_kernels_tells_no_generation() -> None:
    refused = struct.pack("=IHHII", 36, 2, 0, 0, 738_862) + struct.pack("=i", -1) + ANSWER[:16]
    assert len(refused) == 36
    assert evidence.answered(refused) is None


@given(st.integers(0, len(ANSWER) - 1))
def test_no_answer_cut_short_tells_a_generation(length: int) -> None:
    assert evidence.answered(ANSWER[:length]) is None


@given(st.binary(max_size=64) | st.binary(max_size=44).map(lambda rest: message(rest)))
@example(message(attribute(1, b"\0\0\0\x11")))
def test_no_answer_breaks_the_reader(answer: bytes) -> None:
    found = evidence.answered(answer)
    assert found is None or found.to_bytes(4, "big") in answer


def test_the_question_is_one_message_that_asks_for_the_generation() -> None:
    asking, kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with asking, kernel:
        kernel.send(ANSWER)
        assert evidence.asked(asking) == 258
        question = kernel.recv(100)
    # nlmsghdr: length, type NFT_MSG_GETGEN of nf_tables, NLM_F_REQUEST; nfgenmsg: no family.
    assert question == struct.pack("=IHHIIBBH", 20, 10 << 8 | 16, 1, 0, 0, 0, 0, 0)


def test_silence_ends_in_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "TIMEOUT", 0.01)
    asking, kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with asking, kernel:
        with pytest.raises(TimeoutError):
            evidence.asked(asking)
        assert asking.gettimeout() == 0.01


@pytest.mark.parametrize(
    ("before", "changes", "text"),
    [
        ("boot 4026531840 3 17", 0, "boot 4026531840 3 17"),
        ("boot 4026531840 3 17", 1, "boot 4026531840 3 18"),
        ("boot 4026531840 3 17", 5, "boot 4026531840 3 22"),
        ("boot 4026531840 3 4294967294", 1, "boot 4026531840 3 4294967295"),
        ("boot 4026531840 3 4294967295", 1, "boot 4026531840 3 1"),
        ("boot 4026531840 3 4294967295", 2, "boot 4026531840 3 2"),
    ],
)
def test_every_change_of_our_own_raises_the_generation_by_one(
    before: str, changes: int, text: str
) -> None:
    assert evidence.after(before, changes) == text


def test_a_generation_of_another_kind_is_none() -> None:
    assert evidence.generation("pf") is None
    assert evidence.generation("") is None


def test_a_generation_is_told_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "nf_tables_generation", lambda: 17)
    monkeypatch.setattr(evidence, "place", lambda: "boot 4026531840 3")
    assert evidence.generation("nf_tables") == "boot 4026531840 3 17"


def test_a_generation_of_an_unknown_place_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "nf_tables_generation", lambda: 17)
    monkeypatch.setattr(evidence, "place", lambda: "")
    assert evidence.generation("nf_tables") is None


def test_without_nf_tables_there_is_no_generation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "nf_tables_generation", lambda: None)
    assert evidence.generation("nf_tables") is None


def test_another_system_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "freebsd14")
    monkeypatch.setattr(evidence, "asked", lambda _: pytest.fail("it was asked"))
    assert evidence.nf_tables_generation() is None


@pytest.mark.parametrize("name", ["BOOT", "NAMESPACE"])
def test_without_proc_there_is_no_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    boot = tmp_path / "boot_id"
    boot.write_text("ee4bd21c-3bd1-4ee0-bd4c-e1d4ef6bb0f5\n")
    monkeypatch.setattr(evidence, "BOOT", str(boot))
    monkeypatch.setattr(evidence, "NAMESPACE", str(tmp_path))
    assert evidence.place().startswith("ee4bd21c-3bd1-4ee0-bd4c-e1d4ef6bb0f5 ")
    monkeypatch.setattr(evidence, name, str(tmp_path / "missing"))
    assert evidence.place() == ""


def test_an_empty_boot_id_is_no_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    boot = tmp_path / "boot_id"
    boot.write_text("\n")
    monkeypatch.setattr(evidence, "BOOT", str(boot))
    monkeypatch.setattr(evidence, "NAMESPACE", str(tmp_path))
    assert evidence.place() == ""


def test_without_a_cookie_the_namespace_is_known_by_its_number(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    boot = tmp_path / "boot_id"
    boot.write_text("ee4bd21c-3bd1-4ee0-bd4c-e1d4ef6bb0f5\n")
    monkeypatch.setattr(evidence, "BOOT", str(boot))
    monkeypatch.setattr(evidence, "NAMESPACE", str(tmp_path))
    monkeypatch.setattr(evidence, "SO_NETNS_COOKIE", 0x7FFF)  # no kernel knows this option
    number = tmp_path.stat().st_ino
    assert evidence.place() == f"ee4bd21c-3bd1-4ee0-bd4c-e1d4ef6bb0f5 {number} 0"
