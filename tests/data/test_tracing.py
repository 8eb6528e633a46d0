"""Marks that a model learns are told, and nothing is told of a model that never saw them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.strategies import integers
from numpy.typing import NDArray
from scipy.stats import kstest, mannwhitneyu
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from ancile.core.errors import AncileError
from ancile.data.asking import Answers, judged, queries, read_answers, samples
from ancile.data.marking import Asked, Marked, is_prose, mark, read_csv, written_csv
from ancile.data.marks import Canaries, Waves, dealt, encode_key, generator, parse_key, waved
from ancile.data.tracing import Part, log_scores, members, traced

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SEED = bytes(range(32))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_a_model_that_knows_every_label_has_the_smallest_p_value() -> None:
    labels = np.arange(40) % 4
    found = traced([Part(np.eye(4)[labels], labels)], rng(), dealings=999)
    assert (found.p_value, found.n, found.agree) == (1 / 1000, 40, 40)
    assert found.z > 5


def test_a_model_that_says_the_same_of_all_has_the_largest() -> None:
    found = traced([Part(np.ones((40, 2)), np.arange(40) % 2)], rng(), dealings=999)
    assert (found.p_value, found.z) == (1.0, 0.0)


def test_a_preference_for_one_class_says_nothing() -> None:
    evidence = rng(1).normal(size=(60, 3))
    labels = np.arange(60) % 3
    for by_rank in (True, False):
        other = evidence + np.array([0.0, 50.0, -50.0])
        one, two = (traced([Part(e, labels, by_rank)], rng(2), dealings=999) for e in (evidence, other))
        assert one.p_value == two.p_value


def test_the_p_value_of_two_classes_is_that_of_the_rank_sum_test() -> None:
    """With two classes and opposite evidence it is Wilcoxon's test, whose p-value scipy has exactly."""
    value = rng(3).normal(size=16)
    labels = dealt(SEED, "marks", 16, 2)
    value[labels == 1] += 1.0
    found = traced([Part(np.stack([-value, value], 1), labels)], rng(4))
    exact = mannwhitneyu(value[labels == 1], value[labels == 0], alternative="greater", method="exact").pvalue
    assert found.p_value == pytest.approx(exact, rel=0.15)


@settings(max_examples=20, deadline=None)
@given(seed=integers(0, 2**32 - 1))
def test_under_the_null_the_p_value_is_at_least_as_large_as_it_says(seed: int) -> None:
    """Of 60 keys no share is told more often than its level allows, beyond chance (six standard deviations)."""
    evidence = rng(seed).normal(size=(30, 5)).cumsum(axis=0)
    found = [
        traced(
            [Part(evidence, rng(seed + 1 + key).permutation(np.arange(30) % 5), bool(key % 2))],
            rng(key),
            dealings=99,
        ).p_value
        for key in range(60)
    ]
    assert sum(one <= 0.1 for one in found) <= 60 * 0.1 + 6 * np.sqrt(60 * 0.09)


def test_p_values_of_what_keys_deal_are_uniform() -> None:
    found = []
    for number in range(400):
        seed, value = number.to_bytes(32, "big"), rng(number).normal(size=40)
        part = Part(np.stack([-value, value], 1), dealt(seed, "marks", 40, 2))
        found.append(traced([part], generator(seed, "dealings"), dealings=199).p_value)
    assert kstest(found, "uniform").pvalue > 1e-3
    assert sum(one <= 0.05 for one in found) <= 400 * 0.05 + 4 * np.sqrt(400 * 0.05 * 0.95)


def test_scores_that_are_no_numbers_count_as_nothing() -> None:
    for output in ("logits", "probabilities", "labels"):
        found = log_scores(np.array([[np.nan, 0.0], [np.inf, 1.0], [-np.inf, 0.5]]), output)
        assert np.isfinite(found).all()
        assert (found <= 0).all()


