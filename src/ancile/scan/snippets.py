"""Strings within data: whether one is code that acts, or names code."""

from __future__ import annotations

import re

# What Python text would do as soon as anybody evaluates it: import by call, evaluate, start a process,
# unpickle, load machine code
ACTS = re.compile(
    r"__import__\s*\(|__builtins__|__subclasses__|__globals__"
    r"|\b(?:eval|exec|execfile|compile)\s*\(\s*[\w'\"(\[]"
    r"|\b(?:os|posix|nt)\s*\.\s*(?:system|popen|exec\w+|spawn\w+|posix_spawn\w*|remove|unlink|startfile)\s*\("
    r"|\b(?:subprocess|pty|commands|runpy|ctypes|socket|importlib|pickle|marshal|dill|cloudpickle|joblib)"
    r"\s*\.\s*\w+\s*\("
)
LIBRARY = re.compile(r"(?:.*[/\\])?[^/\\\n]+\.(?:so(?:\.\d+)*|dll|dylib|pyd)", re.IGNORECASE)
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
LONGEST_PATH = 4096


def acts(text: str) -> str:
    """The piece of Python in the text that does something; empty where there is none."""
    found = ACTS.search(text)
    return found.group() if found else ""


def names_library(text: str) -> bool:
    """Whether the text is the path of a library of machine code."""
    return len(text) < LONGEST_PATH and LIBRARY.fullmatch(text) is not None


def leaves(path: str) -> bool:
    """Whether a path leaves its folder on any system: absolute, upwards, with a drive or a scheme."""
    steps = path.replace("\\", "/")
    return (
        steps.startswith(("/", "~"))
        or ".." in steps.split("/")
        or SCHEME.match(steps) is not None
        or CONTROL.search(steps) is not None
    )
