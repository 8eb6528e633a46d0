"""Names of licences come to one spelling, and each to its family."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.patterns.licences import family_of, licence_of_text, licences_named


@pytest.mark.parametrize(
    ("name", "licence"),
    [
        ("Apache-2.0", "apache-2.0"),
        ("apache 2.0", "apache-2.0"),
        ("Apache License, Version 2.0", "apache-2.0"),
        ("https://www.apache.org/licenses/LICENSE-2.0", "apache-2.0"),
        (" 'MIT' ", "mit"),
        ("The MIT License", "mit"),
        ("GPL-3.0-or-later", "gpl-3.0"),
        ("cc by-nc 4.0", "cc-by-nc-4.0"),
        ("CC-BY-SA-3.0", "cc-by-sa-3.0"),
        ("https://creativecommons.org/licenses/by-nc-nd/4.0/deed.en", "cc-by-nc-nd-4.0"),
        ("llama3.1", "llama3.1"),
    ],
)
def test_a_licence_has_one_spelling(name: str, licence: str) -> None:
    assert licences_named(name) == (licence,)


def test_an_expression_names_several() -> None:
    """SPDX 2.3, annex D."""
    assert licences_named("MIT OR Apache-2.0") == ("mit", "apache-2.0")
    assert licences_named("(MIT AND CC-BY-NC-4.0)") == ("mit", "cc-by-nc-4.0")


@pytest.mark.parametrize("name", ["", "other", "unknown", "None", "x" * 500])
def test_some_names_say_nothing(name: str) -> None:
    assert licences_named(name) == ()


@pytest.mark.parametrize(
    ("licence", "family"),
    [
        ("cc-by-nc-4.0", "non-commercial"),
        ("polyform-noncommercial-1.0.0", "non-commercial"),
        ("llama3.1", "restricted use"),
        ("creativeml-openrail-m", "restricted use"),
        ("gemma", "restricted use"),
        ("agpl-3.0", "copyleft"),
        ("cc-by-sa-4.0", "copyleft"),
        ("mit", "permissive"),
        ("cc-by-4.0", "permissive"),
        ("my-own", ""),
    ],
)
def test_a_licence_belongs_to_a_family(licence: str, family: str) -> None:
    assert family_of(licence) == family


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ("                Apache License\n        Version 2.0, January 2004\n", "apache-2.0"),
        ("GNU GENERAL PUBLIC LICENSE\n   Version 3, 29 June 2007", "gpl-3.0"),
        ("GNU AFFERO GENERAL PUBLIC LICENSE\n   Version 3", "agpl-3.0"),
        ("Creative Commons Attribution-NonCommercial 4.0 International Public License", "cc-by-nc-4.0"),
        ("LLAMA 3.1 COMMUNITY LICENSE AGREEMENT\n", "llama3.1"),
        ("All rights reserved.", ""),
    ],
)
def test_the_text_of_a_licence_is_known(text: str, licence: str) -> None:
    assert licence_of_text(text) == licence


@given(st.text(max_size=250))
def test_any_name_is_read(name: str) -> None:
    assert all(
        family_of(one) in ("", "non-commercial", "restricted use", "copyleft", "permissive")
        for one in licences_named(name)
    )
    licence_of_text(name)
