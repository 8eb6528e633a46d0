"""``ancile demo``: the whole story, told by the commands that it runs."""

from __future__ import annotations

import io
from contextlib import redirect_stdout

import pytest

from ancile.cli.demo import say
from tests.cli.terminal import Place, clear


@pytest.mark.slow
def test_the_demo_tells_its_story_to_the_end_and_can_be_repeated(place: Place) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    pytest.importorskip("uvloop")
    ended = place.process("demo", "story")
    assert ended.code == 0, ended
    folder = place.folder / "story"
    for name in ("plain", "hardened", "forest", "verified"):
        assert (folder / f"{name}.html").stat().st_size < 2_000_000
    assert ended.out.count("$ ancile assess") == 3
    assert "Warning" not in ended.err
    assert '200 {"model_name":"forest"' in ended.out
    assert '401 {"error":"an API key is asked for' in ended.out
    assert "alice            forest       allow    200" in ended.out
    assert "(exit code 1)" in ended.out
    assert "Verification named entry" in ended.out
    assert Place(folder)("ledger", "verify").code == 0


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("wanted", "coloured"), [("", True), ("1", False)])
def test_the_story_is_without_colour_where_none_is_wanted(
    wanted: str, monkeypatch: pytest.MonkeyPatch, *, coloured: bool
) -> None:
    monkeypatch.setenv("NO_COLOR", wanted)
    with redirect_stdout(Screen()) as screen:
        say("words")
    assert "# words" in screen.getvalue()
    assert ("\x1b" in screen.getvalue()) == coloured


def test_the_demo_leaves_a_folder_of_yours_alone(place: Place) -> None:
    (place.folder / "mine").mkdir()
    assert "not the demo's" in clear(place("demo", "mine"))
