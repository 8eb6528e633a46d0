"""The administration as a process beside the gateway, and a security key in a real browser."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest

from tests.cli.terminal import Ended, Place, clear
from tests.serve.pki import Authority
from tests.serve.small import Running, running
from tests.serve.test_command import soon

pytestmark = pytest.mark.slow
GOOD = "correct horse battery staple"


def person(place: Place, monkeypatch: pytest.MonkeyPatch, *, password: str = GOOD) -> Ended:
    """What `ancile user add carol --admin` prints."""
    monkeypatch.setenv("ANCILE_PERSON_PASSWORD", password)
    return place("user", "add", "carol", "--admin")


def port_of(gateway: Running) -> int:
    found = re.search(r"administration at http://localhost:(\d+)", gateway.said.read_text("utf-8"))
    assert found is not None
    return int(found[1])


def asked(port: int, method: str, path: str, body: object = None, **headers: str) -> tuple[int, bytes, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        data = None if body is None else json.dumps(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body=data, headers={"Content-Type": "application/json"} | named)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers.get("Set-Cookie", "")
    finally:
        connection.close()


def test_who_logs_in_makes_a_key_that_the_gateway_knows_and_the_ledger_says_who_did_it(
    home: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = person(home, monkeypatch).out.strip()
    totp = pyotp.parse_uri(uri)
    with running(home, "line.onnx", "--admin-port", "0") as gateway:
        port = port_of(gateway)
        assert asked(port, "GET", "/api/users")[0] == 401
        code = totp.generate_otp(int(time.time()) // 30)
        status, said, cookie = asked(
            port, "POST", "/api/session", {"name": "carol", "password": GOOD, "code": code}
        )
        assert status == 200
        held = {"Cookie": cookie.partition(";")[0], "X_CSRF_Token": json.loads(said)["csrf"]}
        made = asked(port, "POST", "/api/users", {"name": "dave", "role": "analyst"}, **held)
        client = gateway.client(json.loads(made[1])["key"])
        assert soon(lambda: client.infer(1.0, 1.0).status == 200)
        assert gateway.end() == 0
    assert home("user", "list").out.splitlines()[-1].split() == ["carol", "admin", "logs", "in"]
    assert "dave: added by carol" in home("ledger", "log", "--kind", "user").out
    assert "carol: person" in home("ledger", "log", "--kind", "user").out


def test_a_weak_password_and_a_weak_pepper_refuse(home: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for weak in ("changeme", "Password1234!", "carol-admin-2026"):
        monkeypatch.setenv("ANCILE_PERSON_PASSWORD", weak)
        assert "password is too weak" in clear(home("user", "add", "carol", "--admin"))
    assert "either a role or a person" in clear(home("user", "add", "carol"))
    pepper = home.folder / ".ancile" / "serve" / "pepper"
    pepper.write_bytes(b"\0" * 32)
    assert "pepper is weak" in clear(home("serve", "line.onnx", "--port", "0", "--admin-port", "0"))


def test_the_administration_speaks_tls_where_it_is_given_a_certificate(home: Place, tmp_path: Path) -> None:
    ca, config = Authority(tmp_path), home.folder / "ancile.toml"
    certificate, private = ca.issue("admin")
    other = ca.issue("other")[1]
    before = config.read_text("utf-8")
    table = f'\n[serve.admin]\ncertificate = "{certificate}"\nkey = "KEY"\n'
    for wrong in (str(other), str(tmp_path / "absent.key")):
        config.write_text(before + table.replace("KEY", wrong), "utf-8")
        assert "cannot be used" in clear(home("serve", "line.onnx", "--port", "0", "--admin-port", "0"))
    config.write_text(before + table.replace("KEY", str(private)), "utf-8")
    with running(home, "line.onnx", "--admin-port", "0") as gateway:
        found = re.search(r"administration at https://127.0.0.1:(\d+)", gateway.said.read_text("utf-8"))
        assert found is not None
        context = ssl.create_default_context(cafile=ca.file)
        connection = http.client.HTTPSConnection("127.0.0.1", int(found[1]), timeout=60, context=context)
        connection.request("GET", "/api/users")
        with connection.getresponse() as answer:
            assert answer.status == 401
            assert answer.headers["Strict-Transport-Security"]
        connection.close()
        assert gateway.end() == 0


def test_the_gateway_serves_on_where_the_administration_ends(home: Place) -> None:
    alice = home("user", "add", "alice", "--role", "analyst").out.strip()
    with running(home, "line.onnx", "--admin-port", "0") as gateway:
        assert "nobody may log in there yet" in gateway.said.read_text("utf-8")
        children = Path(f"/proc/{gateway.process.pid}/task/{gateway.process.pid}/children").read_text("ascii")
        for child in children.split():
            command = Path(f"/proc/{child}/cmdline").read_bytes()
            if b"ancile.serve.admin.main" in command:
                os.kill(int(child), signal.SIGKILL)
        assert soon(lambda: "administration ended by itself" in gateway.said.read_text("utf-8"))
        assert gateway.client(alice).infer(1.0, 1.0).status == 200
        assert gateway.end() == 0


@pytest.fixture
def chromium() -> Iterator[object]:
    """A browser without a window, or a skip that says why."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("chromium and chromedriver are not installed")
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = binary
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1100,1400"):
        options.add_argument(argument)
    found = webdriver.Chrome(options=options, service=Service(driver))
    yield found
    found.quit()


