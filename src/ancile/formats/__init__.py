"""Formats room: what a file is and what it holds, from its bytes alone; nothing executes."""
