"""Values for properties of the fakes."""

from __future__ import annotations

from hypothesis import strategies as st

# IPv4 and IPv6 addresses of the documentation networks, few enough to meet again.
hosts = st.integers(0, 255).map(lambda last: f"192.0.2.{last}") | st.integers(1, 0xFFFF).map(
    lambda last: f"2001:db8::{last:x}"
)
