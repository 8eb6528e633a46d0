"""Base64 of RFC 4648, read strictly: one spelling for one value."""

from __future__ import annotations

import base64
import binascii

from ancile.core.errors import AncileError
from ancile.core.text import plain

URL_SAFE = str.maketrans("-_", "+/")


def b64(data: bytes) -> str:
    """Standard base64 with padding."""
    return base64.b64encode(data).decode("ascii")


def unb64(text: str, *, name: str, url_safe: bool = False) -> bytes:
    """The bytes in base64 with padding; any other spelling of the same bytes is refused.

    name      what the text is, for the message
    url_safe  read the URL-safe alphabet as well (never both in one text)
    """
    asked = text
    if url_safe and not set("+/") & set(text):
        text = text.translate(URL_SAFE)
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        data = b""
    if b64(data) != text:
        raise AncileError(
            f"{name} is not base64", value=plain(asked, 60), remedy="take it from its source once more"
        )
    return data
