"""What a command does not need it does not load: the start is most of the time of a short one."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.cli.terminal import Place

ARRAYS = ("numpy", "scipy", "torch", "sklearn", "onnxruntime", "pyarrow", "matplotlib", "ray")
NETWORK = ("asyncio", "ssl", "http.client", "http.server", "urllib.request", "email")
PAGES = ("jinja2", "tomlkit", "html", "xml")
KEYS = ("cryptography", "sqlite3", "ancile.trust")
CONTAINERS = ("tarfile", "zipfile", "backports.zstd", "importlib.resources")
ROOMS = ("ancile.assess", "ancile.attacks", "ancile.models", "ancile.inputs")
CALLS = {
    "--help": (*ARRAYS, *NETWORK, *PAGES, *KEYS, *CONTAINERS, "msgspec", "ancile.scan", "ancile.release"),
    "scan --no-record --format json -q numbers.pkl": (
        *(*ARRAYS, *NETWORK, *PAGES, *KEYS, *CONTAINERS, *ROOMS, "subprocess", "tempfile", "ancile.govern"),
        *("ancile.scan.archives", "ancile.scan.texts", "ancile.scan.code", "ancile.scan.onnx"),
    ),
    "scan --no-digest -q numbers.pkl": (
        *ARRAYS,
        *NETWORK,
        *PAGES,
        *KEYS,
        *ROOMS,
        "subprocess",
        "ancile.scan.texts",
    ),
    "scan --no-record -q words.txt": (*ARRAYS, *NETWORK, *PAGES, *KEYS, *ROOMS, "subprocess"),
    "sign model": (*ARRAYS, *NETWORK, *PAGES, "ancile.attacks", "ancile.models", "ancile.scan.texts"),
    "verify model": (*ARRAYS, *NETWORK, *PAGES, "ancile.attacks", "ancile.models", "ancile.scan.texts"),
}
CODE = """
import json, sys
before = set(sys.modules)  # what measures coverage loads of its own
from ancile.cli.main import run
code = run(sys.argv[1:])
print(json.dumps([code, sorted(set(sys.modules) - before)]))
"""


@pytest.fixture
def place(home: Place) -> Place:
    """A home with something to scan and to sign."""
    (home.folder / "model").mkdir()
    (home.folder / "model" / "weights.bin").write_bytes(bytes(range(256)))
    (home.folder / "numbers.pkl").write_bytes(b"\x80\x04]\x94(K\x01K\x02e.")
    (home.folder / "words.txt").write_text("some words\n", "utf-8")
    return home


@pytest.mark.parametrize("call", CALLS)
def test_a_command_loads_nothing_that_it_does_not_need(place: Place, call: str) -> None:
    if call.startswith("verify"):
        assert place("sign", "model").code == 0
    ended = subprocess.run(
        [sys.executable, "-c", CODE, *call.split()],
        cwd=place.folder,
        env=place.environment({}),
        capture_output=True,
        text=True,
        check=True,
    )
    code, loaded = json.loads(ended.stdout.splitlines()[-1])
    assert code == 0, ended.stderr
    assert sorted(set(CALLS[call]) & set(loaded)) == []
