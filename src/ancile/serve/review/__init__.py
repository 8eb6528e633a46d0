"""Requests that wait for a person, and what that person said."""
