"""Attackers to try a gateway with; they see what any client sees, and no more."""
