"""A model is loaded once a scan of its very bytes is evidence, and where that is asked, a signature."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ancile.cli.home import Home, need_home
from ancile.cli.model_evidence import require_evidence
from ancile.cli.own_home import mark_place
from ancile.cli.recorder import Recorder, open_recorder
from ancile.core.errors import AncileError
from ancile.core.subject import digest_of
from ancile.serve.config import ServeConfig
from ancile.serve.embedded import Embedded
from tests.cli.terminal import Place, clear
from tests.serve.small import linear, running

HOSTILE = b"cos\nsystem\n(Vtrue\ntR."
SIGNED = ServeConfig(require_signature=True)


@contextmanager
def opened(place: Place) -> Iterator[tuple[Home, Recorder]]:
    with chdir(place.folder):
        home = need_home(Path.cwd())
        with open_recorder(home) as recorder:
            yield home, recorder


def kinds(place: Place) -> list[str]:
    return [line.split()[3] for line in place("ledger", "log").out.splitlines()]


def test_a_model_is_scanned_once_and_its_bytes_are_pinned(home: Place) -> None:
    model = home.folder / "line.onnx"
    with opened(home) as (found, recorder):
        assert require_evidence(found, recorder, model, ServeConfig()) == digest_of(linear())
        assert require_evidence(found, recorder, model, ServeConfig()) == digest_of(linear())
    assert kinds(home).count("report") == 1
    loop = asyncio.new_event_loop()
    with pytest.raises(AncileError, match="changed after its evidence"):
        Embedded(model, loop=loop, expected=digest_of(b"other bytes"))
    loop.close()


def test_a_scan_that_refuses_keeps_the_model_out_also_later_and_by_another_name(home: Place) -> None:
    model, other = home.folder / "hostile.onnx", home.folder / "friendly.onnx"
    model.write_bytes(HOSTILE)
    other.write_bytes(HOSTILE)
    with opened(home) as (found, recorder):
        for _ in range(2):
            with pytest.raises(AncileError, match="scan of the model says block"):
                require_evidence(found, recorder, model, ServeConfig())
        with pytest.raises(AncileError, match="says block"):
            require_evidence(found, recorder, other, ServeConfig())
        assert require_evidence(found, recorder, model, ServeConfig(require_scan=False)) == digest_of(HOSTILE)
    assert kinds(home).count("report") == 1


def test_a_signature_counts_until_it_expires_or_its_signer_is_revoked(home: Place) -> None:
    model = home.folder / "line.onnx"
    with opened(home) as (found, recorder), pytest.raises(AncileError, match="nobody has signed it"):
        require_evidence(found, recorder, model, SIGNED)
    assert home("sign", "line.onnx", "--expires", "1h").code == 0
    with opened(home) as (found, recorder):
        assert require_evidence(found, recorder, model, SIGNED) == digest_of(linear())
        later = recorder.clock._replace(now=lambda: recorder.clock.now() + timedelta(hours=2))
        with pytest.raises(AncileError, match="its signature expired"):
            require_evidence(found, replace(recorder, clock=later), model, SIGNED)
    (home.folder / "line.onnx").write_bytes(linear() + b"\x00")
    with opened(home) as (found, recorder), pytest.raises(AncileError, match=r"scan of the model|signed"):
        require_evidence(found, recorder, model, SIGNED)


def test_a_verification_that_passed_is_evidence_and_a_later_one_that_did_not_is_as_well(home: Place) -> None:
    model = home.folder / "line.onnx"
    mark_place(home.folder / ".ancile")
    assert home("sign", "line.onnx", "--expires", "1h").code == 0
    assert home("verify", "line.onnx").code == 0
    with opened(home) as (found, recorder):
        later = recorder.clock._replace(now=lambda: recorder.clock.now() + timedelta(minutes=1))
        assert require_evidence(found, replace(recorder, clock=later), model, SIGNED) == digest_of(linear())
    bundle = home.folder / "line.onnx.ancile.json"
    (home.folder / "other.onnx").write_bytes(linear() + b"\x00")
    bundle.rename(home.folder / "other.onnx.ancile.json")
    assert home("verify", "other.onnx").code == 1
    with (
        opened(home) as (found, recorder),
        pytest.raises(AncileError, match=r"verification did not pass|says"),
    ):
        require_evidence(found, recorder, home.folder / "other.onnx", SIGNED)


@pytest.mark.slow
def test_what_is_served_was_scanned_and_what_is_refused_is_never_loaded(home: Place) -> None:
    (home.folder / "hostile.onnx").write_bytes(HOSTILE)
    assert "scan of the model says block" in clear(home("serve", "hostile.onnx", "--port", "0"))
    with running(home, "line.onnx") as gateway:
        assert "scanned before it is loaded" in gateway.said.read_text("utf-8")
        assert gateway.end() == 0
    with running(home, "line.onnx") as gateway:
        assert "scanned before it is loaded" not in gateway.said.read_text("utf-8")
        assert gateway.end() == 0
    config = home.folder / "ancile.toml"
    config.write_text(config.read_text("utf-8") + "\n[serve]\nrequire_signature = true\n", "utf-8")
    assert "not signed by anybody who counts" in clear(home("serve", "line.onnx", "--port", "0"))
