"""Models of trees are data, but for what was put beside them."""

from __future__ import annotations

import base64

import pytest

from ancile.scan.examine import Examination, examine_part
from ancile.scan.part import Part

HOSTILE = b"cos\nsystem\n(Vtrue\ntR."
LIGHTGBM = b"tree\nversion=v4\nnum_class=1\n\nend of trees\n\npandas_categorical:null\n"


def examined(data: bytes) -> Examination:
    return examine_part(Part("file", data))


def xgboost(note: bytes) -> bytes:
    return b"{L\0\0\0\0\0\0\0\x07learner{i\x04noteSU" + bytes((len(note),)) + note + b"}}"


def test_whole_models_are_data() -> None:
    for data, name in ((xgboost(b"words"), "xgboost-ubj"), (LIGHTGBM, "lightgbm")):
        assert (examined(data).format, examined(data).verdict) == (name, "data-only")
    assert examined(b"CBM1\x08\0\0\0\x0c\0\0\0abcd").verdict == "data-only"


def test_a_pickle_beside_them_is_blocked() -> None:
    for data in (xgboost(b"words"), LIGHTGBM, b"CBM1\x08\0\0\0\x0c\0\0\0abcd"):
        assert examined(data + HOSTILE).verdict == "block"
    assert examined(xgboost(base64.b64encode(HOSTILE))).verdict == "block"


def test_words_beside_them_are_reviewed_and_a_cut_is_incomplete() -> None:
    assert examined(LIGHTGBM + b"more").verdict == "review"
    assert examined(xgboost(b"words").replace(b"SU", b"*U")).verdict == "review"
    assert examined(xgboost(b"words")[:-1]).verdict == "incomplete"
    assert examined(b"CBM1\xff\0\0\0").verdict == "incomplete"


def catboost(names: bytes, *parts: bytes) -> bytes:
    return b"CBM1" + len(names).to_bytes(4, "little") + names + b"".join(parts)


def sized(*parts: bytes) -> bytes:
    return b"".join(len(one).to_bytes(4, "little") + one for one in parts)


def test_the_parts_that_catboost_keeps_for_categories_and_texts_belong_to_the_model() -> None:
    tables = b"\2\0\0\0" + sized(b"a table of numbers", b"another one")
    for behind in (b"\0\0\0\0", tables):
        assert examined(catboost(b"core static_provider_v1", behind)).verdict == "data-only"
    texts = b"text_process_v2\0" + bytes(40)
    assert examined(catboost(b"core", texts)).verdict == "data-only"
    assert examined(catboost(b"core", b"embed_process_1\0" + bytes(40))).verdict == "data-only"
    assert examined(catboost(b"core", texts + HOSTILE)).verdict == "block"


@pytest.mark.parametrize(
    "behind",
    [
        b"\1\0\0\0" + sized(b"a table of numbers") + b"more",
        b"\2\0\0\0" + sized(b"a table of numbers"),
        b"\xff\xff\xff\xff" + b"\xff" * 8,
        b"\xff\0\0\0" + bytes(4000),
        b"\1\0\0",
    ],
)
def test_tables_of_categories_that_do_not_add_up_are_told(behind: bytes) -> None:
    assert examined(catboost(b"core static_provider_v1", behind)).verdict in ("review", "incomplete")


@pytest.mark.slow
def test_what_the_libraries_write_is_data() -> None:
    numpy = pytest.importorskip("numpy")
    xgb = pytest.importorskip("xgboost")
    lgb = pytest.importorskip("lightgbm")
    x, y = numpy.arange(200.0).reshape(100, 2), numpy.arange(100) % 2
    booster = xgb.train({"max_depth": 2}, xgb.DMatrix(x, y), 2)
    for form in ("ubj", "json"):
        assert examined(bytes(booster.save_raw(form))).verdict == "data-only"
    text = lgb.train({"verbose": -1}, lgb.Dataset(x, y), 2).model_to_string()
    assert examined(text.encode()).verdict == "data-only"
