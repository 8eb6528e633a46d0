"""One alert to a URL, so that whoever gets it can tell who sent it, and that it is no old one again.

``Ancile-Signature: v1=`` + hex HMAC-SHA256, under the shared secret, of the time in ``Ancile-Timestamp``,
a full stop, and the body as it stands: the form that webhooks of payment services made usual.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client

from ancile.core.errors import AncileError
from ancile.core.place import Place, connection_to, within

ANSWER_SECONDS = 10.0
LARGEST_ANSWER = 1 << 16  # bytes that are read; none of them is looked at
AGAIN = frozenset((408, 425, 429, *range(500, 600)))  # that may pass


class Again(Exception):  # noqa: N818 - no error yet: it is tried again
    """A target could not be reached, or asks to be tried later."""


def post(place: Place, body: bytes, *, secret: bytes, id_: str, time: int) -> None:
    """Send; ``Again`` where another try may help, AncileError where none will."""
    signed = hmac.new(secret, b"%d." % time + body, hashlib.sha256).hexdigest()
    headers = {
        "Host": place.authority(),
        "User-Agent": "ancile",
        "Content-Type": "application/json",
        "Ancile-Delivery": id_,
        "Ancile-Timestamp": str(time),
        "Ancile-Signature": f"v1={signed}",
    }
    try:
        connection = connection_to(place, connect_seconds=ANSWER_SECONDS, seconds=ANSWER_SECONDS)
        try:
            with within(connection, ANSWER_SECONDS):
                connection.request("POST", place.path or "/", body=body, headers=headers)
                with connection.getresponse() as answer:
                    answer.read(LARGEST_ANSWER)
        finally:
            connection.close()
    except (OSError, http.client.HTTPException) as reason:
        raise Again(type(reason).__name__) from reason
    if answer.status in AGAIN:
        raise Again(str(answer.status))
    if not 200 <= answer.status < 300:  # a redirect is not followed
        raise AncileError(
            "the target refuses the alert", value=f"{place.url()}: {answer.status}", remedy="see its log"
        )
