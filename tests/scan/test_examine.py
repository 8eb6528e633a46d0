"""The same content gets the same verdict in every wrapping, within limits, and nothing unread is called clean."""

from __future__ import annotations

import bz2
import gc
import gzip
import io
import lzma
import pickle
import tarfile
import zipfile
from collections.abc import Callable

import pytest

from ancile.formats import held
from ancile.scan import archives
from ancile.scan.examine import Examination, examine_part
from ancile.scan.part import Allowance, Part

HOSTILE = b"cos\nsystem\n(Vtrue\ntR."
HARMLESS = b"\x80\x04]\x94(K\x01K\x02e."


def zipped(data: bytes, name: str = "inner") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr(name, data)
    return file.getvalue()


def tarred(data: bytes, *, name: str = "inner", kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as made:
        info = tarfile.TarInfo(name)
        info.size, info.type, info.linkname = len(data) if kind == tarfile.REGTYPE else 0, kind, link
        made.addfile(info, io.BytesIO(data))
    return file.getvalue()


WRAPPINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zip": zipped,
    "zip behind a program": lambda data: b"\x7fELF" + bytes(60) + zipped(data),
    "behind a zip": lambda data: zipped(b"text") + data,
    "tar": tarred,
    "tar in gzip in zip": lambda data: zipped(gzip.compress(tarred(data))),
    "a storage of a torch archive": lambda data: zipped(HARMLESS, "archive/data.pkl") + zipped(data, "data/0"),
    "in an object array's place": lambda data: b"ctorch.storage\n_load_from_bytes\n(B"
    + len(data).to_bytes(4, "little") + data + b"tR.",
}  # fmt: skip


def examined(data: bytes, **options: object) -> Examination:
    return examine_part(Part("file", data, **options))  # type: ignore[arg-type]  # by name


def checks(found: Examination) -> set[str]:
    return {one.check for one in found.findings}


@pytest.mark.parametrize("name", WRAPPINGS)
def test_a_hostile_pickle_is_blocked_in_every_wrapping(name: str) -> None:
    found = examined(WRAPPINGS[name](HOSTILE))
    assert found.verdict == "block"
    assert "pickle-unlisted-call" in checks(found)


@pytest.mark.parametrize("name", ["plain", "gzip", "bzip2", "xz", "zip", "tar", "tar in gzip in zip"])
def test_a_harmless_one_is_data_in_every_wrapping(name: str) -> None:
    assert examined(WRAPPINGS[name](HARMLESS)).verdict == "data-only"


def test_text_is_data_and_what_nobody_knows_is_incomplete() -> None:
    assert examined(b"# a model card\n\xc3\xa9\n").verdict == "data-only"
    assert examined("é".encode() * 40_000 + b"x").verdict == "data-only"
    found = examined(b"\x00\x01\x02\x03 noise \xff\xfe")
    assert (found.verdict, found.format) == ("incomplete", "unknown")
    assert "file-unknown-format" in checks(found)


def test_an_empty_file_is_incomplete_alone_and_in_every_archive() -> None:
    assert examined(b"").verdict == "incomplete"
    for packed in (zipped(b"", "model.pkl"), tarred(b"", name="model.pkl")):
        assert checks(examined(packed)) >= {"file-empty"}
        assert examined(gzip.compress(packed)).verdict == "incomplete"


@pytest.mark.parametrize("name", ["lib/__init__.py", "py.typed", ".gitkeep", "p/.data/extern_modules"])
def test_a_member_that_is_empty_by_custom_is_data(name: str) -> None:
    assert examined(zipped(b"", name)).verdict == "data-only"
    assert examined(tarred(b"", name=name)).verdict == "data-only"


def test_a_tensor_without_numbers_is_data() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}, 2))
        archive.writestr("archive/data/0", b"")
    assert "file-empty" not in checks(examined(out.getvalue()))


def test_a_pickle_hidden_in_what_nobody_knows_is_blocked() -> None:
    assert examined(b"\x00\x01\x02noise\xff" + HOSTILE + b"\xff").verdict == "block"


@pytest.mark.parametrize("name", ["/etc/passwd", "../../x", "..\\x", "C:\\x"])
def test_a_member_that_leaves_the_folder_is_blocked(name: str) -> None:
    assert "archive-leaves-folder" in checks(examined(zipped(b"text", name)))
    assert examined(tarred(b"text", name=name)).verdict == "block"


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_told(kind: bytes) -> None:
    found = examined(tarred(b"", kind=kind, link="/etc/passwd"))
    assert (found.verdict == "block") is (
        kind != tarfile.FIFOTYPE or "archive-leaves-folder" in checks(found)
    )


