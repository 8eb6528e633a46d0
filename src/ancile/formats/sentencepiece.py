"""Models of SentencePiece, the words of a tokenizer: sentencepiece_model.proto, ``ModelProto``.

Pieces, one after the other, each a text, a score and a kind; then how the model was trained, how texts are
normalised, and samples. All of it is data.
"""

from __future__ import annotations

from ancile.core.errors import AncileError
from ancile.formats.held import Held
from ancile.formats.protobuf import BYTES, Steps, broken, fields

FIELD, SCORE, KIND = 0x0A, 0x15, 0x18  # a piece or its text; then its score, and a kind that is not "normal"
LONG = 0x80  # from here on a size takes more than one byte
LATER = range(2, 6)  # trainer_spec, normalizer_spec, self_test_data, denormalizer_spec
EXTENSIONS = 200  # the first number of those that the schema leaves to others
STEPS = 4_000_000


def is_sentencepiece(head: bytes) -> bool:
    """Whether bytes begin with two pieces."""
    second = _after_piece(head, 0)
    return second > 0 and _after_piece(head, second) > 0


def _after_piece(head: bytes, place: int) -> int:
    """Where a piece with its text and its score ends; 0 where there is none."""
    if len(head) < place + 4 or head[place] != FIELD or head[place + 2] != FIELD:
        return 0
    size, text = head[place + 1], head[place + 3]
    score = place + 4 + text
    stop = place + 2 + size
    if size >= LONG or len(head) < max(stop, score + 5) or head[score] != SCORE:
        return 0
    behind = head[score + 5 : stop]  # nothing, or a kind
    return stop if stop == score + 5 or (len(behind) == 2 and behind[0] == KIND) else 0


def fault_of(data: Held) -> str:
    """What is wrong with a model, empty where nothing is."""
    place, end = 0, len(data)
    while place + 1 < end and data[place] == FIELD and data[place + 1] < LONG:
        place += 2 + data[place + 1]
    try:
        if place > end:
            raise broken("a field reaches beyond its message")
        for one in fields(memoryview(data)[place:], Steps(STEPS)):
            if one.wire != BYTES or not (one.tag == 1 or one.tag in LATER or one.tag >= EXTENSIONS):
                return f"a field {one.tag} that no tokenizer has"
    except AncileError as reason:
        return str(reason)
    return ""
