"""The page: no script, nothing from elsewhere, below 2 MB whatever the record, readable without seeing it."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import msgspec
import pytest

from ancile.core.exhibit import (
    CELL_LENGTH,
    CURVE_POINTS,
    PICTURE_BYTES,
    TEXT_LENGTH,
    Curve,
    Picture,
    Point,
    Series,
    Table,
    Text,
)
from ancile.core.finding import Location
from ancile.core.measure import Count
from ancile.core.report import Record
from ancile.core.subject import digest_of, subject_of_parts
from ancile.render.html import LARGEST, reference, render
from tests.render.records import (
    ATTACKS,
    CURVE,
    EVIDENCE,
    FINDINGS,
    HISTOGRAM,
    MANY,
    MEASURES,
    MODEL,
    RECORDS,
    assessed,
    gate,
    picture,
    report,
)

VOID = {"meta", "img", "br", "rect", "path", "polygon", "polyline"}
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


class Balance(HTMLParser):
    """Fails where an end tag does not close the tag that is open; collects text and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "title"):
            self.words.append(data)


def parsed(page: str) -> Balance:
    parser = Balance()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


def words(page: str) -> str:
    return " ".join(" ".join(parsed(page).words).split())


@pytest.mark.parametrize("name", RECORDS)
def test_the_page_is_well_formed_and_runs_nothing(name: str) -> None:
    seen = parsed(render(RECORDS[name]())).seen
    assert not {tag for tag, _ in seen} & {"script", "iframe", "object", "link", "form", "base"}
    assert not [a for _, attrs in seen for a in attrs if a.startswith("on")]


@pytest.mark.parametrize("name", RECORDS)
def test_nothing_is_loaded_from_elsewhere(name: str) -> None:
    page = render(RECORDS[name]())
    seen = parsed(page).seen
    sources = [value for _, attrs in seen for key, value in attrs.items() if key in ("src", "xlink:href")]
    assert all(source and source.startswith("data:image/png;base64,") for source in sources)
    policies = [attrs["content"] for tag, attrs in seen if tag == "meta" and "http-equiv" in attrs]
    assert policies == [POLICY]
    style = page[page.index("<style>") : page.index("</style>")]
    assert not re.search(r"url\(|@import", style)


def test_the_verdict_comes_first_and_the_rest_in_order() -> None:
    text = words(render(assessed()))
    order = (
        "Pass with 7 warnings",
        "clean 98.1 %, robust at most 81.2 % (78.6 to 83.6) at linf eps 0.1.",
        "7 warnings, 1 check not examined, 3 checks passed.",
        "evasion, untargeted, norm linf, eps 0.1, access scores, effort standard",
        "at most 81.2 % 78.6",
        "What to do",
        "Robust accuracy against eps",
        "Threat model",
        "Examples",
        "By class",
        "What each attack added",
        "How sure we are",
        "In the field's terms",
        "Settings and cost",
        "Proof",
    )
    places = [text.index(words_) for words_ in order]
    assert places == sorted(places)


def test_every_figure_has_its_interval_and_every_bound_its_side() -> None:
    text = words(render(assessed()))
    assert "at most 81.2 % 78.6 to 83.6 at 95 %, n = 1000" in text
    assert "at least 17.2 % 14.9 to 19.8 at 95 %, n = 981" in text


def test_a_percent_sign_stays_with_its_number() -> None:
    page = render(assessed())
    assert "81.2&nbsp;%" in page
    assert not re.search(r'class="(headline|interval)">[^<]*\d %', page)


def test_an_eps_in_shares_of_ranges_says_so() -> None:
    given = assessed().report
    ranged = msgspec.structs.replace(given, parameters=given.parameters | {"units": "range"})
    eps = given.parameters["eps"]
    assert f"eps {eps} of each range" in words(render(Record(report=ranged)))
    assert "of each range" not in words(render(Record(report=given)))


def test_editions_stand_beside_the_identifiers() -> None:
    text = words(render(assessed()))
    assert "AML.T0043 ATLAS 5.6.0" in text
    assert "ML01:2023 OWASP ML" in text


def test_the_proof_names_commands_that_need_no_name_from_the_report() -> None:
    text = words(render(assessed()))
    for command in (
        "sha256sum FILE",
        "ancile ledger show 41 -o again.html",
        "ancile ledger prove 41 -o entry-41.proof",
        "ancile ledger check-proof entry-41.proof --key VKEY",
        "ancile ledger verify --against checkpoint.txt",
    ):
        assert command in text


def test_the_checkpoint_stands_in_the_page_line_by_line() -> None:
    page = render(assessed())
    found = re.findall(r"<pre>(.*?)</pre>", page, re.DOTALL)[-1]
    assert found.rstrip("\n") == EVIDENCE.checkpoint.rstrip("\n")


