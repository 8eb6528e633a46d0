"""Inside ``only_checked`` the three loaders open what is clean or trusted, from the bytes that were judged."""

# ruff: noqa: S301 - what is unpickled here is the test's own

from __future__ import annotations

import gzip
import io
import lzma
import os
import pickle
import tarfile
import threading
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.core.subject import digest_of
from ancile.scan import loading
from ancile.scan.files import find_files
from ancile.scan.loading import checked_bytes, clean_digests, only_checked, trusted_digests
from ancile.scan.stage import scan
from ancile.work.clock import system_clock
from tests.release.world import NOW, listing_of, model_in, signer, subject_of

joblib = needs("joblib", "sklearn")


def anything(given: object) -> Any:
    return given


class Marked:
    """An object whose unpickling would show."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, ("loaded",)


LOADERS: tuple[tuple[str, loading.Loader], ...] = (("packed", "joblib"), ("new.pt", "torch"))
HOSTILE = pickle.dumps(Marked())


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_what_is_clean_loads_as_ever() -> None:
    state = {"w": torch.ones(3), "b": torch.zeros(2)}
    torch.save(state, "new.pt")
    torch.save(state, "old.pt", _use_new_zipfile_serialization=False)
    joblib.dump({"x": np.arange(9)}, "plain.joblib")
    joblib.dump({"x": np.arange(9)}, "packed.joblib", compress=3)
    Path("m.pkl").write_bytes(pickle.dumps(OrderedDict(a=1)))
    with only_checked():
        assert torch.equal(torch.load("new.pt")["w"], state["w"])
        assert torch.equal(torch.load(f=Path("new.pt"), weights_only=False)["w"], state["w"])
        assert torch.equal(torch.load("old.pt", weights_only=False)["b"], state["b"])
        assert (
            joblib.load("plain.joblib")["x"].sum() == joblib.load(filename="packed.joblib")["x"].sum() == 36
        )
        with Path("m.pkl").open("rb") as file:
            assert pickle.load(file) == OrderedDict(a=1)


@pytest.mark.parametrize(
    "load",
    [
        lambda name: pickle.load(io.BytesIO(Path(name).read_bytes())),
        lambda name: joblib.load(filename=name),
        lambda name: torch.load(name, weights_only=False),
        checked_bytes,
    ],
)
def test_what_is_hostile_is_refused_and_nothing_runs(load: Callable[[str], Any]) -> None:
    Path("m").write_bytes(HOSTILE)
    with only_checked(), pytest.raises(AncileError, match="not loaded, its verdict is block"):
        load("m")
    assert not Path("loaded").exists()


def test_the_loaders_are_what_they_were_afterwards() -> None:
    before = (torch.load, joblib.load, pickle.load)
    with only_checked():
        assert not {torch.load, joblib.load, pickle.load} & set(before)
    assert (torch.load, joblib.load, pickle.load) == before
    with pytest.raises(AncileError), only_checked():
        joblib.load("gone")
    assert (torch.load, joblib.load, pickle.load) == before


def test_trusted_bytes_load_whatever_they_are() -> None:
    Path("m").write_bytes(HOSTILE)
    with only_checked(trusted={digest_of(HOSTILE)}), Path("m").open("rb") as file:
        pickle.load(file)
    assert Path("loaded").exists()


def test_a_file_that_changes_between_check_and_load_is_loaded_as_it_was_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The race that a second opening would lose: the file is exchanged right after the check."""
    Path("m").write_bytes(pickle.dumps(1))
    judged = loading._judged

    def exchanged(data: bytes, name: str, loader: loading.Loader) -> Any:
        found = judged(data, name, loader)
        Path("m").write_bytes(HOSTILE)
        return found

    monkeypatch.setattr(loading, "_judged", exchanged)
    with only_checked():
        assert joblib.load("m") == 1
    assert not Path("loaded").exists()


def test_pickles_behind_each_other_load_one_after_the_other() -> None:
    Path("m").write_bytes(pickle.dumps([1]) + pickle.dumps([2]))
    with only_checked(), Path("m").open("rb") as file:
        assert [pickle.load(file), pickle.load(file)] == [[1], [2]]


@pytest.mark.parametrize("prefix", [b"# text\n", b"GIF89a", b"\x00" * 8])
def test_a_pickle_behind_other_bytes_is_judged_from_where_it_is_loaded(prefix: bytes) -> None:
    Path("m").write_bytes(prefix + HOSTILE)
    with only_checked(), Path("m").open("rb") as file:
        file.seek(len(prefix))
        with pytest.raises(AncileError, match="not loaded"):
            pickle.load(file)


