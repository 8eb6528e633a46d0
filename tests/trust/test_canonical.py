"""RFC 8785: the published examples, and what is refused."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.trust.canonical import canonical, parse_canonical

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


def test_the_example_of_rfc_8785_section_3_2_2_comes_out_as_published() -> None:
    source = (
        '{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],'
        r'"string": "\u20ac$\u000F\u000aA\'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}'
    ).replace(r"\'", "'")
    wanted = (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    assert canonical(json.loads(source)).decode() == wanted


def test_keys_sort_by_utf_16_as_in_rfc_8785_section_3_2_3() -> None:
    keys = {
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\U0001f600": "Emoji: Grinning Face",
        "\x80": "Control",
        "\xf6": "Latin Small Letter O With Diaeresis",
    }
    assert list(json.loads(canonical(keys)).values()) == [
        "Carriage Return",
        "One",
        "Control",
        "Latin Small Letter O With Diaeresis",
        "Euro Sign",
        "Emoji: Grinning Face",
        "Hebrew Letter Dalet With Dagesh",
    ]


@pytest.mark.parametrize(
    ("bits", "wanted"),
    [  # RFC 8785, appendix B
        ("0000000000000000", "0"),
        ("8000000000000000", "0"),
        ("0000000000000001", "5e-324"),
        ("8000000000000001", "-5e-324"),
        ("7fefffffffffffff", "1.7976931348623157e+308"),
        ("4340000000000000", "9007199254740992"),
        ("c340000000000000", "-9007199254740992"),
        ("4430000000000000", "295147905179352830000"),
        ("44b52d02c7e14af5", "9.999999999999997e+22"),
        ("44b52d02c7e14af6", "1e+23"),
        ("444b1ae4d6e2ef4e", "999999999999999700000"),
        ("444b1ae4d6e2ef50", "1e+21"),
        ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
        ("3eb0c6f7a0b5ed8d", "0.000001"),
        ("41b3de4355555553", "333333333.3333332"),
        ("becbf647612f3696", "-0.0000033333333333333333"),
        ("43143ff3c1cb0959", "1424953923781206.2"),
    ],
)
def test_numbers_of_rfc_8785_appendix_b_come_out_as_published(bits: str, wanted: str) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical(number).decode() == wanted
    assert parse_canonical(wanted.encode(), name="number") == number


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        2**53,
        -(2**53),
        {1: "one"},
        {"\ud800": 1},
        "\udfff",
        b"bytes",
        {1, 2},
        object(),
    ],
)
def test_what_json_cannot_carry_exactly_is_refused(value: object) -> None:
    with pytest.raises(AncileError):
        canonical({"value": value})


def test_a_large_integer_is_refused_with_the_way_out() -> None:
    with pytest.raises(AncileError) as refusal:
        canonical({"size": 2**60})
    assert "strings" in refusal.value.remedy


def test_a_value_that_holds_itself_is_refused() -> None:
    value: list[object] = []
    value.append(value)
    with pytest.raises(AncileError):
        canonical(value)


@pytest.mark.slow
@given(json_values)
def test_canonical_bytes_are_read_back_to_the_same_bytes(value: object) -> None:
    data = canonical(value)
    assert canonical(parse_canonical(data, name="value")) == data


@pytest.mark.parametrize(
    "data",
    [
        b'{"b":1,"a":2}',
        b'{"a":1,"a":1}',
        b'{"a": 1}',
        b'{"a":1}\n',
        b"\xef\xbb\xbf{}",
        b"1.0",
        b"-0",
        b"007",
        b"1E2",
        b"NaN",
        b"-Infinity",
        b"1e999",
        b"9" * 400,
        b"9007199254740993",
        b'"\\u0041"',
        b'"\\ud800"',
        b'"\xff"',
        b"[" * 100_000,
        b"",
    ],
)
def test_other_spellings_of_a_value_are_refused(data: bytes) -> None:
    with pytest.raises(AncileError, match="document is not canonical JSON"):
        parse_canonical(data, name="document")


@given(st.binary(max_size=40))
def test_fuzz_bytes_are_read_or_refused_with_one_error_type(data: bytes) -> None:
    try:
        value = parse_canonical(data, name="bytes")
    except AncileError:
        return
    assert canonical(value) == data
