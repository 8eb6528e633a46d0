"""Data that models learn from: versions and where they come from."""
