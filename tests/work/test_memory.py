"""What memory is free, as Linux tells it."""

from __future__ import annotations

from pathlib import Path

from ancile.work.memory import free_bytes

MEMINFO = "MemTotal: 1000 kB\nMemAvailable:    600 kB\n"


def cgroup(folder: Path, limit: str, used: str = "1000") -> Path:
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    return folder


def test_this_machine_has_some() -> None:
    assert (free_bytes() or 0) > 1 << 20


def test_the_least_of_machine_and_container_counts(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(MEMINFO)
    assert free_bytes(meminfo, tmp_path) == 600 * 1024
    assert free_bytes(meminfo, cgroup(tmp_path, "max")) == 600 * 1024
    assert free_bytes(meminfo, cgroup(tmp_path, "51000")) == 50_000
    assert free_bytes(meminfo, cgroup(tmp_path, "500")) == 0


def test_what_is_not_told_is_not_made_up(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "none", tmp_path / "none") is None
    (tmp_path / "meminfo").write_text("MemTotal: 1000 kB\n")
    assert free_bytes(tmp_path / "meminfo", tmp_path / "none") is None