def test_a_security_key_logs_in_without_a_password_in_a_real_browser(
    home: Place, monkeypatch: pytest.MonkeyPatch, chromium: object
) -> None:
    from selenium.common.exceptions import StaleElementReferenceException
    from selenium.webdriver import Chrome
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.virtual_authenticator import (
        VirtualAuthenticatorOptions,
    )
    from selenium.webdriver.support.wait import WebDriverWait

    assert isinstance(chromium, Chrome)
    browser, options = chromium, VirtualAuthenticatorOptions()
    options.has_user_verification = options.is_user_verified = True
    browser.add_virtual_authenticator(options)
    totp = pyotp.parse_uri(person(home, monkeypatch).out.strip())

    wait = WebDriverWait(browser, 15, ignored_exceptions=(StaleElementReferenceException,))

    def shown(id_: str, text: str) -> bool:
        return bool(wait.until(lambda b: text in b.find_element(By.ID, id_).text))

    def write(form: str, **values: str) -> None:
        for name, value in values.items():
            browser.find_element(By.CSS_SELECTOR, f"#{form} [name={name}]").send_keys(value)

    with running(home, "line.onnx", "--admin-port", "0") as gateway:
        browser.get(f"http://localhost:{port_of(gateway)}/")
        wait.until(lambda b: b.find_element(By.ID, "log-in").is_displayed())
        write("log-in", name="carol", password=GOOD, code=totp.generate_otp(int(time.time()) // 30))
        browser.find_element(By.CSS_SELECTOR, "#log-in button").click()
        assert shown("who", "carol (admin)")
        assert shown("policy", "role-may")
        browser.find_element(By.ID, "add-key").click()
        assert shown("told", "the security key lets you in")
        write("add-user", name="dave")
        browser.find_element(By.CSS_SELECTOR, "#add-user button").click()
        assert shown("key", "ancile_")
        assert shown("users", "dave")
        if folder := os.environ.get("ANCILE_SCREENSHOTS"):
            browser.save_screenshot(f"{folder}/admin.png")
        browser.find_element(By.ID, "log-out").click()
        wait.until(lambda b: b.find_element(By.ID, "log-in").is_displayed())
        field = browser.find_element(By.CSS_SELECTOR, "#log-in [name=name]")
        field.clear()
        field.send_keys("carol")
        browser.find_element(By.ID, "with-key").click()
        assert shown("who", "carol (admin)")
        told = browser.execute("getLog", {"type": "browser"})[
            "value"
        ]  # beside that a stranger was refused: a script that fails, a policy
        assert [one for one in told if one["source"] != "network"] == []
        assert gateway.end() == 0
    assert "carol: factor by carol" in home("ledger", "log", "--kind", "user").out
