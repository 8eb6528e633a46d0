"""What a version was made from, back to the sources."""

from __future__ import annotations

from collections import deque

from ancile.data.store import DataStore
from ancile.data.version import Version, parse_spelled


def ancestors(store: DataStore, version: Version) -> list[Version]:
    """The version and all that it was made from, each once, the nearest first."""
    found: dict[str, Version] = {}
    waiting = deque([version])
    while waiting:
        one = waiting.popleft()
        if one.spelled not in found:
            found[one.spelled] = one
            waiting.extend(store.find(parse_spelled(name)).version for name in one.provenance.parents)
    return list(found.values())


def mermaid(versions: list[Version]) -> str:
    """A flowchart (Mermaid, flowchart syntax): an arrow from each parent, with what was done."""
    ids = {one.spelled: f"v{number}" for number, one in enumerate(versions)}
    lines = ["flowchart LR"]
    for one in versions:
        said = one.provenance
        told = (
            f"{name}: {text}" for name, text in (("from", said.source), ("licence", said.licence)) if text
        )
        words = [one.spelled, *told]
        lines.append(f'  {ids[one.spelled]}["{"<br/>".join(map(_quoted, words))}"]')
        arrow = f'-- "{_quoted(said.transformation)}" -->' if said.transformation else "-->"
        lines += [f"  {ids[parent]} {arrow} {ids[one.spelled]}" for parent in said.parents]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """Any character that means something to Mermaid, HTML or Markdown as its number."""
    return "".join(one if one.isalnum() or one in " .,:/_-+@" else f"#{ord(one)};" for one in text)
