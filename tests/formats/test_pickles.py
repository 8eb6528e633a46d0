"""What a pickle would call is read from its opcodes; nothing is called."""

from __future__ import annotations

import io
import pickle
import pickletools
import posixpath
from collections import Counter, OrderedDict
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch._weights_only_unpickler import _get_allowed_globals

from ancile.core.errors import AncileError
from ancile.formats import pickles
from ancile.formats.pickles import WEIGHTS_NAMES, read_pickle, require_weights_only
from ancile.formats.zips import members, unpack
from tests.models import files


def data_of(thing: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(thing, buffer)
    whole = buffer.getvalue()
    return unpack(whole, next(one for name, one in members(whole).items() if name.endswith("data.pkl")))


@pytest.mark.parametrize(
    "thing",
    [
        {"a": torch.zeros(2, dtype=dtype)}
        if dtype is not None
        else OrderedDict(
            a=torch.nn.Parameter(torch.zeros(2)), b=torch.Size([1]), c=Counter("ab"), d=[1, 2.5, "x", None]
        )
        for dtype in (
            torch.float32,
            torch.float16,
            torch.bfloat16,
            torch.int64,
            torch.bool,
            torch.complex64,
            None,
        )
    ],
)
def test_tensors_numbers_and_words_pass(thing: object) -> None:
    require_weights_only(data_of(thing), name="x")


@pytest.mark.parametrize("protocol", range(6))
def test_a_call_is_named_and_not_made(tmp_path: Path, protocol: int) -> None:
    trace = tmp_path / "trace"
    data = pickle.dumps(files.Reduced(trace), protocol=protocol)
    with pytest.raises(AncileError, match="would run code") as caught:
        require_weights_only(data, name="x")
    assert caught.value.value in ("x: builtins.exec", "x: __builtin__.exec")
    assert not trace.exists()


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_name_whose_module_was_named_before_is_known(protocol: int) -> None:
    facts = read_pickle(
        pickle.dumps([posixpath.join, posixpath.split, "a", 1, posixpath.join], protocol=protocol)
    )
    assert facts.names == ("posixpath join", "posixpath split")


def test_a_name_that_is_hidden_from_a_look_is_an_opcode() -> None:
    """A name taken from the stack with something put between: nobody's pickler, and no name is claimed."""
    hidden = b"\x80\x04\x8c\x08builtins\x8c\x04exec\x4e0\x93."
    assert read_pickle(hidden).names == ()
    with pytest.raises(AncileError, match="opcode POP"):
        require_weights_only(hidden, name="x")


def test_the_name_in_the_message_is_what_would_be_called(tmp_path: Path) -> None:
    with pytest.raises(AncileError, match=r"member\.pkl: builtins\.exec|member\.pkl: __builtin__\.exec"):
        require_weights_only(data_of(files.Reduced(tmp_path / "t")), name="member.pkl")


def test_every_name_that_passes_here_passes_in_torch_itself() -> None:
    """The list is no longer than that of the restricted reader of this torch."""
    allowed = {name.replace("__builtin__.", "builtins.") for name in _get_allowed_globals()}
    missing = {name.replace(" ", ".") for name in WEIGHTS_NAMES} - allowed
    assert not missing


@pytest.mark.parametrize(
    "data", [b"", b"\x80", b"\x80\x09", b"cos\n", b"\x80\x02X\xff\xff\xff\x7fa.", b"(((", b"\xff"]
)
def test_a_damaged_pickle_is_a_known_error(data: bytes) -> None:
    with pytest.raises(AncileError, match="damaged"):
        read_pickle(data)


def test_the_number_of_opcodes_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickles, "OPCODES", 10)
    with pytest.raises(AncileError, match="opcodes"):
        read_pickle(pickle.dumps(list(range(50)), protocol=2))


@given(st.binary(max_size=200))
def test_any_bytes_end_in_facts_or_a_known_error(data: bytes) -> None:
    for candidate in (data, b"\x80\x02" + data):
        try:
            facts = read_pickle(candidate)
        except AncileError:
            continue
        assert facts.opcodes == {opcode.name for opcode, _, _ in pickletools.genops(candidate)}
