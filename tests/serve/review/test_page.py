"""The page of the queue: for whoever is logged in, without a script, and with nothing in it that a caller chose."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from ancile.serve.admin.app import application
from ancile.serve.review.page import routes
from ancile.serve.review.store import Asked, Reviews
from tests.serve.admin.asgi import HOST, ORIGIN, Browser, _asked
from tests.serve.admin.test_admin import Small
from tests.serve.answer import Answer

BODY = b'{"inputs":[{"name":"<b>x</b>","shape":[1,2],"datatype":"FP32","data":[1.5,2.5]}]}'


class Desk(Small):
    """An administration with a queue, and a browser that sends forms."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.reviews = Reviews(folder / "serve", key=bytes(32))
        queue = routes(self.state, self.reviews, keep_seconds=1000.0)
        self.app = application(self.state, hosts=(HOST,), others=queue)

    def hold(self, *, who: str = "alice", model: str = "m", body: bytes | None = BODY) -> str:
        asked = Asked(who, "analyst", model, "evidence", "several agree", {"sequence": 7.5}, "0" * 32, body)
        now = time.time()
        id_ = self.reviews.hold(asked, now=now, until=now + 100, pending=99, each=99)
        assert id_ is not None
        return id_

    def send(self, browser: Browser, id_: str, **fields: str) -> Answer:
        """The form of a request, sent as a browser does."""
        data = urlencode({"csrf": browser.csrf} | fields).encode()
        headers: dict[str, str | None] = {
            "host": HOST, "origin": ORIGIN, "cookie": browser.cookie or None, "sec-fetch-site": "same-origin",
            "content-type": "application/x-www-form-urlencoded", "content-length": str(len(data)),
        }  # fmt: skip
        return asyncio.run(_asked(self.app, f"/reviews/{id_}", "POST", headers, data))


@pytest.fixture
def desk(tmp_path: Path, cheap_passwords: None) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.reviews.close()
    made.users.close()


def test_a_stranger_is_sent_to_log_in_and_decides_nothing(desk: Desk) -> None:
    id_, stranger = desk.hold(), desk.browser()
    for path in ("/reviews", f"/reviews/{id_}"):
        answer = stranger(path)
        assert (answer.status, answer.headers["location"], answer.body) == (303, "/", b"")
    assert desk.send(stranger, id_, change="approved", label="benign").status == 303
    assert desk.reviews.get(id_).state == "pending"


def test_a_reviewer_sees_input_reasons_and_neighbours_and_decides(desk: Desk) -> None:
    other, id_ = desk.hold(who="bob", body=BODY.replace(b"1.5", b"9.5")), desk.hold()
    rita = desk.browser("rita")
    listed = rita("/reviews").body.decode()
    assert id_ in listed
    assert other in listed
    page = rita(f"/reviews/{id_}").body.decode()
    assert "1.5, 2.5" in page
    assert "sequence" in page
    assert f'href="/reviews/{other}"' in page
    assert "<script" not in page
    answer = desk.send(rita, id_, change="approved", label="benign", note="ours")
    assert (answer.status, answer.headers["location"]) == (303, f"/reviews/{id_}")
    decided = desk.reviews.get(id_)
    assert (decided.state, decided.label, decided.note, decided.by) == ("approved", "benign", "ours", "rita")
    assert "counts within a second" in rita(f"/reviews/{id_}").body.decode()
    assert desk.send(rita, id_, change="labelled", label="attack").status == 303
    assert desk.send(rita, other, change="rejected", label="").status == 303
    assert desk.reviews.get(other).label == "attack"
    assert id_ in rita("/reviews?state=approved").body.decode()
    assert other in rita("/reviews?state=rejected").body.decode()


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"csrf": "guessed", "change": "approved", "label": "benign"}, 403),
        ({"csrf": "", "change": "approved", "label": "benign"}, 403),
        ({"change": "removed", "label": "benign"}, 400),
        ({"change": "approved", "label": "good"}, 400),
        ({"change": "labelled", "label": ""}, 400),
        ({"change": "labelled", "label": "benign"}, 400),
        ({"change": "approved", "label": "benign", "by": "root"}, 400),
        ({"change": "approved", "label": "benign", "note": "n" * 1001}, 400),
    ],
)
def test_a_form_that_is_not_ours_decides_nothing(desk: Desk, fields: dict[str, str], status: int) -> None:
    id_, rita = desk.hold(), desk.browser("rita")
    assert desk.send(rita, id_, **fields).status == status
    assert desk.reviews.get(id_).state == "pending"


def test_what_a_caller_chose_is_shown_and_never_obeyed(desk: Desk) -> None:
    hostile = "<script>alert(1)</script>\u202e\x1b[31m"
    id_, rita = desk.hold(who=hostile, model=hostile), desk.browser("rita")
    for path in ("/reviews", f"/reviews/{id_}"):
        page = rita(path).body.decode()
        assert "&lt;script&gt;" in page
        assert not re.search("<script|\u202e|\x1b", page)
    assert "<b>x</b>" not in rita(f"/reviews/{id_}").body.decode()


def test_the_api_says_the_same_as_the_page(desk: Desk) -> None:
    other, id_ = desk.hold(who="bob"), desk.hold()
    rita, stranger = desk.browser("rita"), desk.browser()
    for path in ("/api/reviews", f"/api/reviews/{id_}"):
        assert stranger(path).status == 401
    yes = {"change": "approved", "label": "benign", "note": "ours"}
    assert stranger(f"/api/reviews/{id_}", yes).status == 401
    assert rita(f"/api/reviews/{id_}", yes, x_csrf_token="guessed").status == 403
    assert [one["id"] for one in rita("/api/reviews?state=pending").said] == [other, id_]
    assert rita("/api/reviews?state=all").status == 400
    one = rita(f"/api/reviews/{id_}").said
    assert (one["said"], one["inputs"][0]["values"]) == ({"sequence": 7.5}, "1.5, 2.5")
    assert [near["id"] for near in one["neighbours"]] == [other]
    assert rita("/api/reviews/rev-absent").status == 404
    assert rita(f"/api/reviews/{id_}", yes | {"by": "root"}).status == 400
    decided = rita(f"/api/reviews/{id_}", yes)
    assert (decided.status, decided.said["state"], decided.said["by"]) == (200, "approved", "rita")
    assert rita(f"/api/reviews/{id_}", yes).status == 400


def test_an_input_that_was_not_kept_or_was_changed_is_told(desk: Desk) -> None:
    rita = desk.browser("rita")
    assert "was not kept" in rita(f"/reviews/{desk.hold(body=None)}").body.decode()
    assert rita("/reviews/rev-absent").status == 404
    assert rita("/reviews.css").headers["content-type"].startswith("text/css")
