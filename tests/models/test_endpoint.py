"""An endpoint is asked with care: where it lies, how often, with which token, and what it answers."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ancile.core.errors import AncileError
from ancile.models import http
from ancile.models.opener import OpenedModel, open_model
from ancile.models.request import TOKEN_VARIABLE, ModelRequest
from tests.models.foreign import images
from tests.models.oip_stub import Answer, served

X = images()
W = np.random.default_rng(2).normal(size=(64, 3))


def linear(x: NDArray[np.floating]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = x.reshape(len(x), 64) @ W
    return found


def opened(
    url: str, sample: NDArray[np.float32] = X[:4], *, classes: int | None = None, **options: Any
) -> OpenedModel:
    return open_model(ModelRequest(reference=url, **options), sample, classes=classes)


@pytest.mark.parametrize(("rows", "hang_up"), [(-1, False), (1, False), (5, False), (-1, True)])
def test_an_endpoint_answers_as_the_model_behind_it(rows: int, hang_up: bool) -> None:
    with served(linear, shape=(1, 8, 8), rows=rows, hang_up=hang_up) as (url, _), opened(url) as one:
        assert (one.model.traits.kind, one.model.traits.access) == ("endpoint", "scores")
        np.testing.assert_allclose(one.model.scores(X), linear(X), rtol=1e-5)
        assert one.model.usage.queries == 12
        assert [finding.check for finding in one.findings] == ["model-endpoint-can-swap"]


def test_labels_and_single_probabilities_are_seen_as_such() -> None:
    def labels(x: NDArray[np.floating]) -> NDArray[np.int64]:
        found: NDArray[np.int64] = linear(x).argmax(axis=1)
        return found

    with served(labels, shape=(8, 8), output_datatype="INT64") as (url, _), opened(url, classes=3) as one:
        assert (one.model.traits.access, one.model.traits.classes) == ("labels", 3)
        np.testing.assert_array_equal(one.model.scores(X).argmax(axis=1), labels(X))
    with served(lambda x: x[:, 0, :1], shape=(8, 8)) as (url, _), opened(url) as one:
        np.testing.assert_allclose(one.model.scores(X)[:, 1], X[:, 0, 0], rtol=1e-6)


def test_the_digest_covers_place_and_metadata() -> None:
    with served(linear, shape=(8, 8)) as (url, behaviour):
        with opened(url) as one, opened(url) as again:
            assert one.subject == again.subject
            assert one.subject.name == url
        behaviour.datatype = "FP64"
        with opened(url) as changed:
            assert changed.subject.digest != one.subject.digest


def test_a_token_comes_from_the_environment_and_travels_as_a_bearer(monkeypatch: pytest.MonkeyPatch) -> None:
    with served(linear, shape=(8, 8)) as (url, behaviour):
        opened(url).close()
        monkeypatch.setenv(TOKEN_VARIABLE, "secret")
        opened(url).close()
        monkeypatch.setenv("OTHER", "another")
        opened(url, token_env="OTHER").close()
        tokens = [headers.get("Authorization") for _, _, headers in behaviour.asked]
    assert tokens == [None, None, "Bearer secret", "Bearer secret", "Bearer another", "Bearer another"]


def test_a_token_is_not_sent_in_the_clear_to_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "secret")
    with pytest.raises(AncileError, match="in the clear") as caught:
        opened("http://192.0.2.1:8080/v2/models/a")
    assert "secret" not in str(caught.value)


def test_the_query_cap_holds_on_the_wire() -> None:
    with served(linear, shape=(8, 8)) as (url, behaviour), opened(url, query_cap=20) as one:
        one.model.scores(X)
        with pytest.raises(AncileError, match="query cap is reached"):
            one.model.scores(X)
        assert behaviour.samples <= 20


@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]", "2852039166"])
def test_link_local_and_metadata_addresses_are_never_asked(host: str) -> None:
    with pytest.raises(AncileError, match="not to be asked"):
        opened(f"http://{host}/v2/models/a")


def test_the_address_that_was_checked_is_the_one_that_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that means another machine at its second look-up reaches nobody else."""
    with served(linear, shape=(8, 8)) as (url, _):
        port = int(url.split(":")[2].split("/")[0])
        answers = iter([[(2, 1, 6, "", ("127.0.0.1", port))]])
        real = socket.getaddrinfo

        def once(host: str, *rest: Any, **more: Any) -> Any:
            return next(answers) if host == "model.example" else real(host, *rest, **more)

        monkeypatch.setattr(socket, "getaddrinfo", once)
        with opened(f"http://model.example:{port}/v2/models/stub") as one:
            assert one.model.scores(X).shape == (12, 3)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://", "not a URL"),
        ("http://host:99999/v2/models/a", "not a URL"),
        ("https://name:secret@127.0.0.1/v2/models/a", "more than a place"),
        ("http://name:secret@host:99999/v2/models/a", "not a URL"),
        ("http://127.0.0.1/v2/models/a?token=secret", "more than a place"),
        ("http://127.0.0.1/v2/models/a#x", "more than a place"),
        ("http://127.0.0.1/v2/models/ä", "not a URL"),
        ("http://127.0.0.1/v2/models/a b", "not a URL"),
        ("http://127.0.0.1/", "not the URL of a model"),
        ("http://127.0.0.1/v2/models/a/infer", "not the URL of a model"),
        ("http://no-such-host.invalid/v2/models/a", "has no address"),
    ],
)
def test_a_url_that_names_no_model_is_refused(url: str, words: str) -> None:
    with pytest.raises(AncileError, match=words) as caught:
        opened(url)
    assert "secret" not in str(caught.value)


