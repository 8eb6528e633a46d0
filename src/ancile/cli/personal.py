"""The work of ``ancile data`` on personal data."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from ancile.cli.home import find_home, need_home
from ancile.cli.new_place import new_place
from ancile.cli.output import Output, deliver, talk
from ancile.cli.own_home import is_recorded
from ancile.cli.recorder import open_recorder
from ancile.core.errors import AncileError
from ancile.core.report import Record
from ancile.core.text import plain
from ancile.data.files import listed
from ancile.data.personal import personal_report
from ancile.data.pseudonyms import pseudonyms, read_key
from ancile.data.spots import finder, redacted
from ancile.data.text import Block, read_text
from ancile.render.phrases import counted
from ancile.work.clock import system_clock
from ancile.work.progress import progress_line


def looking(paths: Sequence[Path], way: Output, *, with_names: bool, record: bool | None, quiet: bool) -> int:
    """Look, record, deliver."""
    home = need_home(Path.cwd()) if record else find_home(Path.cwd())
    with progress_line("pii", quiet=quiet) as line:
        find = finder(with_names=with_names)
        report = personal_report(paths, clock=system_clock(), find=find, progress=line.say)
    if home is not None and record is not False and is_recorded(home, record):
        with open_recorder(home) as recorder:
            return deliver(recorder.report(report), way)
    code = deliver(Record(report=report), way)
    talk("not evidence: nothing was signed")
    return code


def redacting(path: Path, output: Path, kinds: Sequence[str], key: Path | None, *, with_names: bool) -> None:
    """Write the text of a file without what is personal or secret in it; under a key with pseudonyms."""
    listing = listed(path)
    if not listing.alone:
        raise AncileError(
            "a folder is not redacted as one", value=str(path), remedy="name its files one by one"
        )
    (entry,) = listing.files.values()
    pseudonym = None if key is None else pseudonyms(read_key(key))
    places, seen = 0, set[str]()
    with new_place("the redacted text", output) as unfinished, unfinished.open("xb") as file:

        def take(block: Block) -> None:
            nonlocal places
            found = redacted(block.text, kinds, pseudonym, find=finder(with_names=with_names))
            places += found.places
            seen.update(found.kinds)
            file.write(found.text.encode("utf-8", "surrogateescape"))

        read_text(entry, take)
        _require_seen(kinds, seen)
    talk(f"{counted(places, 'place')} redacted; {output}")


def _require_seen(kinds: Sequence[str], seen: Collection[str]) -> None:
    """Refuse a kind that is not there: misspelt, it would leave in what it was meant to take out."""
    absent = [one for one in kinds if one not in seen]
    if absent:
        raise AncileError(
            "nothing of this kind is in the file",
            value=", ".join(plain(one, 60) for one in absent[:3]),
            remedy=f"it holds: {', '.join(sorted(seen)[:8]) or 'none'}; without --kind all of them go",
        )
