"""The addresses that are banned and the logs that tell of them: the same at every run."""

from __future__ import annotations

import datetime
import ipaddress
import random

SEED = 2017
BENCHMARKS = ipaddress.ip_network("198.18.0.0/15")  # set aside for measurements: RFC 2544
ATTEMPTS = 3
NAMES = ("admin", "cisco", "guest", "oracle", "pi", "test", "ubnt", "user")


def addresses(count: int) -> list[str]:
    """Give so many different addresses, in no order. At most 131,072 (ValueError)."""
    chosen = random.Random(SEED).sample(range(BENCHMARKS.num_addresses), count)  # noqa: S311
    return [str(BENCHMARKS[number]) for number in chosen]


def auth_log(hosts: list[str], now: float) -> str:
    """Give sshd's lines of three failed logins of each host, in the five minutes before ``now``.

    Every attempt is a process of its own, so that no two count as one. Stamps are of UTC.
    """
    attempts = hosts * ATTEMPTS
    random.Random(SEED).shuffle(attempts)  # noqa: S311
    start = now - 300
    lines = []
    for number, host in enumerate(attempts):
        moment = start + 299 * number / len(attempts)
        stamp = datetime.datetime.fromtimestamp(moment, datetime.UTC).strftime("%b %e %H:%M:%S")
        name = NAMES[number % len(NAMES)]
        port = 1024 + number % 60000
        lines.append(
            f"{stamp} gw sshd[{1000 + number}]: "
            f"Failed password for invalid user {name} from {host} port {port} ssh2\n"
        )
    return "".join(lines)
