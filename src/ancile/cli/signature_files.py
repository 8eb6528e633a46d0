"""The files beside a model that say who signed it: where they lie, and what they may take the place of."""

from __future__ import annotations

import os
from pathlib import Path

from ancile.cli.output import writable
from ancile.core.errors import AncileError
from ancile.core.text import plain

SUFFIX = ".ancile.json"  # of the bundle beside a model
OPENSSF_SUFFIX = ".sig"  # of the one for model_signing, as that has it
OWN = b'"format": "ancile/evidence/v1"'  # near the beginning of every bundle beside a model
SIGSTORE = b'"application/vnd.dev.sigstore.bundle'  # in every bundle of that kind, and in none of ours
MOST_HEAD = 64 << 20  # bytes in which the mark is looked for: of the largest bundle that is read


def beside(model: Path, suffix: str = SUFFIX) -> Path:
    """Where the bundle of a model lies without being told: beside it, so that its folder stays as it is."""
    whole = Path(os.path.abspath(model))  # noqa: PTH100 - a link's own name, not its target's
    return (
        whole.with_name(f"{whole.name or 'root'}{suffix}")
        if model.name in ("", "..")
        else Path(f"{model}{suffix}")
    )


def require_place(target: Path, mark: bytes, *, model: Path, home: Path) -> None:
    """Refuse, before any work, a place where the bundle cannot or must not lie.

    mark  what is in every bundle of its kind
    home  folder of keys and ledger
    """
    writable("the bundle", target)
    _require_outside(target, model, home)
    _require_bundle(target, mark)


def _require_outside(target: Path, model: Path, home: Path) -> None:
    """A bundle in the folder that it signs would be a file that nobody signed, and a ledger there changes."""
    if _is_in(home, model):
        raise AncileError(
            "keys and ledger lie in what would be signed, and change with each signature",
            value=plain(str(home)),
            remedy="name the model's own folder",
        )
    if _is_in(target, model):
        raise AncileError(
            "the bundle would be written into what it signs",
            value=plain(str(target)),
            remedy="name a file beside the model: -o FILE",
        )


def _require_bundle(target: Path, mark: bytes) -> None:
    """What a bundle takes the place of is an older one, or empty: no key and no model is lost to a slip."""
    if not target.exists():
        return
    if not target.is_file():
        raise AncileError(
            "the bundle would be written into what is no file",
            value=plain(str(target)),
            remedy="name a file: -o FILE",
        )
    with target.open("rb") as file:
        held = file.read(MOST_HEAD)
    if held and mark not in held:
        raise AncileError(
            "the bundle would be written over another file",
            value=plain(str(target)),
            remedy="name a file that is not there yet: -o FILE; or take that one away yourself",
        )


def _is_in(path: Path, folder: Path) -> bool:
    real, whole = Path(os.path.realpath(path)), Path(os.path.realpath(folder))
    return real == whole or whole in real.parents
