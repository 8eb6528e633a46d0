"""What a Keras file may ask for: keras/src/saving/serialization_lib.py, ``deserialize_keras_object``.

``module`` is imported and ``class_name`` looked up in it, whatever that is; a registered name is looked up
first. So a class of Keras that computes is harmless, a function of Keras that loads or fetches is not.
"""

from __future__ import annotations

import re
from enum import Enum

from ancile.scan.names import NAME, Standing, feared, package_of, standing

ROOTS = re.compile(
    r"(keras|tf_keras|tensorflow\.keras|tensorflow\.python\.keras|tensorflow\.compat\.v[12]\.keras)"
)
# Parts of Keras whose classes and functions compute, and hold what they are given
AREAS = frozenset(
    (
        "activations",
        "constraints",
        "dtype_policies",
        "engine",
        "initializers",
        "layers",
        "losses",
        "metrics",
        "mixed_precision",
        "models",
        "ops",
        "optimizers",
        "quantizers",
        "random",
        "regularizers",
    )
)
CLASS = re.compile(r"_?[A-Z]\w*")
FUNCTION = re.compile(r"[a-z]\w*")
FUNCTION_AREAS = frozenset(
    ("activations", "losses", "metrics", "initializers", "regularizers", "constraints", "ops")
)
# Names that run what they are given, or load, whatever part of Keras they stand in
PROGRAMS = frozenset(("Lambda", "TorchModuleWrapper", "TFSMLayer", "FlaxLayer", "JaxLayer", "__lambda__"))
LOADS = re.compile(
    r"(de)?serialize\w*|get|get_\w+|load\w*|save\w*|open\w*|\w*from_\w+|\w*_file\w*|enable\w*|set_\w*"
)
HOLDERS = frozenset(("FeatureSpace", "Feature", "Cross", "SeedGenerator", "DTypePolicy", "FloatDTypePolicy"))
BUILTIN_DATA = frozenset(
    (
        "bool",
        "bytes",
        "complex",
        "dict",
        "float",
        "int",
        "list",
        "range",
        "set",
        "slice",
        "str",
        "tuple",
        "NoneType",
    )
)
# Python's own functions: of the module ``builtins`` Keras 3 looks up functions of its own and of the user's
PYTHON = frozenset(
    (
        "__import__",
        "breakpoint",
        "compile",
        "delattr",
        "eval",
        "exec",
        "execfile",
        "exit",
        "getattr",
        "globals",
        "help",
        "input",
        "locals",
        "map",
        "open",
        "print",
        "quit",
        "setattr",
        "type",
        "vars",
    )
)
TENSORFLOW = ("tensorflow", "tensorflow_core")


class Asked(Enum):
    """What a name is."""

    HARMLESS = "harmless"
    PROGRAM = "runs what the file holds"
    GADGET = "does more than compute"
    UNKNOWN = "of a package that nobody has read"


def asked(module: str, name: str, *, function: bool = False) -> Asked:
    """What a module and a name in it are; an empty module for one that is not said.

    function  whether it is asked for as a function
    """
    if name in PROGRAMS:
        return Asked.PROGRAM
    if not module:
        return Asked.HARMLESS if not function or name not in PYTHON else Asked.GADGET
    if not NAME.fullmatch(module) or not re.fullmatch(r"[\w.>/]+", name):
        return Asked.GADGET
    if module == "builtins":
        return _of_builtins(name, function=function)
    if root := _keras(module):
        return _of_keras(module[len(root) :], name)
    return _of_others(module, name, function=function)


def _keras(module: str) -> str:
    found = ROOTS.match(module)
    return found[0] if found and module[found.end() : found.end() + 1] in ("", ".") else ""


def _of_builtins(name: str, *, function: bool) -> Asked:
    if name in BUILTIN_DATA:
        return Asked.HARMLESS
    if not function or name in PYTHON:
        return Asked.GADGET
    return Asked.HARMLESS if name in ("relu", "softmax", "sigmoid", "tanh", "linear") else Asked.UNKNOWN


def _of_keras(below: str, name: str) -> Asked:
    steps = [
        step
        for step in below.split(".")
        if step not in ("", "src", "api", "_tf_keras", "keras", "_v1", "_v2")
    ]
    area = steps[0] if steps else ""
    if name in HOLDERS:
        return Asked.HARMLESS
    if "." in name or LOADS.fullmatch(name):
        return Asked.GADGET
    if CLASS.fullmatch(name) or name.startswith("__"):
        is_model_part = not area or area in AREAS or (area == "backend" and not AREAS.isdisjoint(steps))
        return Asked.HARMLESS if is_model_part else Asked.UNKNOWN
    return Asked.HARMLESS if area in FUNCTION_AREAS and FUNCTION.fullmatch(name) else Asked.GADGET


def _of_others(module: str, name: str, *, function: bool) -> Asked:
    top = module.partition(".")[0]
    if top in feared() and top != "__main__":
        return Asked.GADGET
    if standing(module, name) is Standing.LISTED:
        return Asked.HARMLESS
    if package_of(top) or top in TENSORFLOW:
        return Asked.UNKNOWN if CLASS.fullmatch(name) and not function else Asked.GADGET
    return Asked.UNKNOWN
