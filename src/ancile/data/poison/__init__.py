"""Rows that were planted or mislabelled: a detector a file, each a function from rows to a signal."""
