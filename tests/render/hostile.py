"""One corpus of hostile strings, and the way to put a string into every field of a record that takes one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ancile.core.exhibit import CELL_LENGTH, TEXT_LENGTH
from ancile.core.finding import Finding, Location
from ancile.core.measure import Bound, Count, Estimate
from ancile.core.report import Record
from ancile.core.subject import Subject, digest_of, manifest_digest
from tests.render.records import ATTACKS, CURVE, EVIDENCE, NOTES, UNFINISHED, picture, rate, report

CORPUS = {
    "harmless": "harmless",
    "empty-looking": " ",
    "ansi": "\x1b[31mred\x1b[0m\x1b]8;;http://evil.example\x07link\x1b]8;;\x07",
    "lone escape": "\x1b",
    "c1 control": "\x9b31mred\x85next",
    "bell and backspace": "good\x08\x08\x08\x08evil\x07\r over",
    "delete": "a\x7fb",
    "nul": "a\x00b",
    "bidi override": "model\u202egnp.exe\u2066\u2069",
    "right to left": "\u05d0\u05d1\u05d2 \u0627\u0644\u0639",
    "zero width": "ad\u200bm\u200di\ufeffn\u2060",
    "line separators": "one\u2028two\u2029three\x0bfour\x0cfive",
    "lone surrogates": "\ud800 \udfff \udc80",
    "private and unassigned": "\ue000 \U000e0001 \uffff \ufffe",
    "not characters": "\U0001fffe\U0010ffff",
    "github command": "x\n::set-output name=a::b\n::error file=a.py::no\n  ::add-mask::x\n::stop-commands::y",
    "github command first": "::error::no",
    "github old command": "x ##[set-env name=a]b",
    "azure command": "x\n##vso[task.setvariable variable=a]b",
    "azure command inside": "before ##vso[task.complete result=Succeeded;]done",
    "teamcity command": "##teamcity[buildStatus status='SUCCESS']",
    "markdown heading": "\n# Heading\n\n===\n---\n",
    "markdown table": "a | b\n|---|---|\n| \\| c \\\\| d |",
    "markdown link": "[click](javascript:alert(1)) ![i](http://evil.example/x.png) <http://evil.example> [a]: b",
    "markdown fence": "```\n~~~\n`` ` `x` ` ``",
    "markdown list": "- a\n* b\n1. c\n1) d\n> e\n    f",
    "markdown emphasis": "**bold** _it_ ~~gone~~ $x$ &amp; &#58;",
    "bare links": "http://evil.example www.evil.example me@evil.example @team #1 deadbeef",
    "html": "<script>alert(1)</script><img src=x onerror=alert(1)><!-- --><b>",
    "html end": "</script></style></title></pre></td></table></div></textarea>",
    "attribute": '" onmouseover="alert(1)" \' autofocus onfocus=\'alert(1)',
    "svg": "<svg onload=alert(1)><use href='data:image/svg+xml;base64,PHN2Zz4='/></svg>",
    "template": "{{ 7*7 }} {% include 'x' %} ${7*7} {0} {1}",
    "xml": "]]> <![CDATA[ <?xml?> &lol; <!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]>",
    "json": '"}],"runs":[{"\\u0000\\',
    "formula": "=cmd|' /C calc'!A0",
    "formula plus": "+1+cmd|' /C calc'!A0",
    "formula at": "@SUM(1+1)*cmd|' /C calc'!A0",
    "formula minus": "-@SUM(A1)",
    "formula tab": "\t=1+1",
    "path": "../../etc/passwd",
    "network path": "//evil.example/share",
    "scheme": "javascript:alert(1)",
    "percent": "%00%zz%",
    "combining": "z" + "\u0301\u0489" * 50,
    "megabyte": "A" * 1_000_000,
    "megabyte of escapes": "\u202e" * 1_000_000,
}

# fields that take no free string: literals, digests, times, pictures' bytes
FIXED = {
    ("schema",), ("outcome",), ("started",), ("finished",),
    ("subject", "kind"), ("subject", "digest"), ("subject", "parts", "*"),
    ("measures", "kind"), ("measures", "side"),
    ("findings", "status"), ("findings", "severity"),
    ("exhibits", "type"), ("exhibits", "png"),
}  # fmt: skip


def small() -> Record:
    """A record with every kind of field, each once."""
    finding = Finding(
        check="model-hidden-call",
        status="FAIL",
        severity="high",
        location=Location(path="a/b", member="c", offset=3, row=4, column="d"),
        title="A title",
        detail="A detail",
        fix="A fix",
        refs=("AML.T0043 (ATLAS 5.6.0)", "CWE-502"),
    )
    return Record(
        report=report(
            subject=Subject(kind="model", name="name", digest=digest_of(b"")),
            parameters={"norm": "linf", "attacks": ["pgd", "square"], "eps": 0.1},
            measures=(
                rate(Estimate, "clean_accuracy", 9, 10),
                rate(Bound, "robust_accuracy", 5, 10, **{"class": "cat"}),
                Count(name="samples", value=10, unit="samples", method="counted"),
            ),
            findings=(
                finding,
                UNFINISHED,
                msgspec.structs.replace(
                    finding, status="WARN", check="a-warning", location=Location(path="e")
                ),
                msgspec.structs.replace(finding, status="SKIP", check="a-skip"),
            ),
            passed={"a-check": 1},
            exhibits=(ATTACKS, CURVE, picture(3), NOTES),
        ),
        evidence=EVIDENCE,
    )


def fields(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The kinds of places in a document that hold a free string; list indices are left out, keys are ``*``."""
    if isinstance(value, str) and path not in FIXED:
        yield path
    elif isinstance(value, list):
        for one in value:
            yield from fields(one, path)
    elif isinstance(value, dict):
        for key, one in value.items():
            if is_free_key(path):
                yield (*path, "key")
            yield from fields(one, (*path, "*" if is_free_key(path) else key))


