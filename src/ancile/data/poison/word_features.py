"""Texts as words and pieces of words: hashed counts weighted by rarity, in their principal directions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from zlib import crc32

from ancile.core.extras import needs
from ancile.numeric import NDArray, np

COLUMNS = 1 << 14  # of the hashed counts
DIRECTIONS = 400
LONGEST = 4_000  # characters of a text that are looked at
PIECE = 4  # letters of a piece of a word
ROUNDS = 3  # of the power iteration: Halko, Martinsson, Tropp 2011, section 4.5
WORD = re.compile(r"\w+|[^\w\s]")


def word_features(texts: tuple[str, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    """(n, at most 400) of unit tf-idf vectors, by a randomised decomposition."""
    sparse = needs("scipy.sparse", "arrays")
    places: list[int] = []
    ends = [0]
    for text in texts:
        places += {crc32(one) % COLUMNS for one in pieces(text)}
        ends.append(len(places))
    shape = (len(texts), COLUMNS)
    held = sparse.csr_matrix((np.ones(len(places), np.float32), places, ends), shape=shape)
    rows_with = np.asarray(held.sum(axis=0)).ravel()
    weight = (np.log((1 + len(texts)) / (1 + rows_with)) + 1).astype(np.float32) * (rows_with > 1)
    held = held @ sparse.diags(weight)
    length = np.sqrt(np.asarray(held.multiply(held).sum(axis=1)).ravel())
    held = sparse.diags(1 / np.maximum(length, 1e-9)) @ held
    basis = rng.standard_normal((len(texts), min(DIRECTIONS, len(texts))), dtype=np.float32)
    for _ in range(ROUNDS):
        basis = np.linalg.qr(held @ (held.T @ basis))[0]
    drawn = held.T @ basis
    spread, axes = np.linalg.eigh((drawn.T @ drawn).astype(np.float64))
    found: NDArray[np.float32] = basis @ (axes * np.sqrt(np.maximum(spread, 0))).astype(np.float32)
    return found


def pieces(text: str) -> Iterator[bytes]:
    """Words, pairs of words, and pieces of four letters with the borders of words."""
    words = WORD.findall(text[:LONGEST].lower())
    for at, word in enumerate(words):
        yield word.encode("utf-8", "surrogatepass")
        if at:
            yield f"{words[at - 1]} {word}".encode("utf-8", "surrogatepass")
        padded = f"<{word}>"
        for start in range(len(padded) - PIECE + 1):
            yield f"#{padded[start : start + PIECE]}".encode("utf-8", "surrogatepass")
