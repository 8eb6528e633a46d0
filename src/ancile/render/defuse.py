"""Output in which a build server finds no command, whatever the names in a report say.

GitHub Actions takes a line that begins with ``::name::``, after blanks, and ``##[name]`` anywhere in a line
(workflow commands); Azure Pipelines ``##vso[...]`` anywhere (logging commands); TeamCity ``##teamcity[...]``.
"""

from __future__ import annotations

import re

HASHES = re.compile(r"##(?=\w{0,20}\[)")
COLONS = re.compile(r"^([^\S\n]*)::", re.MULTILINE)


def defused(text: str, *, hash_sign: str, colon: str) -> str:
    """The text with the first ``#`` or ``:`` of each command written in the format's own escape."""
    return COLONS.sub(lambda m: f"{m[1]}{colon}:", HASHES.sub(lambda _: f"{hash_sign}#", text))
