"""Lines with a secret and lines that only look like it, drawn; knows nothing of what finds them.

With: 44 published token forms, passwords and keys drawn in six ways, in 40 spellings of an assignment, a header, an
address or a command. Without: the same spellings about a reference, a placeholder, a call or a field; digests, UUIDs,
commits, identifiers, measurements, sentences.
"""

from __future__ import annotations

import base64
import json
import string
from random import Random
from typing import NamedTuple

LETTERS = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
WORDS = [
    "amber",
    "river",
    "stone",
    "falcon",
    "copper",
    "winter",
    "meadow",
    "signal",
    "harbor",
    "violet",
    "thunder",
    "maple",
    "orbit",
    "lantern",
    "granite",
]
NAMES = [
    "password",
    "passwd",
    "db_password",
    "DB_PASSWORD",
    "dbPassword",
    "api_key",
    "apiKey",
    "API_KEY",
    "secret",
    "client_secret",
    "SECRET_KEY",
    "auth_token",
    "accessToken",
    "access_token",
    "private_key",
    "smtp_pass",
    "redis.password",
    "spring.datasource.password",
    "JWT_SECRET",
    "x-api-key",
    "stripe_secret_key",
    "encryptionKey",
    "pwd",
    "MYSQL_ROOT_PASSWORD",
    "AWS_SECRET_ACCESS_KEY",
    "admin_password",
]
SPELLED = (
    '{n} = "{v}"',
    "{n} = '{v}'",
    "{n}={v}",
    "export {n}={v}",
    '"{n}": "{v}",',
    "{n}: {v}",
    "  {n}: '{v}'",
    '{n} := "{v}"',
    "'{n}' => '{v}',",
    'const {n} = "{v}";',
    'var {n} string = "{v}"',
    'String {n} = "{v}";',
    '{n}: str = "{v}"',
    'self.{n} = "{v}"',
    'os.environ["{n}"] = "{v}"',
    'if {n} == "{v}":',
    "<{n}>{v}</{n}>",
    '<add key="{n}" value="{v}" />',
    '#define {n} "{v}"',
    'define("{n}", "{v}");',
    "ENV {n} {v}",
    "- {n}={v}",
    '- name: {n}\n  value: "{v}"',
    "--{n} {v} --verbose",
    "set {n}={v}",
    'setenv("{n}", "{v}", 1);',
    'let {n}: &str = "{v}";',
    '{{"user": "bo", "{n}": "{v}"}}',
    "GET /v1/items?{n}={v}&page=2",
    "# {n}: {v}",
    '{n} = @"{v}";',
    '$config["{n}"] = "{v}";',
    "{n}:\n    {v}",
)
SPECIAL = (
    "postgresql://app:{v}@db.internal:5432/main",
    "mongodb+srv://svc:{v}@cluster0.mongo.example/test",
    "https://deploy:{v}@git.example.org/team/repo.git",
    "Server=tcp:db,1433;User ID=sa;Password={v};Encrypt=True",
    "curl -u admin:{v} https://intra.example.org/api",
    "machine ftp.example.org login bo password {v}",
    "CREATE USER app IDENTIFIED BY '{v}';",
    "requests.get(url, auth=('bo', '{v}'))",
)


class Line(NamedTuple):
    """A text, whether it holds a secret, and how it was made."""

    text: str
    is_secret: bool
    how: str


def lines(seed: int, count: int) -> list[Line]:
    """So many with a secret and as many without, in any order."""
    rng = Random(seed)
    made = [with_secret(rng) for _ in range(count)] + [without(rng) for _ in range(count)]
    rng.shuffle(made)
    return made


def drawn(rng: Random, letters: str, count: int) -> str:
    """Letters, at least one of them a digit."""
    while True:
        found = "".join(rng.choices(letters, k=count))
        if any(map(str.isdigit, found)):
            return found


