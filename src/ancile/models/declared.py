"""What a model's file itself says of the samples that it takes, before there is any data to show it."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from ancile.core.errors import AncileError
from ancile.formats.torch_export import read_export
from ancile.models.lightgbm import HEAD
from ancile.models.order import Kind
from ancile.models.sklearn import estimator_in
from ancile.models.xgboost import booster_in

LAST_FEATURE = re.compile(r"^max_feature_idx=(\d{1,7})$", re.MULTILINE)


class Declared(NamedTuple):
    """Samples that a model takes.

    shape  of one, None for an axis of any length; None where the file does not say
    dtype  in which it reckons
    """

    shape: tuple[int | None, ...] | None
    dtype: Literal["float32", "float64"]


def declared(kind: Kind, data: bytes) -> Declared:
    """What the file says; AncileError where it cannot be read. Of skops and XGBoost it is opened for that."""
    if kind == "torch-export":
        found = read_export(data)
        return Declared(found.shape[1:], "float64" if found.dtype == "float64" else "float32")
    if kind == "lightgbm":
        last = LAST_FEATURE.search(data[:HEAD].decode("utf-8", "replace"))
        return Declared((int(last[1]) + 1,) if last else None, "float64")
    if kind == "xgboost":
        return Declared(_flat(booster_in(data).num_features()), "float32")
    if kind == "skops":
        return Declared(_flat(_features(estimator_in(data))), "float64")
    raise AncileError(
        "a model of this kind is not opened without data", value=kind, remedy="give samples that it is for"
    )


def _features(estimator: object) -> object:
    """What scikit-learn's estimators say; a pipeline raises where its first step says nothing."""
    try:
        return getattr(estimator, "n_features_in_", None)
    except Exception:  # noqa: BLE001 - an attribute that is reckoned by what the file names
        return None


def _flat(features: object) -> tuple[int] | None:
    return (features,) if isinstance(features, int) and features > 0 else None
