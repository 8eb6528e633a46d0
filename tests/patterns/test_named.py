"""What a name says is a secret is found in any language, and what only stands for one is not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.patterns import named
from ancile.patterns.named import find_named, tokens
from tests.patterns.forms import FORMS, Draw
from tests.shared import SHARED, needs_shared

VALUE = "Qm7-tulip_Rx94"
SPELLED = (
    "password = {}",
    'db_password: "{}"',
    "export API_KEY='{}'",
    '"clientSecret": "{}",',
    "passwd := `{}`",
    "'secret' => '{}',",
    'String dbPassword = "{}";',
    'var apiKey string = "{}"',
    'let token_secret: &str = "{}";',
    'password: str = "{}"',
    'os.environ["DB_PASSWORD"] = "{}"',
    'if ("{}" == password) {{',
    "<password>{}</password>",
    '<add key="Password" value="{}"/>',
    '- name: DB_PASSWORD\n  value: "{}"',
    "password:\n    {}\n    # nothing\n",
    "secrets =\n    - {}\n",
    "--db-password {} --verbose",
    "ENV DB_PASSWORD {}",
    '#define PASSWORD "{}"',
    'setenv("DB_PASSWORD", "{}", 1)',
    'std::string secret("{}");',
    "GET /items?api_key={}&page=2",
    "Server=db;User ID=sa;Password={};Encrypt=True",
    "https://bo:{}@host.example.org/",
    "curl -u bo:{} https://host.example.org",
    "sshpass -p '{}' ssh bo@host",
    "mysql -u root -p{} main",
    "redis-cli -h host -a {} ping",
    "BASIC_AUTH={}",
    "requests.get(url, auth=('bo', '{}'))",
    "CREATE USER a IDENTIFIED BY '{}';",
    "machine host login bo password {}",
    "my password is {}",
    "Kennwort: {}",
    "contraseña: {}",
    "\u0130 password = {}",
)


@pytest.mark.parametrize("spelled", SPELLED)
def test_a_secret_beside_its_name_is_found_whole(spelled: str) -> None:
    text = spelled.format(VALUE)
    (found,) = find_named(text)
    assert text[found.start : found.end] == VALUE
    assert found.sure == "medium"


@pytest.mark.parametrize("spelled", SPELLED)
@pytest.mark.parametrize("value", ["${DB_PASSWORD}", "xxxxxxxxxx", "<password>", "your-password", "None"])
def test_what_stands_for_a_secret_is_none(spelled: str, value: str) -> None:
    assert not list(find_named(spelled.format(value)))


@pytest.mark.parametrize(
    "text",
    [
        "password = get_password('db')",
        "token = tokens[0]",
        "api_key = settings.api_key",
        "def login(user: str, password: str) -> None:",
        "password: Optional[str] = None",
        "secretName: web-tls",
        "token_url: https://login.example.org/abc123",
        "public_key = 'AAAAC3NzaC1lZDI1NTE5AAAAIGx2Q9'",
        '"eos_token": "</s>1"',
        "The password must have at least 12 characters.",
        '"password_label": "Enter your password"',
        '"password": "Must have at least 8 characters"',
        "password_file: /run/secrets/db1",
        "primary_key = ['user_id', 'day1']",
        f'"sha256": "{"0123456789abcdef" * 4}"',
        "some_key = 'real_secret'",
        "digest=gX69YO4CvBsVjzAwYxdGyDd30t5+9ez31gKATtj4",
        "password: string;",
        "key: 203db13e-70c7-462b-9a3d-bf32640cb0be",
        "-----BEGIN PRIVATE KEY-----\nyour key here\n",
        "pass 'event' on",
        "http://localhost:5000/a@b",
        "password = 'ab'",
        "eyJhIjoiYiIsImMiOiJkIn0.eyJhIjoiYiIsImMiOiJkIn0.c",
    ],
)
def test_code_and_prose_about_secrets_hold_none(text: str) -> None:
    assert not list(find_named(text))


@pytest.mark.parametrize(
    ("text", "kind", "sure"),
    [
        ("AKIAIOSFODNN7EXAMPLE", "AWS access key", "low"),
        ("password = 'correct horse battery'", "password", "low"),
        ("password: 12345678901", "password", "low"),
        ("db_key = 'Zx83kfQpL0vWm29dTbYs'", "key by name", "low"),
        ("Authorization: Basic Ym86c2VjcmV0MQ==", "authorization header", "medium"),
        ("Authorization: Bearer Zx83kfQpL0vWm29dTbYs", "authorization header", "medium"),
        ("postgres://bo:password@db.internal/x", "password in an address", "low"),
        ("bo:$6$salt1234$" + "aB3." * 20, "stored password", "medium"),
        ("x = 'c3VwZXIgbG9uZyBzdHJpbmcgc2hvdWxkIGNhdXNlIGVub3VnaCBlbnRyb3B5'", "mixed text", "low"),
        ("mimi=gX69YO4CvBsVjzAwYxdGyDd30t5+9ez31gKATtj4", "mixed text", "low"),
        ("x = '2b00042f7481c7b056c4b410d28f33cf'", "mixed text", "low"),
        ("lin_api_" + "aB3dE5gH7jK9mN1pQ3rS5tU7vW9xY1zA3cD5eF7g", "Linear key", "high"),
        ("-----BEGIN PRIVATE KEY-----\nsecret words here\n-----END PRIVATE KEY-----", "private key", "low"),
        (
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0",
            "JSON Web Token",
            "high",
        ),
    ],
)
def test_how_sure_it_is_says_how_it_looks(text: str, kind: str, sure: str) -> None:
    (found,) = find_named(text)
    assert (found.kind, found.sure) == (kind, sure)


def test_a_key_block_is_found_to_its_end() -> None:
    lines = "\n".join("MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ" for _ in range(6))
    for text in (
        f"-----BEGIN RSA PRIVATE KEY-----\n{lines}\n-----END RSA PRIVATE KEY-----",
        f"-----BEGIN PRIVATE KEY-----\n{lines}",
        f"Private-Lines: 6\n{lines}",
    ):
        (found,) = find_named(text)
        assert (found.start, found.end, found.kind) == (0, len(text), "private key")


def test_every_form_names_its_source_and_its_hint_is_in_it() -> None:
    assert len({one.form.pattern for one in tokens()}) == len(tokens()) > 80
    assert all(one.kind and one.hints for one in tokens())


@given(st.lists(st.sampled_from([*SPELLED, "\n", '"', "key", " = ", "x" * 50, "password"]), max_size=8))
def test_no_two_overlap_and_all_lie_in_the_text(pieces: list[str]) -> None:
    text = "".join(pieces).replace("{}", VALUE)
    end = 0
    for one in find_named(text):
        assert end <= one.start < one.end <= len(text)
        end = one.end


def test_a_long_line_is_read_in_pieces() -> None:
    text = json.dumps({f"field{n}": "word " * 20 for n in range(200)} | {"api_key": VALUE})
    (found,) = find_named(text)
    assert text[found.start : found.end] == VALUE


@needs_shared
def test_nine_in_ten_of_a_scanner_s_own_cases_are_found_and_one_in_four_false_alarms_at_most() -> None:
    pytest.importorskip("pyarrow")
    from pyarrow.parquet import read_table

    assert SHARED is not None
    rows = read_table(SHARED / "data" / "secrets" / "detect_secrets_lines.parquet").to_pylist()
    # An address of the net is personal, and no secret
    rows = [one for one in rows if one["detector"] != "ip_public"]
    found = [bool(list(find_named(one["text"]))) for one in rows]
    right = sum(hit and one["is_secret"] for hit, one in zip(found, rows, strict=True))
    assert right >= 0.9 * sum(one["is_secret"] for one in rows)
    assert right > 0.75 * sum(found)


@pytest.mark.slow
@given(
    st.lists(
        st.one_of(
            st.sampled_from(sorted(spelled.format(VALUE) for spelled in SPELLED)),
            st.sampled_from(sorted(FORMS)).map(lambda name: FORMS[name][1](Draw(5))),
            st.integers(1, 400).map(lambda count: "ordinary words follow " * count),
        ),
        max_size=8,
    ),
    st.sampled_from(["\n", " ", "\n\n"]),
)
def test_about_long_words_the_same_is_found_as_in_the_whole_text(pieces: list[str], between: str) -> None:
    text = between.join(pieces)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(named, "SHORT_TEXT", -1)
        near = list(find_named(text))
        patch.setattr(named, "SHORT_TEXT", len(text))
        assert near == list(find_named(text))
