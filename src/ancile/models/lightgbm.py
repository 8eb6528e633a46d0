"""A LightGBM classifier in its own text form; runs in the child, as its parser is native code.

lightgbm.readthedocs.io, "Booster.save_model". Scores are raw: logits for the objectives of classification.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

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

OBJECTIVE = re.compile(r"^objective=(\w+)", re.MULTILINE)
CLASSES = re.compile(r"^num_class=(\d{1,6})$", re.MULTILINE)
OBJECTIVES = ("binary", "multiclass", "multiclassova", "cross_entropy")
PARTS = (("tree\n", "\nend of trees"), ("\nparameters:", "\nend of parameters"))  # begin and end of each
HEAD = 100_000  # characters in which objective and classes stand


def open_bytes(order: Order, parts: list[bytes], probe: NDArray[np.floating]) -> Ready:
    """The booster as a black box that answers with raw scores."""
    library = needs("lightgbm", "trees")
    try:
        text = parts[0].decode("utf-8")
    except UnicodeDecodeError as reason:
        raise _refused("the LightGBM file is no text", str(reason)) from reason
    objective, found = OBJECTIVE.search(text, 0, HEAD), CLASSES.search(text, 0, HEAD)
    if not objective or objective[1] not in OBJECTIVES:
        raise AncileError(
            "the booster is no classifier",
            value=plain(objective[1] if objective else "no objective"),
            remedy=f"assess a model with one of the objectives {', '.join(OBJECTIVES)}",
        )
    if any(start in text and end not in text for start, end in PARTS):  # the library dies on some of these
        raise _refused("the LightGBM file is damaged", "its end was cut off")
    try:
        booster = library.Booster(model_str=text)
    except (library.basic.LightGBMError, ValueError, TypeError) as reason:
        raise _refused("LightGBM cannot load the model", " ".join(str(reason).split())) from reason
    classes = max(2, int(found[1]) if found else 0)
    require_classes(classes, order.classes)

    def raw(x: NDArray[np.floating]) -> NDArray[np.float64]:
        answer: NDArray[np.float64] = booster.predict(x.reshape(len(x), -1), raw_score=True)
        return answer

    told = msgspec.structs.replace(order, output="logits", classes=classes)
    return function_model(raw, told, probe, kind="lightgbm", notes=(f"objective {objective[1]}: raw scores",))


def _refused(what: str, value: str) -> AncileError:
    return AncileError(
        what,
        value=plain(value),
        remedy="take the file from its source once more, or save it again with Booster.save_model of the "
        "version installed here",
    )
