"""An XGBoost classifier in its own JSON or UBJSON form; runs in the child, as its parser is native code.

xgboost.readthedocs.io, "Introduction to Model IO". Scores are margins, which are logits for the objectives of
classification: a softmax or a sigmoid away from probabilities, and never rounded to 0 or 1.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import msgspec

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.core.text import plain
from ancile.models.answers import require_classes
from ancile.models.wrap import Ready, function_model

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ancile.models.order import Order

PLACE = re.compile(r"\[[\d:]{8}\] \S+:\d+:")  # time, file and line of dmlc's log
OBJECTIVES = ("binary:logistic", "binary:logitraw", "multi:softmax", "multi:softprob")


def open_bytes(order: Order, parts: list[bytes], probe: NDArray[np.floating]) -> Ready:
    """The booster as a black box that answers with margins."""
    library, booster = needs("xgboost", "trees"), booster_in(parts[0])
    config = json.loads(booster.save_config())
    objective = _objective(config)
    classes = max(2, int(config["learner"]["learner_model_param"].get("num_class", 0)))
    require_classes(classes, order.classes)

    def margins(x: NDArray[np.floating]) -> NDArray[np.float32]:
        rows = library.DMatrix(x.reshape(len(x), -1), feature_names=booster.feature_names)
        found: NDArray[np.float32] = booster.predict(rows, output_margin=True, validate_features=False)
        return found

    told = msgspec.structs.replace(order, output="logits", classes=classes)
    return function_model(margins, told, probe, kind="xgboost", notes=(f"objective {objective}: margins",))


def booster_in(data: bytes) -> Any:
    """The booster in the file, which says everything of itself."""
    library = needs("xgboost", "trees")
    booster = library.Booster()
    try:
        booster.load_model(bytearray(data))
        json.loads(booster.save_config())
    except (library.core.XGBoostError, ValueError) as reason:
        raise AncileError(
            "XGBoost cannot load the model: it is damaged, or of another version",
            value=plain(_told(str(reason))),
            remedy="take the file from its source once more, or save it again with save_model of the version "
            f"that is installed here: {library.__version__}",
        ) from reason
    return booster


def _told(reason: str) -> str:
    """What the library says, without the places in its source and its stack."""
    first = reason.partition("Stack trace")[0]
    return " ".join(PLACE.sub("", first).split()) or "no reason given"


def _objective(config: dict[str, Any]) -> str:
    name = str(config["learner"]["objective"]["name"])
    if name not in OBJECTIVES:
        raise AncileError(
            "the booster is no classifier",
            value=plain(name),
            remedy=f"assess a model with one of the objectives {', '.join(OBJECTIVES)}",
        )
    return name
