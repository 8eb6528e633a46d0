"""Names of Jinja and Python that matter in a template: jinja2/sandbox.py, filters.py."""

from __future__ import annotations

import re

DUNDER = re.compile(r"__[A-Za-z]\w*?__")
# What jinja2/sandbox.py refuses besides names with an underscore, and their names in Python 2
INTERNAL = frozenset(
    {
        "ag_code",
        "ag_frame",
        "cr_code",
        "cr_frame",
        "f_back",
        "f_builtins",
        "f_code",
        "f_globals",
        "f_locals",
        "func_code",
        "func_globals",
        "gi_code",
        "gi_frame",
        "im_class",
        "im_func",
        "im_self",
        "mro",
        "tb_frame",
        "tb_next",
    }
)
BUILTINS = frozenset(
    {
        "__import__",
        "breakpoint",
        "compile",
        "delattr",
        "eval",
        "exec",
        "execfile",
        "getattr",
        "globals",
        "input",
        "locals",
        "open",
        "setattr",
        "vars",
    }
)
# Names that a template finds nothing under, and an attack reaches for
SPOKEN_FOR = frozenset(
    {"__builtins__", "__class__", "__globals__", "__import__", "__loader__", "__self__", "__spec__"}
)
# Attributes by which a chain climbs from any object to the interpreter: a template has no use for their names
STEPS_IN = re.compile(
    r"__(?:base|bases|builtins|class|code|dict|getattribute|globals|import|init|loader|mro|reduce|reduce_ex|self|spec"
    r"|subclasses)__"
)
METADATA = re.compile(
    r"__(?:author|date|doc|file|license|name|title|url|version)__"
)  # what a project says of itself
GLOBALS = frozenset({"cycler", "dict", "joiner", "lipsum", "namespace", "range"})
BY_ATTRIBUTE = frozenset(
    {"groupby", "map", "max", "min", "rejectattr", "selectattr", "sort", "sum", "unique"}
)
WIDTHS = frozenset({"batch", "center", "format", "indent", "lipsum", "slice", "truncate", "wordwrap"})
