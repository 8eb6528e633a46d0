"""Rooms that are called by their own name."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from ancile.core.room import callable_room


def test_a_room_is_called_as_its_function(monkeypatch: pytest.MonkeyPatch) -> None:
    room, inner = ModuleType("room_of_test"), ModuleType("room_of_test.call")
    inner.__dict__["add"] = lambda a, *, b: a + b
    monkeypatch.setitem(sys.modules, "room_of_test", room)
    callable_room("room_of_test", function="room_of_test.call:add")
    monkeypatch.setitem(sys.modules, "room_of_test.call", inner)  # looked up when called, not before
    assert room.__dict__.get("add") is None
    assert callable(room)
    assert room(2, b=3) == 5
    assert isinstance(room, ModuleType)
