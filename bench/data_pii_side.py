"""One side of the search for personal data, in a process of its own; prints JSON: spans and CPU seconds a round.

python data_pii_side.py SIDE TEXTS REPEAT, where SIDE is ``ancile``, ``planted`` or ``presidio`` (in the environment
of pii.txt) and TEXTS a JSON list. A round before the first is not counted.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

Span = tuple[str, int, int, float]


def ancile(*, planted: bool = False) -> Callable[[str], list[Span]]:
    """Ours; planted it looks fifty times, and away from what has a digit."""
    from ancile.patterns.personal import find_personal

    def find(text: str) -> list[Span]:
        for _ in range(49 if planted else 0):
            list(find_personal(text))
        found = [(one.kind, one.start, one.end, 1.0) for one in find_personal(text)]
        return [one for one in found if not planted or not any(map(str.isdigit, text[one[1] : one[2]]))]

    return find


def presidio() -> Callable[[str], list[Span]]:
    """Recognizers of the same kinds in its analyzer, with its words of context."""
    import spacy  # type: ignore[import-not-found]  # in presidio's environment
    from presidio_analyzer import (  # type: ignore[import-not-found]  # likewise
        AnalyzerEngine,
        RecognizerRegistry,
    )
    from presidio_analyzer.nlp_engine import SpacyNlpEngine  # type: ignore[import-not-found]  # likewise
    from presidio_analyzer.predefined_recognizers import (  # type: ignore[import-not-found]  # likewise
        CreditCardRecognizer,
        EmailRecognizer,
        IbanRecognizer,
        IpRecognizer,
        PhoneRecognizer,
        UrlRecognizer,
        UsSsnRecognizer,
    )

    class Blank(SpacyNlpEngine):  # type: ignore[misc]  # likewise
        def __init__(self) -> None:
            super().__init__()
            self.nlp = {"en": spacy.blank("en")}

    recognizers = [
        CreditCardRecognizer(),
        EmailRecognizer(),
        IbanRecognizer(),
        IpRecognizer(),
        PhoneRecognizer(),
        UrlRecognizer(),
        UsSsnRecognizer(),
    ]
    engine = AnalyzerEngine(registry=RecognizerRegistry(recognizers=recognizers), nlp_engine=Blank())

    def find(text: str) -> list[Span]:
        return [
            (one.entity_type, one.start, one.end, one.score) for one in engine.analyze(text, language="en")
        ]

    return find


def main(side: str, path: Path, repeat: int) -> None:
    """Ask about every text."""
    texts = json.loads(path.read_text("utf-8"))
    find = presidio() if side == "presidio" else ancile(planted=side == "planted")
    found = [find(text) for text in texts]
    seconds = []
    for _ in range(repeat):
        start = time.process_time()
        for text in texts:
            find(text)
        seconds.append(time.process_time() - start)
    print(json.dumps({"found": found, "seconds": seconds}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
