"""Every norm from the command line, and files that a model's code asks for."""

from __future__ import annotations

import pytest

from tests.cli.terminal import Place


@pytest.mark.parametrize(("norm", "eps"), [("l2", "0.1"), ("l1", "0.1"), ("l0", "1")])
def test_every_norm_ends_in_a_report_of_that_norm(home: Place, norm: str, eps: str) -> None:
    home.data()
    report = home.json(
        "assess",
        "net.py:predict",
        "--data",
        "data.npz",
        "--norm",
        norm,
        "--eps",
        eps,
        "--effort",
        "quick",
        "-q",
    )
    found = report.get("report", report)
    assert found["parameters"]["norm"] == norm
    values = {m["name"]: m["value"] for m in found["measures"] if not m["slice"]}
    assert values["robust_accuracy"] <= values["clean_accuracy"] == 1.0


READS = """
from pathlib import Path

def predict(x):
    scale = float(Path("{}").read_text())
    return [[scale * row[0], scale * row[1], 0.0] for row in x.tolist()]
"""


@pytest.mark.slow
def test_a_file_elsewhere_is_read_only_where_that_is_allowed(home: Place) -> None:
    home.data()
    elsewhere = home.folder.parent / f"{home.folder.name}-elsewhere.txt"
    elsewhere.write_text("1.0", "utf-8")
    (home.folder / "reads.py").write_text(READS.format(elsewhere), "utf-8")
    command = ("assess", "reads.py:predict", "--data", "data.npz", "--eps", "0.05", "--effort", "quick", "-q")
    refused = home(*command)
    if refused.code != 0:  # where the kernel knows no Landlock the file is read, and the report says so
        assert "--allow-read" in refused.err
    allowed = home.json(*command, "--allow-read", str(elsewhere))
    assert allowed.get("report", allowed)["parameters"]["allow_read"] == [str(elsewhere)]
