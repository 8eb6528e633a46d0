"""Import every module of the installed package: a missing extra is named in one line, nothing else fails."""

from __future__ import annotations

import pkgutil
import sys
from importlib import import_module

import ancile
from ancile.core.errors import AncileError
from ancile.core.extras import EXTRAS

OPTIONAL = {module for modules, _ in EXTRAS.values() for module in modules}


def main() -> int:
    """0 when every module imports or names its extra."""
    faults, named, imported = [], 0, 0
    for module in pkgutil.walk_packages(ancile.__path__, "ancile."):
        if module.name == "ancile.__main__":
            continue
        try:
            import_module(module.name)
            imported += 1
        except AncileError as error:
            named += 1
            if 'pip install "ancile[' not in error.remedy:
                faults.append(f"{module.name}: the remedy names no extra: {error.remedy}")
        except ImportError as error:
            faults.append(f"{module.name}: {error}")
    sys.stdout.write(f"{imported} modules import without extras, {named} name the extra they need\n")
    for fault in faults:
        sys.stdout.write(fault + "\n")
    return 1 if faults else 0


sys.exit(main())
