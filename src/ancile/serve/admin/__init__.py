"""The administration: a listener of its own, in a process of its own, for people."""
