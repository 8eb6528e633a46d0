"""Secrets that were left in a text of a model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ancile.core.check import Check, Remark, check, examine, fail
from ancile.patterns.secrets import Secret, find_secrets
from ancile.scan.part import Formatted, Part

SHOWN = 20


class SecretFacts(NamedTuple):
    """A text and the secrets in it."""

    part: Part
    secrets: tuple[Secret, ...]


@check("secret-left-in", severity="high", refs=("CWE-798 (CWE 4.17)", "AML.T0055 (ATLAS 5.6.0)"))
def left_in(facts: SecretFacts) -> Iterator[Remark]:
    """A key, token or password stands in a file.

    Why   Whoever gets the file gets what the secret opens.
    Fix   Revoke it where it was issued: removing it from the file is not enough. Then take it out.
    """
    for one in facts.secrets[:SHOWN]:
        checked = {True: ", its checksum is right", False: ", its checksum is not right", None: ""}[
            one.is_real
        ]
        what = f"{one.what}: {one.begin}... ({one.length} characters{checked})"
        yield fail(what, where=facts.part.where(one.offset), severity=one.severity)


SECRET_CHECKS: tuple[Check[SecretFacts], ...] = (left_in,)


def examine_secrets(part: Part, text: str) -> Formatted | None:
    """The secrets of a text; None where it has none."""
    found = tuple(find_secrets(text))
    if not found:
        return None
    in_bytes = tuple(one._replace(offset=len(text[: one.offset].encode())) for one in found[:SHOWN])
    return Formatted("text", examine(SECRET_CHECKS, SecretFacts(part, in_bytes)))
