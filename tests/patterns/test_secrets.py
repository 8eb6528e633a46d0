"""Published patterns find what they are published for, and nothing that documentation shows."""

from __future__ import annotations

import math
import random
import re
import string
import sysconfig
from pathlib import Path
from re import _parser as sre  # type: ignore[attr-defined]  # the only one that knows how long a match can be

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.patterns import secrets
from ancile.patterns.secrets import entropy, find_secrets, has_checksum, is_token_header, patterns
from ancile.scan.examine import examine_part
from ancile.scan.part import Part
from tests.patterns.forms import FORMS, Draw

LETTERS = string.ascii_letters + string.digits


def drawn(n: int, letters: str = LETTERS, seed: int = 7) -> str:
    return "".join(random.Random(seed).choices(letters, k=n))


HEX = "0123456789abcdef"
PEM = "\n".join(drawn(64, LETTERS + "+/", seed) for seed in range(8))
SECRETS = {
    "AWS access key": "AKIA" + drawn(16, string.ascii_uppercase + "234567"),
    "AWS secret key": "aws_secret_access_key = " + drawn(40),
    "GitHub token": "ghp_" + drawn(36),
    "GitLab token": "glpat-" + drawn(20),
    "Hugging Face token": "hf_" + drawn(34),
    "OpenAI key": "sk-" + drawn(20) + "T3BlbkFJ" + drawn(20, seed=8),
    "Slack token": "xoxb-523497212361-871293416524-" + drawn(24),
    "Stripe key": "sk_live_" + drawn(24),
    "SendGrid key": "SG." + drawn(22) + "." + drawn(43, seed=9),
    "Google API key": "AIza" + drawn(35),
    "Mailchimp key": drawn(32, HEX) + "-us2",
    "Azure storage key": "AccountKey=" + drawn(86) + "==",
    "Telegram bot token": "110201543:AA" + drawn(33),
    "private key": f"-----BEGIN RSA PRIVATE KEY-----\n{PEM}\n-----END RSA PRIVATE KEY-----",
}


@pytest.mark.parametrize("what", SECRETS)
def test_a_drawn_secret_is_found_in_every_kind_of_text(what: str) -> None:
    for text in (
        SECRETS[what],
        f"a: '{SECRETS[what]}'\n",
        f'{{"a": "{SECRETS[what]}"}}'.replace("\n", "\\n"),
    ):
        assert what in {one.what for one in find_secrets(text)}
        found = examine_part(Part("file", text.encode()))
        assert found.verdict == "block"
        assert all(SECRETS[what][12:30] not in one.detail for one in found.findings)


@pytest.mark.parametrize(
    "text",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "ghp_" + "x" * 36,
        "hf_" + "X" * 34,
        "sk-your-key-here",
        "password: <your password>",
        "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
        "-----BEGIN PUBLIC KEY-----\n" + PEM,
        "sha256:" + drawn(64, HEX),
        "commit " + drawn(40, HEX),
        '"pad_token": "<pad>", "eos_token": "</s>"',
        "prefixAKIA" + drawn(16, string.ascii_uppercase),
    ],
)
def test_examples_and_hashes_are_no_secrets(text: str) -> None:
    assert not list(find_secrets(text))


def test_every_pattern_has_a_source_and_a_hint_that_its_secrets_hold() -> None:
    for one in patterns():
        assert one.source
        assert one.hints
        assert one.bits > 0
    for what, text in SECRETS.items():
        assert any(hint in text for one in patterns() if one.what == what for hint in one.hints)


def test_entropy_of_equal_shares_is_their_logarithm() -> None:
    assert entropy("ab" * 10) == 1
    assert math.isclose(entropy(HEX), 4)


@given(st.text(max_size=200))
def test_ordinary_text_raises_nothing(text: str) -> None:
    assert all(re.search(r"\w", one.what) for one in find_secrets(text))


PIECES = st.one_of(
    st.sampled_from(sorted(SECRETS.values())),
    st.tuples(st.sampled_from(sorted(FORMS)), st.integers(0, 9)).map(
        lambda one: FORMS[one[0]][1](Draw(one[1]))
    ),
    st.sampled_from(
        ["key", "KEY: ", "Secret", "sk-", "\u212aey", "a.b", "_", " ", '"', "x" * 500, "-----BEGIN "]
    ),
    st.text(max_size=20),
)