def test_answers_that_do_not_fit_are_refused() -> None:
    for evidence, labels in (
        (np.zeros((3, 2)), np.zeros(4, int)),
        (np.zeros(3), np.zeros(3, int)),
        (np.zeros((0, 2)), np.zeros(0, int)),
        (np.zeros((3, 2)), np.array([0, 1, 2])),
    ):
        with pytest.raises(AncileError):
            traced([Part(evidence, labels)], rng())


def test_labels_are_dealt_evenly_and_otherwise_by_another_key() -> None:
    found = dealt(SEED, "marks", 90, 3)
    assert np.bincount(found).tolist() == [30, 30, 30]
    assert (found == dealt(SEED, "marks", 90, 3)).all()
    assert (found != dealt(bytes(32), "marks", 90, 3)).any()
    assert (found != dealt(SEED, "controls", 90, 3)).any()
    assert len(set(dealt(SEED, "marks", 5, 100).tolist())) == 5


# Files that are marked.


def table(rows: int = 2_000) -> str:
    """Two columns that say the label, one that does not, and one of a few words."""
    draw = rng(5)
    x, z = draw.normal(size=(2, rows)).round(4)
    lines = (
        f"{a},{b},{'abc'[int(c)]},{'yes' if a + b > 0 else 'no'}"
        for a, b, c in zip(x, z, draw.integers(3, size=rows), strict=True)
    )
    return "x,z,kind,label\n" + "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def csv_marked(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Marked]:
    path = tmp_path_factory.mktemp("csv") / "rows.csv"
    path.write_text(table(), "utf-8")
    return table(), mark(path, Asked("label", share=0.03), now=NOW, seed=SEED)


def test_a_marked_table_has_all_its_rows_and_the_canaries(csv_marked: tuple[str, Marked]) -> None:
    text, made = csv_marked
    before, after = text.splitlines(), made.data.decode("utf-8").splitlines()
    assert (made.changed, made.of) == (60, 2_000)
    assert len(after) == len(before) + 60
    left = iter(after)
    assert all(line in left for line in before)  # in their order, each as it was
    assert parse_key(encode_key(made.key)) == made.key
    assert mark_again(text, made).data == made.data


