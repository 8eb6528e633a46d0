"""Words with a capital, as names and streets are written; parts of patterns."""

from __future__ import annotations

# What is no capital but a letter beyond ASCII fits too: Unicode's classes are none of ``re``'s
WORD = r"[^\W\d_a-z][^\W\d_]*(?:[-'\u2019][^\W\d_]+)*"
INITIAL = r"[^\W\d_a-z]\."
PARTICLE = r"(?:van|von|de|der|den|del|della|di|da|dos|la|le|bin|al|af|zu|ter)"
