"""Texts that are near copies of each other are told from those of benign callers, by hashes that nobody can aim at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.serve.fingerprints import KEPT, LONGEST, WINDOW, WORD, alike, hashing, prints_of
from ancile.serve.guards.fingerprint import LEAST_TEXTS, LIMIT, SLOTS, Shelf, Texts, fingerprint, texts_of
from ancile.serve.inference import Infer
from ancile.serve.reference import references
from ancile.serve.signature import Signature, Spec
from ancile.serve.tensors import Tensor
from tests.serve.judged import World

HASHING = hashing(0x9E3779B97F4A7C15)
WORDS = [bytes(np.random.default_rng(at).integers(97, 123, size=6).astype("u1")) for at in range(400)]


def sentences(rng: np.random.Generator, count: int) -> list[bytes]:
    return [b" ".join(WORDS[at] for at in rng.integers(len(WORDS), size=14)) for _ in range(count)]


def changed(text: bytes, rng: np.random.Generator) -> bytes:
    words = text.split()
    words[rng.integers(len(words))] = WORDS[rng.integers(len(WORDS))]
    return b" ".join(words)


@given(text=st.binary(min_size=WINDOW, max_size=60), base=st.integers(0, WORD - 1))
def test_a_hash_is_that_of_its_window_wherever_it_stands(text: bytes, base: int) -> None:
    """Each hash of a print is that of a window alone; and no window has a smaller one that is left out."""
    known = hashing(base)
    windows = {text[at : at + WINDOW] for at in range(len(text) - WINDOW + 1)}
    alone = sorted({int(known.print_of(one)[0]) for one in windows})
    assert known.print_of(text).tolist() == alone[:KEPT]


def test_short_and_long_texts_have_prints_and_repeated_windows_count_once() -> None:
    assert len(HASHING.print_of(b"")) == len(HASHING.print_of(b"ab")) == 1
    assert len(HASHING.print_of(b"a" * 500)) == 1
    assert HASHING.print_of(b"x" * LONGEST + b"other").tolist() == HASHING.print_of(b"x" * 9).tolist()
    assert prints_of([b"ab", b"cd"], HASHING).shape == (2, KEPT)


def test_what_two_texts_share_is_the_share_of_their_prints() -> None:
    rng = np.random.default_rng(0)
    first, second = sentences(rng, 2)
    prints = prints_of([first, second, changed(first, rng)], HASHING)
    own = HASHING.print_of(first)
    assert alike(own, prints[:1]) == 1.0
    assert alike(own, prints[1:2]) < 0.3 < alike(own, prints[1:])
    assert alike(own, prints[:0]) == 0.0


@pytest.fixture(scope="module")
def known() -> Texts:
    found = texts_of(sentences(np.random.default_rng(0), 1600), (0,), HASHING)
    assert found is not None
    return found


@pytest.mark.slow
def test_a_search_that_changes_a_word_at_a_time_is_seen_and_benign_callers_are_not(known: Texts) -> None:
    rng = np.random.default_rng(1)
    for _ in range(5):
        shelf = Shelf()
        assert all(fingerprint([one], shelf, known).reaction == "allow" for one in sentences(rng, 600))
    for mixed, most in ((0, 50), (4, 400)):
        shelf, text, asked = Shelf(), sentences(rng, 1)[0], 0
        while fingerprint([changed(text, rng)], shelf, known).reaction == "allow":
            asked += 1 + mixed
            assert asked < most
            for one in sentences(rng, mixed):
                fingerprint([one], shelf, known)


@pytest.mark.slow
def test_a_template_that_the_reference_has_is_usual() -> None:
    rng = np.random.default_rng(0)

    def filled(count: int) -> list[bytes]:
        return [
            b"Dear customer, your order of " + one[:20] + b" is on its way to you."
            for one in sentences(rng, count)
        ]

    found = texts_of(filled(800), (0,), HASHING)
    assert found is not None
    shelf = Shelf()
    assert all(fingerprint([one], shelf, found).reaction == "allow" for one in filled(600))


def test_a_shelf_is_bounded_and_so_is_what_it_adds_up_to(known: Texts) -> None:
    rng, shelf = np.random.default_rng(0), Shelf()
    text = sentences(rng, 1)[0]
    for _ in range(3 * SLOTS):
        fingerprint([changed(text, rng)], shelf, known)
    assert shelf._prints.shape == (SLOTS, KEPT)
    assert max(shelf.sums) == 2 * LIMIT


def test_few_texts_say_nothing() -> None:
    assert texts_of([b"one text", b"another"] * (LEAST_TEXTS // 4), (0,), HASHING) is None


TALK = Signature(
    "m",
    "onnx",
    (Spec("said", "BYTES", (-1, 1)), Spec("town", "BYTES", (-1, 1))),
    (Spec("label", "INT64", (-1,)), Spec("scores", "FP32", (-1, 3))),
)


def asked(*said: bytes) -> Infer:
    inputs = [np.array([[one] for one in column], dtype=object) for column in (said, [b"Rome"] * len(said))]
    tensors = tuple(Tensor(name, "BYTES", one) for name, one in zip(("said", "town"), inputs, strict=True))
    return Infer(None, tensors, (), binary=False)


@pytest.mark.slow
def test_the_gateway_flags_near_copies_alone_and_in_batches_and_no_repeats(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    texts = [one.decode() for one in sentences(rng, 1200)]
    np.savez(tmp_path / "r.npz", said=np.array(texts)[:, None], town=np.array(["Rome"] * 1200)[:, None])
    reference = references(str(tmp_path / "r.npz"), {"m": TALK})
    known = reference.learned["m"].texts
    assert known is not None
    assert known.inputs == (0,)
    world = World(learned=reference.learned["m"], signature=reference.signatures["m"])
    text = sentences(rng, 1)[0]
    eve, mallory, bob = (world.caller(name) for name in ("eve", "mallory", "bob"))
    alone = [world.before(eve, asked(changed(text, rng))).verdict for _ in range(40)]
    assert {one.guard for one in alone if one.reaction != "allow"} == {"fingerprint"}
    batches = [
        world.before(mallory, asked(*(changed(text, rng) for _ in range(30)))).verdict for _ in range(6)
    ]
    assert batches[-1].guard == "fingerprint"
    assert {world.before(bob, asked(text)).verdict.reaction for _ in range(40)} == {"allow"}
    uneven = asked(text)._replace(inputs=(asked(text).inputs[0], asked(text, text).inputs[1]))
    assert world.before(bob, uneven).rows == 2  # for the model to refuse: here it is judged by what there is
