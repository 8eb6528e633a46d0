"""Decides from evidence: policies, gates."""
