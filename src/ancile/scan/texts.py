"""Texts: each is read as everything that a loader may read it as."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from ancile.core.check import examine
from ancile.formats import json_text
from ancile.formats.held import Held
from ancile.formats.json_text import Document, walk
from ancile.scan.code import examine_python, examine_script, name_of
from ancile.scan.configs import examine_json, examine_lines
from ancile.scan.hidden import encoded_in
from ancile.scan.licence import examine_licence
from ancile.scan.names import feared
from ancile.scan.notebooks import examine_notebook, is_notebook
from ancile.scan.pages import examine_page
from ancile.scan.part import Formatted, Part
from ancile.scan.pickle_checks import judged
from ancile.scan.pickle_reading import SECOND_LINE, hidden_pickles
from ancile.scan.plain_data import DATA_CHECKS, TEXT_BYTES, DataFacts
from ancile.scan.secret_checks import examine_secrets
from ancile.scan.templates import examine_template, is_acting, is_template
from ancile.scan.wrong import Reading, Wrong

MARKS = (
    (b"\xff\xfe\0\0", "utf-32"),
    (b"\0\0\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
PROBED_BYTES = 512
PROBED_LEAST = 8
ENCODED_CHARACTERS = 1 << 20  # of a text in which encoded programs are looked for
LONGEST_MODULE = 4096  # bytes of a name that can be one
CALLED_BYTES = 1 << 16  # behind a look-up in a text, in which its call has to stand


def examine_text(part: Part) -> Iterator[Formatted | Part]:
    """What a text does in the hands of those who would read it as a program."""
    if len(part.data) > TEXT_BYTES:
        facts = DataFacts(part, unknown=f"a text of more than {TEXT_BYTES >> 20} MiB")
        yield Formatted("text", examine(DATA_CHECKS, facts))
        return
    text = bytes(part.data).decode("utf-8", "replace")
    found = list(_readings(part, text))
    yield from found or [Formatted("text", examine(DATA_CHECKS, DataFacts(part)))]


def _encoding(part: Part) -> str:
    """The encoding of a text in units of two or four bytes: by its mark, or by every other byte being nul."""
    head = part.head
    for mark, name in MARKS:
        if head.startswith(mark):
            return name
    probe = head[: PROBED_BYTES & ~1]
    if len(probe) < PROBED_LEAST or len(part.data) % 2:
        return ""
    for name, letters, rest in (
        ("utf-16-le", probe[::2], probe[1::2]),
        ("utf-16-be", probe[1::2], probe[::2]),
    ):
        if not any(rest) and all(b" " <= bytes((one,)) <= b"~" or one in b"\t\r\n" for one in letters):
            return name
    return ""


def is_wide(part: Part) -> bool:
    """Whether this is text in UTF-16 or UTF-32."""
    name = _encoding(part)
    if not name:
        return False
    try:
        bytes(part.data[: PROBED_BYTES & ~3]).decode(name)
    except UnicodeDecodeError:
        return False
    return True


def examine_wide(part: Part) -> Iterator[Formatted | Part]:
    """The same text as UTF-8."""
    if len(part.data) > TEXT_BYTES:
        facts = DataFacts(part, unknown=f"a text of more than {TEXT_BYTES >> 20} MiB")
        yield Formatted("text", examine(DATA_CHECKS, facts))
        return
    text = bytes(part.data).decode(_encoding(part), "replace")
    yield Formatted("text", examine(DATA_CHECKS, DataFacts(part)))
    yield part.inner("(as UTF-8)", text.encode("utf-8", "replace"))


@cache
def _module() -> re.Pattern[bytes]:
    """A look-up in a module of the system, as protocols 0 and 1 write it, at the end of a line."""
    names = b"|".join(re.escape(one.encode()) for one in sorted(feared()))
    return re.compile(rb"[ci](?:" + names + rb")(?:\.\w+)*\Z")


def _look_ups(data: Held) -> Iterator[int]:
    """Where one stands: before a line that is a name, of which a long text has few."""
    module = _module()
    for name in SECOND_LINE.finditer(data):
        end = name.start()
        begin = max(data.rfind(b"\n", 0, end) + 1, end - LONGEST_MODULE)
        if (found := module.search(data[begin:end])) is not None:
            yield begin + found.start()


def _hidden(part: Part, text: str) -> Iterator[Formatted | Part]:
    """Pickles among the lines of a text that call something, and what in a short text is encoded."""
    reading = Reading()
    for place in _look_ups(part.data):
        start = max(0, place - 1)  # an INST has its mark before it
        held = bytes(part.data[start : place + CALLED_BYTES])
        for one in hidden_pickles(held).wrong.get(Wrong.UNLISTED_CALL, [])[:1]:
            reading.note(Wrong.UNLISTED_CALL, start + one.offset, one.detail)
    if reading.wrong:
        yield Formatted("text", judged(part, reading))
    if len(text) <= ENCODED_CHARACTERS:
        yield from encoded_in(part, text)


def _readings(part: Part, text: str) -> Iterator[Formatted | Part]:
    yield from _programs(part, text)
    yield from _hidden(part, text)
    for one in (examine_secrets(part, text), examine_licence(part, text)):
        if one is not None:
            yield one


def _programs(part: Part, text: str) -> Iterator[Formatted | Part]:
    document = json_text.parse(text)
    if document is not None and is_notebook(document):
        yield from examine_notebook(part, document)
    elif document is not None:
        yield examine_json(part, document)
    if document is not None:
        yield from _templates(part, document)
        return
    page = examine_page(part, text)
    if page is not None:
        yield page
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