def value(rng: Random) -> str:
    """A password or a key as people and programs make them."""
    return rng.choice(
        (
            lambda: drawn(rng, LETTERS, rng.randint(10, 40)),
            lambda: drawn(rng, HEX, rng.choice((32, 40, 48, 64))),
            lambda: base64.b64encode(rng.randbytes(rng.choice((18, 24, 33, 48)))).decode(),
            lambda: drawn(rng, LETTERS + "!@#^*_-+?", rng.randint(9, 24)),
            lambda: (
                rng.choice(WORDS).capitalize()
                + rng.choice("!@#_-")
                + drawn(rng, string.digits, rng.randint(2, 5))
            ),
            lambda: f"{rng.choice(WORDS)}{rng.choice(WORDS).capitalize()}{drawn(rng, string.digits, 3)}",
        )
    )()


def token(rng: Random) -> str:
    """One of a published form, as its issuer describes it."""

    def d(count: int, letters: str = LETTERS) -> str:
        return drawn(rng, letters, count)

    upper = string.ascii_uppercase + string.digits
    header = (
        base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "typ": "JWT"}).encode()).decode().rstrip("=")
    )
    body = (
        base64.urlsafe_b64encode(json.dumps({"sub": d(10), "iat": 1700000000}).encode()).decode().rstrip("=")
    )
    uuid = "-".join(d(n, HEX) for n in (8, 4, 4, 4, 12))
    return rng.choice(
        (
            "AKIA" + d(16, string.ascii_uppercase + "234567"),
            "ghp_" + d(36),
            f"github_pat_{d(22)}_{d(59)}",
            "glpat-" + d(20),
            f"xoxb-{d(12, string.digits)}-{d(12, string.digits)}-{d(24)}",
            "sk_live_" + d(24),
            "AIza" + d(35),
            f"SG.{d(22)}.{d(43)}",
            "npm_" + d(36),
            "hf_" + d(34),
            f"sk-{d(20)}T3BlbkFJ{d(20)}",
            f"sk-ant-api03-{d(93)}AA",
            "gsk_" + d(52),
            "dop_v1_" + d(64, HEX),
            "pypi-AgEIcHlwaS5vcmc" + d(120),
            f"{d(10, '123456789')}:AA{d(33)}",
            f"{d(32, HEX)}-us{rng.randint(1, 21)}",
            "shpat_" + d(32, HEX),
            "hvs." + d(92),
            f"pat-na1-{uuid}",
            "lin_api_" + d(40),
            "figd_" + d(40),
            "sbp_" + d(40, HEX),
            f"tskey-auth-{d(12)}-{d(32)}",
            "xkeysib-" + d(64, HEX) + "-" + d(16),
            "nvapi-" + d(64),
            "r8_" + d(37),
            f"dp.pt.{d(43)}",
            "pscale_tkn_" + d(43),
            f"dt0c01.{d(24, upper)}.{d(64, upper)}",
            "glsa_" + d(32) + "_" + d(8, HEX),
            "NRAK-" + d(27, upper),
            "key-" + d(32, HEX),
            "rzp_live_" + d(14),
            f"access-production-{uuid}",
            "EAAA" + d(60),
            "dapi" + d(32, HEX),
            "ya29." + d(80),
            "GOCSPX-" + d(28),
            "sgp_" + d(40, HEX),
            f"{header}.{body}.{d(43)}",
            "whsec_" + d(32),
            "squ_" + d(40, HEX),
            "PMAK-" + d(24, HEX) + "-" + d(34, HEX),
        )
    )


