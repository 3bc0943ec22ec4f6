"""fw_guard: bans hosts that knock too often, by one short pass a minute and no daemon."""

__version__ = "0.1.0"