def is_free_key(path: tuple[str, ...]) -> bool:
    return path[-1:] in (("parts",), ("parameters",), ("passed",), ("slice",))


def filled(document: Any, text: str, only: tuple[str, ...] | None) -> Any:
    """The document with ``text`` in the places of the kind ``only``, None for all, numbered to stay distinct."""
    counter = iter(range(10**6))

    def walk(one: Any, at: tuple[str, ...]) -> Any:
        if isinstance(one, str):
            return put(one, at)
        if isinstance(one, list):
            return [walk(part, at) for part in one]
        if isinstance(one, dict) and is_free_key(at):
            return {put(key, (*at, "key")): walk(part, (*at, "*")) for key, part in one.items()}
        return {key: walk(part, (*at, key)) for key, part in one.items()} if isinstance(one, dict) else one

    def put(old: str, at: tuple[str, ...]) -> str:
        if at in FIXED or only not in (None, at) or (at[-1], old) == ("unit", "rate"):
            return old
        room = 10**7 if at[0] != "exhibits" else TEXT_LENGTH if at[-1] == "text" else CELL_LENGTH
        return f"{text[: room - 8]}{next(counter)}"

    return walk(document, ())


def with_text(text: str, only: tuple[str, ...] | None = None) -> Record:
    """The small record with ``text`` in every free string field, or in those of one kind."""
    record = small()
    document = filled(msgspec.to_builtins(record.report), text, only)
    if only in (None, PARTS):  # they decide the digest, and take printable ASCII only
        ascii_ = "".join(c for c in text if " " <= c <= "~")
        parts = {f"{ascii_}{i}": digest_of(bytes([i])) for i in range(2)}
        document["subject"] |= {"parts": parts, "digest": manifest_digest(parts)}
    evidence = record.evidence
    if evidence is not None and only in (None, ("evidence",)):
        evidence = msgspec.structs.replace(
            evidence, statement_digest=text, checkpoint=f"{text}\n1\n\n{text}\n"
        )
    return Record(report=msgspec.convert(document, type(record.report)), evidence=evidence)


PARTS = ("subject", "parts", "key")
KINDS = (*dict.fromkeys(fields(msgspec.to_builtins(small().report))), PARTS, ("evidence",))
