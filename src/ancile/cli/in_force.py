"""What ``ancile serve`` puts in force: from its command line, ancile.toml, the policies and the evidence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from msgspec import structs

from ancile.cli.home import Home
from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.serve.config import Policy, ServeConfig, policy_of
from ancile.serve.identity.config import placed
from ancile.serve.tls_config import TlsConfig, tls_in_force

if TYPE_CHECKING:
    from ancile.cli.recorder import Recorder
    from ancile.serve.worker import Order

LARGEST_KEY = 10_000  # characters of a public key
FOLDER = "serve"  # of a home: users, pepper, journal


class Asked(NamedTuple):
    """The command line, as far as it says what is served and how."""

    model: Path | None
    upstream: str | None
    chat: bool
    names: tuple[str, ...]
    profile: str | None
    members: tuple[Path, ...]
    reference: str | None
    tls_cert: str | None
    tls_key: str | None
    client_ca: str | None


class Effective(NamedTuple):
    """What ancile.toml and the files that it names say now.

    digest  of policy and policies
    """

    config: ServeConfig
    policy: Policy
    policies: str | None
    tls: TlsConfig | None
    digest: str


def in_force(home: Home, asked: Asked) -> Effective:
    """What is in force by now; AncileError where it cannot be read."""
    from ancile.serve.identity.permissions import digest_in_force, read_policies  # noqa: PLC0415 - not for --help

    config, below = home.config.get("serve", ServeConfig), home.config_file.parent
    policy = policy_of(config, profile=asked.profile)
    policies = read_policies(config.policies, below)
    tls = tls_in_force(
        config.tls, below, certificate=asked.tls_cert, key=asked.tls_key, client_ca=asked.client_ca
    )
    return Effective(config, policy, policies, tls, digest_in_force(policy, policies))


def order_of(
    home: Home,
    recorder: Recorder,
    asked: Asked,
    found: Effective,
    *,
    socket: int,
    rates: bool,
    say: Callable[[str], None],
) -> Order:
    """What the workers are told, once the ledger has nothing against what they would load.

    socket  number of the listening socket's descriptor
    rates   whether several hosts count requests a second together
    say     hears of a scan that was made
    """
    from ancile.cli.model_evidence import require_evidence  # noqa: PLC0415 - not for --help
    from ancile.serve.worker import Order  # noqa: PLC0415 - likewise

    config, below = found.config, home.config_file.parent
    digest = None if asked.model is None else require_evidence(home, recorder, asked.model, config, say=say)
    return Order(
        folder=str(home.folder / FOLDER),
        socket=socket,
        config=structs.replace(
            config,
            oidc=placed(config.oidc, below),
            tls=found.tls,
            upstream_key=str(below / config.upstream_key) if config.upstream_key else "",
            inputs_key=_read_key(below / config.inputs_key) if config.inputs_key else "",
        ),
        profile=found.policy.profile,
        model=None if asked.model is None else str(asked.model),
        upstream=asked.upstream,
        models=asked.names,
        chat=asked.chat,
        reference=asked.reference,
        ensemble=tuple(
            (str(one), require_evidence(home, recorder, one, config, say=say)) for one in asked.members
        ),
        policies=found.policies,
        digest=digest,
        rates=rates,
    )


def _read_key(path: Path) -> str:
    """The public key that inputs are sealed to, read before the worker's walls are up."""
    from ancile.serve.kept_inputs import recipient  # noqa: PLC0415 - where inputs are kept

    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(LARGEST_KEY)
    except (OSError, UnicodeDecodeError) as reason:
        raise AncileError(
            "the key that inputs are sealed to cannot be read",
            value=plain(f"{path}: {reason}"),
            remedy="set [serve] inputs_key to the PEM file of an X25519 public key",
        ) from reason
    recipient(text)
    return text
