"""Text that reads otherwise than it looks: hidden and reordering characters, letters that pose as others.

Boucher et al. 2022, "Bad Characters" (arXiv:2106.09898), and "Trojan Source" (arXiv:2111.00169); Unicode
UTS 39, section 5.1 (mixed scripts); OWASP, "CSV Injection".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ancile.core.extras import needs
from ancile.numeric import NDArray, np

if TYPE_CHECKING:
    import pyarrow as pa

LETTER = r"[\p{Latin}\p{Cyrillic}\p{Greek}0-9]"
DAMAGED = "characters of a wrong encoding"
FORMULAS = "spreadsheet formulas"
# Joiners are spelling in Arabic, Indic and emoji sequences, and hide something between these letters alone
TRICKS: Mapping[str, str] = {
    "hidden characters": (
        LETTER
        + r"[\x{200B}-\x{200D}\x{2060}-\x{2064}\x{FEFF}\x{180E}\x{115F}\x{1160}\x{3164}\x{FFA0}]+"
        + LETTER
        + r"|[\x{200B}\x{2060}-\x{2064}]"
        # tag characters are for flags, whose sequence begins with a black flag
        + r"|(?:^|[^\x{1F3F4}\x{E0020}-\x{E007F}])[\x{E0000}-\x{E007F}]"
        + r"|[\x{FE00}-\x{FE0F}\x{E0100}-\x{E01EF}]{2}"
    ),
    "characters that reorder text": r"[\x{202A}-\x{202E}\x{2066}-\x{2069}]",
    "control characters": r"[\x00-\x08\x0B\x0E-\x1F\x7F]",
    # C1 controls: Windows-1252 that was read as Latin-1; the last is what a decoder gave up on
    DAMAGED: r"[\x{80}-\x{84}\x{86}-\x{9F}\x{FFFD}]",
    "letters of two scripts in one word": (
        r"\p{Latin}\p{Cyrillic}|\p{Cyrillic}\p{Latin}"
        # Greek letters that look like Latin ones; others stand in formulas
        r"|[A-Za-z][ΑΒΕΖΗΙΚΜΝΟΡΤΥΧικνορυ][A-Za-z]"
        r"|[\x{1D400}-\x{1D7FF}]{2}"
    ),
    # A lone sign or a figure is none: what follows has to be a name, a cell, a call or a pipe
    FORMULAS: (
        r"^[\t\r\n ]*(?:=\s*[-+@(\"A-Za-z0-9]|[-+@]\s*[-+@=(]*[A-Za-z_]+[A-Za-z0-9_.]*[(|!]|[-+]\s*\d[^|]*\|)"
    ),
}
ASCII_TRICKS = ("control characters", FORMULAS)


def tricks_in(texts: pa.Array) -> dict[str, NDArray[np.int64]]:
    """Name of a trick to the places of the texts that have it; none where there is none."""
    compute, types = needs("pyarrow.compute", "tables"), needs("pyarrow.types", "tables")
    if types.is_dictionary(texts.type):
        found = tricks_in(texts.dictionary)
        codes = texts.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        return {name: np.flatnonzero(np.isin(codes, at)).astype(np.int64) for name, at in found.items()}
    only_ascii = bool(compute.all(compute.string_is_ascii(texts), min_count=0).as_py())
    tried = {name: TRICKS[name] for name in (ASCII_TRICKS if only_ascii else TRICKS)}
    found = {}
    for name, pattern in tried.items():
        hit = compute.match_substring_regex(texts, pattern).fill_null(False)
        if compute.any(hit, min_count=0).as_py():
            found[name] = np.flatnonzero(hit.to_numpy(zero_copy_only=False)).astype(np.int64)
    return found