@given(st.lists(PIECES, max_size=12), st.sampled_from(["", " ", "\n", "x" * 300]))
def test_near_hints_the_same_is_found_as_in_the_whole_text(pieces: list[str], between: str) -> None:
    text = between.join(pieces)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(secrets, "SHORT", -1)
        near = list(find_secrets(text))
        patch.setattr(secrets, "SHORT", len(text))
        assert near == list(find_secrets(text))


def test_the_longest_match_of_each_form_is_told() -> None:
    for one in patterns():
        widest = sre.parse(one.form.pattern).getwidth()[1]
        assert one.longest == (widest if widest < 1 << 20 else 0)
        assert all(len(hint) + 2 < secrets.LONGEST_HINT for hint in one.hints)


def test_no_hint_that_is_looked_for_by_its_end_ends_in_another() -> None:
    ends = [hint for one in patterns() for hint in one.hints if len(hint) > 1 and hint[-1] in secrets.RARE]
    assert not [(a, b) for a in ends for b in ends if a != b and a.endswith(b)]


DRAWS = 40


@pytest.mark.parametrize("form", FORMS)
def test_nearly_every_token_of_a_published_form_is_found(form: str) -> None:
    """Some are passed over: those that happen to hold what placeholders hold."""
    what, draw = FORMS[form]
    found = [
        what in {one.what for one in find_secrets(f"x = '{draw(Draw(seed))}'\n")} for seed in range(DRAWS)
    ]
    assert sum(found) >= 0.9 * DRAWS


def test_every_pattern_is_for_a_form_that_is_tried() -> None:
    tried = {what for what, _ in FORMS.values()}
    assert {one.what for one in patterns()} - tried == {"npm registry token", "Discord token"}


def test_the_checksum_is_that_of_the_published_example() -> None:
    """GitHub blog of 2021-04-05: the last six letters of the example are its CRC-32 in base 62."""
    example = "ghp_" + "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ" + "0mLq17"
    assert has_checksum(example) is True
    assert has_checksum(example[:-1] + "8") is False
    assert has_checksum(example + "a") is None


@pytest.mark.parametrize("form", ["GitHub personal", "npm"])
def test_what_is_said_of_a_token_says_whether_its_checksum_is_right(form: str) -> None:
    token = FORMS[form][1](Draw(3))
    wrong = token[:-1] + ("a" if token[-1] != "a" else "b")
    for text, said in ((token, "its checksum is right"), (wrong, "its checksum is not right")):
        (found,) = examine_part(Part("file", text.encode())).findings
        assert said in found.detail
        assert found.severity == "high"


@pytest.mark.parametrize("form", ["web token", "address", "assigned"])
def test_what_may_be_for_show_is_for_somebody_to_look_at(form: str) -> None:
    assert examine_part(Part("file", FORMS[form][1](Draw(3)).encode())).verdict == "review"


def test_three_parts_of_which_the_first_names_no_algorithm_are_no_web_token() -> None:
    assert is_token_header("eyJhbGciOiJIUzI1NiJ9")
    assert not is_token_header("eyJhIjoxfQ")
    assert not is_token_header("eyJ%")
    assert not list(find_secrets(f"eyJhIjoxfSAgICAgICAgICAg.eyJhIjoxfSAgICAgICAgICAg.{drawn(43)}"))


@pytest.mark.parametrize(
    "text",
    [
        "https://user:password@example.com/",
        "postgres://user:$PASSWORD@host/db",
        "api_key = 'config.get(name)'",
        "password = 'correct horse battery staple'",
        'secret_key: "${SECRET_KEY}"',
        '"tokenizer_class": "PreTrainedTokenizerFast"',
        "glpat-" + "a" * 20,
    ],
)
def test_what_stands_for_a_secret_is_none(text: str) -> None:
    assert not list(find_secrets(text))


@pytest.mark.slow
def test_the_interpreter_s_own_library_holds_no_secret() -> None:
    """Every twentieth of its files: the whole of it, 31 million characters, has none."""
    files = sorted(
        one for one in Path(sysconfig.get_path("stdlib")).rglob("*.py") if "site-packages" not in one.parts
    )
    assert [one for path in files[::20] for one in find_secrets(path.read_text("utf-8", "replace"))] == []