def test_a_checkpoint_is_shown_whole_or_not_at_all() -> None:
    cosigned = f"{EVIDENCE.checkpoint}— example.org/witness {'A' * 3400}\n"
    evidence = msgspec.structs.replace(EVIDENCE, checkpoint=cosigned)
    assert f"— example.org/witness {'A' * 3400}\n" in render(Record(report=report(), evidence=evidence))
    too_long = msgspec.structs.replace(EVIDENCE, checkpoint=cosigned * 10)
    text = words(render(Record(report=report(), evidence=too_long)))
    assert "The checkpoint is too long for this page" in text


def test_a_report_without_ledger_claims_no_proof() -> None:
    text = words(render(RECORDS["empty"]()))
    assert "proves nothing by itself" in text
    assert "checkpoint.txt" not in text


def test_pictures_and_curves_have_words() -> None:
    seen = parsed(render(assessed())).seen
    pictures = [attrs["alt"] for tag, attrs in seen if tag == "img"]
    assert len(pictures) == 3
    assert all(alt and "three becomes eight" in alt for alt in pictures)
    labels = [attrs["aria-label"] for tag, attrs in seen if attrs.get("role") == "img"]
    assert labels == ["Robust accuracy against eps. attacked: 0.98 at 0, 0.205 at 0.2"]
    assert all("aria-hidden" in a or "role" in a for tag, a in seen if tag == "svg")


def test_a_figure_by_eps_is_folded_under_its_curve() -> None:
    text = words(render(assessed()))
    assert "By eps" not in text
    assert "The figures by eps" in text


def test_curves_that_no_group_tells_have_their_points() -> None:
    series = tuple(Series(name=n, points=(Point(0, 1), Point(1, 0.5, 0.4, 0.6))) for n in ("clean", "hard"))
    one = Curve(title="Two", x_label="step", y_label="loss", series=series)
    text = words(render(Record(report=report(exhibits=(one,)))))
    assert "The points of the curve" in text
    assert "0.4 to 0.6" in text
    assert "clean hard" in text


def test_the_figures_of_a_slice_are_folded_under_one_curve_alone() -> None:
    other = msgspec.structs.replace(CURVE, title="In l2", x_label="eps (l2)")
    text = words(render(Record(report=report(exhibits=(CURVE, other)))))
    assert text.count("The figures by eps") == 1
    assert text.index("The figures by eps") < text.index("In l2") < text.index("The points of the curve")


def test_a_histogram_is_an_area_without_dots_and_has_its_bars_in_words() -> None:
    page = render(Record(report=report(exhibits=(HISTOGRAM,))))
    assert 'class="dots"' not in page
    assert "The shaded band" not in page
    assert "0 to 0.05 12 0.05 to 0.1 30" in words(page)


def test_an_empty_line_of_a_text_begins_a_paragraph() -> None:
    page = render(Record(report=report(exhibits=(Text(title="t", text="one\ntwo\n\nthree"),))))
    assert re.search(r"one</bdi><br>\s*<bdi>two</bdi></p>\s*<p>\s*<bdi>three</bdi></p>", page)


def test_figures_that_are_not_to_be_quoted_stand_beside_no_verdict() -> None:
    assert 'class="headline"' not in render(RECORDS["incomplete"]())
    assert 'class="headline"' in render(assessed())


@pytest.mark.parametrize(
    ("text", "id_", "edition", "link"),
    [
        (
            "AML.T0043 (ATLAS 5.6.0)",
            "AML.T0043",
            "ATLAS 5.6.0",
            "https://atlas.mitre.org/techniques/AML.T0043",
        ),
        (
            "AML.M0024 (ATLAS 5.6.0)",
            "AML.M0024",
            "ATLAS 5.6.0",
            "https://atlas.mitre.org/mitigations/AML.M0024",
        ),
        ("CWE-502", "CWE-502", "", "https://cwe.mitre.org/data/definitions/502.html"),
        ("ML01:2023 (OWASP ML)", "ML01:2023", "OWASP ML", ""),
        ("CWE-502/../x", "CWE-502/../x", "", ""),
        ("AML.T0043\n", "AML.T0043\n", "", ""),
        ("javascript:alert(1)", "javascript:alert(1)", "", ""),
    ],
)
def test_only_known_identifiers_become_links(text: str, id_: str, edition: str, link: str) -> None:
    assert reference(text) == (id_, edition, link)


