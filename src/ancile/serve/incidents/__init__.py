"""Incidents: what the verdicts of a ledger add up to, and who is told."""
