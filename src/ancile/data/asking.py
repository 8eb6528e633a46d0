"""What a model is asked about marks, and what its answers are evidence of."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.core.text import plain
from ancile.data.marking import npy, written_csv
from ancile.data.marks import Canaries, MarkKey, Use, Waves, generator, new_waves, waved
from ancile.data.tracing import Output, Part, Reals, Trace, log_scores, traced
from ancile.inputs.columns import Wanted, rows_of
from ancile.inputs.npy import read_array
from ancile.inputs.source import LIMIT_BYTES
from ancile.inputs.tables import arrow_errors, open_csv, open_parquet
from ancile.numeric import NDArray, np

if TYPE_CHECKING:
    import pyarrow as pa

LABEL = "label"  # column of answers that are labels


class Found(NamedTuple):
    """The test on the marks, and the same on as many that were never in the data."""

    marks: Trace
    controls: Trace


class Answers(NamedTuple):
    """Scores (rows, classes) and what they are."""

    scores: Reals
    output: Output


def samples(key: MarkKey, drop: Sequence[str] = ()) -> NDArray[np.float32]:
    """What a model is asked, as arrays of the data's own units: canaries, or pictures with and without waves.

    drop  columns of a table that the model does not get
    """
    if isinstance(key.mark, Waves):
        return _pictures(key.mark, key.seed).astype(np.float32)
    if key.mark.form == "npy":
        return _array(key.mark.rows).astype(np.float32)
    table = _rows(key.mark)
    arrow = needs("pyarrow", "tables")
    given = table.append_column(key.mark.label, arrow.array([0] * table.num_rows))
    if key.mark.csv:
        columns = open_csv(written_csv(given), limit_bytes=LIMIT_BYTES)
    else:
        sink = io.BytesIO()
        needs("pyarrow.parquet", "tables").write_table(given, sink)
        columns = open_parquet(sink.getvalue(), limit_bytes=LIMIT_BYTES)
    return rows_of(columns, Wanted(label=key.mark.label, drop=tuple(drop))).x


def queries(key: MarkKey) -> tuple[bytes, str]:
    """The same as a file for whoever runs the model, and its suffix: a table without labels, or an array."""
    if isinstance(key.mark, Waves):
        return npy(_pictures(key.mark, key.seed)), ".npy"
    if key.mark.form == "npy":
        return npy(_array(key.mark.rows)), ".npy"
    return written_csv(_rows(key.mark)), ".csv"


def read_answers(data: bytes, key: MarkKey) -> Answers:
    """Answers in a CSV file with a header: a column ``label``, or a column of scores for each class."""
    try:
        rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as reason:
        raise _no_answers(str(reason)) from reason
    head, cells = (rows[0], rows[1:]) if rows else ([], [])
    names = dict(zip(key.classes, key.numbers, strict=True))
    wide = max(key.numbers) + 1
    if any(len(row) != len(head) for row in cells):
        raise _no_answers("a line has another number of cells than the header")
    if head == [LABEL]:
        # A class that was not marked is an answer like any other: it agrees with no mark
        found = np.zeros((len(cells), wide + 1))
        found[np.arange(len(cells)), [names.get(row[0], wide) for row in cells]] = 1.0
        return Answers(found, "labels")
    if not set(names) <= set(head):
        raise _no_answers(f"its header is {', '.join(head)}")
    try:
        scores = np.array([[float(cell) for cell in row] for row in cells], np.float64).reshape(
            len(cells), len(head)
        )
    except ValueError as reason:
        raise _no_answers(str(reason)) from reason
    found = np.full((len(cells), wide), np.nan)
    for name, number in names.items():
        found[:, number] = scores[:, head.index(name)]
    inside = bool(np.nanmin(scores, initial=0) >= 0 and np.nanmax(scores, initial=0) <= 1)
    if inside:
        return Answers(found, "probabilities")
    return Answers(np.nan_to_num(found, nan=-np.inf, neginf=-np.inf), "logits")


def judged(key: MarkKey, answers: Answers) -> Found:
    """The tests on both halves of what was asked."""
    logs, mark = log_scores(answers.scores, answers.output), key.mark
    if isinstance(mark, Canaries):
        marks, controls = _halves(logs, mark.count)
        halves = [[Part(marks, key.labels("marks"))], [Part(controls, key.labels("controls"))]]
    else:
        asked = (1 + 2 * len(mark.waves)) * len(_array(mark.bases))
        marks, controls = _of_waves(logs[:asked], len(mark.waves), bases=len(_array(mark.bases)))
        known, unknown = _halves(logs[asked:], mark.canaries.count)
        halves = [
            [Part(marks, key.labels("marks"), by_rank=False), Part(known, key.labels("canaries"))],
            [
                Part(controls, key.labels("controls"), by_rank=False),
                Part(unknown, key.labels("canary controls")),
            ],
        ]
    rng = generator(key.seed, "dealings")
    return Found(traced(halves[0], rng), traced(halves[1], rng))


def _halves(logs: Reals, count: int) -> tuple[Reals, Reals]:
    if len(logs) != 2 * count:
        raise _miscounted(len(logs), 2 * count)
    return logs[:count], logs[count:]


def _of_waves(logs: Reals, count: int, *, bases: int) -> tuple[Reals, Reals]:
    """How much a wave raises each class, on average over the pictures that carry it."""
    if len(logs) != (1 + 2 * count) * bases:
        raise _miscounted(len(logs), (1 + 2 * count) * bases)
    by = logs.reshape(1 + 2 * count, bases, logs.shape[1])
    raised = (by[1:] - by[0]).mean(axis=1)
    return raised[:count], raised[count:]


def _pictures(mark: Waves, seed: bytes) -> NDArray[np.generic]:
    """Pictures as they are, with each wave, with as many waves that no picture had; and the canaries."""
    bases = _array(mark.bases)
    use: Use = "controls"
    both = (*mark.waves, *new_waves(seed, use, len(mark.waves)))
    shown = (waved(bases, wave, eps=mark.eps, high=mark.high) for wave in both)
    return np.concatenate([bases, *shown, _array(mark.canaries.rows)])


def _array(data: bytes) -> NDArray[np.generic]:
    return read_array(memoryview(data), name="the key's array")


def _rows(mark: Canaries) -> pa.Table:
    arrow = needs("pyarrow", "tables")
    with arrow_errors("key of marks"), arrow.ipc.open_stream(mark.rows) as stream:
        table = stream.read_all()
        table.validate(full=True)
    if table.num_rows != 2 * mark.count:
        raise _miscounted(table.num_rows, 2 * mark.count)
    return table


def _miscounted(count: int, wanted: int) -> AncileError:
    return AncileError(
        "the answers do not fit the marks",
        value=f"{count} rows, {wanted} were asked",
        remedy="answer every row of `--queries`, in its order",
    )


def _no_answers(why: str) -> AncileError:
    return AncileError(
        "these are no answers",
        value=plain(why, 100),
        remedy=f"write a CSV file with a column {LABEL}, or with a column of scores for each class",
    )
