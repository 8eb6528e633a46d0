"""Checks of pickles, over what ``pickle_reading`` found."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from ancile.core.check import Check, Examined, Remark, check, error, examine, fail, ok
from ancile.scan.part import Part
from ancile.scan.wrong import Reading, Wrong

EXECUTES = ("CWE-502 (CWE 4.17)", "AML.T0011.000 (ATLAS 5.6.0)", "ML06:2023 (OWASP ML)")
EXHAUSTS = ("CWE-400 (CWE 4.17)",)


class PickleFacts(NamedTuple):
    """A part and what its pickles would do."""

    part: Part
    reading: Reading


def _all(facts: PickleFacts, kind: Wrong) -> Iterator[Remark]:
    places = facts.reading.wrong.get(kind, [])
    more = facts.reading.counts.get(kind, 0) - len(places)
    for number, place in enumerate(places):
        last = number == len(places) - 1 and more > 0
        detail = f"{place.detail}; and {more} more in this file" if last else place.detail
        yield fail(detail, where=facts.part.where(place.offset))
    if not places:
        yield ok()


@check("pickle-unlisted-call", severity="critical", refs=EXECUTES)
def unlisted_call(facts: PickleFacts) -> Iterator[Remark]:
    """A pickle calls something that no list knows as harmless.

    Why   Unpickling makes that call before anyone can look at the object.
    Fix   Do not open it. Ask for safetensors, ONNX or skops; of a file of your own, see which object asks for
          the call and save it without.
    """
    return _all(facts, Wrong.UNLISTED_CALL)


@check("pickle-unlisted-name", severity="high", refs=EXECUTES)
def unlisted_name(facts: PickleFacts) -> Iterator[Remark]:
    """A pickle looks up a name of the system that no list knows as harmless.

    Why   Looking it up imports its module, and a function that is only stored is called later: when the model
          predicts, when it is printed, when it is deleted.
    Fix   Do not open it. Ask for safetensors, ONNX or skops.
    """
    return _all(facts, Wrong.UNLISTED_NAME)


@check("pickle-unknown-class", severity="medium", refs=EXECUTES)
def unknown_class(facts: PickleFacts) -> Iterator[Remark]:
    """A pickle asks for a class or function of a package that nobody has read for these lists.

    Why   Whoever opens it runs that package's code with a state from the file. It may be your own class; it
          may be one that was put where yours is expected.
    Fix   See that the package is the one you mean, and pin it; or save weights alone, as safetensors.
    """
    return _all(facts, Wrong.UNKNOWN_CLASS)


@check("pickle-computed-name", severity="critical", refs=EXECUTES)
def computed_name(facts: PickleFacts) -> Iterator[Remark]:
    """The name that a pickle looks up is computed while it is opened.

    Why   No library writes that; it hides from a reader what will be called.
    Fix   Do not open it, and keep it as evidence.
    """
    return _all(facts, Wrong.COMPUTED_NAME)


@check("pickle-extension-code", severity="high", refs=EXECUTES)
def extension_code(facts: PickleFacts) -> Iterator[Remark]:
    """A pickle looks up a name by a number that is registered elsewhere.

    Why   What the number means depends on the process, and the same file can register it first.
    Fix   Do not open it; ask for a file without extension codes (``copyreg.add_extension``).
    """
    return _all(facts, Wrong.EXTENSION)


@check("pickle-foreign-change", severity="critical", refs=EXECUTES)
def foreign_change(facts: PickleFacts) -> Iterator[Remark]:
    """A pickle changes an object that it did not make: a module, a class, a table of the interpreter.

    Why   One item in ``sys.modules``, one attribute of a class: the next innocent call runs something else.
    Fix   Do not open it, and keep it as evidence.
    """
    return _all(facts, Wrong.FOREIGN_CHANGE)


@check("pickle-planted-method", severity="high", refs=EXECUTES)
def planted_method(facts: PickleFacts) -> Iterator[Remark]:
    """A pickle gives an object an attribute that Python itself looks up.

    Why   ``__setstate__`` or ``__class__`` set by the file is called or obeyed by the unpickler and by
          everything that touches the object later.
    Fix   Do not open it, and keep it as evidence.
    """
    return _all(facts, Wrong.PLANTED)


@check("pickle-persistent-id", severity="medium", refs=EXECUTES)
def persistent_id(facts: PickleFacts) -> Iterator[Remark]:
    """A pickle asks its loader for objects, outside a format whose loader is known.

    Why   What comes back is up to a program that is not here.
    Fix   Find out which program is to open it, and what that gives for such an id.
    """
    return _all(facts, Wrong.PERSISTENT)


@check("pickle-outside-data", severity="medium", refs=EXECUTES)
def outside_data(facts: PickleFacts) -> Iterator[Remark]:
    """A pickle expects buffers that are not in the file.

    Why   What stands in them was not examined.
    Fix   Save the object whole, without ``buffer_callback``.
    """
    return _all(facts, Wrong.OUTSIDE_DATA)


@check("pickle-odd-structure", severity="medium", refs=EXECUTES)
def odd_structure(facts: PickleFacts) -> Iterator[Remark]:
    """A pickle is built as no pickler builds one.

    Why   Frames that end within an opcode, memo slots far away: readers disagree about such bytes, and what
          one of them does not see another runs.
    Fix   Do not open it; ask how it was made.
    """
    return _all(facts, Wrong.ODD)


@check("pickle-damaged", severity="medium", refs=("CWE-20 (CWE 4.17)",))
def damaged(facts: PickleFacts) -> Iterator[Remark]:
    """A pickle breaks the rules.

    Why   Everything before the break still runs when it is opened; what stands behind was not read as pickle.
    Fix   Take the file from its source once more.
    """
    return _all(facts, Wrong.DAMAGED)


@check("pickle-expansion", severity="medium", refs=EXHAUSTS)
def expansion(facts: PickleFacts) -> Iterator[Remark]:
    """A small pickle makes objects without end or measure.

    Why   Walking, printing, hashing or copying what it makes fills the memory of whoever opens it.
    Fix   Do not open it; ask how it was made.
    """
    return _all(facts, Wrong.EXPANSION)


@check("pickle-not-read", severity="medium", refs=EXHAUSTS)
def not_read(facts: PickleFacts) -> Iterator[Remark]:
    """A pickle is cut off, or longer than a scan follows it.

    Why   What is missing or stands behind was not examined, and nothing is known of it.
    Fix   Take the file from its source once more, or ask for the same model as safetensors or ONNX.
    """
    places = facts.reading.wrong.get(Wrong.UNREAD, [])
    for place in places:
        yield error(place.detail, where=facts.part.where(place.offset))
    if not places:
        yield ok()


PICKLE_CHECKS: tuple[Check[PickleFacts], ...] = (
    unlisted_call,
    unlisted_name,
    computed_name,
    foreign_change,
    planted_method,
    extension_code,
    unknown_class,
    persistent_id,
    outside_data,
    odd_structure,
    damaged,
    expansion,
    not_read,
)


def judged(part: Part, reading: Reading) -> Examined:
    """What the checks say of a reading."""
    return examine(PICKLE_CHECKS, PickleFacts(part, reading)) if reading.wrong else _clean()


@cache
def _clean() -> Examined:
    """What they say of nothing wrong, which is what they say of most data."""
    return examine(PICKLE_CHECKS, PickleFacts(Part("", b""), Reading()))
