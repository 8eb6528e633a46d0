"""Reading ancile.toml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.config import LARGEST, Sections, find_upwards, read_config, sections
from ancile.core.errors import AncileError

FILE = Path("ancile.toml")


class Assess(msgspec.Struct, frozen=True, kw_only=True):
    """A table with defaults, a range and a rule of its own."""

    eps: Annotated[float, msgspec.Meta(ge=0)] = 0.1
    norm: str = "linf"
    low: int = 0
    high: int = 1

    def __post_init__(self) -> None:
        if self.low >= self.high:
            raise AncileError("bounds are out of order", value=f"{self.low}, {self.high}", remedy="swap them")


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """A table with a key that must be there."""

    origin: str
    vkeys: tuple[str, ...] = ()


class Empty(msgspec.Struct, frozen=True):
    """A table without keys."""


WANTED: dict[str, type[msgspec.Struct]] = {"assess": Assess, "ledger": Ledger}


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "ancile.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_the_nearest_file_upwards_is_found(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / "ancile.toml").touch()
    assert find_upwards("ancile.toml", deep) == tmp_path / "ancile.toml"
    (deep / "ancile.toml").touch()
    assert find_upwards("ancile.toml", deep) == deep / "ancile.toml"
    assert find_upwards("no-such-file-anywhere", deep) is None


def test_tables_are_plain_values(tmp_path: Path) -> None:
    path = written(tmp_path, "[assess]\neps = 0.3\n[ledger]\nvkeys = ['a']\n")
    assert read_config(path) == {"assess": {"eps": 0.3}, "ledger": {"vkeys": ["a"]}}


@pytest.mark.parametrize(
    "text", ["[assess", "eps = ", "a = 1\na = 2", b"\xff", b"a = '\xe9'", "a = 2024-02-31"]
)
def test_a_damaged_file_is_told_with_its_place(tmp_path: Path, text: str | bytes) -> None:
    path = written(tmp_path, text)
    with pytest.raises(AncileError, match="configuration is damaged") as told:
        read_config(path)
    assert told.value.value.startswith(f"{path}: ")
    assert told.value.remedy


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(AncileError, match="configuration cannot be read"):
            read_config(path)


def test_a_file_beyond_a_megabyte_is_refused(tmp_path: Path) -> None:
    assert read_config(written(tmp_path, "#" * LARGEST)) == {}
    with pytest.raises(AncileError, match="configuration is too large"):
        read_config(written(tmp_path, "#" * (LARGEST + 1)))


@given(text=st.text(max_size=60))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("any") / "ancile.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    told = None
    try:
        read_config(path)
    except AncileError as reason:
        told = reason
    assert told is None or told.what == "configuration is damaged"


def test_each_table_is_the_struct_of_its_stage() -> None:
    found = sections({"assess": {"eps": 0.3}, "ledger": {"origin": "log"}}, WANTED, path=FILE)
    assert found.get("assess", Assess) == Assess(eps=0.3)
    assert found.get("ledger", Ledger).origin == "log"


def test_a_table_that_is_not_there_has_its_defaults() -> None:
    found = sections({"ledger": {"origin": "log"}}, WANTED, path=FILE)
    assert found.get("assess", Assess) == Assess()
    assert found.get("empty", Empty) == Empty()


def test_a_table_of_another_kind_gives_the_defaults_of_the_asked_kind() -> None:
    assert Sections({"assess": Ledger(origin="log")}).get("assess", Assess) == Assess()


def test_every_fault_of_every_table_is_in_one_error() -> None:
    tables = {"assess": {"eps": -1, "norm": 3, "epz": 1}, "ledger": {"vkeys": "a"}, "sacn": {}}
    with pytest.raises(AncileError, match="configuration has 6 faults") as told:
        sections(tables, WANTED, path=FILE)
    for words in (
        "[sacn] is no table of ancile",
        "assess.epz is no key",
        "assess.eps: Expected `float` >= 0.0",
        "assess.norm: Expected `str`, got `int`",
        "ledger.origin is missing",
        "ledger.vkeys: Expected `array`, got `str`",
    ):
        assert words in told.value.value


def test_a_value_where_a_table_belongs_is_a_fault() -> None:
    with pytest.raises(AncileError, match=r"configuration has 1 fault: .*assess is a value, not a table"):
        sections({"assess": 3, "ledger": {"origin": "log"}}, WANTED, path=FILE)


def test_a_rule_between_keys_is_a_fault_of_the_table() -> None:
    with pytest.raises(AncileError, match="assess: bounds are out of order: 2, 1"):
        sections({"assess": {"low": 2}, "ledger": {"origin": "log"}}, WANTED, path=FILE)
