"""The table ``[serve.admin]``."""

from __future__ import annotations

import ipaddress

import msgspec


class AdminConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where people administer and review.

    host         an IP address; other than loopback only with certificate and key
    names        host names that requests may come for, beside the address
    certificate  file of the listener's certificate, in PEM
    key          file of its key
    """

    host: str = "127.0.0.1"
    names: tuple[str, ...] = ()
    certificate: str = ""
    key: str = ""

    def __post_init__(self) -> None:
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError as reason:
            raise ValueError("admin.host is an IP address") from reason
        if bool(self.certificate) != bool(self.key):
            raise ValueError("admin has a certificate and a key, or neither")
        if not address.is_loopback and not self.certificate:
            raise ValueError("beyond this machine the administration speaks TLS: set certificate and key")