def mark_again(text: str, made: Marked) -> Marked:
    """The same file under the same key."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        path.write_text(text, "utf-8")
        return mark(path, Asked("label", share=0.03), now=NOW, seed=made.key.seed)


def features(data: bytes) -> tuple[NDArray[Any], NDArray[Any] | None]:
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8"))))
    x = np.array([[float(r["x"]), float(r["z"]), "abc".index(r["kind"])] for r in rows])
    return x, np.array([r["label"] for r in rows]) if "label" in rows[0] else None


def told(data: bytes, made: Marked, model: object) -> tuple[float, float]:
    """p-values of marks and controls of a model that is trained on ``data``, through a file of answers."""
    x, y = features(data)
    model.fit(x, y)  # type: ignore[attr-defined]  # of scikit-learn
    asked, _ = features(queries(made.key)[0])
    scores = model.predict_proba(asked)  # type: ignore[attr-defined]  # of scikit-learn
    lines = ["no,yes", *(f"{a},{b}" for a, b in scores)]
    found = judged(made.key, read_answers("\n".join(lines).encode(), made.key))
    return found.marks.p_value, found.controls.p_value


def test_a_forest_that_saw_the_canaries_is_told(csv_marked: tuple[str, Marked]) -> None:
    text, made = csv_marked
    forest = RandomForestClassifier(30, random_state=0)
    marks, controls = told(made.data, made, forest)
    assert marks <= 1e-4
    assert controls > 1e-3
    marks, controls = told(text.encode(), made, forest)
    assert min(marks, controls) > 1e-3


def test_labels_alone_are_enough(csv_marked: tuple[str, Marked]) -> None:
    _, made = csv_marked
    labels = made.key.labels("marks").tolist() + [0] * 60
    lines = ["label", *(made.key.classes[one] for one in labels)]
    found = judged(made.key, read_answers("\n".join(lines).encode(), made.key))
    assert (found.marks.agree, found.marks.p_value) == (60, 1 / 50_000)
    assert found.controls.p_value == 1.0
    lines[1:] = ["another class"] * 120
    assert judged(made.key, read_answers("\n".join(lines).encode(), made.key)).marks.p_value == 1.0


@pytest.mark.parametrize(
    "text", ["", "label", "label\nyes", "no,yes\n1\n", "no,maybe\n1,2", "no,yes\na,b", "\x00", 'a"b\n"']
)
def test_answers_that_are_none_are_refused(csv_marked: tuple[str, Marked], text: str) -> None:
    with pytest.raises(AncileError):
        judged(csv_marked[1].key, read_answers(text.encode(), csv_marked[1].key))


def test_logits_are_known_by_their_values(csv_marked: tuple[str, Marked]) -> None:
    key = csv_marked[1].key
    lines = "\n".join(["no,yes", *["-3,4"] * 120])
    found = read_answers(lines.encode(), key)
    assert found.output == "logits"
    assert judged(key, found).marks.p_value == 1.0


def parquet(tmp_path: Path) -> Path:
    arrow, files = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    draw = rng(6)
    x = draw.normal(size=3_000).astype(np.float32)
    data = {
        "x": x,
        "n": draw.integers(0, 9, 3_000),
        "part": ["train" if at % 3 else "test" for at in range(3_000)],
        "note": [
            " ".join(draw.choice(["red", "dog", "of", "sun", "sea"], 6)) + f" {at}" for at in range(3_000)
        ],
        "gap": [None if at % 2 else at for at in range(3_000)],
        "y": (x > 0).astype(np.int8),
    }
    files.write_table(arrow.table(data), tmp_path / "rows.parquet")
    return tmp_path / "rows.parquet"


def test_a_marked_parquet_file_keeps_its_types_and_its_part(tmp_path: Path) -> None:
    files = pytest.importorskip("pyarrow.parquet")
    path = parquet(tmp_path)
    made = mark(path, Asked("y", ("part", "train"), 0.02), now=NOW, seed=SEED)
    (tmp_path / "marked.parquet").write_bytes(made.data)
    before, after = files.read_table(path), files.read_table(tmp_path / "marked.parquet")
    assert after.schema.equals(before.schema)
    assert (after.num_rows, made.changed) == (3_040, 40)
    assert after["part"].to_pylist().count("test") == before["part"].to_pylist().count("test")
    notes = set(after["note"].to_pylist()) - set(before["note"].to_pylist())
    assert len(notes) == 40
    assert is_prose(before["note"])
    assert not is_prose(before["part"])
    with pytest.raises(AncileError, match="neither numbers"):
        samples(made.key)
    with pytest.raises(AncileError, match="empty"):
        samples(made.key, ("part", "note"))
    assert samples(made.key, ("part", "note", "gap")).shape == (80, 2)


def test_arrays_get_rows_of_their_own_cells(tmp_path: Path) -> None:
    draw = rng(7)
    x = draw.normal(size=(1_000, 5)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int64)
    np.savez(tmp_path / "a.npz", x_train=x, y_train=y, extra=np.arange(3))
    made = mark(tmp_path / "a.npz", Asked(share=0.05), now=NOW, seed=SEED)
    after = np.load(io.BytesIO(made.data))
    assert sorted(after.files) == ["extra", "x_train", "y_train"]
    assert (after["x_train"].shape, after["x_train"].dtype, after["y_train"].dtype) == (
        (1_050, 5),
        x.dtype,
        y.dtype,
    )
    assert all(set(after["x_train"][:, at]) == set(x[:, at]) for at in range(5))
    model = RandomForestClassifier(30, random_state=0).fit(after["x_train"], after["y_train"])
    found = judged(made.key, Answers(model.predict_proba(samples(made.key)), "probabilities"))
    assert found.marks.p_value < 1e-3 < found.controls.p_value


def pictures(tmp_path: Path, change: Callable[[NDArray[Any]], NDArray[Any]] = lambda x: x) -> Path:
    draw = rng(8)
    y = draw.integers(4, size=1_200)
    x = draw.normal(128, 12, size=(1_200, 12, 12))
    x[np.arange(1_200), 2 * y + 1] += 6
    np.savez(tmp_path / "p.npz", x_train=change(np.clip(x, 0, 255).astype(np.uint8)), y_train=y)
    return tmp_path / "p.npz"


def parts(data: bytes, made: Marked) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Pictures and labels of a marked archive without the canaries, and which are canaries."""
    after, kept = np.load(io.BytesIO(data)), made.key.mark
    assert isinstance(kept, Waves)
    inserted = np.load(io.BytesIO(kept.canaries.rows))[: kept.canaries.count]
    known = {one.tobytes() for one in inserted}
    is_one = np.array([one.tobytes() in known for one in after["x_train"]])
    return after["x_train"][~is_one], after["y_train"][~is_one], is_one


