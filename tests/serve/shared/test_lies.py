"""A server of rates that answers what it should not is one that does not answer, and nobody gets more by it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from ancile.serve.shared.redis import opened

GREETED = {b"HELLO": b"%1\r\n$5\r\nproto\r\n:3\r\n", b"GET": b"$1\r\n1\r\n", b"SCRIPT": b"$1\r\na\r\n"}


async def _serve(said: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """RESP: a command is an array of strings; scripts are answered with ``said``."""
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while line := await reader.readline():
            words = []
            for _ in range(int(line[1:])):
                length = int((await reader.readline())[1:])
                words.append((await reader.readexactly(length + 2))[:-2])
            writer.write(said if words[0].startswith(b"EVAL") else GREETED.get(words[0], b"+OK\r\n"))
    writer.close()


async def _asked(said: bytes, kind: str) -> object:
    server = await asyncio.start_server(lambda *ends: _serve(said, *ends), "127.0.0.1", 0)
    async with server:
        store = await opened(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0", {})
        try:
            if kind == "day":
                return await store.take("alice", 1, limit=1000)
            return await store.cells("alice", rate=1.0, burst=5, want=2)
        finally:
            await store.close()


def number(text: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(text), text)


@pytest.mark.parametrize(
    "said", [b":11\r\n", b":-1\r\n", number(b"9" * 30), number(b"x"), b"_\r\n", b"*0\r\n", b"\0\r\n"]
)
def test_no_answer_gives_more_of_a_day_than_a_block(said: bytes) -> None:
    with pytest.raises(OSError, match=r"\w"):
        asyncio.run(_asked(said, "day"))
    assert asyncio.run(_asked(b":10\r\n", "day")) == 10


@pytest.mark.parametrize("cells", [b":3", b":-1", number(b"x").strip(), number(b"9" * 30).strip()])
def test_no_answer_gives_more_of_a_rate_than_was_asked_for(cells: bytes) -> None:
    with pytest.raises(OSError, match=r"\w"):
        asyncio.run(_asked(b"*2\r\n" + cells + b"\r\n" + number(b"0"), "rate"))


@pytest.mark.parametrize("wait", [b"nan", b"inf", b"-1", b"1e300", b"x", b""])
def test_a_wait_is_a_time(wait: bytes) -> None:
    with pytest.raises(OSError, match=r"\w"):
        asyncio.run(_asked(b"*2\r\n:0\r\n" + number(wait), "rate"))
    assert asyncio.run(_asked(b"*2\r\n:0\r\n" + number(b"0.5"), "rate")) == (0, 0.5)
