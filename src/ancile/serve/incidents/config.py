"""The table ``[serve.alerts]``: who is told of incidents, and where that may be."""

from __future__ import annotations

import ipaddress
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from ancile.serve.incidents.rules import Severity

MOST_TARGETS = 20


class Webhook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A URL that gets each alert as JSON, with an HMAC under a secret.

    secret_file, secret_variable  where the secret is: a private file, or an environment variable; one of them
    """

    url: str
    secret_file: str = ""
    secret_variable: str = ""

    def __post_init__(self) -> None:
        if bool(self.secret_file) == bool(self.secret_variable):
            raise ValueError("a webhook has its secret in secret_file or in secret_variable")
        urlsplit(self.url)  # ValueError for what is no URL

    @property
    def host(self) -> str:
        """That it leads to."""
        return (urlsplit(self.url).hostname or "").lower()


class Mail(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mail server that takes each alert for the recipients.

    tls       starttls, tls from the first byte, or none: that only on loopback
    user      with a password in password_file or password_variable; empty where the server asks for none
    """

    host: str
    port: int = 587
    tls: Literal["starttls", "tls", "none"] = "starttls"
    sender: str
    to: tuple[str, ...]
    user: str = ""
    password_file: str = ""
    password_variable: str = ""

    def __post_init__(self) -> None:
        if not (0 < self.port < 65536 and self.to):
            raise ValueError("mail has a port and recipients")
        for one in (self.sender, *self.to):
            if not one.isprintable() or one.count("@") != 1 or len(one) > 254:
                raise ValueError(f"not an address of mail: {one}")
        if bool(self.user) != (bool(self.password_file) != bool(self.password_variable)):
            raise ValueError("a user of mail has a password in password_file or in password_variable")


class Alerts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is told.

    hosts         that may be asked at all; a target elsewhere is refused
    networks      addresses that are not public and may be asked all the same, such as 127.0.0.0/8
    severity      of incidents that are told, and higher ones
    attempts      to reach a target, each after a longer wait
    """

    hosts: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    severity: Severity = "medium"
    webhooks: tuple[Webhook, ...] = ()
    mail: tuple[Mail, ...] = ()
    attempts: int = 4

    def __post_init__(self) -> None:
        for network in self.networks:
            ipaddress.ip_network(network)
        known = {host.lower() for host in self.hosts}
        for one in self.targets:
            if one.host.lower() not in known:
                raise ValueError(f"alerts go to hosts that [serve.alerts] hosts lists: not to {one.host}")
        if len(self.targets) > MOST_TARGETS or not 1 <= self.attempts <= 10:
            raise ValueError(f"alerts have at most {MOST_TARGETS} targets, and 1 to 10 attempts")

    @property
    def targets(self) -> list[Webhook | Mail]:
        """Everybody who is told."""
        return [*self.webhooks, *self.mail]

    @property
    def variables(self) -> tuple[str, ...]:
        """Environment variables with secrets, for the process that sends and for no other."""
        named = [one.secret_variable for one in self.webhooks] + [one.password_variable for one in self.mail]
        return tuple(name for name in named if name)