@pytest.mark.slow
def test_a_bomb_is_not_unpacked_and_is_incomplete() -> None:
    small = Allowance(unpacked_bytes=1 << 16)
    found = examined(gzip.compress(bytes(1 << 20)), allowance=small)
    assert found.verdict == "incomplete"
    assert "archive-not-read" in checks(found)
    assert (
        examined(zipped(bytes(1 << 20)), allowance=Allowance(unpacked_bytes=1 << 16)).verdict == "incomplete"
    )
    ratio = examined(lzma.compress(bytes(80 << 20)))
    assert ratio.verdict == "incomplete"


def test_containers_within_each_other_end_somewhere() -> None:
    data = HARMLESS
    for _ in range(20):
        data = gzip.compress(data)
    assert examined(data).verdict == "incomplete"


def test_too_many_members_are_incomplete() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for number in range(30):
            made.writestr(str(number), b"x")
    assert examined(file.getvalue(), allowance=Allowance(parts=10)).verdict == "incomplete"


def test_a_broken_stream_is_reviewed_and_what_came_out_is_judged() -> None:
    assert examined(gzip.compress(b"text" * 9000)[:-6]).verdict == "review"
    cut = gzip.compress(HOSTILE + bytes(range(256)) * 400)[:-200]
    assert examined(cut).verdict == "block"


def test_a_damaged_tar_is_reviewed() -> None:
    data = bytearray(tarred(b"text"))
    data[120:140] = b"\xff" * 20
    assert examined(bytes(data)).verdict == "review"


def test_the_flag_of_encryption_hides_nothing_that_is_plain() -> None:
    data = bytearray(zipped(HOSTILE))
    for magic, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(magic) + at] |= 1
    stored = bytes(data)
    assert examined(stored).verdict in ("block", "incomplete")
    assert "archive-not-read" in checks(examined(stored))


def test_packages_to_pin_are_named() -> None:
    found = examined(b"csklearn.tree._classes\nDecisionTreeClassifier\n)\x81.")
    assert (found.verdict, found.packages) == ("named-classes", ("scikit-learn",))


def test_a_keras_archive_without_its_configuration_is_reviewed() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("metadata.json", "{}")
        made.writestr("model.weights.h5", "")
    assert examined(file.getvalue()).verdict == "review"


def test_a_number_without_end_is_a_pickle_to_review() -> None:
    assert examined(b"L" + b"7" * 200_000 + b"L\n.").verdict == "review"


def test_a_member_that_lies_in_a_file_of_its_own_gets_the_same_verdict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(held, "SMALL", 4)
    for name, wrapped in WRAPPINGS.items():
        assert examined(wrapped(HOSTILE)).verdict == "block", name


def test_numbers_of_torch_are_searched_where_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "COPIED_BYTES", 8)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("a/data.pkl", HARMLESS)
        made.writestr("a/data/0", bytes(4000) + HOSTILE)
    found = examined(file.getvalue())
    told = next(one for one in found.findings if one.check == "pickle-unlisted-call")
    assert (told.location.member, told.location.offset) == ("a/data/0", 4000 + HOSTILE.index(b"R"))


def test_checksums_of_stored_members_are_compared_up_to_a_limit() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("a", b"text that was written")
    changed = file.getvalue().replace(b"was written", b"was altered")
    assert "archive-damaged" in checks(examined(changed))
    assert examined(changed, allowance=Allowance(summed_bytes=20)).verdict == "data-only"


def test_members_are_taken_out_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A member is examined, and what it held is gone, before the next one is unpacked."""
    alive: list[int] = []
    inner = Part.inner

    def counted(self: Part, *args: object, **options: object) -> Part:
        gc.collect()
        alive.append(sum(type(one) is Part for one in gc.get_objects()))
        return inner(self, *args, **options)  # type: ignore[arg-type]  # handed on

    monkeypatch.setattr(Part, "inner", counted)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for number in range(20):
            made.writestr(str(number), b"text %d" % number)
    gc.freeze()  # what was here before is not looked at again and again
    try:
        examined(file.getvalue())
    finally:
        gc.unfreeze()
    assert len(alive) == 20
    assert max(alive) - min(alive) <= 2
