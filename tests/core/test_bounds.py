"""What is built in Python keeps the same limits as what is read from JSON."""

from __future__ import annotations

from pathlib import Path

import pytest

from ancile.core.budget import Budget, seconds_of
from ancile.core.config import read_config, sections
from ancile.core.errors import AncileError
from ancile.core.exhibit import Curve, Picture, Series, Table, Text
from ancile.core.measure import Estimate
from ancile.core.report import Cost
from ancile.core.subject import Subject, digest_of, manifest_digest
from ancile.core.text import plain
from ancile.core.wire import read
from ancile.govern.policy import Policy
from tests.core.nouns import report

LONG = "x" * 5000


@pytest.mark.parametrize("limit", [{"seconds": 0.0}, {"seconds": float("inf")}, {"queries": -1}])
def test_a_limit_of_a_budget_is_above_0_and_finite(limit: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="above 0 and finite"):
        Budget(**limit)  # type: ignore[arg-type] # a mapping of one name


def test_a_confidence_of_1_or_7_is_none() -> None:
    for confidence in (0.0, 1.0, 7.0):
        with pytest.raises(ValueError, match="between 0 and 1"):
            Estimate(name="a", value=1, unit="s", low=0, high=2, confidence=confidence, method="m")


def test_costs_and_parameters_are_finite() -> None:
    with pytest.raises(ValueError, match="cost"):
        Cost(queries=-1)
    with pytest.raises(ValueError, match="cost"):
        Cost(cpu_seconds=float("nan"))
    for value in (float("nan"), [1.0, float("inf")], 1 << 53):
        with pytest.raises(ValueError, match="parameter"):
            report(parameters={"eps": value})


def test_paths_of_parts_are_ascii() -> None:
    parts = {"ä": digest_of(b"a")}
    with pytest.raises(ValueError, match="percent-encoded"):
        Subject(kind="model", name="a", digest=manifest_digest({"a": digest_of(b"a")}), parts=parts)


def test_words_of_exhibits_are_capped_and_tables_have_columns() -> None:
    for build in (
        lambda: Text(title=LONG, text="a"),
        lambda: Table(title="a", columns=(LONG,), rows=()),
        lambda: Table(title="a", columns=("a",), rows=(), note=LONG),
        lambda: Picture(title="a", png=b"\x89PNG\r\n\x1a\n", alt=LONG),
        lambda: Curve(title="a", x_label=LONG, y_label="y", series=()),
    ):
        with pytest.raises(ValueError, match="at most"):
            build()
    with pytest.raises(ValueError, match="1 to 100 columns"):
        Table(title="a", columns=(), rows=((),) * 10)
    with pytest.raises(ValueError, match="20 series"):
        Curve(title="a", x_label="x", y_label="y", series=(Series(name="s", points=()),) * 21)


@pytest.mark.parametrize("text", ["9" * 400 + "d", "٣m", "0s"])
def test_a_duration_is_finite_ascii_and_not_nothing(text: str) -> None:
    with pytest.raises(AncileError):
        seconds_of(text)


@pytest.mark.parametrize("char", ["\ufe0f", "\u3164", "\u2800", "\u034f", "\u00a0", "\U000e0101"])
def test_characters_that_show_as_nothing_are_escaped(char: str) -> None:
    assert char not in plain(f"a{char}b")


def test_marks_that_would_paint_over_other_lines_are_escaped() -> None:
    assert plain("e\u0301") == "e\u0301"
    assert plain("e" + "\u0301" * 50).count("\u0301") == 2


def test_a_string_is_shown_with_at_least_one_character() -> None:
    with pytest.raises(ValueError, match="at least one"):
        plain("abc", 0)


@pytest.mark.parametrize("content", [b"a=" + b"[" * 5000, b"a = " + b"9" * 5000, b"\xff"])
def test_a_configuration_that_breaks_its_parser_is_damaged(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ancile.toml"
    path.write_bytes(content)
    with pytest.raises(AncileError, match="damaged"):
        read_config(path)


def test_a_configuration_that_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    for path in (tmp_path, Path("a\0b")):
        with pytest.raises(AncileError, match="cannot be read"):
            read_config(path)


def test_names_and_values_of_a_configuration_are_escaped_in_its_error() -> None:
    tables = {"policy": {"\x1b[2J": 1, "max_age": "\x1b"}, "\u202e": 1}
    with pytest.raises(AncileError) as error:
        sections(tables, {"policy": Policy}, path=Path("ancile.toml"))
    assert error.value.value.isprintable()


def test_a_document_is_quoted_escaped_and_bounded() -> None:
    with pytest.raises(AncileError) as error:
        read(
            Subject,
            b'{"kind": "model", "name": "a", "digest": "\\u001b' + b"x" * 9000 + b'"}',
            name="subject",
        )
    assert error.value.value.isprintable()
    assert len(error.value.value) < 500
