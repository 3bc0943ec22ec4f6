"""A kernel test that cannot run says exactly why, and is not silent in continuous integration."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from .requirements import require, what_is_missing, what_the_kernel_lacks


def test_a_missing_program_skips_the_test_and_names_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception) as skipped:
        require("nft", "ip6tables")
    message = str(skipped.value)
    assert "ip is not on the PATH: apt-get install iproute2" in message
    assert "nft is not on the PATH: apt-get install nftables" in message
    assert "ip6tables is not on the PATH: apt-get install iptables" in message


def test_a_missing_program_fails_the_test_in_continuous_integration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="ipset is not on the PATH"):
        require("ipset")


def test_a_test_network_needs_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "network namespaces need root: run the tests as root, or with sudo" in what_is_missing()


@pytest.fixture
def _nothing_remembered() -> Iterator[None]:
    """Let no answer about this kernel come from, or go to, another test."""
    what_the_kernel_lacks.cache_clear()
    yield
    what_the_kernel_lacks.cache_clear()


@pytest.mark.usefixtures("_nothing_remembered")
def test_a_program_that_the_kernel_does_not_serve_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require()
    program = tmp_path / "nft"
    program.write_text("#!/bin/sh\necho 'Unable to initialize Netlink socket' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert what_is_missing("nft") == [
        "nft does not work on this kernel: Unable to initialize Netlink socket"
    ]


@pytest.mark.usefixtures("_nothing_remembered")
def test_a_machine_that_makes_no_namespaces_says_so_in_the_words_of_ip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "ip"
    program.write_text("#!/bin/sh\necho 'mount failed: Operation not permitted' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    (missing,) = what_is_missing()
    assert missing.startswith("the kernel made no namespace with a bridge, a veth pair and IPv6")
    assert missing.endswith("mount failed: Operation not permitted")


def test_a_program_without_a_known_package_is_a_fault_of_the_test() -> None:
    with pytest.raises(ValueError, match="no Debian package is known for frobnicate"):
        require("nft", "frobnicate")
