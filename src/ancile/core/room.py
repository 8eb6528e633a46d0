"""A room that is called by its own name: ``ancile.assess(model, …)`` is the room and its public function."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType


def callable_room(name: str, *, function: str) -> None:
    """Make the package ``name`` callable as ``function`` ("module:name"), imported at the first call.

    A folder and a function of one name collide in Python, the folder wins once it is imported; a module may
    have a class of its own (Python reference, section 3.3.2.1), and that class may be callable.
    """
    module, _, attribute = function.partition(":")

    class Room(ModuleType):
        def __call__(self, *args: object, **settings: object) -> object:
            return getattr(import_module(module), attribute)(*args, **settings)

    sys.modules[name].__class__ = Room
