"""Policies of logs and witnesses: the specification's example, and each rule broken once."""

from __future__ import annotations

from contextlib import suppress
from itertools import combinations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.trust.checkpoint import Head
from ancile.trust.note import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, ED25519, Vkey, sign_line, vkey_of
from ancile.trust.quorum import has_quorum, open_witnessed, parse_policy
from tests.trust.ledger_help import (
    ED,
    ORIGIN,
    VKEYS,
    WITNESS,
    WITNESS_ED,
    WITNESS_ML,
    WITNESS_VKEYS,
    checkpoint,
)

X1, X2, X3, Y1, Y2, Y3 = [Vkey(f"w{n}", COSIGNATURE_ED25519, bytes([n]) * 32) for n in range(6)]
EXAMPLE = f"""# the example of the specification
log {VKEYS[0]}
log {VKEYS[1]} https://log.example/

witness X1 {X1.text}
witness X2 {X2.text}\thttps://x2.example
  witness X3 {X3.text}
group X-witnesses 2 X1 X2 X3

witness Y1 {Y1.text}
witness Y2 {Y2.text}
witness Y3 {Y3.text}
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""
ROOT = bytes(32)
HYBRID = (
    f"log {VKEYS[0]}\nlog {VKEYS[1]}\nwitness old {WITNESS_VKEYS[0]}\nwitness new {WITNESS_VKEYS[1]}\n"
    "group both all old new\nquorum both\n"
).encode()


def test_the_example_wants_two_of_x_and_one_of_y() -> None:
    policy = parse_policy(EXAMPLE.encode())
    assert policy.logs[1].url == "https://log.example/"
    everyone = [X1, X2, X3, Y1, Y2, Y3]
    for count in range(7):
        for signed in combinations(everyone, count):
            expected = len({X1, X2, X3} & set(signed)) >= 2 and bool({Y1, Y2, Y3} & set(signed))
            assert has_quorum(policy, signed) is expected


def test_no_quorum_asked_is_always_there() -> None:
    assert has_quorum(parse_policy(b"quorum none\n"), [])


def test_names_are_octets() -> None:
    text = f"witness \xff\xfe {X1.text}\nquorum \xff\xfe\n".encode("latin-1")
    assert has_quorum(parse_policy(text), [X1])
    with pytest.raises(AncileError, match="not defined"):
        parse_policy(text.replace(b"quorum \xff", b"quorum \xfd"))


W, V = f"witness a {X1.text}\n", f"witness b {X2.text}\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no newline"),
        ("quorum none", "no newline"),
        ("quorum none\r\n", "control characters"),
        ("quorum none\n" + "#" * 1_000_000 + "\n", "over 1 MB"),
        ("\n", "no quorum line"),
        ("nonsense\nquorum none\n", "none of log"),
        ("quorum none\nquorum none\n", "the one line"),
        ("quorum\n", "the one line"),
        ("quorum a b\n", "the one line"),
        ("quorum a\n" + W, "not defined on a line before"),
        ("log\nquorum none\n", "is not `log"),
        (f"log {VKEYS[0]} a b\nquorum none\n", "is not `log"),
        (f"log {X1.text}\nquorum none\n", "type 1 or 6"),
        ("log nonsense\nquorum none\n", "verifier key is malformed"),
        (f"log {VKEYS[0]}\n" * 2 + "quorum none\n", "there already"),
        (
            f"log {Vkey('other', ED25519, ED.public_key().public_bytes_raw()).text}\nlog {VKEYS[0]}\n",
            "already",
        ),
        ("witness a\nquorum none\n", "is not `witness"),
        (f"witness a {VKEYS[0]}\nquorum none\n", "type 4 or 6"),
        (W + W.replace(X1.text, X2.text) + "quorum none\n", "name is taken"),
        (W.replace(" a ", " none ") + "quorum none\n", "name is taken"),
        (W + W.replace(" a ", " b ") + "quorum none\n", "witness's key stands there"),
        (W + "group g any\nquorum g\n", "is not `group"),
        (W + "group a any a\nquorum a\n", "name is taken"),
        (W + "group g 0 a\nquorum g\n", "threshold"),
        (W + "group g 2 a\nquorum g\n", "threshold"),
        (W + "group g 01 a\nquorum g\n", "threshold"),
        (W + "group g most a\nquorum g\n", "threshold"),
        (W + "group g any b\nquorum g\n", "not defined"),
        (W + "group g any none\nquorum g\n", "not defined"),
        (W + "group g any g\nquorum g\n", "not defined"),
        (W + "group g any a a\nquorum g\n", "only once"),
        (W + V + "group g any a\ngroup h any a b\nquorum h\n", "only once"),
    ],
)
def test_each_broken_rule_is_named(text: str, why: str) -> None:
    with pytest.raises(AncileError) as caught:
        parse_policy(text.encode())
    assert why in caught.value.what


@given(st.binary(max_size=200))
def test_hostile_policies_raise_nothing_but_our_error(data: bytes) -> None:
    for hostile in (data, data + b"\n", EXAMPLE.encode().replace(b"X1", data)):
        with suppress(AncileError):
            assert parse_policy(hostile).quorum


def cosigned(*, when: int) -> str:
    text = Head(ORIGIN, 5, ROOT).text
    return (
        checkpoint(5, ROOT)
        + sign_line(WITNESS, COSIGNATURE_ED25519, WITNESS_ED, text=text, when=when)
        + sign_line(WITNESS, COSIGNATURE_MLDSA44, WITNESS_ML, text=text, when=when)
    )


def test_a_checkpoint_opens_under_its_quorum_and_not_without() -> None:
    policy = parse_policy(HYBRID)
    assert open_witnessed(cosigned(when=9), policy).size == 5
    one_line_less = cosigned(when=9).rpartition("\u2014")[0]
    for note in (checkpoint(5, ROOT), one_line_less, cosigned(when=0)):
        with pytest.raises(AncileError, match="too few witnesses"):
            open_witnessed(note, policy)


def test_a_wrong_cosignature_of_a_known_witness_rejects_the_checkpoint() -> None:
    forged = vkey_of(WITNESS, COSIGNATURE_ED25519, Ed25519PrivateKey.generate())
    line = sign_line(WITNESS, COSIGNATURE_ED25519, WITNESS_ED, text=Head(ORIGIN, 6, ROOT).text, when=1)
    with pytest.raises(AncileError, match="a signature is wrong"):
        open_witnessed(checkpoint(5, ROOT) + line, parse_policy(HYBRID))
    policy = parse_policy(HYBRID.replace(WITNESS_VKEYS[0].encode(), forged.text.encode()))
    with pytest.raises(AncileError, match="too few witnesses"):
        open_witnessed(cosigned(when=9), policy)