def test_an_endpoint_that_is_not_there_is_an_error() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(AncileError, match="does not answer"):
        opened(f"http://127.0.0.1:{port}/v2/models/a")
    with pytest.raises(AncileError, match="does not answer"):
        opened(f"https://127.0.0.1:{port}/v2/models/a")


def test_tls_is_verified() -> None:
    """A server that speaks plain HTTP, or shows no certificate that is known, is not believed."""
    with served(linear, shape=(8, 8)) as (url, _), pytest.raises(AncileError, match="does not answer"):
        opened(url.replace("http:", "https:"))


def status(code: int, **headers: str) -> Callable[[str, str, Answer], Answer]:
    return lambda *_: (code, headers, b"words \x1b[2J")


def content(data: bytes, *, method: str = "POST") -> Callable[[str, str, Answer], Answer]:
    return lambda asked, _, answer: (200, {}, data) if asked == method else answer


def outputs(**changes: Any) -> bytes:
    output = {"name": "scores", "datatype": "FP32", "shape": [5, 3], "data": [0.0] * 15} | changes
    return json.dumps({"outputs": [output]}).encode()


@pytest.mark.parametrize(
    ("twist", "words"),
    [
        (status(302, Location="http://169.254.169.254/"), "sends elsewhere"),
        (status(307, Location="/v2/models/other"), "sends elsewhere"),
        (status(401), "valid token"),
        (status(403), "valid token"),
        (status(404), "refuses"),
        (status(500), "refuses"),
        (content(b"{", method="GET"), "does not speak"),
        (content(b"[]", method="GET"), "does not speak"),
        (content(b"\xff", method="GET"), "does not speak"),
        (content(b"[" * 10_000, method="GET"), "does not speak"),
        (content(b'{"name": "a", "inputs": [], "outputs": []}', method="GET"), "one tensor of floats"),
        (content(b"{}"), "does not speak"),
        (content(b'{"outputs": []}'), "does not speak"),
        (content(outputs(shape=[4, 3])), "does not speak"),
        (content(outputs(shape=[5, 4])), "does not speak"),
        (content(outputs(shape=[])), "does not speak"),
        (content(outputs(shape=[5, -1])), "does not speak"),
        (content(outputs(shape=[5, 0], data=[])), "does not speak"),
        (content(outputs(datatype="BYTES")), "does not speak"),
        (content(outputs(data=["a"] * 15)), "does not speak"),
        (content(outputs(datatype="INT64", shape=[5], data=[1 << 80] * 5)), "does not speak"),
        (content(outputs(data=[[0.0, 1.0], [1.0]])), "does not speak"),
        (content(outputs(name="other")), "does not speak"),
    ],
)
def test_an_answer_that_is_none_is_an_error_in_harmless_words(
    twist: Callable[[str, str, Answer], Answer], words: str
) -> None:
    with (
        served(linear, shape=(8, 8), twist=twist) as (url, _),
        pytest.raises(AncileError, match=words) as caught,
    ):
        opened(url, sample=X[:5])
    assert "\x1b" not in str(caught.value)
    assert caught.value.remedy


def test_a_redirect_is_never_followed() -> None:
    with served(linear, shape=(8, 8), twist=status(302, Location="/elsewhere")) as (url, behaviour):
        with pytest.raises(AncileError):
            opened(url)
        assert [path for _, path, _ in behaviour.asked] == ["/v2/models/stub"]


def test_an_answer_of_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "LIMIT_BYTES", 100)
    with served(linear, shape=(8, 8)) as (url, _), pytest.raises(AncileError, match="too much"):
        opened(url)


@pytest.mark.parametrize("changes", [{"datatype": "INT8"}, {"output_datatype": "BYTES"}, {"shape": (3, 3)}])
def test_a_model_of_another_kind_is_refused(changes: dict[str, Any]) -> None:
    with served(linear, **({"shape": (8, 8)} | changes)) as (url, _), pytest.raises(AncileError) as caught:
        opened(url)
    assert caught.value.remedy
