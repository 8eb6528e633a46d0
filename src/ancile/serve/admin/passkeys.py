"""Security keys: Web Authentication Level 3, with user verification, so that one is both factors.

A person who is logged in by password and code adds one. A challenge is random and for one use in two minutes.
Who has none, and a name that nobody has, is challenged for a key that there is not (section 14.6.2, "username
enumeration").
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from ancile.core.extras import needs
from ancile.serve.admin.api import BAD_REQUEST, body_of
from ancile.serve.admin.login import begun
from ancile.serve.admin.state import AdminState, now
from ancile.serve.identity.people import Person
from ancile.serve.keys import NAME

if TYPE_CHECKING:
    import webauthn
    from starlette.exceptions import HTTPException
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route
    from webauthn.helpers import structs
    from webauthn.helpers.exceptions import WebAuthnException
else:
    webauthn = needs("webauthn", "admin")
    structs = needs("webauthn.helpers.structs", "admin")
    WebAuthnException = needs("webauthn.helpers.exceptions", "admin").WebAuthnException
    HTTPException = needs("starlette.exceptions", "admin").HTTPException
    JSONResponse, Response = (
        needs("starlette.responses", "admin").JSONResponse,
        needs("starlette.responses", "admin").Response,
    )
    Route = needs("starlette.routing", "admin").Route

CHALLENGE_SECONDS = 120.0
MOST_CHALLENGES = 1000
CHALLENGE_BYTES = 32
REFUSED = "the security key does not let in"
UNAUTHORIZED = 401


class Finish(msgspec.Struct, forbid_unknown_fields=True):
    """What a browser's authenticator answered to a challenge."""

    challenge: str
    credential: dict[str, object]


class Name(msgspec.Struct, forbid_unknown_fields=True):
    """Who is to be challenged."""

    name: str


class Challenges:
    """Given out, and not answered yet."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, tuple[bytes, str, float]] = OrderedDict()

    def new(self, name: str) -> tuple[str, bytes]:
        """Its id and the challenge."""
        key, challenge = secrets.token_urlsafe(16), secrets.token_bytes(CHALLENGE_BYTES)
        self._open[key] = (challenge, name, time.monotonic() + CHALLENGE_SECONDS)
        if len(self._open) > MOST_CHALLENGES:
            self._open.popitem(last=False)
        return key, challenge

    def take(self, key: str) -> tuple[bytes, str]:
        """The challenge and for whom it was, once; 400 where there is none."""
        challenge, name, until = self._open.pop(key, (b"", "", 0.0))
        if time.monotonic() > until:
            raise HTTPException(BAD_REQUEST, "begin anew")
        return challenge, name


def routes(state: AdminState, *, rp_id: str, origin: str) -> list[Route]:
    """Those of this file.

    rp_id   host name that the keys are for
    origin  of the pages that use them
    """
    open_ = Challenges()

    async def add(request: Request) -> Response:
        person = state.reviewer(request)
        key, challenge = open_.new(person.name)
        options = webauthn.generate_registration_options(
            rp_id=rp_id,
            rp_name="ancile",
            user_name=person.name,
            user_id=state.users.hash(b"person " + person.name.encode("ascii")),
            challenge=challenge,
            authenticator_selection=structs.AuthenticatorSelectionCriteria(
                user_verification=structs.UserVerificationRequirement.REQUIRED
            ),
            exclude_credentials=_known(state, person.name),
        )
        return _asked(key, webauthn.options_to_json(options))

    async def added(request: Request) -> Response:
        person = state.reviewer(request)
        asked = await body_of(request, Finish)
        challenge, name = open_.take(asked.challenge)
        try:
            found = webauthn.verify_registration_response(
                credential=_plain(asked.credential),
                expected_challenge=challenge,
                expected_rp_id=rp_id,
                expected_origin=origin,
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError, KeyError, TypeError) as reason:
            raise HTTPException(BAD_REQUEST, REFUSED) from reason
        if name != person.name:
            raise HTTPException(BAD_REQUEST, REFUSED)
        with state.users.changing() as db:
            row = (
                found.credential_id,
                name,
                found.credential_public_key,
                found.sign_count,
                now().isoformat(),
            )
            db.execute("INSERT INTO credentials VALUES (?, ?, ?, ?, ?)", row)
            state.users.note("factor", name, role=person.role, now=now(), by=name)
        return JSONResponse({})

    async def challenge_(request: Request) -> Response:
        asked = await body_of(request, Name)
        name = asked.name if NAME.fullmatch(asked.name) else ""  # nobody's, and none that fills the memory
        key, challenge = open_.new(name)
        options = webauthn.generate_authentication_options(
            rp_id=rp_id,
            challenge=challenge,
            allow_credentials=_known(state, name) or [_decoy(state, asked.name)],
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        )
        return _asked(key, webauthn.options_to_json(options))

    async def log_in(request: Request) -> Response:
        asked = await body_of(request, Finish)
        challenge, name = open_.take(asked.challenge)
        return begun(state, _verified(state, asked.credential, name, (challenge, rp_id, origin)))

    return [
        Route("/api/passkeys/add", add, methods=["POST"]),
        Route("/api/passkeys/added", added, methods=["POST"]),
        Route("/api/passkeys/challenge", challenge_, methods=["POST"]),
        Route("/api/passkeys/session", log_in, methods=["POST"]),
    ]


def _verified(
    state: AdminState, credential: Mapping[str, object], name: str, expected: tuple[bytes, str, str]
) -> Person:
    """Whose key answered; a count that does not grow tells of a copy of it, which lets nobody in."""
    challenge, rp_id, origin = expected
    try:
        plain = _plain(credential)
        id_ = webauthn.base64url_to_bytes(str(plain["id"]))
        ((public, count, role),) = state.users.rows(
            "SELECT c.public, c.count, p.role FROM credentials c JOIN people p ON p.name = c.name "
            "WHERE c.id = ? AND c.name = ?",
            id_,
            name,
        )
        found = webauthn.verify_authentication_response(
            credential=plain,
            expected_challenge=challenge,
            expected_rp_id=rp_id,
            expected_origin=origin,
            credential_public_key=public if isinstance(public, bytes) else b"",
            credential_current_sign_count=count if isinstance(count, int) else 0,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError) as reason:
        raise HTTPException(UNAUTHORIZED, REFUSED) from reason
    with state.users.changing() as db:
        db.execute("UPDATE credentials SET count = ? WHERE id = ?", (found.new_sign_count, id_))
    return Person(name, str(role))


def _known(state: AdminState, name: str) -> list[structs.PublicKeyCredentialDescriptor]:
    rows = state.users.rows("SELECT id FROM credentials WHERE name = ?", name)
    return [structs.PublicKeyCredentialDescriptor(id=bytes(id_)) for (id_,) in rows if isinstance(id_, bytes)]


def _decoy(state: AdminState, name: str) -> structs.PublicKeyCredentialDescriptor:
    """The same each time that it is asked for."""
    told = b"no security key of " + name.encode("utf-8", "replace")
    return structs.PublicKeyCredentialDescriptor(id=state.users.hash(told))


def _plain(credential: Mapping[str, object]) -> dict[str, object]:
    return dict(credential)


def _asked(key: str, options: str) -> Response:
    return JSONResponse({"challenge": key, "options": msgspec.json.decode(options)})
