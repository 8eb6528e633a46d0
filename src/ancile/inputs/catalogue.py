"""The named data sets and the folders in which their files are looked for."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from ancile.core.config import HOME, find_upwards

Part = Literal["held-out", "train"]

FOLDER_VARIABLE = "ANCILE_DATA"
CACHE = Path("cache", "data")


class PinnedFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file below a data folder with its SHA-256 in hex, and where its publisher keeps it, if anywhere."""

    path: str
    bytes: int
    sha256: str
    url: str = ""


class Form(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way in which a set may lie on disk; ``training`` are its other files where the parts are apart."""

    kind: Literal["npz", "idx", "parquet"]
    files: tuple[PinnedFile, ...]
    training: tuple[PinnedFile, ...] = ()

    def of(self, part: Part) -> tuple[PinnedFile, ...]:
        """The files that hold one part of the set."""
        return self.training if part == "train" and self.training else self.files


class NamedSet(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A set as ``sets.toml`` describes it; the notes at the head of that file say what a digest pins."""

    title: str
    source: str
    licence: str
    forms: tuple[Form, ...] = ()
    label: str = ""
    where: str = ""
    training_where: str = ""
    loader: str = ""
    digest: str = ""
    shape: tuple[int, ...] = ()
    largest: float = 1
    held_out_start: int = 0
    held_out_step: int = 1


class Found(NamedTuple):
    """A form of a set that is complete in one folder."""

    form: Form
    paths: tuple[Path, ...]


@cache
def catalogue() -> dict[str, NamedSet]:
    """Every named set."""
    text = files("ancile.inputs").joinpath("sets.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, NamedSet])


def data_folders(
    *, base: Path, environ: Mapping[str, str], cache_folder: Path | None = None
) -> tuple[Path, ...]:
    """Where files of named sets are looked for, in this order; the last is where a fetched one is put.

    The folder in ANCILE_DATA, then ``cache_folder``: without it the cache of the project that ``base`` lies
    in, or the user's (XDG base directories).
    """
    given = environ.get(FOLDER_VARIABLE)
    project = find_upwards(HOME, base)
    if cache_folder:
        kept = base / cache_folder
    elif project:
        kept = project / CACHE
    elif environ.get("XDG_CACHE_HOME"):
        kept = Path(environ["XDG_CACHE_HOME"], "ancile", "data")
    else:
        kept = Path(environ.get("HOME", "."), ".cache", "ancile", "data")
    return (base / given, kept) if given else (kept,)


def find(forms: Sequence[Form], *, part: Part, folders: Sequence[Path]) -> Found | None:
    """The first form that is complete in a folder; its files lie under their path or under its last name."""
    for folder in folders:
        for form in forms:
            paths = [_place(folder, file) for file in form.of(part)]
            there = tuple(path for path in paths if path)
            if len(there) == len(paths):
                return Found(form, there)
    return None


def _place(folder: Path, file: PinnedFile) -> Path | None:
    return next((p for p in (folder / file.path, folder / Path(file.path).name) if p.is_file()), None)
