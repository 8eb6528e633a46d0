"""The environment of the OpenSSF model signing CLI: bench/.signing, not in git."""

from __future__ import annotations

from pathlib import Path

from environments import environment


def model_signing() -> Path:
    """The command ``model_signing``."""
    return environment("signing") / "model_signing"


if __name__ == "__main__":
    print(model_signing())
