"""Children on a Ray cluster of the run's own: they answer as others do, and nothing is open or left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from ancile.core.errors import AncileError
from ancile.work import ray_cluster
from ancile.work.ray_cluster import ray_children
from ancile.work.relay import ChildOrder

HERE = Path(__file__).parent
on_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: ancile[ray]")


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What ``on_ray.py`` saw, where the place for temporary files is too deep for sockets."""
    deep = tmp_path_factory.mktemp("deep" * 20)
    search = os.pathsep.join((str(HERE), *sys.path))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    ended = subprocess.run(
        [sys.executable, HERE / "on_ray.py"],
        env=kept | {"PYTHONPATH": search, "TMPDIR": str(deep)},
        capture_output=True,
        text=True,
        check=False,
    )
    if "timed out during startup" in ended.stderr:
        pytest.skip("Ray gives up after half a minute, twice: the machine is too busy for it")
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


@on_ray
@pytest.mark.slow
def test_a_child_on_a_worker_answers_as_any_other(facts: dict[str, Any]) -> None:
    assert facts["workers"] == 3
    assert facts["echo"] == ["abc", "end"]
    assert "3 are the most" in facts["refused"]
    assert facts["burnt"] >= 0.25  # of 0.3 seconds; two clocks, of which one counts in hundredths
    assert facts["confined"]


@on_ray
@pytest.mark.slow
def test_the_cluster_listens_to_this_machine_alone_and_knows_no_secret(facts: dict[str, Any]) -> None:
    near = {"0100007F", "0000000000000000FFFF00000100007F"}
    assert facts["listening"]
    assert set(facts["listening"]) <= near
    assert facts["secrets"] == 0
    assert not [name for name in facts["environment"] if name.startswith(("RAY_", "ANCILE_"))]


@on_ray
@pytest.mark.slow
def test_a_child_that_dies_and_a_worker_that_is_killed_are_each_one_clear_error(
    facts: dict[str, Any],
) -> None:
    assert facts["ended"].startswith("the model's process ended: exit code 7")
    assert facts["died"]
    assert facts["lost"].startswith("a worker on the Ray cluster is lost: ")


@on_ray
@pytest.mark.slow
def test_after_the_run_and_after_ctrl_c_no_process_and_no_file_is_left(facts: dict[str, Any]) -> None:
    assert facts["interrupted"]
    assert facts["left"] == []
    assert set(facts["folders"].values()) == {False}
    assert all(len(str(Path(folder).parent)) <= ray_cluster.PLACE_BYTES for folder in facts["folders"])
    assert facts["restored"] == [True, "geheim"]


def test_what_a_start_that_failed_left_is_ended_and_nothing_else(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(60)", "ray"]
    with (
        subprocess.Popen([*command, tmp_path / "one"]) as left,
        subprocess.Popen([*command, tmp_path / "other"]) as other,
    ):
        ray_cluster._sweep(tmp_path / "one")
        assert left.wait() == -signal.SIGKILL
        assert other.poll() is None
        other.kill()


def test_without_ray_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.delitem(sys.modules, "ray", raising=False)
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(AncileError) as told, ray_children([ChildOrder.of("servant")]):
        pass
    assert told.value.remedy.startswith('pip install "ancile[ray]"')


def test_a_ray_that_was_loaded_without_a_token_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setitem(sys.modules, "ray", sys)
    with pytest.raises(AncileError, match="loaded before"), ray_children([ChildOrder.of("servant")]):
        pass


def test_where_no_folder_is_short_enough_the_error_names_the_one_that_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray_cluster, "PLACE_BYTES", 2)
    monkeypatch.setattr(ray_cluster, "_ray_with_token", lambda: sys)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(AncileError, match="short enough") as told, ray_children([ChildOrder.of("servant")]):
        pass
    assert told.value.value == str(tmp_path)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "auto", "ray://127.0.0.1:1", "127.0.0.1:99999999"])
def test_a_named_cluster_that_does_not_answer_is_an_error_at_once(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(AncileError, match="no Ray cluster answers"), ray_children([ChildOrder.of("servant")]):
        pass
