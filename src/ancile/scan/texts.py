"""Texts: each is read as everything that a loader may read it as."""

from __future__ import annotations

from collections.abc import Iterator

from ancile.core.check import examine
from ancile.formats import json_text
from ancile.formats.json_text import Document, walk
from ancile.scan.code import examine_python, examine_script, name_of
from ancile.scan.configs import examine_json, examine_lines
from ancile.scan.notebooks import examine_notebook, is_notebook
from ancile.scan.part import Formatted, Part
from ancile.scan.plain_data import DATA_CHECKS, TEXT_BYTES, DataFacts
from ancile.scan.secret_checks import examine_secrets
from ancile.scan.templates import examine_template, is_acting, is_template


def examine_text(part: Part) -> Iterator[Formatted | Part]:
    """What a text does in the hands of those who would read it as a program."""
    if len(part.data) > TEXT_BYTES:
        facts = DataFacts(part, unknown=f"a text of more than {TEXT_BYTES >> 20} MiB")
        yield Formatted("text", examine(DATA_CHECKS, facts))
        return
    text = bytes(part.data).decode("utf-8", "replace")
    found = list(_readings(part, text))
    yield from found or [Formatted("text", examine(DATA_CHECKS, DataFacts(part)))]


def _readings(part: Part, text: str) -> Iterator[Formatted | Part]:
    yield from _programs(part, text)
    secrets = examine_secrets(part, text)
    if secrets is not None:
        yield secrets


def _programs(part: Part, text: str) -> Iterator[Formatted | Part]:
    document = json_text.parse(text)
    if document is not None and is_notebook(document):
        yield from examine_notebook(part, document)
    elif document is not None:
        yield examine_json(part, document)
    if document is not None:
        yield from _templates(part, document)
        return
    if is_template(text) and not name_of(part).endswith(".py"):  # there it stands in strings
        yield examine_template(part, text)
    for one in (examine_python(part, text), examine_script(part, text), examine_lines(part, text)):
        if one is not None:
            yield one


def _templates(part: Part, document: Document) -> Iterator[Formatted]:
    """Templates among the texts of a document: those that say so, and those that do what an attack does."""
    for one in walk(document.root):
        if isinstance(one.value, str) and is_template(one.value):
            found = examine_template(part, one.value)
            if found.examined.findings and ("template" in "".join(one.path) or is_acting(found)):
                yield found
