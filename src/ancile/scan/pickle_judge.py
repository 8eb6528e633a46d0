"""Judges what a pickle does, event by event: what it looks up, calls and changes, by the lists."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from ancile.core.text import plain
from ancile.formats.pickle_machine import Call, Change, Event, Lookup, Machine, Oddity
from ancile.formats.pickle_values import Box, Made, Name, Unknown, Value
from ancile.scan.names import (
    CLASS,
    Rule,
    Standing,
    is_own_hook,
    left_out,
    package_of,
    reaches_out,
    rule_of,
    standing,
)
from ancile.scan.snippets import leaves
from ancile.scan.wrong import Reading, Wrong

# Attributes that Python itself calls or reads; those of annotations and of pydantic's state are data
PLANTED = re.compile(
    r"__(?!pydantic|dict__|doc__|module__|annotations__|orig_class__|wrapped__|version__)\w+__"
)
ODDITIES = {
    "a name is computed while loading": Wrong.COMPUTED_NAME,
    "a name is an extension code": Wrong.EXTENSION,
    "data is expected from outside the file": Wrong.OUTSIDE_DATA,
}


class Judge(msgspec.Struct, eq=False):
    """Judges the events of one pickle.

    persistent  whether the loader of this format defines what a persistent id is, as torch does
    nested      given the bytes that a listed function unpickles, and their offset
    pending     names of known and unknown packages that nothing made a class of yet
    """

    reading: Reading
    persistent: bool
    nested: Callable[[bytes, int], None] | None = None
    machine: Machine | None = None
    pending: dict[tuple[str, str], int] = msgspec.field(default_factory=dict)

    def tell(self, event: Event) -> None:
        """Judge one event."""
        if type(event) is Call:
            self._call(event.made)
        elif type(event) is Lookup:
            self._lookup(event)
        elif type(event) is Change:
            self._change(event)
        elif type(event) is Oddity:
            self._odd(event)

    def finish(self) -> None:
        """Names that were looked up and never used as a class may be stored functions."""
        for (module, path), offset in self.pending.items():
            kind = Wrong.UNLISTED_NAME if left_out(module, path) else Wrong.UNKNOWN_CLASS
            self.reading.note(kind, offset, f"looks up {_shown(module, path)}")

    def _lookup(self, event: Lookup) -> None:
        name = event.name
        known = standing(name.module, name.path)
        if package := package_of(name.module):
            self.reading.packages.add(package)
        if known in (Standing.FEARED, Standing.NO_NAME):
            detail = f"looks up {_shown(name.module, name.path)}, which is {known.value}"
            self.reading.note(Wrong.UNLISTED_NAME, name.offset, detail)
        elif known is Standing.KNOWN_PACKAGE and reaches_out(name.module, name.path):
            detail = f"looks up {_shown(name.module, name.path)}, which opens, runs or writes something"
            self.reading.note(Wrong.UNLISTED_NAME, name.offset, detail)
        elif known is not Standing.LISTED:
            self.pending.setdefault((name.module, name.path), name.offset)

    def _call(self, made: Made) -> None:
        callee = self._known(made.callee)
        if made.opcode.endswith("PERSID"):
            if not self.persistent:
                self.reading.note(Wrong.PERSISTENT, made.offset, "asks its loader for an object")
        elif type(callee) is not Name:
            self.reading.note(Wrong.UNLISTED_CALL, made.offset, "calls what another call gave")
        elif not self._allowed(made, callee):
            self.pending.pop((callee.module, callee.path), None)
            said = f"calls {_shown(callee.module, callee.path)} by {made.opcode}"
            self.reading.note(Wrong.UNLISTED_CALL, made.offset, said)

    def _known(self, asked: Value) -> Value:
        """The class that torch's old loader gives for ``("module", class, …)``: torch/serialization.py."""
        if type(asked) is not Made or not (
            self.persistent and asked.opcode.endswith("PERSID") and self.machine
        ):
            return asked
        said = asked.args.items if type(asked.args) is Box and asked.args.kind == "tuple" else []
        is_class = len(said) > 1 and self.machine.text(said[0]) == "module" and type(said[1]) is Name
        return said[1] if is_class else asked

    def _allowed(self, made: Made, callee: Name) -> bool:
        known, rule = standing(callee.module, callee.path), rule_of(callee.module, callee.path)
        if not _only_makes(made):
            return rule is not None and self._may(made, rule)
        if known is Standing.LISTED:
            return rule is not Rule.NEVER
        return self._is_class(callee, known, given=_given(made))

    def _is_class(self, name: Name, known: Standing, *, given: bool) -> bool:
        """Whether a name is used as a class would be, without giving it anything.

        An unpickler refuses to make an instance of what is no class, so the use itself tells.
        """
        if known not in (Standing.KNOWN_PACKAGE, Standing.UNKNOWN_PACKAGE) or given:
            return False
        why = left_out(name.module, name.path)
        if why and "its module imports" not in why:
            return False
        self.pending.pop((name.module, name.path), None)
        if known is Standing.UNKNOWN_PACKAGE or why:
            self.reading.note(Wrong.UNKNOWN_CLASS, name.offset, f"makes {_shown(name.module, name.path)}")
        return True

    def _may(self, made: Made, rule: Rule) -> bool:
        """Whether a listed name may be called with what it is given."""
        if rule is Rule.PLAIN:
            return True
        args = made.args.items if type(made.args) is Box else []
        if rule is Rule.BOUND_METHOD:
            return self._bound_method(args)
        first = self._known(args[0]) if args else Unknown("nothing")
        if rule is Rule.NESTED:
            return self._nested(first)
        return type(first) is Name and self._may_with(first, args, made, rule)

    def _may_with(self, first: Name, args: list[Value], made: Made, rule: Rule) -> bool:
        """Whether it may be called where its first argument is a name."""
        if rule is Rule.CLASS_FIRST:
            return self._class_first(first, made, args[1:])
        return rule is Rule.NAME_FIRST or (rule is Rule.CALL_FIRST and self._calls(first, args, made.offset))

    def _class_first(self, first: Name, made: Made, rest: list[Value]) -> bool:
        """A function that makes an instance of its first argument."""
        path = made.callee.path if type(made.callee) is Name else ""
        if path == "_reconstructor" and not _is_base(rest):
            return False
        known = standing(first.module, first.path)
        if known is Standing.LISTED:
            return rule_of(first.module, first.path) is not Rule.NEVER
        if path == "_reconstruct" and left_out(first.module, first.path):
            self.pending.pop((first.module, first.path), None)
            return True  # as an array, which its own ``__new__`` has no part in
        return self._is_class(first, known, given=path.startswith("__newobj") and bool(rest))

    def _calls(self, first: Name, args: list[Value], offset: int) -> bool:
        """A function that calls its first argument with a tuple among the others."""
        handed = next((one for one in args[1:] if type(one) is Box and one.kind == "tuple"), Box("tuple"))
        self._call(Made("REDUCE", first, handed, offset))
        return True

    def _bound_method(self, args: list[Value]) -> bool:
        """A method of an object is pickled as ``getattr(object, name)``."""
        if len(args) != 2 or self.machine is None:
            return False
        name = self.machine.text(args[1]) or ""
        owner = self._known(args[0].callee) if type(args[0]) is Made else args[0]
        if type(owner) is not Name or not _has_methods(owner):
            return False
        harmless = is_own_hook(owner.module, owner.path, name) or not reaches_out("", name)
        return name.isidentifier() and not name.startswith("__") and harmless

    def _nested(self, first: Value) -> bool:
        if type(first) is not int or self.machine is None or self.nested is None:
            return False
        held = self.machine.constant_bytes(first)
        if held is not None:
            self.nested(held, first)
        return held is not None

    def _change(self, event: Change) -> None:
        target = event.target
        if type(target) is Made and (self.persistent or not target.opcode.endswith("PERSID")):
            if event.opcode == "BUILD":
                self._state(event)
        elif type(target) is not Box:
            what = _shown(target.module, target.path) if type(target) is Name else "what it did not make"
            self.reading.note(Wrong.FOREIGN_CHANGE, event.offset, f"{event.opcode} on {what}")

    def _state(self, event: Change) -> None:
        parts = [event.given]
        if type(event.given) is Box and event.given.kind == "tuple":
            parts += event.given.items
        for part in parts:
            if type(part) is Box and part.kind == "dict" and self.machine is not None:
                self._keys(part, self.machine, event.target, event.offset)

    def _keys(self, state: Box, machine: Machine, made: Value, offset: int) -> None:
        for key, value in zip(state.items[::2], state.items[1::2], strict=False):
            text = machine.text(key) or ""
            if text == "filename" and _is_wrapper(made) and leaves(held := machine.text(value) or ""):
                self.reading.note(Wrong.FOREIGN_CHANGE, offset, f"an array in the file {plain(held, 60)}")
            if text.startswith("__") and PLANTED.fullmatch(text):
                self.reading.note(Wrong.PLANTED, offset, f"sets {plain(text, 60)}")

    def _odd(self, event: Oddity) -> None:
        self.reading.note(ODDITIES.get(event.what, Wrong.ODD), event.offset, event.what)


