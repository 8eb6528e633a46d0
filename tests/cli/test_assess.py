"""``ancile assess``: defaults, flags, formats, evidence, and ways to stop."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import threading
import xml.etree.ElementTree as ET
from contextlib import suppress
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from tests.cli.terminal import ASSESS, NET, RULE, Place, clear

FAST = (*ASSESS[:2], "--effort", "quick", "--quiet")
SLOW = ("assess", "slow.py:predict", "--data", "data.npz", "--eps", "0.05", "--effort", "standard")


def configured(place: Place, text: str) -> None:
    (place.folder / "ancile.toml").write_text(text, "utf-8")


def test_without_a_home_there_is_a_report_and_no_evidence(place: Place) -> None:
    ended = place(*ASSESS, "--format", "json")
    assert ended.code == 0
    assert json.loads(ended.out)["evidence"] is None
    assert "not evidence" in ended.err


def test_a_home_makes_evidence_unless_it_is_told_not_to(home: Place) -> None:
    recorded = home.json(*ASSESS)
    assert recorded["evidence"]["checkpoint"].startswith("test.example/log\n")
    assert home.json(*ASSESS, "--no-record")["evidence"] is None
    assert home("ledger", "log", "--kind", "report").out.count("report") == 1


@pytest.mark.slow
def test_what_keeps_a_report_from_being_evidence_is_named(home: Place) -> None:
    ended = home(*ASSESS, "--no-record")
    assert ended.err == "ancile: not evidence: nothing was signed (--no-record leaves it out)\n"


@pytest.mark.slow
@pytest.mark.parametrize("target", ["-o /dev/full", "> /dev/full"])
def test_a_report_that_cannot_be_written_was_signed_before(home: Place, target: str) -> None:
    ended = home.shell(f"ancile {' '.join(ASSESS)} {target}")
    signed, error, _ = ended.err.splitlines()
    assert signed == "ancile: the report was signed before: entry 3, `ancile ledger show 3` prints it"
    assert error == f"ancile: error: no space left on device: {'/dev/full' if '-o' in target else 'stdout'}"
    assert ended.code == 2


def test_to_record_without_a_home_is_an_error_before_any_work(place: Place) -> None:
    assert "no .ancile" in clear(place(*ASSESS, "--record"))
    assert "no .ancile" in clear(place(*ASSESS, "--gate"))


@pytest.mark.slow
def test_the_configuration_gives_defaults_and_a_flag_wins(place: Place) -> None:
    configured(
        place,
        '[assess]\ndata = "data.npz"\neps = 0.25\nnorm = "l2"\nsamples = 7\nseed = 5\neffort = "quick"\n'
        'bounds = [-0.000012345678901, 1.0]\nbudget = "30m"\nmean = [0.5]\nstd = [2.0]\n',
    )
    said = place.json("assess", "net.py:predict", "-q")["parameters"]
    assert (said["eps"], said["norm"], said["samples"], said["seed"]) == (0.25, "l2", 7, 5)
    assert said["input_low"] == pytest.approx(-0.000012345678901, rel=1e-12)
    assert (said["budget_seconds"], said["mean"], said["std"]) == (1800.0, [0.5], [2.0])
    flags = (
        "--eps",
        "0.1",
        "--norm",
        "linf",
        "--samples",
        "0",
        "--seed",
        "6",
        "--bounds",
        "0,1",
        "--budget",
        "9s",
    )
    changed = place.json("assess", "net.py:predict", "-q", *flags, "--mean", "0", "--std", "1")["parameters"]
    assert (changed["eps"], changed["norm"], changed["samples"], changed["seed"]) == (0.1, "linf", 40, 6)
    assert (changed["input_low"], changed["budget_seconds"], changed["std"]) == (0.0, 9.0, [1.0])


@pytest.mark.slow
def test_the_threat_model_stands_in_the_report(place: Place) -> None:
    configured(place, '[threat]\nknowledge = "grey-box"\nnote = "through the upload form"\nqueries = 100\n')
    said = place.json(*ASSESS)["parameters"]
    assert said["threat_knowledge"] == "grey-box"
    assert said["threat_note"] == "through the upload form"
    assert said["threat_queries"] == 100


class Page(HTMLParser):
    """Tags that are open."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 - the parser's signature
        self.seen.add(tag)


@pytest.mark.slow
def test_each_format_is_well_formed_and_none_changes_the_exit_code(place: Place) -> None:
    ended = {
        name: place(*ASSESS, "--format", name)
        for name in ("table", "json", "sarif", "html", "markdown", "junit")
    }
    assert {one.code for one in ended.values()} == {0}
    assert json.loads(ended["json"].out)["stage"] == "assess"
    assert json.loads(ended["sarif"].out)["version"] == "2.1.0"
    assert ET.fromstring(ended["junit"].out).tag in ("testsuites", "testsuite")  # noqa: S314 - our own
    page = Page()
    page.feed(ended["html"].out)
    assert {"html", "h1", "table"} <= page.seen
    assert ended["markdown"].out.startswith("#")
    assert "robust accuracy" in ended["table"].out
    assert max(map(len, ended["table"].out.splitlines())) <= 80


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("r.json", "{"),
        ("r.SARIF", "{"),
        ("r.html", "<!"),
        ("r.md", "#"),
        ("r.xml", "<?xml"),
        ("r.txt", "PASS"),
        ("r", "PASS"),
    ],
)
def test_the_suffix_of_the_file_decides_the_format(place: Place, name: str, start: str) -> None:
    ended = place(*ASSESS, "-o", name)
    assert ended.code == 0
    assert not ended.out
    assert (place.folder / name).read_text("utf-8").lower().startswith(start.lower())


