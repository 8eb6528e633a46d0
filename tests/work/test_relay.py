"""What carries a child's questions and answers elsewhere: bytes, checked on arrival."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from ancile.core.errors import AncileError
from ancile.work.frames import Frame, Shape, decoded, text_block
from ancile.work.relay import ChildOrder, Parcel, Relay, Reply, frame_of, parcel_of


def reply(told: bytes) -> Reply:
    return decoded(told, Reply)


def question(word: str, body: object = None) -> bytes:
    return msgspec.msgpack.encode(
        parcel_of(Frame(0, word, msgspec.msgpack.encode(body), (text_block(b"abc"),)))
    )


def test_a_relay_passes_on_answers_and_faults_and_says_what_the_child_took(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    relay = Relay()
    assert (reply(relay.ask(question("echo"), 30, 100)).fault or ("",))[0] == "the worker has no model"
    relay.close()
    try:
        assert (
            reply(relay.open(msgspec.msgpack.encode(ChildOrder.of("servant")))).parcel or NONE
        ).word == "confined"
        answer = reply(relay.ask(question("echo"), 30, 100))
        assert (answer.parcel or NONE).data == (b"abc", b"end")
        assert answer.cpu_seconds > 0
        assert answer.peak_bytes > 0
        assert (reply(relay.ask(question("fault"), 30, 0)).fault or ("",))[0].startswith("what ")
        ended = reply(relay.ask(question("die", 3), 30, 0))
        assert ended.died
        assert (ended.fault or ("", ""))[1].startswith("exit code 3")
    finally:
        relay.close()


NONE = Parcel("", b"\xc0", (), ())


def test_blocks_of_other_sizes_than_they_say_are_refused() -> None:
    frame = Frame(0, "scores", blocks=(text_block(b"abc"),))
    assert frame_of(parcel_of(frame)).blocks[0].data == b"abc"
    for shapes, data in (
        ((Shape("bytes", (4,)),), (b"abc",)),
        ((), (b"abc",)),
        ((Shape("float64", (1,)),), (b"abc",)),
    ):
        with pytest.raises(AncileError, match="breaks the protocol"):
            frame_of(Parcel("scores", b"\xc0", shapes, data))


def test_an_order_names_any_path(tmp_path: Path) -> None:
    odd = Path(b"/\xff\xfe".decode("utf-8", "surrogateescape"))
    order = decoded(msgspec.msgpack.encode(ChildOrder.of("servant", code=(tmp_path, odd))), ChildOrder)
    assert order.code == (bytes(tmp_path), b"/\xff\xfe")
    with pytest.raises(AncileError, match="no UTF-8"):
        order.start()
