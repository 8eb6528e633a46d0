"""The table ``[serve]`` of ancile.toml, over the roles and profiles that come as data."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Literal, NamedTuple

import msgspec

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.serve.admin.config import AdminConfig
from ancile.serve.identity.config import Oidc, faults_of
from ancile.serve.incidents.config import Alerts
from ancile.serve.incidents.rules import Rule
from ancile.serve.ladder import Ladder
from ancile.serve.probe_config import Probing
from ancile.serve.reaction import Reaction
from ancile.serve.review.config import ReviewConfig
from ancile.serve.telemetry.config import TelemetryConfig
from ancile.serve.tls_config import TlsConfig

Permission = Literal["health", "metadata", "infer"]
GUARDS = (
    "rate",
    "quota",
    "schema",
    "sequence",
    "search",
    "collusion",
    "fingerprint",
    "outlier",
    "confidence",
    "timing",
    "information",
    "noise",
    "squeezing",
    "trigger",
    "disagreement",
    "evidence",
)
LEARNED = (
    "sequence",
    "search",
    "collusion",
    "fingerprint",
    "outlier",
    "confidence",
    "squeezing",
    "trigger",
)  # from a reference set; without one they have nothing to say
LONGEST_TENANT, MOST_BITS = 100, 10**15
MOST_MARKED = 0.05  # of all answers are wrong on purpose: DAWN uses less than 0.005
MOST_DAYS = 3650
LEAST = 1e-6  # rate or epsilon: one over much less is no number any more
MOST_DIGITS = 17  # beyond which a double has no more


class Role(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an identity may ask, how often, and how exact its answers are.

    may     what it may ask for
    digits  behind the point of each number in an answer
    rate    requests a second on average
    burst   requests at once
    daily   requests in any 24 hours
    top          classes whose scores are shown, the best first; 0: all
    labels_only  of scores nothing but which is the best
    abstain      probability of the best class below which nothing is said
    bits_daily   that answers of one model may tell in a UTC day; 0: any number
    tenant             whose roles share tenant_bits_daily
    tenant_bits_daily  the same for all identities of the tenant together; 0: any number
    epsilon        of the noise on the answer to one row; 0: no noise
    epsilon_daily  of all rows of a UTC day together, for one model
    watermark    share of the rows whose best two classes change places
    """

    may: tuple[Permission, ...] = ()
    digits: int = 3
    rate: float = 1.0
    burst: int = 5
    daily: int = 1000
    top: int = 0
    labels_only: bool = False
    abstain: float = 0.0
    bits_daily: int = 0
    tenant: str = ""
    tenant_bits_daily: int = 0
    epsilon: float = 0.0
    epsilon_daily: float = 0.0
    watermark: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.digits <= MOST_DIGITS:
            raise ValueError("digits are 0 to 17")
        if not (LEAST <= self.rate <= 1e6 and 0 < self.burst <= 10**6 and 0 < self.daily <= 10**12):
            raise ValueError("rate is at least 1e-6, burst and daily are above 0")
        if not (0 <= self.top <= 10**6 and 0 <= self.abstain <= 1 and 0 <= self.bits_daily <= MOST_BITS):
            raise ValueError("top and bits_daily are at least 0, abstain is 0 to 1")
        if not self.tenant.isprintable() or len(self.tenant) > LONGEST_TENANT:
            raise ValueError("a tenant's name has up to 100 characters")
        if not 0 <= self.tenant_bits_daily <= (MOST_BITS if self.tenant else 0):
            raise ValueError("tenant_bits_daily is at least 0, and for a tenant with a name")
        if 0 < self.epsilon < LEAST:
            raise ValueError("epsilon is at least 1e-6, or 0")
        if not (0 <= self.epsilon <= self.epsilon_daily <= 1e6 and 0 <= self.watermark <= MOST_MARKED):
            raise ValueError("epsilon is at most epsilon_daily, watermark at most 0.05")


class ServeConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the gateway reacts, and to whom.

    profile          watch, standard or full
    reactions        guard to what it may do at most, over the profile; one that may only allow is not run
    roles            roles changed or added
    incidents        rules changed or added, by which verdicts are incidents
    alerts           who is told of incidents
    telemetry        what is shown of a running gateway
    review           how requests are held for a person
    ladder           how evidence of several guards adds up
    probing          how often the model is asked more than was asked
    oidc             whose tokens are taken, beside API keys
    certificates     URI in a client's certificate to role; one with ``/*`` at its end is for all below it
    policies         file in Cedar that says who may what, in place of the policies that come with ancile
    admin            where people administer
    require_scan     load a model's file once a scan of it is in the ledger; one is made where there is none
    require_signature  load it once a signature of it, or the verification of one, stands there
    tls              certificate of the listener; without one it speaks in the clear
    upstream_key     file with the key that a chat server behind asks for
    confine          whether workers keep from all files and sockets that they have no need of
    inputs           digest: keyed digests of inputs are recorded; encrypted: and inputs are kept, sealed to
                     ``inputs_key``; none: nothing of them is
    inputs_key       file with the X25519 public key, as PEM, of who may read them
    inputs_days      after which they are erased
    inputs_bytes     that they take at most; the oldest go first
    durable_seconds  how old the oldest record may be that is not on the disk when an answer leaves; 0: none
    segment_records  records of one segment of the ledger, at most
    segment_seconds  after which a segment ends
    journal_bytes    of records that are not in the ledger yet; beyond them every request is refused
    rows             samples of one request, at most
    body_bytes       of one request
    answer_seconds   that model or upstream may take
    """

    profile: str = "standard"
    reactions: dict[str, Reaction] = {}
    roles: dict[str, Role] = {}
    incidents: dict[str, Rule] = {}
    alerts: Alerts = Alerts()
    telemetry: TelemetryConfig = TelemetryConfig()
    review: ReviewConfig = ReviewConfig()
    ladder: Ladder = Ladder()
    probing: Probing = Probing()
    oidc: Oidc | None = None
    certificates: dict[str, str] = {}
    policies: str = ""
    admin: AdminConfig = AdminConfig()
    require_scan: bool = True
    require_signature: bool = False
    tls: TlsConfig | None = None
    upstream_key: str = ""
    confine: bool = True
    inputs: Literal["digest", "encrypted", "none"] = "digest"
    inputs_key: str = ""
    inputs_days: float = 30.0
    inputs_bytes: int = 1 << 30
    durable_seconds: float = 0.2
    segment_records: int = 5000
    segment_seconds: float = 10.0
    journal_bytes: int = 256 << 20
    rows: int = 256
    body_bytes: int = 8 << 20
    answer_seconds: float = 30.0

    def __post_init__(self) -> None:
        if unknown := set(self.reactions) - set(GUARDS):
            raise ValueError(f"no such guard: {min(unknown)}; there are {', '.join(GUARDS)}")
        if self.profile not in shipped_profiles():
            raise ValueError(f"no such profile: {self.profile}; there are {', '.join(shipped_profiles())}")
        if wrong := faults_of(self.oidc, self.certificates, shipped_roles() | self.roles):
            raise ValueError(wrong)
        if not (0 <= self.durable_seconds <= 60 and 0 < self.segment_seconds <= 3600):
            raise ValueError("durable_seconds are 0 to 60, segment_seconds up to 3600")
        if not (0 < self.segment_records <= 100_000 and 1 << 20 <= self.journal_bytes <= 1 << 40):
            raise ValueError("segment_records are 1 to 100000, journal_bytes at least a MiB")
        if (self.inputs == "encrypted") != bool(self.inputs_key):
            raise ValueError('inputs_key goes with inputs = "encrypted"')
        if not (0 < self.inputs_days <= MOST_DAYS and 1 << 20 <= self.inputs_bytes <= 1 << 40):
            raise ValueError("inputs_days are up to 3650, inputs_bytes at least a MiB")
        if not 0 < self.rows <= 1 << 20:
            raise ValueError("rows are 1 to 1048576")
        if not (1 << 10 <= self.body_bytes <= 1 << 30 and 0 < self.answer_seconds <= 3600):
            raise ValueError("body_bytes are a KiB to a GiB, answer_seconds up to 3600")


class Policy(NamedTuple):
    """What is in force."""

    profile: str
    reactions: dict[str, Reaction]
    roles: dict[str, Role]
    ladder: Ladder = Ladder()


@cache
def shipped_profiles() -> dict[str, dict[str, Reaction]]:
    """Profiles that come with ancile, by name."""
    return msgspec.convert(_data("profiles.toml"), dict[str, dict[str, Reaction]])


@cache
def shipped_roles() -> dict[str, Role]:
    """Roles that come with ancile, by name."""
    return msgspec.convert(_data("roles.toml"), dict[str, Role])


def policy_of(config: ServeConfig, *, profile: str | None = None) -> Policy:
    """The policy of a configuration; ``profile`` goes before the one that it names."""
    chosen = profile or config.profile
    if chosen not in shipped_profiles():
        raise AncileError(
            "no such profile", value=plain(chosen), remedy=f"choose one of: {', '.join(shipped_profiles())}"
        )
    return Policy(
        chosen, shipped_profiles()[chosen] | config.reactions, shipped_roles() | config.roles, config.ladder
    )


def _data(name: str) -> dict[str, object]:
    return tomllib.loads(files("ancile.serve").joinpath(name).read_text("utf-8"))
