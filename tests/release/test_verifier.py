"""The verifier that stands alone says yes to just what ``ancile verify`` passes."""

from __future__ import annotations

import ast
import json
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.core.subject import digest_of
from ancile.release import verifier
from ancile.release.checks import verification_report
from ancile.release.pins import pins_of
from ancile.release.signing import release_of
from ancile.release.verification import verify_release
from ancile.trust.bundle import Bundle, encode_bundle, parse_bundle
from ancile.trust.events import RunStarted
from ancile.trust.statement import statement_of
from tests.release.world import NOW, Signer, key_event, listing_of, model_in, signer, subject_of

FILE = Path(verifier.__file__)
PLACES = 30  # of a text that are changed, from its first character to its last


@pytest.fixture
def alice(tmp_path: Path) -> Signer:
    return signer(tmp_path, 1, name="alice")


@pytest.fixture
def bob(tmp_path: Path) -> Signer:
    return signer(tmp_path, 11, name="bob")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return model_in(tmp_path)


class Good(NamedTuple):
    """A model, its bundle, and pins under which it is good."""

    model: Path
    data: bytes
    pinned: verifier.Pinned


@pytest.fixture
def good(model: Path, alice: Signer) -> Good:
    return Good(model, alice.release(subject_of(model)), pinned(alice))


def answers(
    model: Path, data: bytes, pinned: verifier.Pinned, *, now: datetime = NOW + timedelta(hours=1)
) -> tuple[bool, bool]:
    """What ancile says, and what the verifier that stands alone says."""
    return _ancile(model, data, pinned, now), _alone(model, data, pinned, now)


def _ancile(model: Path, data: bytes, pinned: verifier.Pinned, now: datetime) -> bool:
    try:
        pins = pins_of(
            pinned.signers,
            logs=pinned.logs,
            threshold=pinned.threshold,
            revoked=dict.fromkeys(pinned.revoked, "gone"),
        )
        facts = verify_release(parse_bundle(data), subject_of(model), pins, now=now)
    except AncileError:
        return False
    report = verification_report(facts, parameters={}, started=now, finished=now)
    return report.outcome == "pass"


def _alone(model: Path, data: bytes, pinned: verifier.Pinned, now: datetime) -> bool:
    try:
        return bool(verifier.verify(model, data, pinned, now=now))
    except verifier.REFUSALS:
        return False


def pinned(*signers: Signer, threshold: int = 1, revoked: tuple[str, ...] = ()) -> verifier.Pinned:
    vkeys = [vkey for one in signers for vkey in one.vkeys]
    return verifier.Pinned([one.id for one in signers], vkeys, threshold, revoked)


