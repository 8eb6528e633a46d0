"""Rows on both sides of a split are found, those that were changed a little too, and natural likeness is not."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from scipy import stats

from ancile.core.errors import AncileError
from ancile.core.report import Report
from ancile.data.leakage import LISTED, SHOWN, overlap_report
from ancile.data.leakage_compare import Overlap, overlap_of
from ancile.data.leakage_near import excess, near_cells, near_pictures, nearest
from ancile.data.leakage_reading import Chosen
from ancile.data.leakage_texts import near_texts
from ancile.data.rows import Pictures
from ancile.work.clock import Clock
from tests.shared import SHARED, needs_shared

WORDS = [
    "time",
    "year",
    "people",
    "way",
    "day",
    "man",
    "thing",
    "woman",
    "life",
    "child",
    "world",
    "school",
    "state",
    "family",
    "student",
    "group",
    "country",
    "problem",
]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
CLOCK = Clock(now=lambda: NOW, wall=lambda: 0.0, cpu=lambda: 0.0, memory=lambda: 0)


def table(path: Path, rows: int, seed: int, **more: list[object]) -> dict[str, list[object]]:
    rng = np.random.default_rng(seed)
    made: dict[str, list[object]] = {f"x{number}": rng.normal(size=rows).tolist() for number in range(6)}
    made["colour"] = rng.choice(["red", "green", "blue"], rows).tolist()
    made["y"] = rng.integers(0, 2, rows).tolist()
    made |= more
    pq.write_table(pa.table(made), path)
    return made


def joined(path: Path, one: dict[str, list[object]], other: dict[str, list[object]]) -> None:
    pq.write_table(pa.table({name: [*one[name], *other[name]] for name in one}), path)


def some(made: dict[str, list[object]], places: range) -> dict[str, list[object]]:
    return {name: [values[at] for at in places] for name, values in made.items()}


def passages(count: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, 14)) for _ in range(count)]


def pictures(count: int, seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Smooth ones, each its own."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (count, 8, 8), np.uint8)
    return np.stack(
        [np.asarray(Image.fromarray(one).resize((28, 28), Image.Resampling.BICUBIC)) for one in small]
    )


def found(tmp_path: Path, chosen: Chosen = Chosen(), suffix: str = "parquet") -> Overlap:  # noqa: B008 - a value
    return overlap_of(tmp_path / f"train.{suffix}", tmp_path / f"test.{suffix}", chosen)


# Tables.


def test_equal_rows_are_found_with_their_places(tmp_path: Path) -> None:
    train = table(tmp_path / "train.parquet", 500, 1)
    test = table(tmp_path / "test.parquet", 100, 2)
    joined(tmp_path / "test.parquet", test, some(train, range(40, 60)))
    seen = found(tmp_path)
    assert [(one.test, one.train) for one in seen.exact] == [
        (f"row {100 + at}", f"row {40 + at}") for at in range(20)
    ]
    assert (seen.near, seen.groups) == ([], None)


def test_labels_are_compared_for_themselves(tmp_path: Path) -> None:
    train = table(tmp_path / "train.parquet", 300, 1)
    leaked = some(train, range(10))
    leaked["y"] = [1 - int(str(value)) if at < 3 else value for at, value in enumerate(leaked["y"])]
    joined(tmp_path / "test.parquet", table(tmp_path / "test.parquet", 50, 2), leaked)
    assert len(found(tmp_path).exact) == 7
    seen = found(tmp_path, Chosen(label="y"))
    assert (len(seen.exact), [one.test for one in seen.other]) == (10, ["row 50", "row 51", "row 52"])


def test_rounded_rows_are_nearly_equal_and_others_are_not(tmp_path: Path) -> None:
    train = table(tmp_path / "train.parquet", 2_000, 1)
    rounded = some(train, range(30))
    for number in range(6):
        rounded[f"x{number}"] = [round(float(str(value)), 3) for value in rounded[f"x{number}"]]
    test = table(tmp_path / "test.parquet", 400, 2)
    assert found(tmp_path).near == []
    joined(tmp_path / "test.parquet", test, rounded)
    near = found(tmp_path).near
    assert near is not None
    assert {one.test_row for one in near} >= set(range(400, 430))
    assert len(near) < 40


def test_a_table_of_few_columns_is_not_full_of_copies() -> None:
    """In two dimensions a sixth of all rows are nearer to one than 0.4 of the next: that is chance."""
    rng = np.random.default_rng(0)
    train, test = rng.normal(size=(3_000, 2)), rng.normal(size=(500, 2))
    assert near_cells(train, test, np.arange(1_000)).pairs == []


def test_both_sides_may_be_in_one_file_and_groups_must_not_be(tmp_path: Path) -> None:
    rows = 200
    split = ["train"] * 150 + ["test"] * 50
    person = [f"p{at // 10}" for at in range(145)] + ["p3"] * 5 + ["q1"] * 45 + ["p3"] * 5
    table(
        tmp_path / "all.parquet",
        rows,
        1,
        split=list(split),
        person=list(person),
        fold=[*[1.0] * 150, *[2.0] * 50],
    )
    both = (tmp_path / "all.parquet", tmp_path / "all.parquet")
    seen = overlap_of(*both, Chosen(group="person", train_where="split=train", test_where="split=test"))
    assert (len(seen.sides.train.keys), len(seen.sides.test.keys), seen.groups) == (150, 50, ["p3"])
    assert seen.exact == []
    assert found_rows(overlap_of(*both, Chosen(train_where="fold=1", test_where="fold=2"))) == (150, 50)
    assert seen.sides.test.rows.tolist() == list(range(150, 200))


def found_rows(seen: Overlap) -> tuple[int, int]:
    return len(seen.sides.train.keys), len(seen.sides.test.keys)


def test_types_of_the_file_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("a,b,c\n1,x,true\n2,y,false\n3,,true\n", "ascii")
    pq.write_table(
        pa.table(
            {
                "a": pa.array([2, 3], pa.int8()),
                "b": pa.array(["y", None]).dictionary_encode(),
                "c": [False, True],
            }
        ),
        tmp_path / "test.parquet",
    )
    seen = overlap_of(tmp_path / "train.csv", tmp_path / "test.parquet", Chosen())
    assert [(one.test_row, one.train) for one in seen.exact] == [(0, "row 1"), (1, "row 2")]
    seen = overlap_of(
        tmp_path / "train.csv", tmp_path / "test.parquet", Chosen(train_where="c=true", test_where="b=y")
    )
    assert found_rows(seen) == (2, 1)


def test_columns_of_one_side_alone_are_told(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("a,b\n1,2\n", "ascii")
    (tmp_path / "test.csv").write_text("b,c\n2,3\n", "ascii")
    seen = found(tmp_path, suffix="csv")
    assert (len(seen.exact), seen.sides.notes) == (1, ("columns that are not compared: a, c",))


# Texts.


def test_texts_with_small_changes_are_nearly_equal(tmp_path: Path) -> None:
    train, test = passages(300, 1), passages(50, 2)
    changed = [
        train[0].upper() + "!",
        train[1].replace("a", "e", 1),
        " ".join(train[2].split()[:-1]),
        train[3],
    ]
    for name, texts in (("train", train), ("test", [*test, *changed])):
        (tmp_path / f"{name}.jsonl").write_text(
            "".join(json.dumps({"text": one}) + "\n" for one in texts), "utf-8"
        )
    seen = found(tmp_path, suffix="jsonl")
    assert [(one.test_row, one.train) for one in seen.exact] == [(53, "row 3")]
    assert seen.near is not None
    assert [(one.test_row, one.train) for one in seen.near] == [(50, "row 0"), (51, "row 1"), (52, "row 2")]


def test_short_and_empty_texts_are_not_nearly_equal() -> None:
    assert near_texts(["", "yes", "no, thanks"], ["", "yes!", "no thanks"]) == []
    assert near_texts([], ["x" * 100]) == []
    assert near_texts(["ab" * 50_000], ["ab" * 50_001]) == [(0, 0)]


def test_of_many_equal_texts_one_is_named() -> None:
    text = passages(1, 1)[0]
    assert near_texts([text] * 500, [text + "."]) == [(0, 0)]


# Pictures.


def as_pictures(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Pictures:
    return Pictures(pixels=np.ascontiguousarray(pixels[..., None] if pixels.ndim == 3 else pixels))


def test_pictures_that_were_stored_again_mirrored_or_moved_are_found_and_others_not() -> None:
    train, test = pictures(600, 1), pictures(80, 2)
    rng = np.random.default_rng(3)
    copies = np.concatenate(
        [
            np.clip(train[:10] + rng.normal(0, 8, (10, 28, 28)), 0, 255).astype(np.uint8),
            (train[10:20] * 0.7 + 20).astype(np.uint8),
            train[20:30, :, ::-1],
            np.roll(train[30:40], 1, axis=2),
        ]
    )
    sample = np.arange(100)
    assert near_pictures(as_pictures(train), as_pictures(test), sample).pairs == []
    pairs = near_pictures(as_pictures(train), as_pictures(np.concatenate([test, copies])), sample).pairs
    assert pairs == [(80 + at, at) for at in range(40)]


def test_arrays_give_their_training_part_and_their_test_part(tmp_path: Path) -> None:
    train, test = pictures(60, 1), pictures(20, 2)
    test[3] = train[7]
    y, z = np.arange(60) % 3, np.arange(20) % 3
    np.savez(tmp_path / "both.npz", x_train=train, y_train=y, x_test=test, y_test=z)
    seen = overlap_of(tmp_path / "both.npz", tmp_path / "both.npz", Chosen())
    assert [(one.test, one.train) for one in seen.exact] == [("row 3", "row 7")]
    assert len(seen.other) == (1 if z[3] != y[7] else 0)
    assert seen.near == []


def test_rows_that_memory_would_not_hold_are_drawn_and_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez(tmp_path / "a.npz", x=pictures(40, 1), y=np.arange(40) % 2)
    monkeypatch.setattr("ancile.data.leakage_reading.ROWS", 25)
    said = overlap_report(tmp_path / "a.npz", tmp_path / "a.npz", Chosen(), clock=CLOCK)
    counted = {one.name: one.value for one in said.measures}
    assert (counted["train_rows"], counted["train_looked_at"]) == (40, 25)


def test_folders_of_pictures_name_their_files(tmp_path: Path) -> None:
    made = pictures(24, 1)
    for at, one in enumerate(made):
        folder = tmp_path / ("train" if at < 16 else "test") / ("cat" if at % 2 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(one).save(folder / f"{at:02}.png")
    Image.fromarray(made[4]).save(tmp_path / "test" / "dog" / "again.png")
    seen = overlap_of(tmp_path / "train", tmp_path / "test", Chosen())
    assert [(one.test, one.train) for one in seen.exact] == [("dog/again.png", "dog/04.png")]


def test_rows_of_numbers_in_arrays_are_compared(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    train, test = rng.normal(size=(500, 5)), rng.normal(size=(100, 5))
    test[0], test[1:21] = train[3], train[10:30] + 1e-4
    np.savez(
        tmp_path / "a.npz", x_train=train, y_train=np.arange(500) % 2, x_test=test, y_test=np.arange(100) % 2
    )
    seen = overlap_of(tmp_path / "a.npz", tmp_path / "a.npz", Chosen())
    assert len(seen.exact) == 1
    assert seen.near is not None
    assert {one.test_row for one in seen.near} == set(range(1, 21))


def test_texts_in_arrays_are_compared(tmp_path: Path) -> None:
    train, test = passages(30, 1), passages(10, 2)
    test[2] = train[5].upper()
    np.savez(
        tmp_path / "a.npz", x_train=train, y_train=np.arange(30) % 2, x_test=test, y_test=np.arange(10) % 2
    )
    seen = overlap_of(tmp_path / "a.npz", tmp_path / "a.npz", Chosen())
    assert seen.near is not None
    assert [(one.test_row, one.train) for one in seen.near] == [(2, "row 5")]


# The report.


def report(tmp_path: Path, chosen: Chosen = Chosen()) -> Report:  # noqa: B008 - a value
    return overlap_report(tmp_path / "train.parquet", tmp_path / "test.parquet", chosen, clock=CLOCK)


def test_more_than_chance_fails_and_no_more_warns(tmp_path: Path) -> None:
    train = table(tmp_path / "train.parquet", 400, 1)
    test = table(tmp_path / "test.parquet", 200, 2)
    assert report(tmp_path).outcome == "pass"
    joined(tmp_path / "test.parquet", test, some(train, range(LISTED - 200)))
    failed = report(tmp_path)
    assert failed.outcome == "fail"
    assert sum(one.check == "data-overlap-exact" for one in failed.findings) == SHOWN + 1
    # As often as training rows equal each other
    joined(tmp_path / "train.parquet", train, some(train, range(40)))
    joined(tmp_path / "test.parquet", test, some(train, range(25)))
    warned = report(tmp_path)
    assert (warned.outcome, {one.status for one in warned.findings}) == ("pass", {"WARN", "SKIP"})


def test_a_group_on_both_sides_fails(tmp_path: Path) -> None:
    table(tmp_path / "train.parquet", 30, 1, person=[f"p{at}" for at in range(30)])
    table(tmp_path / "test.parquet", 30, 2, person=[f"p{at + 5}" for at in range(30)])
    said = [one.detail for one in report(tmp_path, Chosen(group="person")).findings]
    assert (said[0], said[-1], len(said)) == ("p10 is on both sides", "and 5 more", SHOWN + 1)
    table(tmp_path / "test.parquet", 30, 2, person=["other"] * 30)
    assert report(tmp_path, Chosen(group="person")).outcome == "pass"


@pytest.mark.parametrize(
    ("count", "total", "again", "of"), [(0, 10, 0, 10), (3, 50, 2, 40), (10, 10, 1, 90), (1, 1, 0, 1)]
)
def test_the_chance_of_an_excess_is_fishers(count: int, total: int, again: int, of: int) -> None:
    wanted = stats.fisher_exact([[count, total - count], [again, of - again]], alternative="greater").pvalue
    assert excess(count, total, again, of) == pytest.approx(wanted, rel=1e-6)


def test_one_row_to_compare_with_tells_nothing() -> None:
    one = np.zeros((1, 3))
    assert near_cells(one, np.ones((4, 3)), np.arange(1)).pairs == []
    assert nearest(
        np.ones((2, 3), np.float32), np.ones((1, 3), np.float32), 3, skip=np.zeros(2, np.int64)
    ).shape == (2, 0)


# What cannot be compared.


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("one", "other", "chosen", "said"),
    [
        (b"a,b\n1,2\n", b"c,d\n1,2\n", Chosen(), "no column in common"),
        (b"a,b\n1,2\n", b"", Chosen(), "empty"),
        (b"a,b\n1,2\n", b"a,b\n", Chosen(), "no rows|empty"),
        (b"a,b\n1,2\n", b"a,b\n1,2\n", Chosen(label="z"), "no column is named so"),
        (b"a,b\n1,2\n", b"a,b\n1,2\n", Chosen(train_where="a"), "no choice of rows"),
        (b"a,b\n1,2\n", b"a,b\n1,2\n", Chosen(test_where="a=x"), "no rows"),
        (b"a,b\n1,2\n", b"a,b\n1\n", Chosen(), "cannot be read"),
        (b"a,b\n1,2\n", b"PK\x03\x04", Chosen(), "different kinds|damaged"),
        (b"a,b\n1,2\n", b"PK\x03\x04", Chosen(label="a"), "for tables alone"),
        (b"a,b\n1,2\n", b"PAR1 and no more", Chosen(), "cannot be read"),
        (b"a\n\xff\xfe\n", b"a\n1\n", Chosen(), "not UTF-8|cannot be read"),
    ],
)
def test_what_cannot_be_compared_is_one_clear_error(
    tmp_path: Path, one: bytes, other: bytes, chosen: Chosen, said: str
) -> None:
    with pytest.raises(AncileError, match=said):
        overlap_of(write(tmp_path / "a.csv", one), write(tmp_path / "b.csv", other), chosen)


def test_pictures_of_other_sizes_and_other_kinds_are_refused(tmp_path: Path) -> None:
    y = np.arange(30) % 2
    np.savez(tmp_path / "a.npz", x=pictures(30, 1), y=y)
    np.savez(tmp_path / "b.npz", x=pictures(30, 1)[:, :20], y=y)
    np.savez(tmp_path / "c.npz", x=np.zeros((30, 4)), y=y)
    for other, said in (("b", "different sizes"), ("c", "different kinds")):
        with pytest.raises(AncileError, match=said):
            overlap_of(tmp_path / "a.npz", tmp_path / f"{other}.npz", Chosen())


def test_constant_empty_and_infinite_columns_do_no_harm(tmp_path: Path) -> None:
    rows = 60
    odd: dict[str, list[object]] = {
        "none": [None] * rows,
        "same": [1.0] * rows,
        "far": [float("inf"), float("nan"), *[0.5] * (rows - 2)],
    }
    table(tmp_path / "train.parquet", rows, 1, **odd)
    table(tmp_path / "test.parquet", rows, 2, **odd)
    seen = found(tmp_path)
    assert (seen.exact, seen.near) == ([], [])


@needs_shared
@pytest.mark.slow
def test_of_adult_23_rows_are_on_both_sides_with_their_labels() -> None:
    """As its page says; no more than training rows are equal to each other."""
    assert SHARED is not None
    path = SHARED / "data" / "tabular" / "adult.parquet"
    made = overlap_report(path, path, Chosen(train_where="split=train", test_where="split=test"), clock=CLOCK)
    share = made.measure("equal_share")
    assert share is not None
    assert (round(share.value * 16281), made.outcome) == (23, "pass")
