"""``ancile serve``: the gateway in front of a model, or with the model in it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import click

from ancile.cli.administering import administering
from ancile.cli.home import Home, need_home
from ancile.cli.in_force import FOLDER, Asked, Effective, in_force, order_of
from ancile.cli.introduce import introduce, url_of
from ancile.cli.output import talk
from ancile.cli.recorder import open_recorder
from ancile.core.errors import AncileError

RECOVERED = "records of a run before are now in the ledger"


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
@click.option("--state", metavar="URL", help="PostgreSQL that hosts have users and days in: postgresql://…")
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

    Ends with SIGTERM or Ctrl-C, once running requests are answered and the records are in the ledger; SIGHUP
    has it read policies, roles and MODEL again.
    """
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
    asked = Asked(model, upstream, chat, names, profile, members, reference, tls_cert, tls_key, client_ca)
    place = Place(host, port, admin_port, workers, state, window, ledger_elsewhere)
    _serve(home, asked, place)


class Place(NamedTuple):
    """The command line, as far as it says where and on how many processes it is served."""

    host: str
    port: int
    admin_port: int | None
    workers: int
    state: str | None
    window: str | None
    ledger_elsewhere: bool


def _serve(home: Home, asked: Asked, place: Place) -> None:
    from ancile.cli.sharing import joined  # noqa: PLC0415 - not for --help
    from ancile.serve.history import evidence_replica  # noqa: PLC0415 - likewise
    from ancile.serve.incidents.alerter import alerting  # noqa: PLC0415 - likewise
    from ancile.serve.keys import Users  # noqa: PLC0415 - likewise
    from ancile.serve.renewal import Read  # noqa: PLC0415 - likewise
    from ancile.serve.review.store import KEY_OF, Reviews  # noqa: PLC0415 - likewise
    from ancile.serve.shared.counting import counting  # noqa: PLC0415 - likewise
    from ancile.serve.state import open_state  # noqa: PLC0415 - likewise
    from ancile.serve.supervise import Sealer, journal_of, listening, supervise  # noqa: PLC0415 - likewise
    from ancile.serve.telemetry.exporter import exporting  # noqa: PLC0415 - likewise
    from ancile.serve.worker import Serving  # noqa: PLC0415 - likewise

    first, folder = in_force(home, asked), home.folder / FOLDER
    config = first.config
    with (
        listening(place.host, place.port) as bound,
        open_recorder(home) as recorder,
        Users(folder) as users,
        administering(home, first, port=place.admin_port) as renew,
        Reviews(folder, key=users.hash(KEY_OF)) as reviews,
        alerting(recorder.ledger, config, folder=folder, say=talk) as alerter,
        closing(open_state(folder)) as counts,
        exporting(config.telemetry, folder) as metrics,
        counting(place.state, place.window, talk) as shared,
    ):

        def read(found: Effective, say: Callable[[str], None]) -> Read:
            order = order_of(home, recorder, asked, found, socket=bound.fileno(), rates=shared.rates, say=say)
            return Read(order, found.digest, lambda: renew(found))

        notes: list[str] = []
        begun = read(first, notes.append)
        exchange = joined(
            shared,
            place.state,
            folder=folder,
            users=users,
            reviews=reviews,
            evidence=evidence_replica(counts, first.policy.ladder),
        )
        sealer = Sealer(
            ledger=recorder.ledger,
            author=recorder.author,
            log=recorder.log,
            folder=journal_of(folder),
            most=config.segment_records,
            now=recorder.clock.now,
            done=set(),
            changes=lambda: (
                exchange(),
                users.hand_over(recorder.write),
                reviews.hand_over(recorder.write),
            ),
            heard=alerter.tick,
            passing=shared.passing,
            away=place.ledger_elsewhere,
        )
        if left := sealer.recover():
            what = "journals of a run before were passed on" if place.ledger_elsewhere else RECOVERED
            talk(f"{left} {what}")
        at = bound.getsockname()

        def told(serving: Serving) -> None:
            for note in notes:
                talk(note)
            if metrics:
                talk(f"metrics for Prometheus: {metrics}")
            url = url_of(at[0], at[1], tls=first.tls is not None)
            introduce(home, serving, first.policy, together=bool(asked.members), url=url)

        supervise(
            begun,
            bound,
            sealer,
            count=place.workers,
            told=told,
            say=talk,
            read=lambda: read(in_force(need_home(Path.cwd()), asked), talk),
            lend=shared.lend,
        )
