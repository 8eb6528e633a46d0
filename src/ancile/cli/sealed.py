"""The work of ``ancile data seal``, ``open`` and ``access``."""

from __future__ import annotations

import functools
import os
from datetime import datetime
from pathlib import Path

import click
import msgspec

from ancile.cli.home import Home, need_home
from ancile.cli.ledger import reading
from ancile.cli.new_place import new_place
from ancile.cli.output import Output, deliver, talk, write_whole
from ancile.cli.reading import no_waiting
from ancile.cli.recorder import Recorder, open_recorder
from ancile.cli.versioning import store_of
from ancile.core.check import Examined, examine
from ancile.core.errors import AncileError
from ancile.core.measure import Count
from ancile.core.report import Parameters, Report
from ancile.core.subject import Subject
from ancile.core.text import plain
from ancile.data.access import OPENED, OPENING, SEALING, Access, Left, Source, accesses, readers_of
from ancile.data.adding import name_of
from ancile.data.recipients import LARGEST, own_recipient, parse_recipient, recipient_file
from ancile.data.sealed_form import Header, Stanza
from ancile.data.sealing import Role, seal, source_of_path, source_of_version
from ancile.data.taking import Wanted, parse_groups, parse_range, require_there, take
from ancile.data.unsealing import open_sealed
from ancile.data.version import parse_spelled
from ancile.render.phrases import counted
from ancile.trust.key import AuthorKey
from ancile.trust.keys import list_keys, unlock_key
from ancile.trust.passphrase import passphrase
from ancile.trust.private_file import sync_folder
from ancile.version import __version__
from ancile.work.clock import system_clock
from ancile.work.progress import progress_line


def writing_recipient(output: Path | None) -> None:
    """Write the file that others name with --to."""
    with open_recorder(need_home(Path.cwd())) as recorder:
        data, id_ = recipient_file(recorder.author), recorder.author.public.id
    if output is None:
        click.echo(data, nl=False)
        return
    write_whole(output, data)
    talk(f"recipient in {output}; whoever seals to it must trust author {id_}")


def sealing(what: str, target: Path, to: tuple[str, ...], way: Output, *, quiet: bool) -> int:
    """Seal, record, deliver."""
    home, clock = need_home(Path.cwd()), system_clock()
    with open_recorder(home) as recorder, store_of(home) as store:
        started, path = clock.now(), Path(what)
        roles = [_role(home, one) for one in to] or [Role("", own_recipient(recorder.author))]
        if os.path.lexists(path):
            source, left = source_of_path(path, name_of(path, home.folder.parent)), readers_of(path)
        else:
            source, left = source_of_version(store, store.find(parse_spelled(what)).version), ""
        with new_place("the sealed file", target) as unfinished, progress_line("seal", quiet=quiet) as line:
            subject = seal(unfinished, source, roles, author=recorder.author, progress=line.say)
        sync_folder(target.absolute().parent)
        parameters: Parameters = {"sealed": plain(str(target), 200), "to": [_words(one) for one in roles]}
        report = _report(
            "data seal",
            subject,
            examine(SEALING, Left(path, left)),
            parameters=parameters,
            size=source.contents.size,
            started=started,
            finished=clock.now(),
        )
        code = deliver(recorder.report(report), way)
    talk(f"{target} can be opened with {counted(len(roles), 'key')}: `ancile data open`")
    return code


def _role(home: Home, text: str) -> Role:
    """[ROLE=]FILE; the author of the file must be one that counts here."""
    role, equals, name = text.partition("=")
    if not equals or Path(text).exists():
        role, name = "", text
    try:
        with open(name, "rb", opener=no_waiting) as file:
            data = file.read(LARGEST + 1)
    except (OSError, ValueError) as reason:
        raise AncileError(
            "the recipient's file cannot be read",
            value=f"{plain(name, 100)}: {getattr(reason, 'strerror', None) or reason}",
            remedy="name a file that `ancile data recipient` wrote: --to [ROLE=]FILE",
        ) from reason
    found = parse_recipient(data[:LARGEST])
    if found.author.id not in _known(home):
        raise AncileError(
            "nobody here knows this recipient",
            value=found.author.id,
            remedy="compare the id with its owner over another channel; then `ancile keys trust`",
        )
    return Role(role, found)


def _known(home: Home) -> set[str]:
    own = {key.public.id for key in list_keys(home.keys) if key.state != "revoked"}
    return own | set(home.policy.authors)


