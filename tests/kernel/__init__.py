"""Tests with a real kernel: own network namespaces, real firewalls, real packets."""
