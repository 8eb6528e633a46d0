"""The record as JSON (RFC 8259), in ASCII: what programs read, and ``ancile.core.wire.read_record`` too."""

from __future__ import annotations

import json
import re

from ancile.core.report import Record
from ancile.core.text import escaped
from ancile.core.wire import record_document
from ancile.render.defuse import defused

SURROGATE = re.compile("[\ud800-\udfff]")


def render(record: Record) -> str:
    """The whole record, nothing left out; what is no Unicode character (a lone surrogate) as its escape."""
    return written(record_document(record))


def written(document: object) -> str:
    """A document as indented ASCII in which no terminal or build server finds anything to obey."""
    text = json.dumps(encodable(document), indent=1, ensure_ascii=True, allow_nan=False)
    return defused(text, hash_sign="\\u0023", colon="\\u003a") + "\n"


def encodable(value: object) -> object:
    """The value with every lone surrogate written out, since JSON readers refuse them."""
    if isinstance(value, str):
        return SURROGATE.sub(lambda found: escaped(found[0]), value)
    if isinstance(value, dict):
        return {encodable(key): encodable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [encodable(one) for one in value]
    return value
