"""The deployment files have the fields that their programs know, and run nothing as root or writable."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml  # type: ignore[import-untyped]  # it comes without types

from ancile.cli.serve import serve
from tests.docs.deploy_schema import COMPOSE, KUBERNETES

DEPLOY = Path(__file__).parents[2] / "docs" / "deploy"


def compose() -> dict[str, Any]:
    found = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    assert isinstance(found, dict)
    return found


def kubernetes() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text("utf-8")))


def commands() -> Iterator[list[str]]:
    """Every way that ancile is called in them."""
    yield compose()["services"]["gateway"]["command"]
    for one in kubernetes():
        if one["kind"] == "StatefulSet":
            yield one["spec"]["template"]["spec"]["containers"][0]["args"]


def test_the_compose_file_is_one() -> None:
    found = compose()
    jsonschema.validate(found, COMPOSE)
    for service in found["services"].values():
        for secret in service.get("secrets", ()):
            assert secret["source"] in found["secrets"]
        assert set(service.get("depends_on", ())) <= set(found["services"])


def test_the_manifest_is_one_and_its_parts_fit() -> None:
    for one in kubernetes():
        jsonschema.validate(one, KUBERNETES[one["kind"]])
        if one["kind"] != "StatefulSet":
            continue
        spec = one["spec"]
        labels, pod = spec["template"]["metadata"]["labels"], spec["template"]["spec"]
        assert spec["selector"]["matchLabels"] == labels
        volumes = {part["name"] for part in pod["volumes"]}
        volumes |= {claim["metadata"]["name"] for claim in spec["volumeClaimTemplates"]}
        for container in pod["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} == volumes


def test_what_is_asked_for_is_served() -> None:
    known = {option for parameter in serve.params for option in parameter.opts}
    for command in commands():
        assert command[:2] == ["serve", "model.onnx"]
        assert {part.partition("=")[0] for part in command[2:]} <= known
        assert not any(re.search(r"//[^/@]*:[^/@]*@", part) for part in command)


@pytest.mark.parametrize(
    "change",
    [{"privileged": True}, {"read_only": False}, {"user": "0:0"}, {"cap_drop": []}, {"image": "x"}],
)
def test_what_is_open_or_unknown_is_found(change: dict[str, object]) -> None:
    found = compose()
    found["services"]["gateway"].update(change)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(found, COMPOSE)
