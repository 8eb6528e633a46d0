"""A scikit-learn estimator from a skops file: skops.readthedocs.io, "Secure persistence"; runs in the child.

The file names types; skops makes those that it trusts, and those that are allowed here: classes that the
estimators of scikit-learn are made of. A function is never among them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.core.text import plain
from ancile.formats.zips import members
from ancile.models.wrap import Ready, estimator_model

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ancile.models.order import Order

# A class (its name begins with a capital) in a package of estimators: no test helpers, loaders or tools.
TRUSTED = re.compile(
    r"sklearn\.(?!utils\.|datasets\.|externals\.|tests?\.)([a-z_]\w*\.)*_*[A-Z]\w*"
    r"|sklearn\.utils\._bunch\.Bunch|numpy\.random\._(pcg64|philox|mt19937)\.[A-Z]\w*",
    re.ASCII,
)
TEST = re.compile(r"(^|\.)(tests?|conftest|_testing)(\.|$)")


def open_bytes(order: Order, parts: list[bytes], probe: NDArray[np.floating]) -> Ready:
    """The estimator in the file as a model."""
    return estimator_model(estimator_in(parts[0]), order, probe)


def estimator_in(data: bytes) -> object:
    """The estimator in the file, where all that it is made of is trusted."""
    members(data)  # sizes and names, before anything is unpacked
    library = needs("skops.io", "sklearn")
    try:
        untrusted = list(library.get_untrusted_types(data=data))
        _require_trusted(untrusted)
        found: object = library.loads(data, trusted=untrusted)
    except AncileError:
        raise
    except Exception as reason:  # skops raises what its parts raise
        raise AncileError(
            "skops cannot load the file",
            value=plain(f"{type(reason).__name__}: {reason}"),
            remedy="write it again with skops.io.dump, with the versions that are installed here",
        ) from reason
    return found


def _require_trusted(names: list[str]) -> None:
    strange = [name for name in names if not TRUSTED.fullmatch(name) or TEST.search(name)]
    if strange:
        raise AncileError(
            "the skops file is made of types that are not trusted",
            value=plain(", ".join(sorted(strange)), 400),
            remedy="use estimators of scikit-learn alone, or give FILE.py:factory once you know these",
        )
