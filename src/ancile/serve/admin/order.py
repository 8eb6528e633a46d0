"""What the process of the administration is told, and what it says."""

from __future__ import annotations

import msgspec

from ancile.serve.config import ServeConfig


class AdminOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be administered.

    home      folder of the ledger, folder: of the users
    socket    number of the listening socket's descriptor
    port      of it
    hosts     names that it is asked under, with the port
    policies  text in Cedar; None for those that come with ancile
    digest    of what is in force
    """

    home: str
    folder: str
    socket: int
    port: int
    hosts: tuple[str, ...]
    config: ServeConfig
    profile: str
    policies: str | None = None
    digest: str


class Ready(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """It listens. people: how many may log in."""

    people: int
