"""Schemas of skops files: what a node would call counts, whatever type it shows."""

from __future__ import annotations

import json
from typing import Any

import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier

from ancile.scan.examine import Examination, examine_part
from ancile.scan.part import Part


def node(loader: str, module: str, name: str, content: Any = None, **more: Any) -> dict[str, Any]:
    return {"__loader__": loader, "__module__": module, "__class__": name, "content": content, **more}


def examined(tree: object) -> Examination:
    data = tree if isinstance(tree, bytes) else json.dumps(tree).encode()
    return examine_part(Part("file", data))


def checks(found: Examination) -> set[str]:
    return {one.check for one in found.findings}


ORDINARY = node(
    "ObjectNode", "sklearn.linear_model._logistic", "LogisticRegression", node("DictNode", "builtins", "dict")
)


def test_estimators_as_skops_writes_them_are_named() -> None:
    """And the packages that one should pin."""
    x, y = [[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]], [0, 1, 1, 0]
    for model in (
        LogisticRegression(),
        DecisionTreeClassifier(),
        make_pipeline(FunctionTransformer(), LogisticRegression()),
    ):
        found = examined(skops.io.dumps(model.fit(x, y)))
        assert (found.verdict, found.findings) == ("named-classes", ())
        assert "scikit-learn" in found.packages


@pytest.mark.parametrize(
    "hostile",
    [
        node("FunctionNode", "os", "system", {"module_path": "os", "function": "system"}),
        node("FunctionNode", "numpy", "log1p", {"module_path": "os", "function": "system"}),
        node("FunctionNode", "builtins", "eval", {"module_path": "builtins", "function": "eval"}),
        node("FunctionNode", "numpy", "load", {"module_path": "numpy", "function": "load"}),
        node("MethodNode", "builtins", "os", {"func": "system", "obj": ORDINARY}),
        node("MethodNode", "builtins", "method", {"func": "__reduce__", "obj": ORDINARY}),
        node("OperatorFuncNode", "operator", "methodcaller", None, attrs=[]),
        node("OperatorFuncNode", "os", "system"),
        node("ReduceNode", "subprocess", "Popen", None, reduce={"args": []}),
        node("ObjectNode", "functools", "partial"),
        node("TypeNode", "importlib", "import_module"),
        node("JsonNode", "builtins", "str", {"file": "../x"} | node("TypeNode", "os", "popen")),
    ],
)
def test_names_of_the_system_are_refused(hostile: dict[str, Any]) -> None:
    """At the root, within an estimator, in what a node is made with."""
    for tree in (
        hostile,
        [ORDINARY, {"a": hostile}],
        node("ObjectNode", "sklearn.base", "BaseEstimator", hostile),
    ):
        found = examined(tree)
        assert "skops-unlisted-name" in checks(found)
        assert found.verdict == "block"


def test_what_nobody_has_read_is_reviewed() -> None:
    """Classes of other packages, and nodes that skops does not have."""
    for tree in (
        node("ObjectNode", "own.models", "Net"),
        node("ObjectNode", "sklearn.own", "Unheard"),
        node("OwnNode", "builtins", "dict"),
        node("ObjectNode", "__main__", "Net"),
    ):
        assert examined(tree).verdict == "review"


def test_members_outside_the_archive_are_refused() -> None:
    """A node names the file that holds its numbers."""
    assert "skops-reads-outside" in checks(
        examined(node("NdArrayNode", "numpy", "ndarray", file="../../x.npy"))
    )
    assert examined(node("NdArrayNode", "numpy", "ndarray", file="1.npy")).verdict == "named-classes"


def test_both_values_of_a_repeated_key_count() -> None:
    """Readers differ in which they take."""
    text = json.dumps(ORDINARY)[:-1] + ', "__module__": "os", "__class__": "system"}'
    assert examined(text.encode()).verdict == "block"


@settings(max_examples=100)
@given(
    st.dictionaries(
        st.sampled_from(("__loader__", "__class__", "__module__", "content", "file")),
        st.none() | st.text() | st.lists(st.text()),
    )
)
def test_any_node_is_examined(tree: dict[str, Any]) -> None:
    """Values of any type never break the scan."""
    assert examined([tree]).verdict
