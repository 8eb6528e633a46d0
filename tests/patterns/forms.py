"""Tokens drawn after the published form of each kind, by hand and not from the patterns that find them."""

from __future__ import annotations

import base64
import json
import random
import string
import zlib
from collections.abc import Callable

LETTERS = string.ascii_letters + string.digits
WORDS = LETTERS + "-_"
HEX = "0123456789abcdef"
BASE32 = string.ascii_uppercase + "234567"
BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


class Draw:
    """Characters, drawn from a seed."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)

    def __call__(self, n: int, letters: str = LETTERS) -> str:
        return "".join(self.rng.choices(letters, k=n))


def checked(drawn: str) -> str:
    """With the CRC-32 of it in six letters: GitHub blog of 2021-04-05."""
    left, written = zlib.crc32(drawn.encode()), ""
    for _ in range(6):
        left, digit = divmod(left, 62)
        written = BASE62[digit] + written
    return drawn + written


def pem(draw: Draw, kind: str) -> str:
    lines = "\n".join(draw(64, LETTERS + "+/") for _ in range(12))
    return f"-----BEGIN {kind}PRIVATE KEY-----\n{lines}\n-----END {kind}PRIVATE KEY-----"


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def web_token(draw: Draw) -> str:
    return f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part({'sub': draw(12), 'iat': 1})}.{draw(43, WORDS)}"


FORMS: dict[str, tuple[str, Callable[[Draw], str]]] = {
    "AWS long-lived": ("AWS access key", lambda d: "AKIA" + d(16, BASE32)),
    "AWS temporary": ("AWS access key", lambda d: "ASIA" + d(16, BASE32)),
    "AWS secret": ("AWS secret key", lambda d: f"aws_secret_access_key = {d(40, LETTERS + '+/')}"),
    "AWS Bedrock": ("AWS Bedrock key", lambda d: "ABSK" + d(128, LETTERS + "+/")),
    "Azure storage": ("Azure storage key", lambda d: f"AccountName=a;AccountKey={d(86, LETTERS + '+/')}=="),
    "Azure application": ("Azure client secret", lambda d: f"{d(3)}8Q~{d(34, LETTERS + '_~.-')}"),
    "Google API": ("Google API key", lambda d: "AIza" + d(35, WORDS)),
    "Google OAuth": ("Google OAuth secret", lambda d: "GOCSPX-" + d(28, WORDS)),
    "GitHub personal": ("GitHub token", lambda d: "ghp_" + checked(d(30))),
    "GitHub server": ("GitHub token", lambda d: "ghs_" + checked(d(30))),
    "GitHub fine-grained": ("GitHub token", lambda d: f"github_pat_{d(22)}_{d(59)}"),
    "GitLab personal": ("GitLab token", lambda d: "glpat-" + d(20, WORDS)),
    "GitLab routable": ("GitLab token", lambda d: f"glpat-{d(27, WORDS)}.01{d(7, HEX)}"),
    "GitLab agent": ("GitLab token", lambda d: "glagent-" + d(50, WORDS)),
    "Hugging Face": ("Hugging Face token", lambda d: "hf_" + d(34, string.ascii_letters)),
    "Weights & Biases": ("Weights & Biases key", lambda d: f"WANDB_API_KEY={d(40, HEX)}"),
    "Kaggle": ("Kaggle key", lambda d: json.dumps({"username": "someone", "key": d(32, HEX)})),
    "LangSmith": ("LangSmith key", lambda d: f"lsv2_pt_{d(32, HEX)}_{d(10, HEX)}"),
    "Cohere": ("Cohere key", lambda d: f"COHERE_API_KEY={d(40)}"),
    "OpenAI": ("OpenAI key", lambda d: f"sk-{d(20)}T3BlbkFJ{d(20)}"),
    "OpenAI project": ("OpenAI key", lambda d: f"sk-proj-{d(74, WORDS)}T3BlbkFJ{d(74, WORDS)}"),
    "Anthropic": ("Anthropic key", lambda d: f"sk-ant-api03-{d(93, WORDS)}AA"),
    "xAI": ("xAI key", lambda d: "xai-" + d(80)),
    "Groq": ("Groq key", lambda d: "gsk_" + d(52)),
    "Perplexity": ("Perplexity key", lambda d: "pplx-" + d(48)),
    "Replicate": ("Replicate token", lambda d: "r8_" + d(37)),
    "Databricks": ("Databricks token", lambda d: f"dapi{d(32, HEX)}-2"),
    "DigitalOcean": ("DigitalOcean token", lambda d: "dop_v1_" + d(64, HEX)),
    "Slack bot": ("Slack token", lambda d: f"xoxb-{d(12, '123456789')}-{d(12, '123456789')}-{d(24)}"),
    "Slack application": (
        "Slack token",
        lambda d: f"xapp-1-A{d(10, BASE32)}-{d(13, '123456789')}-{d(64, HEX)}",
    ),
    "Slack webhook": (
        "Slack webhook",
        lambda d: f"https://hooks.slack.com/services/T{d(8, BASE32)}/B{d(10, BASE32)}/{d(24)}",
    ),
    "Stripe": ("Stripe key", lambda d: "sk_live_" + d(99)),
    "Stripe webhook": ("Stripe key", lambda d: "whsec_" + d(32)),
    "Twilio": ("Twilio key", lambda d: "SK" + d(32, HEX)),
    "SendGrid": ("SendGrid key", lambda d: f"SG.{d(22, WORDS)}.{d(43, WORDS)}"),
    "PyPI": ("PyPI token", lambda d: "pypi-AgEIcHlwaS5vcmc" + d(150, WORDS)),
    "npm": ("npm token", lambda d: "npm_" + checked(d(30))),
    "Docker": ("Docker token", lambda d: "dckr_pat_" + d(27, WORDS)),
    "RubyGems": ("RubyGems token", lambda d: "rubygems_" + d(48, HEX)),
    "Telegram": ("Telegram bot token", lambda d: f"{d(9, '123456789')}:AA{d(33, WORDS)}"),
    "Mailchimp": ("Mailchimp key", lambda d: f"{d(32, HEX)}-us12"),
    "Shopify": ("Shopify token", lambda d: "shpat_" + d(32, HEX)),
    "Square": ("Square token", lambda d: "sq0atp-" + d(22, WORDS)),
    "Vault": ("Vault token", lambda d: "hvs." + d(95, WORDS)),
    "Terraform": ("Terraform token", lambda d: f"{d(14)}.atlasv1.{d(67)}"),
    "Grafana": ("Grafana token", lambda d: f"glsa_{d(32)}_{d(8, HEX)}"),
    "Heroku": ("Heroku key", lambda d: "HRKU-AA" + d(58, WORDS)),
    "Notion": ("Notion token", lambda d: f"ntn_{d(11, '123456789')}{d(35)}"),
    "Postman": ("Postman key", lambda d: f"PMAK-{d(24, HEX)}-{d(34, HEX)}"),
    "Pulumi": ("Pulumi token", lambda d: "pul-" + d(40, HEX)),
    "Atlassian": ("Atlassian token", lambda d: "ATATT3" + d(186, WORDS)),
    "Sentry": ("Sentry token", lambda d: "sntryu_" + d(64, HEX)),
    "age": ("age secret key", lambda d: "AGE-SECRET-KEY-1" + d(58, "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L")),
    "PKCS 1": ("private key", lambda d: pem(d, "RSA ")),
    "PKCS 8": ("private key", lambda d: pem(d, "")),
    "OpenSSH": ("private key", lambda d: pem(d, "OPENSSH ")),
    "web token": ("JSON Web Token", web_token),
    "address": ("password in an address", lambda d: f"postgresql://admin:{d(16)}@db.internal:5432/models"),
    "assigned": ("assigned secret", lambda d: f'client_secret = "aB3{d(37)}"'),
}
