"""What the base install leaves out."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from ancile.core.errors import AncileError
from ancile.core.extras import EXTRAS, needs


def test_a_module_that_is_there_is_given() -> None:
    import json.decoder

    assert needs("json.decoder", "arrays") is json.decoder


@pytest.mark.parametrize("extra", EXTRAS)
def test_a_missing_module_says_how_to_get_it(extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = EXTRAS[extra][0][0]
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(AncileError) as told:
        needs(module, extra)
    assert told.value.what == f"{module} is not installed"
    assert told.value.remedy.startswith(f'pip install "ancile[{extra}]": ')


def test_every_extra_is_one_that_the_package_offers() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    offered = set(project["optional-dependencies"]) - {"all", "dev"}
    assert set(EXTRAS) == offered