def test_a_file_is_judged_as_its_loader_reads_it_too() -> None:
    """A pickle that begins like data is data by content, and still what pickle.load would run."""
    tensors = b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "
    Path("m.safetensors").write_bytes(tensors)
    assert checked_bytes("m.safetensors") == tensors
    with pytest.raises(AncileError, match="not loaded"):
        checked_bytes("m.safetensors", loader="pickle")


def as_tar() -> bytes:
    """A tar whose first name is a pickle that calls something; what stands behind its STOP is not read."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        tar.addfile(tarfile.TarInfo("cos\nmkdir\n(S'loaded'\ntR."))
    return file.getvalue()


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, lzma.compress])
def test_what_joblib_unpacks_is_judged_as_the_pickle_that_it_loads(pack: Callable[[bytes], bytes]) -> None:
    Path("m").write_bytes(pack(as_tar()))
    with only_checked(), pytest.raises(AncileError, match="not loaded"):
        joblib.load("m")
    assert not Path("loaded").exists()


@pytest.mark.parametrize("inner", [b"text\n", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "])
def test_what_would_be_unpickled_is_a_pickle_or_not_loaded(inner: bytes) -> None:
    """By content it is clean, by itself and where it is packed; an unpickler is not asked what it looks like."""
    Path("packed").write_bytes(zlib.compress(inner))
    with zipfile.ZipFile("new.pt", "w") as archive:
        archive.writestr("new/data.pkl", inner)
    assert checked_bytes("packed")
    for name, loader in LOADERS:
        with pytest.raises(AncileError, match="not loaded"):
            checked_bytes(name, loader=loader)


@pytest.mark.parametrize(
    "call",
    [
        lambda: torch.load("new.pt", mmap=True),
        lambda: joblib.load("m", "r"),
        lambda: joblib.load("gone"),
        lambda: joblib.load("pipe"),
        lambda: joblib.load("."),
        lambda: joblib.load("a\0b"),
        lambda: pickle.load(anything(io.StringIO(""))),
        lambda: pickle.load(anything(3)),
    ],
)
def test_what_cannot_be_checked_is_one_error(call: Callable[[], object]) -> None:
    torch.save({}, "new.pt")
    Path("m").write_bytes(pickle.dumps(1))
    os.mkfifo("pipe")
    with only_checked(), pytest.raises(AncileError):
        call()


def test_a_stream_that_cannot_be_read_twice_is_one_error() -> None:
    reader, writer = os.pipe()
    os.close(writer)
    with only_checked(), os.fdopen(reader, "rb") as file, pytest.raises(AncileError, match="a stream"):
        pickle.load(file)


def test_another_thread_is_watched_as_well() -> None:
    Path("m").write_bytes(HOSTILE)
    seen: list[str] = []

    def load() -> None:
        try:
            joblib.load("m")
        except AncileError as reason:
            seen.append(reason.what)

    with only_checked():
        started = threading.Thread(target=load)
        started.start()
        started.join()
    assert seen == ["not loaded, its verdict is block"]


def test_a_signature_from_the_future_says_that_the_clock_is_wrong(tmp_path: Path) -> None:
    alice = signer(tmp_path, 1, name="alice")
    Path("m").write_bytes(HOSTILE)
    bundle = alice.release(subject_of(Path("m")), expires="1d")
    trusted = partial(trusted_digests, bundle, logs=alice.vkeys, authors=[alice.id])
    assert trusted(now=NOW) == trusted(now=NOW - timedelta(seconds=300)) == {digest_of(HOSTILE)}
    assert trusted(now=NOW + timedelta(days=1)) == frozenset()
    with pytest.raises(AncileError, match="signed in the future"):
        trusted(now=NOW - timedelta(seconds=301))
    with pytest.raises(AncileError, match="a time without its zone"):
        trusted(now=NOW.replace(tzinfo=None))


def test_a_folder_that_was_signed_trusts_its_files_and_not_the_text_of_its_manifest(tmp_path: Path) -> None:
    alice = signer(tmp_path, 1, name="alice")
    model = model_in(tmp_path)
    text = listing_of(model)
    trusted = partial(trusted_digests, logs=alice.vkeys, authors=[alice.id], now=NOW)
    assert trusted(alice.release(subject_of(model))) == set(subject_of(model).parts.values())
    assert trusted(alice.release(subject_of(text))) == {digest_of(text.read_bytes())}


def test_what_does_not_fit_into_memory_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr(loading, "read_whole", full)
    Path("m").write_bytes(b"m")
    with pytest.raises(AncileError, match="too large to be read whole"):
        checked_bytes("m")


def test_the_clean_files_of_a_scan_are_trusted_and_no_others(tmp_path: Path) -> None:
    Path("clean.txt").write_text("text\n")
    Path("m.pkl").write_bytes(HOSTILE)
    report = scan("here", find_files([tmp_path]), clock=system_clock())
    assert clean_digests(report) == {digest_of(b"text\n")}
