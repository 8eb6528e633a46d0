"""Files fetched from a publisher."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from ancile.core.errors import AncileError
from ancile.inputs.catalogue import PinnedFile
from ancile.inputs.fetch import fetch
from tests.inputs.server import Answer, serving

CONTENT = b"pictures" * 20_000


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def pinned(url: str, content: bytes = CONTENT) -> PinnedFile:
    return PinnedFile(
        path="sub/a.gz", bytes=len(content), sha256=hashlib.sha256(content).hexdigest(), url=url
    )


def test_a_file_is_fetched_whole_into_a_folder_that_is_made(tmp_path: Path) -> None:
    with serving({"/a.gz": Answer(body=CONTENT)}) as site:
        found = fetch(pinned(f"{site.url}/a.gz"), tmp_path / "cache" / "data")
    assert found == tmp_path / "cache" / "data" / "a.gz"
    assert found.read_bytes() == CONTENT
    assert os.listdir(found.parent) == ["a.gz"]  # noqa: PTH208 - names alone
    assert site.asked == ["/a.gz"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(body=CONTENT[:-1]), "159999 bytes with SHA-256 .* arrived"),
        (Answer(body=CONTENT[:-1] + b"!"), "160000 bytes with SHA-256 .* arrived"),
        (Answer(body=CONTENT + b"!"), "more than the expected 160000 bytes"),
        (Answer(body=CONTENT[:100], headers={"Content-Length": "160000"}), "arrived"),
        (Answer(status=404), "404"),
        (Answer(status=500, body=CONTENT), "500"),
        *(
            (Answer(status=status, headers={"Location": address}), f"HTTP Error {status}")
            for status in (301, 302, 303, 307, 308)
            for address in ("http://169.254.169.254/", "file:///etc/passwd", "/b", "http://[::1", "")
        ),
    ],
)
def test_what_is_not_the_pinned_file_leaves_nothing_behind(
    tmp_path: Path, answer: Answer, words: str
) -> None:
    with (
        serving({"/a.gz": answer, "/b": Answer(body=CONTENT)}) as site,
        pytest.raises(AncileError, match=words) as told,
    ):
        fetch(pinned(f"{site.url}/a.gz"), tmp_path)
    assert not list(tmp_path.iterdir())
    assert "ANCILE_DATA" in told.value.remedy
    assert str(told.value).isprintable()


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/a", "data:,abc", ""])
def test_addresses_that_are_no_web_pages_are_not_opened(tmp_path: Path, url: str) -> None:
    with pytest.raises(AncileError, match="neither https nor http"):
        fetch(pinned(url), tmp_path)


def test_a_host_that_does_not_answer_is_one_error(tmp_path: Path) -> None:
    with serving({}) as site:
        url = site.url
    with pytest.raises(AncileError, match=r"cannot be fetched: .*refused"):
        fetch(pinned(f"{url}/a.gz"), tmp_path)


def test_a_folder_that_cannot_be_made_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with (
        serving({"/a.gz": Answer(body=CONTENT)}) as site,
        pytest.raises(AncileError, match="cannot be fetched"),
    ):
        fetch(pinned(f"{site.url}/a.gz"), tmp_path / "file" / "data")
    assert not site.asked
