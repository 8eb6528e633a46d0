"""What is wrong with the rows, columns and files of a data set, as findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ancile.core.check import Check, Remark, check, fail, ok, skip, warn
from ancile.core.finding import Location
from ancile.core.text import plain
from ancile.data.checking.facts import Facts
from ancile.data.checking.opened import FileFault
from ancile.data.checking.profile import Column
from ancile.data.checking.tricks import DAMAGED, FORMULAS

QUALITY = ("AML.M0007 (ATLAS 5.6.0)",)  # sanitize training data
MOST_NAMED = 30
EMPTY_SHARE = 0.5
REPEATED_SHARE = 0.01  # of the rows; honest sets of few short columns have more, and are told of it
FEW_OF_CLASS = 5
SHOWN_ROWS = 5


@check("data-labels-unusable", severity="high", refs=QUALITY)
def labels_unusable(facts: Facts) -> Iterator[Remark]:
    """Labels cannot be learned from: one class, no classes, rows without any, classes of hardly any row.

    Why   A model of one class learns nothing, a class of three rows is not learned, and rows without a label
          are left out in silence by whoever trains.
    Fix   Name the column of classes with --label; give each row a label, or leave those rows out.
    """
    labels = facts.opened.labels
    used = {name: count for name, count in labels.counts.items() if count}
    if not labels.column:
        yield skip("the set has no labels that are known: --label names their column")
        return
    if labels.fault:
        yield warn(f"column {plain(labels.column, 60)}: {labels.fault}")
    elif len(used) == 1:
        yield fail(f"all rows have one label: {plain(next(iter(used)), 60)}")
    if labels.missing:
        yield warn(f"{labels.missing} of {labels.missing + sum(used.values())} rows have no label")
    few = [name for name, count in used.items() if count < FEW_OF_CLASS]
    if few and not labels.fault and len(used) > 1:
        named = ", ".join(f"{plain(name, 40)} ({used[name]})" for name in few[:10])
        yield warn(f"{len(few)} of {len(used)} classes have fewer than {FEW_OF_CLASS} rows: {named}")
    if not (labels.fault or labels.missing or few or len(used) == 1):
        yield ok()


@check("data-column-constant", severity="low", refs=QUALITY)
def column_constant(facts: Facts) -> Iterator[Remark]:
    """A column says the same in every row, or nothing at all.

    Why   It tells a model nothing now, and something never seen in training once it changes.
    Fix   Leave the column out, or find out why it was not filled.
    """
    yield from _of_columns(
        facts,
        lambda one: (
            "it is empty"
            if one.missing == one.rows
            else "one value in all rows"
            if one.different <= 1
            else ""
        ),
    )


@check("data-cells-missing", severity="medium", refs=QUALITY)
def cells_missing(facts: Facts) -> Iterator[Remark]:
    """Half of a column or more is empty.

    Why   What fills the gaps decides what a model learns from it, and whoever can leave a cell empty decides
          too.
    Fix   Fill it by a written rule, or leave the column out.
    """

    def empty(one: Column) -> str:
        share = one.missing / one.rows if one.rows else 0.0
        return f"{one.missing} of {one.rows} cells are empty" if EMPTY_SHARE <= share < 1 else ""

    yield from _of_columns(facts, empty)


@check("data-numbers-broken", severity="medium", refs=QUALITY)
def numbers_broken(facts: Facts) -> Iterator[Remark]:
    """A column of numbers holds what is no number: infinite, or not a number.

    Why   One of them in a batch makes the loss, and then every weight, no number.
    Fix   Find where the division or the logarithm went wrong, and write the rows again.
    """
    yield from _of_columns(facts, lambda one: f"{one.broken} of {one.rows} cells" if one.broken else "")


@check("data-rows-repeated", severity="medium", refs=(*QUALITY, "AML.T0046 (ATLAS 5.6.0)"))
def rows_repeated(facts: Facts) -> Iterator[Remark]:
    """Rows stand in the set several times.

    Why   A row that stands there a hundred times counts a hundred times: so a flood steers a model without a
          wrong label, and a row on both sides of a split makes the score better than it is.
    Fix   Keep each row once, or say why it repeats; look at the most frequent ones first.
    """
    table = facts.opened.table
    if table is None:
        yield skip("looked for in tables alone; pictures and texts that repeat are part of the search")
        return
    found = table.repeats
    if found.share < REPEATED_SHARE:
        yield ok()
        return
    how = "" if found.exact else f" of {found.looked} that were drawn by their content"
    largest = "; ".join(f"{one.times} times row {one.rows[0]}" for one in found.largest[:SHOWN_ROWS])
    yield warn(f"{found.repeats} rows repeat an earlier one{how}, {found.share:.1%}: {largest}")


@check("data-text-hidden", severity="high", refs=("CWE-1007", "CWE-451"))
def text_hidden(facts: Facts) -> Iterator[Remark]:
    """Text holds what nobody sees: hidden, reordering or control characters, letters that pose as others.

    Why   A model reads what a person does not: an invisible trigger, a word that no filter knows, an
          instruction in tag characters.
    Fix   Look at the rows with their escapes; normalise the text (NFKC), and take such characters out.
    """
    yield from _tricks(facts, lambda name: name not in (FORMULAS, DAMAGED))


@check("data-text-damaged", severity="low", refs=QUALITY)
def text_damaged(facts: Facts) -> Iterator[Remark]:
    """Text holds characters that only a wrong encoding leaves behind.

    Why   One word is then several words to a model, by which program wrote the row.
    Fix   Read the source again in its own encoding, Windows-1252 most often, and write UTF-8.
    """
    yield from _tricks(facts, lambda name: name == DAMAGED)


@check("data-spreadsheet-formula", severity="medium", refs=("CWE-1236",))
def spreadsheet_formula(facts: Facts) -> Iterator[Remark]:
    """A cell begins as a spreadsheet's formula does.

    Why   Whoever opens the table in a spreadsheet runs it: it reads other cells, or starts a program.
    Fix   Put a quote before it, or open the table with nothing that evaluates.
    """
    yield from _tricks(facts, lambda name: name == FORMULAS)


@check("data-picture-refused", severity="high", refs=("CWE-409", "CWE-434"))
def picture_refused(facts: Facts) -> Iterator[Remark]:
    """A file of the folder is no picture that can be unpacked, or is more than a picture.

    Why   A bomb fills the memory of whoever loads the set; an archive or program behind a picture passes
          where only pictures may; a broken file is left out by one loader and stops another.
    Fix   Leave the file out, or take it from its source once more.
    """
    if facts.opened.kind != "pictures" or not facts.opened.sizes:
        yield skip("looked for in folders of pictures alone")
        return
    faults = sorted(facts.opened.faults, key=_gravity)
    for one in faults[:MOST_NAMED]:
        say = warn if one.kind == "behind" else fail
        yield say(one.detail, where=Location(path=one.path))
    if len(faults) > MOST_NAMED:
        yield warn(f"and {len(faults) - MOST_NAMED} files more")
    if not faults:
        yield ok()


@check("data-picture-sizes", severity="low", refs=QUALITY)
def picture_sizes(facts: Facts) -> Iterator[Remark]:
    """Pictures are of several sizes.

    Why   Whatever brings them to one size decides what is left of a small pattern, and was not checked here;
          a class whose pictures have a size of their own is learned by that.
    Fix   Bring them to one size yourself, and check the result.
    """
    sizes = facts.opened.sizes
    if not sizes:
        yield skip("looked for in folders of pictures alone")
    elif len(sizes) == 1:
        yield ok()
    else:
        small, large = (
            min(sizes, key=lambda one: one[0] * one[1]),
            max(sizes, key=lambda one: one[0] * one[1]),
        )
        yield warn(
            f"{sum(sizes.values())} pictures of {len(sizes)} sizes, {small[0]} x {small[1]} to "
            f"{large[0]} x {large[1]}; they were looked at {_looked_at(facts)}"
        )


def _looked_at(facts: Facts) -> str:
    shapes = [getattr(one.rows.content, "pixels", None) for one in facts.searched]
    shape = next((one.shape for one in shapes if one is not None), None)
    return "not at all" if shape is None else f"as {shape[2]} x {shape[1]}"


ORDER = ("polyglot", "bomb", "broken", "behind")


def _gravity(one: FileFault) -> int:
    return ORDER.index(one.kind)


def _of_columns(facts: Facts, fault: Callable[[Column], str]) -> Iterator[Remark]:
    table = facts.opened.table
    if table is None:
        yield skip("looked for in tables alone")
        return
    found = [(one.name, said) for one in table.columns if (said := fault(one))]
    for name, said in found[:MOST_NAMED]:
        yield warn(said, where=Location(column=plain(name, 80)))
    if len(found) > MOST_NAMED:
        yield warn(f"and {len(found) - MOST_NAMED} columns more")
    if not found:
        yield ok()


def _tricks(facts: Facts, fits: Callable[[str], bool]) -> Iterator[Remark]:
    table = facts.opened.table
    if table is None:
        yield skip("looked for in tables and lines of text alone")
        return
    found = 0
    for one in table.columns:
        for name, trick in one.tricks.items():
            if fits(name):
                found += 1
                rows = ", ".join(map(str, trick.rows[:SHOWN_ROWS]))
                more = " and others" if trick.times > SHOWN_ROWS else ""
                yield warn(
                    f"{name} in {trick.times} cells, rows {rows}{more}",
                    where=Location(row=trick.rows[0], column=plain(one.name, 80)),
                )
    if not found:
        yield ok()


VALIDATION: tuple[Check[Facts], ...] = (
    labels_unusable,
    column_constant,
    cells_missing,
    numbers_broken,
    rows_repeated,
    text_hidden,
    text_damaged,
    spreadsheet_formula,
    picture_refused,
    picture_sizes,
)