@pytest.mark.slow
def test_a_format_that_is_asked_for_wins_over_the_suffix(place: Place) -> None:
    place(*ASSESS, "-o", "r.html", "--format", "json")
    assert json.loads((place.folder / "r.html").read_text("utf-8"))["stage"] == "assess"


@pytest.mark.slow
def test_strict_turns_a_warning_into_exit_1_in_every_format(place: Place) -> None:
    assert {place(*ASSESS, "--strict", "--format", f).code for f in ("table", "json", "html")} == {1}


def test_the_examples_prove_the_figure_with_numpy_alone(place: Place) -> None:
    """Ten lines of numpy: the share of rows that are right and have no example is the robust accuracy."""
    report = place.json(*ASSESS, "--adversarial", "found.npz", "--bounds", "0,1")
    found = np.load(place.folder / "found.npz", allow_pickle=False)
    held = np.load(place.folder / "data.npz")
    weights = np.array([[1.0, -1.0], [-1.0, 1.0], [0.2, 0.1]], dtype=np.float32)
    np.testing.assert_array_equal(found["x"], held["x"][found["index"]])
    np.testing.assert_array_equal(found["y"], held["y"][found["index"]])
    np.testing.assert_array_equal((found["x"] @ weights.T).argmax(axis=1), found["label_before"])
    np.testing.assert_array_equal((found["x_adv"] @ weights.T).argmax(axis=1), found["label_after"])
    change = np.abs(found["x_adv"].astype(np.float64) - found["x"].astype(np.float64)).max(axis=1)
    np.testing.assert_allclose(change, found["distance"])
    assert (change <= 0.05).all()
    assert ((found["x_adv"] >= 0) & (found["x_adv"] <= 1)).all()
    robust = (found["label_before"] == found["y"]) & (found["label_after"] == found["y"])
    (value,) = [m["value"] for m in report["measures"] if m["name"] == "robust_accuracy" and not m["slice"]]
    assert robust.mean() == value < 1


def test_where_the_examples_cannot_be_written_no_work_is_done(home: Place) -> None:
    before = home("ledger", "log").out
    assert "examples cannot be written" in clear(home(*ASSESS, "--adversarial", "absent/found.npz"))
    assert home("ledger", "log").out == before


@pytest.mark.parametrize(("at_least", "code"), [(0.1, 0), (0.99, 1)])
def test_with_gate_the_policy_decides_the_exit_code(home: Place, at_least: float, code: int) -> None:
    home.policy(RULE.format(at_least=at_least))
    ended = home(*ASSESS, "--gate", "--format", "json")
    assert ended.code == code
    assert json.loads(ended.out)["outcome"] == "pass"
    assert f"gate: {'pass' if code == 0 else 'fail'}, 1 run on record" in ended.err
    assert "gate: holds:" in ended.err
    assert home("ledger", "log", "--kind", "decision").out.count("decision") == 1


def test_a_spent_budget_gives_an_incomplete_report_and_exit_2(place: Place) -> None:
    ended = place(*SLOW, "-q", "--budget", "0.1s", "--format", "json")
    document = json.loads(ended.out)
    assert ended.code == 2
    assert document["complete"] is False
    assert document["outcome"] == "no_conclusion"
    assert any(f["check"] == "evasion-unfinished" for f in document["findings"])


def test_a_query_cap_ends_the_run_between_batches(place: Place) -> None:
    document = place.json(*SLOW, "-q", "--query-cap", "600")
    assert document["complete"] is False
    assert document["parameters"]["budget_queries"] == 600


def until(descriptor: int, words: bytes) -> bytes:
    """What a terminal showed until these words came."""
    shown = b""
    while words not in shown:
        ready, _, _ = select.select([descriptor], [], [], 60)
        assert ready, shown
        shown += os.read(descriptor, 4096)
    return shown


def drained(descriptor: int) -> None:
    """Read what a terminal shows until nobody writes to it any more."""
    with suppress(OSError):  # EIO: the last writer is gone
        while os.read(descriptor, 4096):
            pass