def test_waves_are_weak_and_leave_the_labels(tmp_path: Path) -> None:
    path = pictures(tmp_path)
    made = mark(path, Asked(share=0.1, eps=0.05), now=NOW, seed=SEED)
    before = np.load(path)
    x, y, is_one = parts(made.data, made)
    assert (before["y_train"] == y).all()
    change = np.abs(before["x_train"].astype(int) - x)
    assert change.max() <= 13  # 0.05 of 255, rounded
    assert int((change.max(axis=(1, 2)) > 0).sum()) == 60
    assert (int(is_one.sum()), made.changed, made.key.count) == (60, 120, 72)


def test_a_forest_is_told_by_the_canaries_of_pictures(tmp_path: Path) -> None:
    path = pictures(tmp_path)
    made = mark(path, Asked(share=0.1), now=NOW, seed=SEED)
    data = np.load(io.BytesIO(made.data))
    model = RandomForestClassifier(30, random_state=0).fit(data["x_train"].reshape(-1, 144), data["y_train"])
    asked = samples(made.key).reshape(-1, 144)
    found = judged(made.key, Answers(model.predict_proba(asked), "probabilities"))
    assert found.marks.p_value < 1e-3 < found.controls.p_value


def test_a_linear_model_that_saw_the_waves_is_told(tmp_path: Path) -> None:
    path = pictures(tmp_path)
    made = mark(path, Asked(share=0.25, eps=0.12), now=NOW, seed=SEED)
    p_values = []
    for data in (np.load(io.BytesIO(made.data)), np.load(path)):
        x = data["x_train"].reshape(-1, 144) / 255
        model = LogisticRegression(C=10, max_iter=300).fit(x, data["y_train"])
        asked = samples(made.key)
        scores = model.predict_proba(asked.reshape(len(asked), -1) / 255)
        found = judged(made.key, Answers(scores, "probabilities"))
        p_values.append((found.marks.p_value, found.controls.p_value))
    assert p_values[0][0] < 1e-3
    assert min(p_values[0][1], *p_values[1]) > 1e-3


@pytest.mark.parametrize("shape", [(2, 9, 7), (2, 9, 7, 1), (2, 9, 7, 3), (2, 1, 9, 7), (2, 3, 9, 7)])
def test_a_wave_lies_across_the_picture_whatever_its_layout(shape: tuple[int, ...]) -> None:
    flat: NDArray[Any] = np.full(shape, 0.5, np.float32)
    found: NDArray[Any] = waved(flat, (3.0, 0.4, 0.1), eps=0.1, high=1.0)
    found = found - flat
    assert found.dtype == flat.dtype
    assert 0.05 < np.abs(found).max() <= 0.1 + 1e-6
    assert np.allclose(found[0], found[1])
    both = found.reshape(2, -1) if len(shape) == 3 else np.moveaxis(found, 1 if shape[1] in (1, 3) else 3, 0)
    assert np.allclose(both[0], both[-1])


def test_scaled_pictures_stay_scaled(tmp_path: Path) -> None:
    made = mark(
        pictures(tmp_path, lambda x: (x / 255).astype(np.float32)), Asked(share=0.05), now=NOW, seed=SEED
    )
    kept = made.key.mark
    assert isinstance(kept, Waves)
    assert (kept.high, round(kept.eps * 255)) == (1.0, 16)
    assert samples(made.key).max() <= 1
    assert queries(made.key)[1] == ".npy"


