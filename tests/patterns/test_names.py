"""Names of people and addresses of houses, told with what they rest on; and what columns are named after."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.patterns.addresses import ADDRESS
from ancile.patterns.column_names import BIRTH, NUMBER, SPECIAL, USER, guess
from ancile.patterns.names import NAME, find_names, names


@pytest.mark.parametrize(
    ("text", "found", "sure"),
    [
        ("We met Mrs. Margarot there.", "Margarot", "medium"),
        ("Yesterday Peter Schmidt came.", "Peter Schmidt", "medium"),
        ("Yesterday Peter K. Schmidt came.", "Peter K. Schmidt", "medium"),
        ("With Anna Qxelberg as well.", "Anna Qxelberg", "low"),
        ("My name is Qxelb", "Qxelb", "low"),
        ("Dear Julia,", "Julia", "medium"),
        ("patient: Maria de la Cruz", "Maria de la Cruz", "medium"),
        ("Herr Dr. Gr\u00fcn", "Gr\u00fcn", "medium"),
    ],
)
def test_a_name_is_told_with_what_it_rests_on(text: str, found: str, sure: str) -> None:
    (one,) = find_names(text)
    assert (one.kind, text[one.start : one.end], one.sure) == (NAME, found, sure)


@pytest.mark.parametrize(
    "text",
    [
        "The Quick Brown Fox",
        "Dear Customer Service",
        "hello world, how are you",
        "by United Nations Press",
        "Anna. The end of it.",
        "12 monkeys and 3 bears",
        "On 29 March 2017, the government",
        "",
        "HELLO EVERYBODY",
    ],
)
def test_words_with_capitals_alone_are_none(text: str) -> None:
    assert not list(find_names(text))


@pytest.mark.parametrize(
    "text",
    [
        "1600 Pennsylvania Avenue",
        "221b Baker Street, Flat 2",
        "28245 Puruntie 82 Apt. 595",
        "Hauptstra\u00dfe 12a",
        "12 rue de la Paix",
        "plaza de Alcal\u00e1 45",
        "P.O. Box 1234",
        "R\u00f3zsa utca 15.",
    ],
)
def test_streets_of_many_languages_are_addresses(text: str) -> None:
    found = list(find_names(f"sent to {text} at once"))
    assert [one.kind for one in found] == [ADDRESS]
    assert found[0].end - found[0].start >= len(text) / 2


@given(st.text(max_size=200))
def test_any_text_is_read_and_nothing_overlaps(text: str) -> None:
    end = 0
    for one in find_names(text):
        assert end <= one.start < one.end <= len(text)
        end = one.end


def test_both_lists_hold_names_and_nothing_of_their_licence() -> None:
    for kind in ("given", "family"):
        assert len(names(kind)) > 5000
        assert "permission" not in names(kind)


PEOPLE = ["Peter Schmidt", "Julia Rossi", "Anna Nowak", "Carlos Garcia"]


@pytest.mark.parametrize(
    ("column", "values", "kind", "sure"),
    [
        ("full_name", PEOPLE, NAME, "medium"),
        ("firstName", ["Peter", "Julia", "Xqz", "Xqy"], NAME, "low"),
        ("Nachname", ["Schmidt", "Rossi"], NAME, "medium"),
        ("name", PEOPLE, NAME, "medium"),
        ("home_address", ["1 High Street", "22 Low Road"], ADDRESS, "medium"),
        ("dob", ["1980-02-03", "12.03.1999"], BIRTH, "medium"),
        ("user_name", ["peter81", "jr"], USER, "medium"),
        ("ssn", ["536228765"], NUMBER, "medium"),
        ("race", ["White", "Black"], SPECIAL, "medium"),
    ],
)
def test_a_column_is_what_its_name_and_values_say(
    column: str, values: list[str], kind: str, sure: str
) -> None:
    assert guess(column, values) == (kind, sure)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("name", ["Widget 3000", "Gadget X"]),
        ("email_address", ["a@b.example"]),
        ("full_name", ["", " "]),
        ("address", ["0x7f3a", "0x7f3b"]),
        ("income", ["100"]),
        ("dob", ["yes", "no"]),
    ],
)
def test_a_column_whose_values_are_something_else_is_none(column: str, values: list[str]) -> None:
    assert guess(column, values) is None
