"""Keras configurations: what a loader would import, call or read is found at any depth and in any encoding."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ancile.scan.examine import Examination, examine_part
from ancile.scan.keras_names import Asked, asked
from ancile.scan.part import Part
from tests.shared import SHARED, needs_shared

HOSTILE = b"cos\nsystem\n(Vtrue\ntR."
DENSE = {
    "module": "keras.layers",
    "class_name": "Dense",
    "config": {
        "units": 2,
        "activation": "relu",
        "kernel_initializer": {
            "module": "keras.initializers",
            "class_name": "GlorotUniform",
            "config": {"seed": None},
            "registered_name": None,
        },
    },
    "registered_name": None,
}


def of(module: str | None, name: str, config: Any = None, **more: Any) -> dict[str, Any]:
    return {"module": module, "class_name": name, "config": {} if config is None else config, **more}


def model(*layers: Any, **more: Any) -> dict[str, Any]:
    return {**of("keras", "Sequential", {"name": "m", "layers": [DENSE, *layers]}), **more}


def examined(config: object) -> Examination:
    data = config if isinstance(config, bytes) else json.dumps(config).encode()
    return examine_part(Part("file", data))


def checks(found: Examination) -> set[str]:
    return {one.check for one in found.findings}


def archived(config: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("metadata.json", '{"keras_version": "3.9.0"}')
        made.writestr("config.json", config)
    return file.getvalue()


def test_an_ordinary_model_is_data() -> None:
    """Layers, initialisers and a loss of Keras itself, with and without modules."""
    loss = of("builtins", "function", "relu")
    assert (
        examined(model(compile_config={"loss": loss, "optimizer": of("keras.optimizers", "Adam")})).findings
        == ()
    )
    assert (
        examined({"class_name": "Sequential", "config": [{"class_name": "Dense", "config": {}}]}).findings
        == ()
    )


HOSTILE_LAYERS: tuple[tuple[str, Any], ...] = (
    (
        "keras-holds-program",
        of("keras.layers", "Lambda", {"function": of(None, "__lambda__", {"code": "4wAA"})}),
    ),
    (
        "keras-holds-program",
        {"class_name": "Lambda", "config": {"function": ["4wAA"], "function_type": "lambda"}},
    ),
    ("keras-holds-program", of("keras.src.utils.torch_utils", "TorchModuleWrapper")),
    ("keras-holds-program", of("keras.layers", "TFSMLayer", {"filepath": "m"})),
    ("keras-unlisted-call", of("subprocess", "run", {"args": ["true"]})),
    ("keras-unlisted-call", of("builtins", "function", "eval")),
    ("keras-unlisted-call", of("os", "function", "system")),
    ("keras-unlisted-call", of("numpy", "function", "load")),
    ("keras-unlisted-call", of("functools", "partial")),
    ("keras-unlisted-call", of("keras.config", "enable_unsafe_deserialization")),
    ("keras-unlisted-call", of("keras.utils", "get_file")),
    ("keras-unlisted-call", of("keras.models", "load_model")),
    ("keras-unlisted-call", of("keras.src.saving.saving_lib", "function", "load_model")),
    ("keras-unlisted-call", of("keras", "layers.Dense")),
    ("keras-unlisted-call", of("kerasx/../os", "system")),
    ("keras-reads-outside", of("keras.layers", "StringLookup", {"vocabulary": "/etc/passwd"})),
    ("keras-reads-outside", of("keras.layers", "StringLookup", {"vocabulary": "..\\x"})),
    ("keras-code-in-text", of("keras.layers", "Dense", {"name": "__import__('os').system('true')"})),
    ("pickle-unlisted-call", of("keras.layers", "Dense", {"note": base64.b64encode(HOSTILE).decode()})),
)


@pytest.mark.parametrize(("check", "layer"), HOSTILE_LAYERS)
def test_what_does_more_than_compute_is_refused(check: str, layer: dict[str, Any]) -> None:
    """As a layer, within a wrapper, in what is compiled, in what flows in, and in an archive."""
    wrapped = of("keras.layers", "TimeDistributed", {"layer": layer})
    flows = {**DENSE, "inbound_nodes": [{"args": [[layer]], "kwargs": {}}]}
    for config in (
        model(layer),
        model(wrapped),
        model(compile_config={"loss": [layer]}),
        model(flows),
        [layer],
    ):
        found = examined(config)
        assert check in checks(found)
        assert found.verdict == "block"
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"):
        text = json.dumps(model(layer))
        assert check in checks(examined(archived(text.encode(encoding)))), encoding
    escaped = json.dumps(model(layer)).replace("class_name", "class\\u005fname")
    assert check in checks(examined(escaped.encode()))


def test_what_nobody_has_read_is_reviewed() -> None:
    """A custom layer, function or registered name; a file beside the model."""
    for layer in (
        of("own.layers", "Attention"),
        of("builtins", "function", "own_loss"),
        {**DENSE, "registered_name": "own>Dense"},
        of("keras.layers", "StringLookup", {"vocabulary": "words.txt"}),
        of("numpy", "Unheard"),
        of("tensorflow.python.ops", "Thing"),
    ):
        assert examined(model(layer)).verdict == "review", layer


def test_a_key_that_stands_twice_is_refused() -> None:
    """And both of its values are looked at."""
    lambda_ = json.dumps(of("keras.layers", "Lambda"))
    for text in (
        f'{{"config": {lambda_}, "config": 1, "class_name": "X"}}',
        f'{{"class_name": "X", "config": 1, "config": {lambda_}}}',
    ):
        assert {"keras-repeated-key", "keras-holds-program"} <= checks(examined(text.encode()))


def test_every_class_of_kerass_own_parts_is_harmless() -> None:
    """Under each name that Keras has had."""
    for root in ("keras", "keras.src", "tf_keras.src", "tensorflow.keras", "tensorflow.python.keras"):
        assert asked(f"{root}.layers.core.dense", "Dense") is Asked.HARMLESS
    assert asked("keras.src.backend.torch.optimizers.torch_adam", "Adam") is Asked.HARMLESS
    assert asked("kerasx.layers", "Dense") is Asked.UNKNOWN


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(("os", "Lambda", "x>y", "/a", "")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(("class_name", "module", "config", "registered_name", "a")), inner)
    ),
    max_leaves=12,
)


@pytest.mark.slow
@settings(max_examples=150)
@given(JSON)
def test_any_json_is_examined(tree: Any) -> None:
    """Keys of any type of value never break the scan."""
    assert examined(tree).verdict


def test_json_nested_beyond_measure_does_not_break_the_scan() -> None:
    """It is no configuration that anybody could load."""
    assert examined(b'{"class_name": "a", "config": ' + b"[" * 200_000).verdict


@needs_shared
def test_configurations_of_real_writers_are_not_refused() -> None:
    """Keras 3."""
    assert SHARED is not None
    for file in sorted((SHARED / "data/model_corpus/benign/keras").glob("*.json")):
        assert examined(file.read_bytes()).verdict == "data-only"
