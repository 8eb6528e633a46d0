"""Files of numbers without any header, where a model beside them says which tensor lies where.

Nothing in such a file tells what it is; the model does, and what it does not account for stays unknown.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from ancile.core.subject import percent_encoded
from ancile.scan.files import Scanned
from ancile.scan.plain_data import unknown_format

SOUND = ("data-only", "named-classes")


def settled(scanned: Sequence[Scanned]) -> list[Scanned]:
    """The files, those whose numbers a sound model accounts for no longer unknown."""
    kept = {
        posixpath.join(posixpath.dirname(one.shown), percent_encoded(place))
        for one in scanned
        if one.found.verdict in SOUND
        for place in one.found.keeps
    }
    return [_known(one) if one.shown in kept else one for one in scanned]


def _known(one: Scanned) -> Scanned:
    """The file as numbers, where nothing else was found in it than that it is unknown."""
    found, check = one.found, unknown_format.id
    if not found.findings or any(finding.check != check for finding in found.findings):
        return one
    passed = found.passed | {check: found.passed.get(check, 0) + 1}
    return one._replace(
        found=found._replace(format="numbers", verdict="data-only", findings=(), passed=passed)
    )
