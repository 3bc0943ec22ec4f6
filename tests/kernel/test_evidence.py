"""The kernel's generation of nf_tables is evidence: it rises with every change and with no look."""

import json
import os
import sys
import time
from collections.abc import Iterator
from subprocess import CompletedProcess

import pytest

from fw_guard import evidence
from tests.conftest import ROOT

from .namespace import NAMESPACES, Namespace
from .requirements import require

ASK = """
import json, os
from fw_guard import evidence
if {user}:
    os.setuid({user})
print(json.dumps([evidence.nf_tables_generation(), evidence.generation("nf_tables")]))
"""
NOBODY = 65_534
SETUP = """
add table inet fw_guard
delete table inet fw_guard
add table inet fw_guard
add set inet fw_guard host4 { type ipv4_addr; flags timeout; }
add set inet fw_guard few { type ipv4_addr; size 1; flags timeout; gc-interval 1s; }
add chain inet fw_guard input { type filter hook input priority -10; policy accept; }
add rule inet fw_guard input ip saddr @host4 counter drop
"""
BAN = """
add element inet fw_guard host4 { 192.0.2.7, 192.0.2.8 }
delete element inet fw_guard host4 { 192.0.2.7, 192.0.2.8 }
add element inet fw_guard host4 { 192.0.2.7 timeout 3600s, 192.0.2.8 timeout 3600s }
"""
REFUSED = """
add element inet fw_guard host4 { 192.0.2.9 }
delete element inet fw_guard host4 { 192.0.2.10 }
"""
UNBAN = """
add element inet fw_guard host4 { 192.0.2.7 }
delete element inet fw_guard host4 { 192.0.2.7 }
"""

pytestmark = pytest.mark.needs("nft")


@pytest.fixture
def namespace(needed_programs: None) -> Iterator[Namespace]:
    """A network namespace with no rules."""
    require()
    with Namespace("evidence") as namespace:
        yield namespace


@pytest.fixture
def guarded(namespace: Namespace) -> Namespace:
    """A namespace with a table of ours."""
    change(namespace, SETUP)
    return namespace


def nft(namespace: Namespace, script: str) -> CompletedProcess[str]:
    """Run one transaction, whether it goes through or not."""
    return namespace.run(["nft", "-f", "-"], stdin=script)


def change(namespace: Namespace, script: str) -> None:
    """Run one transaction, which must go through."""
    done = nft(namespace, script)
    assert (done.returncode, done.stderr) == (0, "")


def ask(namespace: Namespace, user: int = 0) -> tuple[int | None, str | None]:
    """Give the generation as a number and as a text with its place."""
    env = {"PYTHONPATH": str(ROOT)}
    script = ASK.format(user=user)
    done = namespace.run([sys.executable, "-c", script], env=env, check=True)
    number, text = json.loads(done.stdout)
    return number, text


def number_of(namespace: Namespace) -> int:
    """Give the generation, of which there must be one."""
    number, text = ask(namespace)
    assert number is not None
    assert text is not None
    assert text.endswith(f" {number}")
    return number


def text_of(namespace: Namespace) -> str:
    """Give the text, of which there must be one."""
    _, text = ask(namespace)
    assert text is not None
    return text


def test_the_generation_rises_by_one_with_each_batch(namespace: Namespace) -> None:
    first = number_of(namespace)
    for batches, script in enumerate((SETUP, BAN, BAN, UNBAN, SETUP), start=1):
        change(namespace, script)
        assert number_of(namespace) == first + batches


def test_what_it_must_be_after_our_own_batches_it_is(guarded: Namespace) -> None:
    before = text_of(guarded)
    change(guarded, BAN)
    change(guarded, UNBAN)
    assert text_of(guarded) == evidence.after(before, 2)


def test_a_change_between_our_own_batches_is_seen(guarded: Namespace) -> None:
    before = text_of(guarded)
    change(guarded, BAN)
    change(guarded, "flush set inet fw_guard host4\n")
    change(guarded, UNBAN)
    assert text_of(guarded) != evidence.after(before, 2)


