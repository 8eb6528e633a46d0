"""Write docs/schema and docs/checks from the nouns and the checks; with --check, only say what is outdated.

python docs/generate.py [--check]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ancile.cli.checks import all_checks
from ancile.core.check import Check
from ancile.core.decision import Decision
from ancile.core.report import Report
from ancile.core.wire import record_schema, schema

HERE = Path(__file__).parent


def pages() -> dict[Path, str]:
    """Path to content of every generated file."""
    found = {HERE / "checks" / f"{one.id}.md": check_page(one) for one in all_checks().values()}
    found[HERE / "checks" / "README.md"] = index()
    for name, document in (
        ("record-v1", record_schema(id_="urn:ancile:schema:record:v1")),
        ("report-v1", schema(Report, id_="urn:ancile:schema:report:v1")),
        ("decision-v1", schema(Decision, id_="urn:ancile:schema:decision:v1")),
    ):
        found[HERE / "schema" / f"{name}.json"] = json.dumps(document, indent=1) + "\n"
    return found


def check_page(one: Check[object]) -> str:
    """The page of a check, from its docstring."""
    refs = "\n".join(f"- {ref}" for ref in one.refs) or "none"
    more = f"\n{one.page.more}\n" if one.page.more else ""
    head = f"# {one.id}\n\n{one.page.title}.\n\nSeverity: {one.severity}\n\n"
    body = f"## Why it matters\n\n{one.page.why}\n\n## How to mend it\n\n{one.page.fix}\n"
    return f"{head}{body}{more}\n## References\n\n{refs}\n"


def index() -> str:
    """The list of all checks."""
    rows = [f"| [{c.id}]({c.id}.md) | {c.severity} | {c.page.title} |" for c in all_checks().values()]
    return "\n".join(["# Checks", "", "| id | severity | finds |", "| --- | --- | --- |", *rows, ""])


def main() -> int:
    """0 when nothing was outdated, or all was written."""
    wanted, folders = pages(), (HERE / "checks", HERE / "schema")
    present = {path for folder in folders if folder.exists() for path in folder.iterdir()}
    outdated = [p for p, text in wanted.items() if not p.exists() or p.read_text("utf-8") != text]
    if "--check" in sys.argv:
        for path in sorted({*outdated, *(present - set(wanted))}):
            print(f"outdated: {path.relative_to(HERE.parent)}; run `make docs`")
        return 1 if outdated or present - set(wanted) else 0
    for path in present - set(wanted):
        path.unlink()
    for path in outdated:
        path.parent.mkdir(exist_ok=True)
        path.write_text(wanted[path], "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