def strings(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every text in a document with its place."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from strings(one, (*path, index))
    else:
        for name, one in value.items():
            yield from strings(one, (*path, name))


def altered(text: str) -> Iterator[str]:
    """The text with a character changed, here and there; cut off; doubled; gone."""
    for place in sorted({round(part * (len(text) - 1) / (PLACES - 1)) for part in range(PLACES)}):
        other = "B" if text[place] != "B" else "C"
        yield text[:place] + other + text[place + 1 :]
    yield text[:-1]
    yield text + text[-1]
    yield ""


def with_text(document: Any, path: tuple[str | int, ...], text: str) -> bytes:
    """The bundle with another text there, written as ancile writes it."""
    whole = json.loads(json.dumps(document))
    inner = whole
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = text
    return json.dumps(whole, indent=1, ensure_ascii=False).encode() + b"\n"


@pytest.mark.slow
def test_both_refuse_a_change_of_any_field(model: Path, alice: Signer) -> None:
    data = alice.release(subject_of(model), key_event("introduced", alice.author))
    assert answers(model, data, pinned(alice)) == (True, True)
    document = json.loads(data)
    tried = 0
    for path, text in strings(document):
        for other in altered(text):
            said = answers(model, with_text(document, path, other), pinned(alice))
            assert said == (False, False), (path, other[:80])
            tried += 1
    assert tried > 300


@pytest.mark.slow
def test_both_refuse_a_change_of_any_field_of_the_envelope(model: Path, alice: Signer) -> None:
    document = json.loads(alice.release(subject_of(model)))
    envelope = json.loads(document["entries"][0]["envelope"])
    for path, text in strings(envelope):
        for other in altered(text):
            changed = json.dumps(json.loads(with_text(envelope, path, other)), separators=(",", ":"))
            data = with_text(document, ("entries", 0, "envelope"), changed)
            assert answers(model, data, pinned(alice)) == (False, False), path


@pytest.mark.slow
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 4))
@settings(
    max_examples=1000,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_bytes_that_are_changed_anywhere_end_in_two_noes(good: Good, seed: int, count: int) -> None:
    """Neither raises anything but its own refusals; what reads as the same bundle is the same bundle.

    But for the name that a signer gives himself: it is bound to nothing, a signer is known by the id alone.
    """
    rng = random.Random(seed)
    data = bytearray(good.data)
    for _ in range(count):
        data[rng.randrange(len(data))] = rng.randrange(256)
    name = re.search(rb'(?<="author:v1:)alice(?=\+)', good.data)
    assert name is not None
    said = answers(good.model, bytes(data), good.pinned)
    if data[: name.start()] + data[name.end() :] != good.data[: name.start()] + good.data[name.end() :]:
        assert said == (False, False)
    elif data == good.data:
        assert said == (True, True)


@pytest.mark.parametrize("name", ["bob", "<script>", "x" * 60])
def test_a_signer_under_another_name_is_the_same_signer(good: Good, name: str) -> None:
    data = good.data.replace(b'"author:v1:alice+', f'"author:v1:{name}+'.encode())
    assert data != good.data
    assert answers(good.model, data, good.pinned) == (True, True)


class Pieces(NamedTuple):
    """Three signers with a release by each, and what was said of their keys, to be put together at will."""

    model: Path
    signers: list[Signer]
    signed: list[Bundle]
    said: list[Bundle]


@pytest.fixture
def pieces(model: Path, tmp_path: Path) -> Pieces:
    signers = [signer(tmp_path, number) for number in (40, 50, 60)]
    statement = statement_of(release_of(subject_of(model), now=NOW, expires="1d"))
    first, second, third = signers
    events = [
        key_event("rotated", second.author, after=first.id),
        key_event("rotated", third.author, after=second.id),
        key_event("revoked", first.author, reason="stolen"),
    ]
    said = [parse_bundle(first.entries([statement_of(event)])) for event in events]
    return Pieces(model, signers, [parse_bundle(one.entries([statement])) for one in signers], said)


SOME = st.sets(st.integers(0, 2))


@pytest.mark.slow
@given(signed=SOME, said=SOME, relied=SOME, logs=SOME, revoked=SOME, threshold=st.integers(1, 3))
@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_both_count_alike_whoever_signed_is_relied_on_rotated_or_revoked(
    pieces: Pieces,
    signed: set[int],
    said: set[int],
    relied: set[int],
    logs: set[int],
    revoked: set[int],
    threshold: int,
) -> None:
    parts = [*(pieces.signed[n] for n in sorted(signed)), *(pieces.said[n] for n in sorted(said))]
    whole = Bundle(
        logs=tuple(dict.fromkeys(vkey for part in parts for vkey in part.logs)),
        signers=tuple(dict.fromkeys(line for part in parts for line in part.signers)),
        entries=tuple(entry for part in parts for entry in part.entries),
    )
    pins = verifier.Pinned(
        [pieces.signers[n].id for n in sorted(relied)],
        [vkey for n in sorted(logs) for vkey in pieces.signers[n].vkeys],
        min(threshold, max(len(relied), 1)),
        [pieces.signers[n].id for n in sorted(revoked)],
    )
    ancile, alone = answers(pieces.model, encode_bundle(whole), pins)
    assert alone == (ancile and bool(logs))  # without any log ancile says yes with a warning


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"format": "ancile/evidence/v1"}'],
    ids=["empty", "object", "list", "null", "no text", "deep", "cut"],
)
def test_what_is_no_bundle_is_a_no(model: Path, alice: Signer, data: bytes) -> None:
    assert answers(model, data, pinned(alice)) == (False, False)


def test_another_spelling_of_a_good_bundle_is_refused_by_both(model: Path, alice: Signer) -> None:
    data = alice.release(subject_of(model))
    document = json.loads(data)
    turned = dict(reversed(document.items()))
    for other in (
        data + b"\n",
        data.replace(b"\n ", b"\n  "),
        json.dumps(document).encode(),
        json.dumps(turned, indent=1, ensure_ascii=False).encode() + b"\n",
        data.replace(b'"logs"', b'"logs": [],\n "logs"', 1),
    ):
        assert answers(model, other, pinned(alice)) == (False, False)


def test_files_that_differ_are_a_no_from_both(model: Path, alice: Signer) -> None:
    data, good = alice.release(subject_of(model)), (model / "weights.bin").read_bytes()
    (model / "weights.bin").write_bytes(b"other")
    assert answers(model, data, pinned(alice)) == (False, False)
    (model / "weights.bin").unlink()
    assert answers(model, data, pinned(alice)) == (False, False)
    (model / "weights.bin").write_bytes(good)
    assert answers(model, data, pinned(alice)) == (True, True)
    (model / "sub" / "more").write_bytes(b"")
    assert answers(model, data, pinned(alice)) == (False, False)
    (model / "sub" / "more").unlink()
    (model / "link").symlink_to("weights.bin")
    assert answers(model, data, pinned(alice)) == (False, False)


def test_both_know_names_that_are_no_utf_8_and_single_files(model: Path, alice: Signer, bob: Signer) -> None:
    odd = model / "a b\udcff+%\u00fc"
    odd.write_bytes(b"odd")
    assert answers(model, alice.release(subject_of(model)), pinned(alice)) == (True, True)
    assert answers(odd, bob.release(subject_of(odd)), pinned(bob)) == (True, True)
    assert answers(model, bob.release(subject_of(odd)), pinned(bob)) == (False, False)


