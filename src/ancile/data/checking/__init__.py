"""Checks of the content of data: what it holds, what is wrong with it, and what was planted in it."""