@pytest.mark.parametrize(
    "script",
    [
        *("flush ruleset", "delete table inet fw_guard", "flush table inet fw_guard"),
        *("flush set inet fw_guard host4", "flush chain inet fw_guard input"),
        "delete element inet fw_guard host4 { 192.0.2.8 }",
        "add element inet fw_guard host4 { 192.0.2.66 }",
        "insert rule inet fw_guard input accept",
        "add table ip other",
    ],
)
def test_whatever_somebody_else_changes_is_seen(guarded: Namespace, script: str) -> None:
    change(guarded, BAN)
    before = number_of(guarded)
    change(guarded, f"{script}\n")
    assert number_of(guarded) == before + 1


@pytest.mark.needs("iptables", "ip6tables")
@pytest.mark.parametrize("program", ["iptables-nft", "ip6tables-nft"])
def test_a_change_by_iptables_is_seen_and_a_look_is_none(guarded: Namespace, program: str) -> None:
    before = number_of(guarded)
    guarded.run([program, "-I", "INPUT", "1", "-p", "tcp", "-j", "ACCEPT"], check=True)
    changed = number_of(guarded)
    assert changed > before
    shown = guarded.run([program, "-S", "INPUT"], check=True)
    assert "-A INPUT -p tcp -j ACCEPT" in shown.stdout
    assert number_of(guarded) == changed


@pytest.mark.parametrize(
    "argv",
    [
        *(["nft", "list", "ruleset"], ["nft", "-j", "list", "set", "inet", "fw_guard", "host4"]),
        *(["nft", "-s", "-t", "list", "ruleset"], ["nft", "list", "tables"]),
        ["nft", "get", "element", "inet", "fw_guard", "host4", "{", "192.0.2.7", "}"],
    ],
)
def test_looking_is_no_change(guarded: Namespace, argv: list[str]) -> None:
    change(guarded, BAN)
    before = number_of(guarded)
    assert "fw_guard" in guarded.run(argv, check=True).stdout
    assert number_of(guarded) == before


def test_a_refused_batch_is_no_change(guarded: Namespace) -> None:
    before = number_of(guarded)
    assert nft(guarded, REFUSED).returncode == 1
    assert number_of(guarded) == before
    shown = guarded.run(["nft", "list", "set", "inet", "fw_guard", "host4"], check=True)
    assert "192.0.2.9" not in shown.stdout


def test_elements_that_time_out_are_no_change(guarded: Namespace) -> None:
    change(guarded, "add element inet fw_guard few { 192.0.2.7 timeout 1s }\n")
    before = number_of(guarded)
    deadline = time.monotonic() + 20
    # The set takes one element: another gets in when the kernel has really cleared that one away.
    while nft(guarded, "add element inet fw_guard few { 192.0.2.8 }\n").returncode != 0:
        assert time.monotonic() < deadline
        assert number_of(guarded) == before
        time.sleep(0.1)
    assert number_of(guarded) == before + 1


def test_changes_in_another_namespace_are_none_of_ours(guarded: Namespace) -> None:
    before = text_of(guarded)
    with Namespace("other") as other:
        change(other, SETUP)
        change(other, BAN)
        assert text_of(other) != text_of(guarded)
    assert text_of(guarded) == before


def test_who_is_not_root_is_told_nothing(guarded: Namespace) -> None:
    assert ask(guarded, user=NOBODY) == (None, None)


def test_a_namespace_is_another_place_even_with_the_number_of_one_that_is_gone() -> None:
    require("nft")
    numbers: list[int] = []
    texts: list[str] = []
    for _ in range(5):
        with Namespace("evidence") as namespace:
            numbers.append(os.stat(NAMESPACES / namespace.name).st_ino)
            texts.append(text_of(namespace))
    # All have changed as little, and the kernel hands the number of the namespace on.
    assert {text.rpartition(" ")[2] for text in texts} == {texts[0].rpartition(" ")[2]}
    assert [text.split()[1] for text in texts] == [str(number) for number in numbers]
    assert len(set(texts)) == 5
