"""Fixtures of the kernel tests: `network`, and the mark `needs` for the programs a test runs."""

from collections.abc import Iterator

import pytest

from .network import Network
from .requirements import require


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark, so that --strict-markers knows it."""
    config.addinivalue_line(
        "markers",
        "needs(*programs): skip the test (fail it when CI=true) unless this machine can make test "
        "networks and has the programs, e.g. needs('nft')",
    )


@pytest.fixture(autouse=True)
def needed_programs(request: pytest.FixtureRequest) -> None:
    """Skip or fail a test whose mark `needs` asks for what is not here."""
    marks = list(request.node.iter_markers("needs"))
    if marks:
        require(*sorted({program for mark in marks for program in mark.args}))


@pytest.fixture
def network(needed_programs: None) -> Iterator[Network]:
    """A server, an attacker and a neighbour in namespaces of their own; see `Network`."""
    require()
    with Network() as network:
        yield network