def with_secret(rng: Random) -> Line:
    """A line that holds one."""
    kind = rng.randrange(10)
    if kind < 3:
        about = rng.choice(
            ("url: {v}", "use {v} for now", '"{v}"', "Authorization: Bearer {v}", "{v}", "TOKEN={v}")
        )
        return Line(about.replace("{v}", token(rng)), True, "token")
    if kind == 3:
        body = "\n".join(base64.b64encode(rng.randbytes(48)).decode() for _ in range(8))
        what = rng.choice(("RSA ", "EC ", "OPENSSH ", ""))
        return Line(
            f"-----BEGIN {what}PRIVATE KEY-----\n{body}\n-----END {what}PRIVATE KEY-----", True, "key block"
        )
    if kind < 6:
        plain = "".join(rng.choices(LETTERS, k=rng.randint(8, 20)))
        return Line(rng.choice(SPECIAL).replace("{v}", plain), True, "address or command")
    spelled = rng.choice(SPELLED)
    text = (
        spelled.replace("{{", "{")
        .replace("}}", "}")
        .replace("{n}", rng.choice(NAMES))
        .replace("{v}", value(rng))
    )
    return Line(text, True, f"assigned: {spelled}")


def without(rng: Random) -> Line:
    """A line that holds none."""
    if rng.random() < 0.4:
        spelled, name = rng.choice(SPELLED[:24]), rng.choice(NAMES)
        stands = rng.choice(
            (
                "${" + name.upper() + "}",
                "your-" + name,
                "<" + name + ">",
                "xxxxxxxxxxxx",
                "changeme",
                "********",
                "{{ " + name + " }}",
                "%s",
                "",
                "null",
                "REPLACE_ME",
                "example",
                "$" + name.upper(),
                "TODO",
            )
        )
        text = spelled.replace("{{", "{").replace("}}", "}").replace("{n}", name).replace("{v}", stands)
        return Line(text, False, f"stands for: {stands}")
    return Line(rng.choice(BENIGN)(rng), False, "benign")


BENIGN = (
    lambda r: f"sha256: {drawn(r, HEX, 64)}",
    lambda r: f'"commit": "{drawn(r, HEX, 40)}",',
    lambda r: f'"integrity": "sha512-{base64.b64encode(r.randbytes(64)).decode()}"',
    lambda r: "id: " + "-".join(drawn(r, HEX, n) for n in (8, 4, 4, 4, 12)),
    lambda r: f'"user_id": "{drawn(r, HEX, 24)}", "name": "{r.choice(WORDS)}"',
    lambda r: f"password = get_secret('{r.choice(WORDS)}')",
    lambda _: "api_key = os.environ['API_KEY']",
    lambda _: "def login(username: str, password: str) -> Token:",
    lambda _: "token = self.tokenizer.next_token()",
    lambda r: f'max_tokens={r.randint(10, 9999)}, "eos_token": "</s>"',
    lambda r: f"for key, value in {r.choice(WORDS)}.items():",
    lambda r: f"The password must have at least {r.randint(6, 20)} characters.",
    lambda _: "Forgot your password? Ask for a new one.",
    lambda r: f'"label_password": "Enter your {r.choice(WORDS)} password"',
    lambda r: f"https://docs.example.org/{r.choice(WORDS)}/api-keys#token-{r.randint(1, 99)}",
    lambda r: f"primary_key = ['{r.choice(WORDS)}_id', 'day']",
    lambda r: f"{r.random():.6f},{r.random() * 100:.3f},{r.choice(WORDS)},{r.randint(0, 10**6)}",
    lambda r: f'image = "registry.example.org/{r.choice(WORDS)}@sha256:{drawn(r, HEX, 64)}"',
    lambda r: f"public_key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{drawn(r, LETTERS, 43)} bo@host'",
    lambda r: f"password_file: /run/secrets/{r.choice(WORDS)}",
    lambda r: f'sort_key="{r.choice(WORDS)}_{r.choice(WORDS)}"',
    lambda r: f'assert key == "{r.choice(WORDS)}-{r.choice(WORDS)}"',
    lambda r: f"secretName: {r.choice(WORDS)}-tls",
    lambda r: f"token_url: https://login.example.org/{r.choice(WORDS)}/oauth2/token",
)