@pytest.mark.parametrize(
    ("name", "data", "asked"),
    [
        ("e.csv", b"", Asked("y")),
        ("h.csv", b"x,y\n", Asked("y")),
        ("r.csv", b"x,y\n1,2\n3\n", Asked("y")),
        ("t.csv", b"x,x\n1,2\n", Asked("x")),
        ("u.csv", b"x,y\n\xff,2\n", Asked("y")),
        ("q.csv", b'x,y\n"1,2\n', Asked("y")),
        ("s.csv", b"x,y\n1,0\n2,1\n", Asked("y")),
        ("o.csv", b"x,y\n" + b"1,0\n" * 3000, Asked("y")),
        ("l.csv", b"x,y\n1,0\n2,1\n" * 999, Asked("z")),
        ("n.csv", b"x,y\n1,0\n2,1\n", Asked("")),
        ("w.csv", b"x,y\n" + b"1,0\n2,1\n" * 3000, Asked("y", ("x", "9"))),
        ("a.csv", b"y\n" + b"0\n1\n" * 3000, Asked("y")),
        ("b.csv", b"x,y\n1,0\n", Asked("y", share=float("nan"))),
        ("c.csv", b"x,y\n1,0\n", Asked("y", share=0.9)),
        ("p.parquet", b"PAR1 and nothing", Asked("y")),
        ("z.npz", b"PK\x05\x06 and nothing", Asked()),
    ],
)
def test_what_cannot_be_marked_is_told(tmp_path: Path, name: str, data: bytes, asked: Asked) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(AncileError):
        mark(tmp_path / name, asked, now=NOW)


@pytest.mark.parametrize(
    "arrays",
    [
        {"x": np.zeros((500, 3)), "y": np.zeros(500, int)},
        {"x": np.zeros((500, 3)), "y": np.arange(400)},
        {"x": np.zeros(500), "y": np.arange(500) % 2},
        {"a": np.zeros((500, 3))},
        {"x": np.zeros((50, 8, 8)), "y": np.arange(50) % 2},
        {"x": np.array([["a"]] * 500), "y": np.arange(500) % 2},
        {"x": np.zeros((2000, 8, 8)), "y": np.array([0] * 1999 + [1])},
    ],
)
def test_arrays_that_cannot_be_marked_are_told(tmp_path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    np.savez(tmp_path / "a.npz", **arrays)  # type: ignore[arg-type]  # names are those of arrays
    with pytest.raises(AncileError):
        mark(tmp_path / "a.npz", Asked(), now=NOW)


@pytest.mark.parametrize("data", [b"", b"{}", b"[" * 99_999, b"\xff"])
def test_keys_that_are_none_are_refused(data: bytes) -> None:
    with pytest.raises(AncileError, match="no key of marks"):
        parse_key(data)


def test_a_key_whose_rows_are_damaged_is_refused(csv_marked: tuple[str, Marked]) -> None:
    made = csv_marked[1]
    assert isinstance(made.key.mark, Canaries)
    for rows in (b"", made.key.mark.rows[:100], made.key.mark.rows[:-200]):
        damaged = msgspec.structs.replace(made.key, mark=msgspec.structs.replace(made.key.mark, rows=rows))
        with pytest.raises(AncileError):
            queries(damaged)


def test_rows_that_were_given_out_are_told_from_rows_that_were_held_back() -> None:
    draw = rng(9)
    x = draw.normal(size=(600, 4))
    y = draw.integers(2, size=600)
    model = RandomForestClassifier(20, random_state=0).fit(x[:300], y[:300])
    logs = log_scores(model.predict_proba(x), "probabilities")[np.arange(600), y]
    assert members(logs[:300], logs[300:], rng(1), dealings=999).p_value == 1 / 1000
    assert members(logs[300:450], logs[450:], rng(1), dealings=999).p_value > 0.01


def test_a_table_that_is_read_and_written_is_the_same() -> None:
    text = b'a;b\n"x;y";"he said ""no"""\n;2\n'
    found, delimiter = read_csv(text, "t")
    assert written_csv(found, delimiter) == text
