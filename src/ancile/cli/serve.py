"""``ancile serve``: the gateway in front of a model, or with the model in it."""

from __future__ import annotations

import ipaddress
import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
from msgspec import structs

from ancile.cli.administering import administering
from ancile.cli.home import Home, need_home
from ancile.cli.output import talk
from ancile.cli.recorder import open_recorder
from ancile.core.errors import AncileError
from ancile.serve.config import GUARDS, LEARNED, Policy, ServeConfig, policy_of
from ancile.serve.identity.config import placed
from ancile.serve.reaction import LADDER
from ancile.serve.tls_config import tls_in_force

FOLDER = "serve"  # of a home: users, pepper, journal
CHAT_GUARDS = ("rate", "quota")
UNREFERENCED = "without --reference off"
RECOVERED = "records of a run before are now in the ledger"
SHOWN_VALUES = 100  # of an input in the ready line


@click.command()
@click.argument("model", required=False, type=click.Path(path_type=Path))
@click.option("--upstream", metavar="URL", help="A server of the Open Inference Protocol v2 to stand before.")
@click.option("--chat", is_flag=True, help="The upstream speaks OpenAI's chat protocol instead.")
@click.option("--name", "names", multiple=True, help="A model that the upstream serves; repeat for more.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True)
@click.option("--tls-cert", metavar="FILE", help="Speak TLS with this certificate (PEM, with its chain).")
@click.option("--tls-key", metavar="FILE", help="Its private key (PEM, unencrypted).")
@click.option("--client-ca", metavar="FILE", help="Let in only clients with a certificate of this authority.")
@click.option(
    "--admin-port",
    metavar="PORT",
    type=click.IntRange(0, 65535),
    help="Let people administer at this port.",
)
@click.option("--profile", help="watch, standard or full; else that of ancile.toml.")
@click.option(
    "--workers",
    metavar="N",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Processes that serve.",
)
@click.option("--state", metavar="URL", help="PostgreSQL that several hosts count days in: postgresql://…")
@click.option(
    "--window", metavar="URL", help="Redis that several hosts count requests a second in: redis://…"
)
@click.option("--ledger-elsewhere", is_flag=True, help="Another host that shares the state keeps the ledger.")
@click.option(
    "--ensemble",
    "members",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A further model that answers with MODEL; repeat for more.",
)
@click.option("--reference", help="Data as benign callers send it: ranges, and what a walk is.")
def serve(
    model: Path | None,
    *,
    upstream: str | None,
    chat: bool,
    names: tuple[str, ...],
    host: str,
    port: int,
    tls_cert: str | None,
    tls_key: str | None,
    client_ca: str | None,
    admin_port: int | None,
    profile: str | None,
    members: tuple[Path, ...],
    reference: str | None,
    workers: int,
    state: str | None,
    window: str | None,
    ledger_elsewhere: bool,
) -> None:
    """Serve MODEL, or stand before a model server; every request has a key, a limit, a record.

    MODEL is ONNX, torch.export (.pt2), skops (scikit-learn), XGBoost or LightGBM: opening these runs no code.

    Ends with SIGTERM or Ctrl-C, once running requests are answered and the records are in the ledger.
    """
    from ancile.cli.model_evidence import require_evidence  # noqa: PLC0415 - not for --help
    from ancile.serve.identity.permissions import digest_in_force, read_policies  # noqa: PLC0415 - likewise
    from ancile.serve.incidents.alerter import alerting  # noqa: PLC0415 - likewise
    from ancile.serve.keys import Users  # noqa: PLC0415 - not for --help
    from ancile.serve.review.store import KEY_OF, Reviews  # noqa: PLC0415 - likewise
    from ancile.serve.shared.counting import counting  # noqa: PLC0415 - likewise
    from ancile.serve.supervise import Sealer, journal_of, listening, supervise  # noqa: PLC0415 - not for --help
    from ancile.serve.telemetry.exporter import exporting  # noqa: PLC0415 - likewise
    from ancile.serve.worker import Order, Serving  # noqa: PLC0415 - likewise

    home = need_home(Path.cwd())
    if (
        (model is None) == (upstream is None)
        or ((names or chat) and upstream is None)
        or (members and model is None)
    ):
        raise AncileError(
            "either a model or an upstream is served",
            value="",
            remedy="ancile serve MODEL, or ancile serve --upstream URL [--chat] --name NAME",
        )
    if ledger_elsewhere and state is None:
        raise AncileError(
            "nothing is shared with the host that keeps the ledger", value="", remedy="name it: --state URL"
        )
    config = home.config.get("serve", ServeConfig)
    policy = policy_of(config, profile=profile)
    below = home.config_file.parent
    tls = tls_in_force(config.tls, below, certificate=tls_cert, key=tls_key, client_ca=client_ca)
    policies = read_policies(config.policies, home.config_file.parent)
    digest = digest_in_force(policy, policies)
    folder = home.folder / FOLDER
    with (
        listening(host, port) as bound,
        open_recorder(home) as recorder,
        Users(folder) as users,
        administering(
            home, config, port=admin_port, profile=policy.profile, policies=policies, digest=digest
        ),
        Reviews(folder, key=users.hash(KEY_OF)) as reviews,
        alerting(recorder.ledger, config, folder=folder, say=talk) as alerter,
        exporting(config.telemetry, folder) as metrics,
        counting(state, window, talk) as shared,
    ):
        notes: list[str] = []
        model_digest = None
        if model is not None:
            model_digest = require_evidence(home, recorder, model, config, say=notes.append)
        ensemble = tuple(
            (str(one), require_evidence(home, recorder, one, config, say=notes.append)) for one in members
        )
        place = bound.getsockname()
        order = Order(
            folder=str(folder),
            socket=bound.fileno(),
            config=structs.replace(
                config,
                oidc=placed(config.oidc, below),
                tls=tls,
                upstream_key=str(below / config.upstream_key) if config.upstream_key else "",
            ),
            profile=policy.profile,
            model=None if model is None else str(model),
            upstream=upstream,
            models=names,
            chat=chat,
            reference=reference,
            ensemble=ensemble,
            policies=policies,
            digest=model_digest,
            rates=shared.rates,
        )
        sealer = Sealer(
            ledger=recorder.ledger,
            author=recorder.author,
            log=recorder.log,
            folder=journal_of(folder),
            most=config.segment_records,
            now=recorder.clock.now,
            done=set(),
            changes=lambda: (users.hand_over(recorder.write), reviews.hand_over(recorder.write)),
            heard=alerter.tick,
            passing=shared.passing,
            away=ledger_elsewhere,
        )
        if left := sealer.recover():
            what = "journals of a run before were passed on" if ledger_elsewhere else RECOVERED
            talk(f"{left} {what}")

        def told(serving: Serving) -> None:
            for note in notes:
                talk(note)
            if metrics:
                talk(f"metrics for Prometheus: {metrics}")
            _introduce(
                home,
                serving,
                policy,
                together=bool(members),
                url=_url(place[0], place[1], tls=tls is not None),
            )

        sealer = sealer._replace(policy=digest)
        supervise(order, bound, sealer, count=workers, told=told, say=talk, lend=shared.lend)


def _url(host: str, port: int, *, tls: bool) -> str:
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def _introduce(home: Home, serving: object, policy: Policy, *, together: bool, url: str) -> None:
    """Where it is, what is in force, how to get in, and a line to try."""
    from ancile.serve.keys import Users  # noqa: PLC0415 - not for --help
    from ancile.serve.worker import Serving  # noqa: PLC0415 - likewise

    if not isinstance(serving, Serving):
        raise TypeError("a worker's word")
    digest = f", {serving.digest[:19]}" if serving.digest else ""
    talk(f"serving {', '.join(serving.models)} at {url}{digest}")
    name, inputs = next(iter(serving.models.items()))
    chat = not inputs
    guards = CHAT_GUARDS if chat else tuple(one for one in GUARDS if together or one != "disagreement")
    talk(f"profile {policy.profile}: {_in_force(policy, guards, guarded=bool(serving.guarded))}")
    if chat:
        talk("no guard looks at what is said")
    scheme, _, place = url.partition("://")
    if scheme == "http" and not ipaddress.ip_address(place.rpartition(":")[0].strip("[]")).is_loopback:
        talk("keys and data travel in the clear: give --tls-cert and --tls-key")
    with Users(home.folder / FOLDER) as users:
        if not users.identities(datetime.now(UTC)):
            talk("nobody has a key yet: ancile user add NAME --role analyst")
    asked = f"/v1/chat/completions -d '{_chat(name)}'" if chat else f"/v2/models/{name}{_example(inputs)}"
    talk(f'try: curl -H "Authorization: Bearer $KEY" {url}{asked}')


def _chat(model: str) -> str:
    asked = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
    return json.dumps(asked, separators=(",", ":"))


def _in_force(policy: Policy, guards: Sequence[str], *, guarded: bool) -> str:
    """The guards by what they may do at most, the gravest first."""
    found: dict[str, list[str]] = {reaction: [] for reaction in reversed(LADDER)} | {UNREFERENCED: []}
    found["deny"].append("identity")
    for guard in guards:
        most = policy.reactions.get(guard, "deny")
        found[UNREFERENCED if guard in LEARNED and not guarded and most != "allow" else most].append(guard)
    words = {"allow": "off"}
    return "; ".join(
        f"{words.get(reaction, reaction)} {', '.join(names)}" for reaction, names in found.items() if names
    )


def _example(inputs: list[dict[str, object]]) -> str:
    """The end of a line that asks: with zeros as input where they are few, else for the metadata."""
    tensors = []
    for one in inputs:
        axes = one["shape"]
        shape = [max(int(axis), 1) for axis in axes] if isinstance(axes, list) else [1]
        size = math.prod(shape)
        if size > SHOWN_VALUES or one["datatype"] in ("BYTES", "BOOL", "FP16"):
            return ""
        tensors.append({"name": one["name"], "shape": shape, "datatype": one["datatype"], "data": [0] * size})
    body = json.dumps({"inputs": tensors}, separators=(",", ":"))
    return f"/infer -d '{body}'" if "'" not in body else ""
