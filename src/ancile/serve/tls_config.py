"""The table ``[serve.tls]`` of ancile.toml."""

from __future__ import annotations

from pathlib import Path

import msgspec

from ancile.core.errors import AncileError


class TlsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Files of the listener's TLS, and how many handshakes an address may ask for.

    certificate      of the gateway with its chain, PEM
    key              its private key, PEM, unencrypted
    client_ca        PEM of whoever signs client certificates: then nobody comes in without one
    handshakes       of one address a second
    handshake_burst  of one address at once
    """

    certificate: str
    key: str
    client_ca: str = ""
    handshakes: float = 20.0
    handshake_burst: int = 200

    def __post_init__(self) -> None:
        if not (0 < self.handshakes <= 1e6 and 0 < self.handshake_burst <= 10**6):
            raise ValueError("handshakes and handshake_burst are above 0")

    @property
    def files(self) -> tuple[str, ...]:
        """All of them."""
        return (self.certificate, self.key, *([self.client_ca] if self.client_ca else []))


def tls_in_force(
    configured: TlsConfig | None,
    folder: Path,
    *,
    certificate: str | None,
    key: str | None,
    client_ca: str | None,
) -> TlsConfig | None:
    """What the command line says goes before the table; paths of the table are relative to its ``folder``."""
    if certificate is not None and key is not None:
        return TlsConfig(certificate=certificate, key=key, client_ca=client_ca or "")
    if certificate is not None or key is not None or client_ca is not None:
        raise AncileError(
            "a certificate and its key come together",
            value="",
            remedy="give --tls-cert and --tls-key, and --client-ca where clients show certificates",
        )
    if configured is None:
        return None
    placed = {
        name: str(folder / path) for name in ("certificate", "key") if (path := getattr(configured, name))
    }
    if configured.client_ca:
        placed["client_ca"] = str(folder / configured.client_ca)
    return msgspec.structs.replace(configured, **placed)
