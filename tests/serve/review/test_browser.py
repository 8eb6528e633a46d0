"""A reviewer in a real browser: logs in, looks at a held request, lets it pass; its caller gets the answer."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pyotp
import pytest

from tests.cli.terminal import Place
from tests.serve.admin.test_process import GOOD, chromium, person, port_of
from tests.serve.review.test_running import configured, waiting
from tests.serve.small import running
from tests.serve.test_command import key, soon

pytestmark = pytest.mark.slow
__all__ = ["chromium"]  # a fixture of the administration's
WIDTHS = {"wide": 1100, "narrow": 360}


def test_a_reviewer_lets_a_request_pass_and_its_caller_gets_the_answer(
    home: Place,
    monkeypatch: pytest.MonkeyPatch,
    chromium: object,
) -> None:
    from selenium.webdriver import Chrome
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.wait import WebDriverWait

    assert isinstance(chromium, Chrome)
    browser = chromium
    configured(home)
    alice, totp = key(home, "alice", "slow"), pyotp.parse_uri(person(home, monkeypatch).out.strip())

    def wide_enough(name: str) -> None:
        """Nothing sticks out at either width; pictures are kept where somebody wants to look at them."""
        for width_name, width in WIDTHS.items():
            browser.set_window_size(width, 1000)
            sizes = browser.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
            assert sizes[0] <= sizes[1], (name, width_name, sizes)
            if folder := os.environ.get("ANCILE_SCREENSHOTS"):
                browser.save_screenshot(str(Path(folder) / f"{name}-{width_name}.png"))

    with running(home, "line.onnx", "--admin-port", "0") as gateway:
        client = gateway.client(alice)
        assert client.infer(0.0, 0.0).status == 200
        id_, other = waiting(client, 1.0, 2.0), waiting(client, 1.5, 2.5)
        at = f"http://localhost:{port_of(gateway)}"
        browser.get(f"{at}/reviews")
        wait = WebDriverWait(browser, 15)
        wait.until(lambda b: b.find_element(By.ID, "log-in").is_displayed())
        for name, value in (
            ("name", "carol"),
            ("password", GOOD),
            ("code", totp.generate_otp(int(time.time()) // 30)),
        ):
            browser.find_element(By.CSS_SELECTOR, f"#log-in [name={name}]").send_keys(value)
        browser.find_element(By.CSS_SELECTOR, "#log-in button").click()
        wait.until(lambda b: b.find_element(By.LINK_TEXT, "Reviews").is_displayed())
        assert [kept["sameSite"] for kept in browser.get_cookies()] == ["Strict"]
        browser.find_element(By.LINK_TEXT, "Reviews").click()
        wait.until(lambda b: b.find_element(By.LINK_TEXT, id_))
        wide_enough("list")
        browser.find_element(By.LINK_TEXT, id_).click()
        wait.until(lambda b: b.find_element(By.LINK_TEXT, other))
        wide_enough("one")
        browser.find_element(By.NAME, "note").send_keys("our own batch")
        browser.find_element(By.CSS_SELECTOR, "button[value=approved]").click()
        wait.until(lambda b: "approved benign by carol" in b.page_source)
        assert soon(lambda: client.infer(1.0, 2.0).status == 200)
        browser.refresh()
        assert "of the ledger" in browser.page_source
        wide_enough("decided")
        refused = browser.get_log("browser")  # type: ignore[no-untyped-call]  # the library says no types here
        assert not [one for one in refused if "Content Security Policy" in one["message"]], refused
        assert gateway.end() == 0
    assert "approved benign" in home("review", "list", "--state", "approved").out
    assert '"by": "carol"' in home("ledger", "show", entry(home, id_)).out


def entry(home: Place, id_: str) -> str:
    """Index of the entry that holds the decision."""
    import json

    return str(json.loads(home("review", "show", id_, "--format", "json").out)["entry"])
