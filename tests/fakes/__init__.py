"""Firewall programs in memory, held to transcripts of the real ones."""