def _words(one: Role) -> str:
    return f"{one.role}={one.recipient.author.id}" if one.role else one.recipient.author.id


def opening(
    sealed: Path,
    target: Path,
    way: Output,
    *,
    file: str | None,
    range_: str | None,
    groups: str | None,
    quiet: bool,
) -> int:
    """Record, open, record how it ended, deliver."""
    if range_ is not None and groups is not None:
        raise AncileError("two parts at once", value="--bytes and --row-groups", remedy="ask for one of them")
    wanted = Wanted(file, parse_range(range_) if range_ else None, parse_groups(groups) if groups else ())
    home, clock = need_home(Path.cwd()), system_clock()
    with open_recorder(home) as recorder:
        opener = functools.partial(_key, home, recorder)
        with (
            new_place("what is opened", target) as unfinished,
            open_sealed(sealed, opener) as found,
            progress_line("open", quiet=quiet) as line,
        ):
            started, subject = clock.now(), found.subject
            require_there(found, wanted)
            parameters: Parameters = {
                "sealed": plain(str(sealed), 200),
                "place": plain(str(target), 200),
                "part": wanted.part,
            }
            parameters |= {"file": file} if file else {}
            parameters |= {"role": found.role} if found.role else {}
            recorder.started(OPENED, subject, parameters)
            size = take(found, wanted, unfinished, line.say)
            source = Source(found.sealer.id, found.sealer.id in _known(home))
        sync_folder(target.absolute().parent)
        report = _report(
            OPENED,
            subject,
            examine(OPENING, source),
            parameters=parameters | {"sealer": source.sealer},
            size=size,
            started=started,
            finished=clock.now(),
        )
        code = deliver(recorder.report(report), way)
    talk(f"{wanted.part} of {plain(subject.name, 80)} in {target}, which is not sealed")
    return code


def _key(home: Home, recorder: Recorder, header: Header) -> tuple[Stanza, AuthorKey]:
    """The recipient whose key is here; retired keys open what was sealed to them."""
    own = {key.public.id for key in list_keys(home.keys) if key.public.purpose == "author"}
    ours = [one for one in header.to if one.author in own]
    active = [one for one in ours if one.author == recorder.author.public.id]
    if active:
        return active[0], recorder.author
    if not ours:
        raise AncileError(
            "it is sealed to others",
            value=", ".join(one.author[:23] for one in header.to[:3]),
            remedy="ask who sealed it to add your `ancile data recipient` file",
        )
    secret = functools.cache(lambda: passphrase(os.environ, prompt="passphrase of the older key"))
    return ours[0], unlock_key(home.keys, "author", secret, id_=ours[0].author)


def _report(
    stage: str,
    subject: Subject,
    found: Examined,
    *,
    parameters: Parameters,
    size: int,
    started: datetime,
    finished: datetime,
) -> Report:
    return Report(
        stage=stage,
        complete=True,
        subject=subject,
        parameters=parameters,
        measures=(Count(name="bytes", value=size, unit="bytes", method="counted"),),
        findings=found.findings,
        passed=found.passed,
        started=started,
        finished=finished,
        version=__version__,
    )


def list_accesses(data: str | None, *, as_json: bool) -> None:
    """One line an opening, the latest last."""
    home = need_home(Path.cwd())
    names = {key.public.id: key.public.name for key in list_keys(home.keys)}
    count = 0
    with reading(home) as ledger:
        for one in accesses(ledger, data):
            click.echo(_as_json(one) if as_json else _as_line(one, names))
            count += 1
    if not count:
        talk(f"nobody opened {data}" if data else "nobody opened sealed data")


def _as_json(one: Access) -> str:
    about = {
        "entry": one.entry,
        "time": one.time.isoformat(),
        "author": one.author,
        "data": one.subject.name,
        "digest": one.subject.digest,
    }
    return msgspec.json.encode(about | one.parameters).decode()


def _as_line(one: Access, names: dict[str, str]) -> str:
    said = {name: plain(str(value), 60) for name, value in one.parameters.items()}
    who = plain(names.get(one.author, one.author[:23]), 30)
    role = f" as {said['role']}" if "role" in said else ""
    file = f" of {said['file']}" if "file" in said else ""
    what = f"{said.get('part', '')}{file} of {plain(one.subject.name, 40)}"
    return f"{one.time:%Y-%m-%d %H:%M} entry {one.entry}: {who}{role}: {what}, to {said.get('place', '')}"
