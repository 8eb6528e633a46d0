"""A chat request is read as its upstream will read it."""

from __future__ import annotations

import json

import pytest

from ancile.serve.chat.asked import read_chat
from ancile.serve.refusal import Refused


@pytest.mark.parametrize("stream", [0, 1, 1.0, "true", [], {}])
def test_whether_it_is_a_stream_is_said_by_a_boolean(stream: object) -> None:
    """1 equals true here, and to another reader it may be neither."""
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    assert read_chat(json.dumps(body | {"stream": True}).encode()).stream
    with pytest.raises(Refused, match="stream"):
        read_chat(json.dumps(body | {"stream": stream}).encode())
