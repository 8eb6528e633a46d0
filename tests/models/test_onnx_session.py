"""Sessions of onnxruntime leave nothing behind and report to nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serve.small import linear

OPENED = """
import sys
from pathlib import Path
from ancile.models.onnx_session import onnx_session

onnx_session(Path(sys.argv[1]).read_bytes(), threads=1)
"""


@pytest.mark.slow
def test_a_session_keeps_no_identifier_of_the_machine_and_writes_nothing(tmp_path: Path) -> None:
    """Telemetry of onnxruntime begins with a device id and a database in the user's cache folder."""
    model, home = tmp_path / "line.onnx", tmp_path / "home"
    model.write_bytes(linear())
    home.mkdir()
    ended = subprocess.run(
        [sys.executable, "-c", OPENED, str(model)],
        env={"HOME": str(home), "PATH": os.environ["PATH"]},  # it is silent where a variable names a pipeline
        check=True,
        capture_output=True,
        text=True,
    )
    assert list(home.iterdir()) == []
    assert ended.stderr == ""
