"""A command that runs on a host of the test network runs there alone, as told, and ends with it."""

import json
import os
import select
import subprocess
import sys

import pytest

from .network import Network
from .requirements import require

# Starts a process that lets go of the pipes and lives on, and prints its id.
LEAVE_A_PROCESS_BEHIND = """
from subprocess import DEVNULL, Popen
pipes = {"stdin": DEVNULL, "stdout": DEVNULL, "stderr": DEVNULL}
print(Popen(["sleep", "600"], start_new_session=True, **pipes).pid)
"""
# Starts a process that keeps the pipes open, prints its id, and waits for it.
WAIT_FOR_A_CHILD = "sleep 600 & echo $!; wait"


def ended(pidfd: int) -> bool:
    """Whether the process ends, or has ended; waits up to ten seconds."""
    try:
        return bool(select.select([pidfd], [], [], 10)[0])
    finally:
        os.close(pidfd)


def test_a_command_runs_where_its_host_is(network: Network) -> None:
    for host in (network.server, network.attacker, network.neighbour):
        shown = host.run(["ip", "-json", "address", "show", "dev", "eth0"], check=True)
        addresses = {entry["local"] for entry in json.loads(shown.stdout)[0]["addr_info"]}
        assert {host.ipv4, host.ipv6} <= addresses


def test_a_command_gets_its_input_and_gives_back_all_it_says(network: Network) -> None:
    program = "import sys; print(sys.stdin.read()); print('sorry', file=sys.stderr); sys.exit(3)"
    done = network.server.run([sys.executable, "-c", program], stdin="caf\u00e9")
    assert (done.returncode, done.stdout, done.stderr) == (3, "caf\u00e9\n", "sorry\n")


def test_a_command_gets_exactly_the_environment_it_is_given(network: Network) -> None:
    assert network.server.run(["env"], env={}, check=True).stdout == ""
    assert network.server.run(["env"], env={"LANG": "C"}, check=True).stdout == "LANG=C\n"


def test_a_command_without_an_environment_inherits_the_tests(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FW_GUARD_TEST", "inherited")
    assert "FW_GUARD_TEST=inherited\n" in network.server.run(["env"], check=True).stdout


def test_a_failed_command_says_why_when_it_is_checked(network: Network) -> None:
    with pytest.raises(subprocess.CalledProcessError) as failure:
        network.server.run(["ip", "link", "show", "dev", "missing"], check=True)
    assert 'Device "missing" does not exist' in failure.value.stderr
    assert 'Device "missing" does not exist' in failure.value.__notes__[0]


def test_a_command_that_takes_too_long_is_killed_with_its_children(network: Network) -> None:
    with pytest.raises(subprocess.TimeoutExpired) as expired:
        network.server.run(["sh", "-c", WAIT_FOR_A_CHILD], timeout=0.5)
    child = int(expired.value.output)
    try:
        pidfd = os.pidfd_open(child)
    except ProcessLookupError:
        pass  # as quick as that
    else:
        assert ended(pidfd)
    assert child not in network.server.namespace.processes()


def test_a_process_that_a_test_left_behind_ends_with_the_network() -> None:
    require()
    with Network() as network:
        done = network.server.run([sys.executable, "-c", LEAVE_A_PROCESS_BEHIND], check=True)
        process = int(done.stdout)
        assert network.server.namespace.processes() == [process]
        pidfd = os.pidfd_open(process)
    assert ended(pidfd)
