"""Jinja templates, wherever they stand: chat templates are programs that run at every prompt."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from ancile.core.check import Check, Remark, check, error, examine, fail, ok
from ancile.core.text import plain
from ancile.scan.part import Formatted, Part

if TYPE_CHECKING:
    from ancile.formats.jinja_source import Template

DELIMITER = re.compile(r"\{[{%]")
RUNS = ("CWE-1336 (CWE 4.17)", "AML.T0011.000 (ATLAS 5.6.0)")
SHOWN = 20


class TemplateFacts(NamedTuple):
    """A part that holds a template, and what that does."""

    part: Part
    template: Template


def _failed(facts: TemplateFacts, places: list[tuple[int, str]]) -> Iterator[Remark]:
    for line, what in list(dict.fromkeys(places))[:SHOWN]:
        yield fail(f"line {line}: {plain(what, 80)}", where=facts.part.where())
    if not places:
        yield ok()


@check("template-internals", severity="critical", refs=RUNS)
def internals(facts: TemplateFacts) -> Iterator[Remark]:
    """A template reaches into the interpreter.

    Why   From ``__class__`` or ``__globals__`` it is two steps to any function of the process that renders
          it, at every prompt.
    Fix   Do not render it, and keep it as evidence. Take the template from the model's first publisher.
    """
    return _failed(facts, facts.template.internals)


@check("template-computed-name", severity="high", refs=RUNS)
def computed(facts: TemplateFacts) -> Iterator[Remark]:
    """A template puts the name of an attribute together while it is rendered.

    Why   No chat template needs that; it hides from a reader what is looked up.
    Fix   Do not render it; write the names out.
    """
    return _failed(facts, facts.template.computed)


@check("template-loads", severity="high", refs=("CWE-98 (CWE 4.17)",))
def loads(facts: TemplateFacts) -> Iterator[Remark]:
    """A template reads other templates.

    Why   What they hold was not examined, and the name may be any file that the loader finds.
    Fix   Ask for one template that holds all it needs.
    """
    return _failed(facts, facts.template.loads)


@check("template-heavy", severity="high", refs=("CWE-400 (CWE 4.17)",))
def heavy(facts: TemplateFacts) -> Iterator[Remark]:
    """A template takes time or memory without measure.

    Why   One prompt stops the process that renders it.
    Fix   Do not render it; ask for a template whose loops follow the messages.
    """
    return _failed(facts, facts.template.heavy)


@check("template-odd", severity="medium", refs=RUNS)
def odd(facts: TemplateFacts) -> Iterator[Remark]:
    """A template holds something that chat templates have no use for.

    Why   It may be a step on the way to the interpreter that was not followed to its end.
    Fix   Read it; see what it is for before you render it.
    """
    return _failed(facts, facts.template.odd)


@check("template-not-parsed", severity="medium", refs=RUNS)
def not_parsed(facts: TemplateFacts) -> Iterator[Remark]:
    """A template could not be parsed.

    Why   Another reader of templates may understand it; nothing is known of what it does.
    Fix   Take the file from its source once more.
    """
    if facts.template.fault:
        yield error(plain(facts.template.fault), where=facts.part.where())
    else:
        yield ok()


TEMPLATE_CHECKS: tuple[Check[TemplateFacts], ...] = (internals, computed, loads, heavy, odd, not_parsed)


def is_template(text: str) -> bool:
    """Whether a text has anything that Jinja would act on."""
    return DELIMITER.search(text) is not None


def examine_template(part: Part, text: str) -> Formatted:
    """What a template does."""
    from ancile.formats.jinja_source import parse  # noqa: PLC0415 - most texts are no templates, and need no Jinja

    return Formatted("template", examine(TEMPLATE_CHECKS, TemplateFacts(part, parse(text))))


def is_acting(found: Formatted) -> bool:
    """Whether a template does what only an attack does, wherever it was found."""
    return any(one.severity in ("critical", "high") for one in found.examined.findings)
