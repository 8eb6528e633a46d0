"""The version of the package, and so of every report."""

__version__ = "0.1.0"
