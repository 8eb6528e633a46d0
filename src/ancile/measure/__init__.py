"""Intervals and calibration: pure functions on arrays."""