def large(text: str) -> Record:
    """A record of the largest exhibits and thousands of all else, each string as long as it may be."""
    finding = msgspec.structs.replace(
        FINDINGS[0], title=text, detail=text, fix=text, refs=(text, *(f"{text}{i}" for i in range(30)))
    )
    findings = [
        msgspec.structs.replace(
            finding, check=f"{i}{text}", status=status, location=Location(path=text, member=text)
        )
        for i in range(400)
        for status in ("FAIL", "WARN", "ERROR", "SKIP")
    ]
    cell = text[:CELL_LENGTH]
    png = picture(1).png
    exhibits = (
        *(Picture(title="p", png=png.ljust(PICTURE_BYTES, b"\0"), alt=cell) for _ in range(40)),
        *(Table(title=cell, columns=(cell,) * 50, rows=((cell,) * 50,) * 100) for _ in range(4)),
        *(Text(title=cell, text=(cell + "\n") * (TEXT_LENGTH // (CELL_LENGTH + 1))) for _ in range(4)),
        *(
            Curve(
                title=cell,
                x_label=cell,
                y_label=cell,
                series=tuple(
                    Series(
                        name=cell, points=tuple(Point(x, x, x - 1, x + 1) for x in range(CURVE_POINTS // 10))
                    )
                    for _ in range(10)
                ),
            )
            for _ in range(4)
        ),
    )
    return Record(
        report=report(
            subject=subject_of_parts("model", text, {f"p{i}": digest_of(b"") for i in range(3000)}),
            parameters={f"{i}{text}": [text] * 50 for i in range(400)},
            measures=(
                *MEASURES,
                *(
                    Count(name=f"{text}{i}", slice={text: i % 500}, value=1, unit="1", method=f"{text}{i}")
                    for i in range(2000)
                ),
                *(
                    Count(name=f"{i}{text}", value=1, unit=f"u{text}", method=f"{text}{i}")
                    for i in range(1000)
                ),
            ),
            findings=tuple(findings),
            passed={f"{i}{text}": 1 for i in range(2000)},
            exhibits=exhibits,
        ),
        evidence=msgspec.structs.replace(EVIDENCE, checkpoint=f"{text}\n" * 1000),
    )


@pytest.mark.slow
@pytest.mark.parametrize("text", ["&" * 3000, "\U000e0001" * 3000, "word " * 600])
def test_the_page_stays_below_2_mb_whatever_the_record(text: str) -> None:
    page = render(large(text))
    assert len(page.encode("utf-8")) <= LARGEST
    assert "left out of this page to keep it small" in words(page)


def test_what_is_left_out_is_counted() -> None:
    many = tuple(
        msgspec.structs.replace(FINDINGS[0], check=f"check-{i}", detail=f"detail {i}") for i in range(203)
    )
    text = words(render(Record(report=report(findings=many, exhibits=()))))
    assert "3 more checks, left out of this page to keep it small; the JSON form has all." in text


def test_pictures_beyond_the_room_are_counted() -> None:
    large_png = picture(1).png.ljust(PICTURE_BYTES, b"\0")
    exhibits = tuple(Picture(title=str(i), png=large_png, alt="x") for i in range(15))
    page = render(Record(report=report(exhibits=exhibits)))
    assert page.count("<img") == 10
    assert "5 more exhibits, left out" in words(page)


def test_the_page_works_inside_a_notebook_without_styling_it() -> None:
    page = assessed().report._repr_html_()
    style = page[page.index("<style>") + 7 : page.index("</style>")]
    bare = re.sub(r"@(?:media|page)[^{]*\{", "", style)
    selectors = [part.strip() for part in re.findall(r"([^{}]+)\{", bare)]
    assert selectors
    assert all(one.strip().startswith(".ancile") for s in selectors for one in s.split(","))


def test_words_for_a_gate() -> None:
    text = words(render(gate()))
    assert text.index("The policy is not met") < text.index("Requirements")
    assert MODEL.digest in text
    assert ATTACKS.title not in text


def test_a_gate_says_each_answer_before_anything_else_and_once() -> None:
    text = words(render(gate()))
    assert text.index("not met robust at 0.1") < text.index("Figures")
    assert "evidence example.org/ledger entry 41" in text
    assert "What to do" not in text
    assert "Without conclusion" not in text


def test_of_many_classes_the_weakest_come_first_and_all_are_folded_below() -> None:
    page = render(Record(report=report(measures=MANY, exhibits=())))
    assert "The 10 weakest of 43." in words(page)
    assert page.count("sign 0<") == 2
    assert page.count("sign 6<") == 1
    assert page.index("<summary>All 43</summary>") < page.index("sign 6<")


def test_a_gate_took_no_time_worth_telling() -> None:
    assert "CPU" not in words(render(gate()))
