"""An endpoint goes from assessment to gate by the digest of its identity, where the policy allows it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.cli.terminal import ASSESS, RULE, Place
from tests.models.oip_stub import served

W = np.array([[1.0, -1.0], [-1.0, 1.0], [0.2, 0.1]])


@pytest.mark.slow
def test_an_endpoint_passes_only_where_the_policy_allows_it(home: Place) -> None:
    with served(lambda x: x @ W.T, shape=(2,)) as (url, _):
        assert home("assess", url, *ASSESS[2:], "-o", "report.json").code == 0
    report = json.loads((home.folder / "report.json").read_text("utf-8"))
    subject = report["subject"]
    assert subject["kind"] == "deployment"
    rule = RULE.format(at_least=0.1)
    home.policy(rule)
    refused = home("gate", subject["digest"])
    assert refused.code == 2
    assert "allow_endpoint is off" in " ".join(refused.out.split())
    home.policy(rule + "allow_endpoint = true\n")
    assert home("gate", subject["digest"]).code == 0
    home.policy(rule + 'allow_endpoint = true\naccess = "white-box"\n')
    assert home("gate", subject["digest"]).code == 2
    home.policy(RULE.format(at_least=0.99) + "allow_endpoint = true\n")
    assert home("gate", subject["digest"]).code == 1


def test_a_model_s_evidence_is_not_that_of_an_endpoint_with_its_digest(assessed: Place) -> None:
    report = json.loads((assessed.folder / "report.json").read_text("utf-8"))
    assessed.policy(RULE.format(at_least=0.1) + "allow_endpoint = true\n")
    assert assessed("gate", "net.py:predict").code == 0
    assert assessed("gate", report["subject"]["digest"]).code == 2
