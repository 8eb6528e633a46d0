"""A chat request is read as its upstream will read it, and its answer is cut where events end."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.serve.chat.asked import read_chat
from ancile.serve.chat.events import ENDS, Events
from ancile.serve.refusal import Refused


@pytest.mark.parametrize("stream", [0, 1, 1.0, "true", [], {}])
def test_whether_it_is_a_stream_is_said_by_a_boolean(stream: object) -> None:
    """1 equals true here, and to another reader it may be neither."""
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    assert read_chat(json.dumps(body | {"stream": True}).encode()).stream
    with pytest.raises(Refused, match="stream"):
        read_chat(json.dumps(body | {"stream": stream}).encode())


@given(words=st.lists(st.sampled_from([b"data: a", b"\n", b"\r", b"\r\n", b"\n\n", b": "]), max_size=30))
def test_events_are_whole_however_they_are_cut(words: list[bytes]) -> None:
    """What went on and what is kept are what came, and nothing whole is kept."""
    events, gone, came = Events(), b"", b""
    for word in words:
        gone, came = gone + events.feed(word), came + word
        assert came.startswith(gone)
        assert not gone or gone.endswith(ENDS)
        assert not any(end in came[len(gone) :] for end in ENDS)
