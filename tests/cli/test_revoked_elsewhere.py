"""A key that was revoked where it lives does not count where its evidence was carried."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.cli.terminal import RULE, Place


def test_a_revocation_travels_with_the_evidence(assessed: Place, tmp_path: Path) -> None:
    elsewhere = Place(tmp_path / "elsewhere")
    elsewhere.folder.mkdir()
    for name in ("net.py", "data.npz"):
        shutil.copy(assessed.folder / name, elsewhere.folder)
    assert elsewhere("init", "--unencrypted-key").code == 0
    public = assessed("keys", "list", "--public").out
    author = public.split('"')[1]
    config = elsewhere.folder / "ancile.toml"
    ledger = config.read_text("utf-8")
    ledger = ledger[ledger.index("[ledger]") :]
    logs = public[public.index("[[policy.logs]]") :]
    rule = RULE.format(at_least=0.0)
    config.write_text(f'[policy]\nauthors = ["{author}"]\n{rule}{logs}{ledger}', "utf-8")
    before, after = elsewhere.folder / "before.json", elsewhere.folder / "after.json"
    assert assessed("evidence", "export", str(before)).code == 0
    assert elsewhere("gate", "net.py:predict", "--evidence", "before.json").code == 0
    assert assessed("keys", "revoke", author, "--reason", "laptop lost").code == 0
    assert assessed("evidence", "export", str(after)).code == 0
    refused = elsewhere("gate", "net.py:predict", "--evidence", "after.json")
    assert refused.code == 2
    assert "laptop lost" in refused.out
