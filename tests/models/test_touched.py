"""What a model's code read while it opened: files, and nothing that holds no bytes."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from ancile.models.touched import files_touched


def test_a_folder_that_was_tried_as_a_file_is_not_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """importlib.metadata opens every folder of sys.path as if it were a zip file."""
    monkeypatch.setenv("TMPDIR", "/nowhere")  # below it nothing is named
    away = tmp_path / "absent.json"
    with files_touched() as found:
        for path in (tmp_path, away):
            with suppress(OSError):
                path.read_bytes()
    assert found == [str(away)]