@pytest.mark.slow
def test_ctrl_c_gives_the_report_so_far_and_the_same_command_goes_on(home: Place) -> None:
    """The progress line says when the second of two attacks has begun."""
    terminal, stderr = pty.openpty()
    with home.start(*SLOW, "--format", "json", stderr=stderr, measured=False) as started:
        os.close(stderr)
        assert b"robust accuracy so far" in until(terminal, b"assess: 20/40")
        started.send_signal(signal.SIGINT)
        reader = threading.Thread(target=drained, args=(terminal,))  # or it would wait for room to write in
        reader.start()
        stopped = json.loads(started.communicate(timeout=120)[0])
        reader.join()
    os.close(terminal)
    assert started.returncode == 2
    assert stopped["complete"] is False
    assert stopped["evidence"] is not None
    (home.folder / "pace").write_text("0", "utf-8")
    ended = home.json(*SLOW, "-q")
    assert ended["complete"] is True
    assert ended["parameters"]["resumed"] is True
    assert home("ledger", "verify").code == 0


@pytest.mark.slow
def test_progress_is_silent_where_stderr_is_no_terminal(place: Place) -> None:
    ended = place.process(*ASSESS[:-1])
    assert ended.code == 0
    assert ended.err == "ancile: not evidence: nothing was signed (`ancile init` makes keys and a ledger)\n"
    assert "\x1b" not in ended.out


def test_units_of_range_scale_eps_by_each_feature(place: Place) -> None:
    x = np.random.default_rng(1).uniform(size=(30, 2)) * [1.0, 100.0]
    np.savez(place.folder / "wide.npz", x=x.astype(np.float32), y=np.zeros(30, dtype=np.int64))
    flags = ("--data", "wide.npz", "--eps", "0.05", "--units", "range", "--adversarial", "found.npz")
    assert place.json(*FAST, *flags)["parameters"]["feature_scale"] == "per feature"
    refused = place(*FAST, "--data", "wide.npz", "--eps", "0.05", "--units", "range", "--bounds", "0,100")
    assert refused.code == 0 or "ranges of their own" in clear(refused)


def test_an_image_has_no_feature_ranges(place: Place) -> None:
    x = np.random.default_rng(1).uniform(size=(12, 1, 4, 4)).astype(np.float32)
    np.savez(place.folder / "images.npz", x=x, y=np.zeros(12, dtype=np.int64))
    told = clear(place(*FAST, "--data", "images.npz", "--eps", "0.05", "--units", "range"))
    assert "ranges of their own" in told


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--eps", "0.1"), "no data"),
        (("--data", "data.npz"), "no eps"),
        (("--data", "data.npz", "--eps", "0.1", "--mean", "nan"), "not numbers: --mean nan"),
        (("--data", "data.npz", "--eps", "0.1", "--mean", "a,b"), "not numbers: --mean a,b"),
        (("--data", "data.npz", "--eps", "0.1", "--std", "1,0"), "standard deviation is zero"),
        (("--data", "data.npz", "--eps", "0.1", "--seed", "-1"), "--seed"),
        (("--data", "data.npz", "--eps", "0.1", "--seed", "9007199254740992"), "--seed"),
        (("--data", "data.npz", "--eps", "0.1", "--samples", str(10**30)), "--samples"),
        (("--data", "data.npz", "--eps", "0.1", "--factory-args", "{"), "factory arguments"),
        (("--data", "data.npz", "--eps", "0.1", "--factory-args", '{"a": [1]}'), "factory arguments"),
        (("--data", "data.npz", "--eps", "x"), "--eps"),
        (("--data", "data.npz", "--eps", "0.1", "--norm", "l7"), "--norm"),
    ],
)
def test_a_wrong_option_is_one_clear_line(place: Place, flags: tuple[str, ...], told: str) -> None:
    assert told in clear(place(*FAST, *flags))


@pytest.mark.slow
def test_factory_arguments_reach_the_factory_and_the_subject(place: Place) -> None:
    code = NET.replace(
        "def predict(x):", "def make(sign=1.0):\n    return lambda x: sign * predict(x)\n\n\ndef predict(x):"
    )
    (place.folder / "made.py").write_text(code, "utf-8")
    base = ("assess", "made.py:make", "--data", "data.npz", "--eps", "0.05", "--effort", "quick", "-q")
    plain, turned = place.json(*base), place.json(*base, "--factory-args", '{"sign": -1.0}')
    assert plain["subject"]["digest"] != turned["subject"]["digest"]
    accuracy = [
        next(m["value"] for m in d["measures"] if m["name"] == "clean_accuracy") for d in (plain, turned)
    ]
    assert accuracy[0] == 1.0 > accuracy[1]


def test_a_user_without_a_home_folder_is_told_where_to_put_the_cache(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nowhere)
    assert "no place for a cache" in clear(place(*ASSESS, XDG_CACHE_HOME=""))


@pytest.mark.slow
def test_a_cache_that_cannot_be_written_loses_no_run(place: Place) -> None:
    (place.folder / "user-cache").write_text("a file where a folder should be", "utf-8")
    assert place(*ASSESS).code == 0


def test_a_named_set_that_is_not_there_asks_only_a_terminal(place: Place) -> None:
    told = place(*FAST, "--data", "mnist", "--eps", "0.1", ANCILE_DATA=str(place.folder))
    clear(told)