def _shown(module: str, path: str) -> str:
    return plain(f"{module}.{path}", 120)


def _is_base(rest: list[Value]) -> bool:
    """Whether the base whose ``__init__`` copyreg calls is a plain type: copyreg.py, ``_reconstructor``."""
    base = rest[0] if rest else None
    return type(base) is Name and rule_of(base.module, base.path) is Rule.PLAIN


def _has_methods(owner: Name) -> bool:
    """Whether it is a class of a package whose methods a model may hold: none that writes files."""
    known = standing(owner.module, owner.path)
    if known is Standing.FEARED or owner.module.partition(".")[0] == "pathlib":
        return False
    return known is Standing.LISTED or CLASS.fullmatch(owner.path) is not None


def _is_wrapper(made: Value) -> bool:
    """Whether joblib takes the array from a file of its own: joblib/numpy_pickle_compat.py."""
    return type(made) is Made and type(made.callee) is Name and made.callee.path.endswith("NDArrayWrapper")


def _only_makes(made: Made) -> bool:
    """Whether the call makes an instance without ``__init__``."""
    return made.opcode in ("NEWOBJ", "NEWOBJ_EX") or (made.opcode in ("INST", "OBJ") and not _given(made))


def _given(made: Made) -> bool:
    """Whether a call hands anything over."""
    args = made.args
    if made.opcode == "NEWOBJ_EX" and type(args) is Box:
        return any(not (type(one) is Box and not one.items and one.whole) for one in args.items)
    return not (type(args) is Box and not args.items and args.whole)