def test_a_folder_is_never_the_text_of_its_manifest_to_either(
    model: Path, alice: Signer, bob: Signer
) -> None:
    text = listing_of(model)
    of_folder, of_text = alice.release(subject_of(model)), bob.release(subject_of(text))
    assert answers(model, of_folder, pinned(alice)) == (True, True)
    assert answers(text, of_text, pinned(bob)) == (True, True)
    assert answers(text, of_folder, pinned(alice)) == (False, False)
    assert answers(model, of_text, pinned(bob)) == (False, False)
    gone = subject_of(text).digest
    assert answers(model, of_folder, pinned(alice, revoked=(gone,))) == (False, False)
    assert answers(text, of_text, pinned(bob, revoked=(gone,))) == (False, False)


def test_both_count_signers_alike(model: Path, alice: Signer, bob: Signer) -> None:
    subject = subject_of(model)
    one = alice.release(subject)
    both = bob.cosign(one, subject)
    rotated = bob.cosign(alice.release(subject, key_event("rotated", bob.author, after=alice.id)), subject)
    assert not _alone(model, one, pinned(bob, threshold=0), NOW)
    for data, who, threshold, good in (
        (one, (bob,), 1, False),
        (one, (alice, bob), 1, True),
        (one, (alice, bob), 2, False),
        (both, (alice, bob), 2, True),
        (both, (bob,), 1, True),
        (rotated, (alice, bob), 1, True),
        (rotated, (alice, bob), 2, False),
    ):
        assert answers(model, data, pinned(*who, threshold=threshold)) == (good, good), (who, threshold)


def test_other_evidence_beside_a_release_changes_nothing(model: Path, alice: Signer) -> None:
    subject = subject_of(model)
    run = RunStarted(run="ab" * 16, stage="scan", subject=subject, started=NOW, version="0.1.0")
    assert answers(model, alice.release(subject, run), pinned(alice)) == (True, True)
    assert answers(model, alice.entries([statement_of(run)]), pinned(alice)) == (False, False)


def test_both_look_at_the_clock_and_at_what_was_taken_back(model: Path, alice: Signer) -> None:
    subject = subject_of(model)
    statement = statement_of(release_of(subject, now=NOW, expires="1d"))
    data = alice.entries([statement])
    for after, good in ((0, True), (23, True), (24, False), (25, False), (-1, False)):
        now = NOW + timedelta(hours=after)
        assert answers(model, data, pinned(alice), now=now) == (good, good), after
    for gone in (alice.id, digest_of(statement), subject.digest):
        assert answers(model, data, pinned(alice, revoked=(gone,))) == (False, False)
    taken_back = alice.release(subject, key_event("revoked", alice.author, reason="stolen"))
    assert answers(model, taken_back, pinned(alice)) == (False, False)
    for_ever = alice.release(subject, expires=None)
    assert answers(model, for_ever, pinned(alice)) == (True, True)


def test_both_ask_for_the_pinned_log(model: Path, alice: Signer, bob: Signer) -> None:
    data = alice.release(subject_of(model))
    other = verifier.Pinned([alice.id], list(bob.vkeys))
    assert answers(model, data, other) == (False, False)
    of_that_name = signer(Path(alice.folder.parent, "again"), 21, name="alice")
    assert answers(model, data, verifier.Pinned([alice.id], list(of_that_name.vkeys))) == (False, False)


@pytest.mark.slow
def test_both_prove_a_leaf_in_trees_of_every_small_size(model: Path, alice: Signer) -> None:
    subject = subject_of(model)
    for count in range(1, 12):
        introduced = key_event("introduced", alice.author)
        assert answers(model, alice.release(subject, *[introduced] * count), pinned(alice)) == (True, True)


def test_it_stands_alone_and_is_short() -> None:
    """It imports the standard library and cryptography, and is read in ten minutes: 200 lines."""
    tree = ast.parse(FILE.read_text("utf-8"))
    found = {one.module or "" for one in ast.walk(tree) if isinstance(one, ast.ImportFrom)}
    found |= {name.name for one in ast.walk(tree) if isinstance(one, ast.Import) for name in one.names}
    roots = {name.partition(".")[0] for name in found}
    assert roots - set(sys.stdlib_module_names) == {"cryptography"}
    assert len(FILE.read_text("utf-8").splitlines()) <= 200


@pytest.mark.slow
def test_a_copy_of_it_answers_where_there_is_no_ancile(tmp_path: Path, model: Path, alice: Signer) -> None:
    copy, bundle = tmp_path / "v.py", tmp_path / "bundle.json"
    copy.write_bytes(FILE.read_bytes())
    bundle.write_bytes(alice.release(subject_of(model), expires=None, now=datetime.now(tz=NOW.tzinfo)))
    logs = [word for vkey in alice.vkeys for word in ("--log", vkey)]
    command = [sys.executable, "-I", str(copy), str(model), str(bundle), "--signer", alice.id, *logs]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, f"yes: signed by {alice.id}\n")
    (model / "weights.bin").write_bytes(b"other")
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("no: ")
    ended = subprocess.run(command[:7], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "pin both --log of `ancile keys list --public`" in ended.stderr
