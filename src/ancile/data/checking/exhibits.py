"""What people look at: the worst rows with what is wrong marked, how scores fall, where rows lie, columns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ancile.core.exhibit import PICTURE_BYTES, Curve, Exhibit, Picture, Point, Series, Table
from ancile.core.text import plain
from ancile.data.checking.drifting import drift_table
from ancile.data.checking.facts import Facts, Ranked, Searched, Standing, ranking
from ancile.data.checking.profile import Column
from ancile.data.checking.raster import Pixels, enlarged, framed, png, scatter, sheet
from ancile.data.poison.features import features
from ancile.data.rows import Cells, Content, Integers, Pictures, Rows, Texts
from ancile.data.spots import redacted
from ancile.numeric import NDArray, np

WORST = 40  # rows of the table
SHOWN = 0.2  # score from which a row is shown: every third or so that is so bad is not sound
GROUPS = 6  # shown with their pictures
TILES = (18, 12, 6, 3, 1)  # pictures of a sheet: as many as fit into the bytes of one
SIDE, ACROSS = 84, 6  # pixels of a tile; tiles side by side
EXCERPT = 260  # characters of a row
AROUND = 40  # of them before a pattern
COLUMNS_SHOWN = 60
HISTOGRAMS, BARS = 6, 24
CURVE_POINTS = 120
DOTS = 1500
PLOT = (640, 400)
NAMED = re.compile(r"'([^']{1,200})'|\"([^\"]{1,200})\"")  # what a reason puts in quotes
BEGIN, END = "\u00bb", "\u00ab"


def exhibits_of(facts: Facts, reference: Sequence[Rows], *, seed: int) -> tuple[Exhibit, ...]:
    """The exhibits of a report, what is wrong first.

    reference  trusted rows, for the distributions
    """
    worst = ranking(facts, max((len(one.rows) for one in facts.searched), default=0))
    found: list[Exhibit] = [*_group_sheets(facts), *_worst_sheet(worst), *_worst_table(worst)]
    found += _review_curve(worst)
    for one in facts.searched[:1]:
        found += _plot(one, {each.place for each in worst if each.score >= 1}, seed)
    if facts.against is not None and facts.against.drift:
        found.append(drift_table(facts.against.drift, facts.against.name))
    found += _histograms(facts, reference)
    if facts.opened.table is not None:
        found.append(_columns(facts.opened.table.columns, facts.opened.table.roles))
    return tuple(found)


def _group_sheets(facts: Facts) -> Iterator[Picture]:
    for standing in facts.groups[:GROUPS]:
        pictures = standing.rows.content
        if isinstance(pictures, Pictures) and len(standing.group.rows):
            mask = standing.group.mask
            yield from _sheet(
                plain(standing.group.what, 160),
                [pictures.pixels[at] for at in standing.group.rows[: TILES[0]]],
                standing.rows,
                standing.group.rows,
                mask,
                _of_class(standing),
            )


def _of_class(standing: Standing) -> str:
    classes, label = standing.rows.classes, standing.group.label
    return f", all labelled {plain(classes[label], 60)}" if 0 <= label < len(classes) else ""


def _worst_sheet(worst: Sequence[Ranked]) -> Iterator[Picture]:
    some = [
        one for one in worst[: TILES[0]] if isinstance(one.searched.rows.content, Pictures) and one.score > 0
    ]
    if some:
        rows = some[0].searched.rows
        places = np.array([one.at for one in some], dtype=np.int64)
        content = rows.content
        pixels = [content.pixels[at] for at in places] if isinstance(content, Pictures) else []
        yield from _sheet("Worst rows", pixels, rows, places, None, ", worst first")


def _sheet(
    title: str,
    pixels: Sequence[Pixels],
    rows: Rows,
    places: Integers,
    mask: NDArray[np.bool_] | None,
    more: str,
) -> Iterator[Picture]:
    """As many pictures as fit; none where not even one does."""
    for count in TILES:
        some = list(pixels[:count])
        tiles = [enlarged(one, SIDE) if mask is None else framed(one, mask, SIDE) for one in some]
        packed = png(sheet(tiles, ACROSS))
        if len(packed) <= PICTURE_BYTES:
            named = ", ".join(_name(rows, int(at)) for at in places[: len(some)])
            where = "" if mask is None else "; a red frame marks where the pattern stands"
            yield Picture(
                title=title,
                png=packed,
                alt=f"{len(some)} pictures of {len(places)}{more}",
                caption=plain(f"Row by row, {len(some)} of {len(places)}{more}: rows {named}{where}.", 1900),
            )
            return


def _name(rows: Rows, at: int) -> str:
    place = int(rows.places[at])
    label = f" ({rows.classes[int(rows.y[at])]})" if rows.y is not None else ""
    return plain((rows.names[place] if rows.names else str(place)) + label, 80)


def _worst_table(worst: Sequence[Ranked]) -> Iterator[Table]:
    some = [one for one in worst[:WORST] if one.score >= SHOWN]
    if not some:
        return
    rows = tuple(
        (
            _place(one),
            round(one.score, 2),
            _label(one),
            plain(redacted("; ".join(one.searched.found.reasons(one.at))).text or "nothing by itself", 400),
            _shown(one),
        )
        for one in some
    )
    yield Table(
        title="Worst rows, worst first",
        columns=("row", "score", "label", "because", "what it holds"),
        rows=rows,
        note="score: -log10 of the share of sound rows among those that look as bad or worse; at 1 nine of "
        f"ten are worth the look. {BEGIN} {END} mark what the reason names. All rows stand in the JSON form.",
    )


def _place(one: Ranked) -> str:
    rows = one.searched.rows
    return plain(rows.names[one.place], 120) if rows.names else str(one.place)


def _label(one: Ranked) -> str:
    rows = one.searched.rows
    return plain(rows.classes[int(rows.y[one.at])], 60) if rows.y is not None else ""


def _shown(one: Ranked) -> str:
    """An excerpt of the row, what the reasons name marked in it."""
    rows, why = one.searched.rows, "; ".join(one.searched.found.reasons(one.at))
    content = rows.content
    patterns = [plain(first or second, 200) for first, second in NAMED.findall(why)]
    if isinstance(content, Texts):
        return marked(_bare(plain(content.texts[one.at], 100_000), patterns), patterns)
    if isinstance(content, Cells):
        return _cells(content, one.at, why)
    height, width = content.pixels.shape[1:3]
    return f"a picture of {width} x {height}"


def _bare(text: str, patterns: Sequence[str]) -> str:
    """The part of a text that is shown, without what is personal or secret: the ledger outlasts the data."""
    places = [at for one in patterns if (at := text.lower().find(one.lower())) >= 0]
    start = max(0, min(places, default=0) - 2 * AROUND)
    return f"{'…' if start else ''}{redacted(text[start : start + 3 * EXCERPT]).text}"


def marked(text: str, patterns: Sequence[str]) -> str:
    """An excerpt of the text around the first pattern that is in it, each occurrence marked."""
    places = [text.lower().find(one.lower()) for one in patterns]
    found = [(at, one) for at, one in zip(places, patterns, strict=True) if at >= 0]
    start = max(0, min((at for at, _ in found), default=0) - AROUND)
    part = text[start : start + EXCERPT]
    for _, pattern in found:
        part = re.sub(f"(?i){re.escape(pattern)}", lambda hit: f"{BEGIN}{hit[0]}{END}", part)
    more = "…" if start + EXCERPT < len(text) else ""
    return plain(f"{'…' if start else ''}{part}{more}", 480)


def _cells(cells: Cells, at: int, why: str) -> str:
    """Columns that the reason names, marked; then the others."""
    values = [*zip(cells.number_names, (_number(one) for one in cells.numbers[at]), strict=True)]
    codes = cells.codes[at].tolist()
    values += [
        (name, known[code] if code >= 0 else "")
        for name, known, code in zip(cells.code_names, cells.values, codes, strict=True)
    ]
    told = [
        (re.search(rf"(?<!\w){re.escape(name)}(?!\w)", why) is not None, name, value)
        for name, value in values
    ]
    first = [
        f"{BEGIN}{name} = {plain(redacted(value).text, 40)}{END}" for named, name, value in told if named
    ]
    rest = [f"{name} = {plain(redacted(value).text, 40)}" for named, name, value in told if not named]
    return plain("; ".join([*first, *rest]), 480)[:480]


def _number(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.6g}"


def _review_curve(worst: Sequence[Ranked]) -> Iterator[Curve]:
    """What share of the first k rows the search expects to be wrong or planted."""
    scores = np.array([one.score for one in worst])
    if not scores.size or scores[0] < SHOWN:
        return
    last = min(len(scores), max(20, 3 * int((scores >= 0.3).sum())))
    expected = np.cumsum(1 - 10.0 ** -scores[:last]) / np.arange(1, last + 1)
    some = np.unique(np.linspace(0, last - 1, min(CURVE_POINTS, last)).astype(int))
    points = tuple(Point(x=float(at + 1), y=float(expected[at])) for at in some)
    yield Curve(
        title="What a review of the first rows would find",
        x_label="rows reviewed, worst first",
        y_label="share wrong or planted",
        series=(Series(name="expected", points=points),),
        note="An estimate from the scores: how far down the list looking is worth the time.",
    )


def _plot(one: Searched, marked_places: set[int], seed: int) -> Iterator[Picture]:
    """Rows by what they hold, in the two directions in which they differ most."""
    rng = np.random.Generator(np.random.Philox(key=seed))
    n = len(one.rows)
    if n < 10:
        return
    bad = np.isin(one.rows.places, list(marked_places))
    some = np.union1d(rng.permutation(n)[:DOTS], np.flatnonzero(bad)[:DOTS])
    columns = features(subset(one.rows.content, some), rng).astype(np.float64)
    columns -= columns.mean(axis=0)
    if columns.shape[1] < len(PLOT):
        return
    _, vectors = np.linalg.eigh(columns.T @ columns)
    points = columns @ vectors[:, [-1, -2]]
    if not np.isfinite(points).all() or not np.ptp(points, axis=0).all():
        return
    kinds = np.zeros(len(some), dtype=np.int64) if one.rows.y is None else one.rows.y[some]
    packed = png(scatter(points, kinds, bad[some], PLOT))
    if len(packed) <= PICTURE_BYTES:
        ringed = int(bad[some].sum())
        yield Picture(
            title="Where rows lie",
            png=packed,
            alt=f"{len(some)} rows as dots, {ringed} of them in black rings",
            caption=f"{len(some)} of {n} rows in the two directions in which they differ most; near dots "
            f"are alike. Colours are classes, in turn; {ringed} in black rings have a score of 1 or more. A "
            "ringed dot amid dots of another colour is a label to look at; rings together are a group.",
        )


def subset(content: Content, some: Integers) -> Content:
    """The content of some of the rows."""
    if isinstance(content, Pictures):
        return Pictures(pixels=content.pixels[some])
    if isinstance(content, Texts):
        return Texts(texts=tuple(content.texts[at] for at in some.tolist()))
    return Cells(
        numbers=content.numbers[some],
        codes=content.codes[some],
        number_names=content.number_names,
        code_names=content.code_names,
        values=content.values,
    )


def _histograms(facts: Facts, reference: Sequence[Rows]) -> Iterator[Curve]:
    cells = next((one.rows.content for one in facts.searched if isinstance(one.rows.content, Cells)), None)
    beside = next((one.content for one in reference if isinstance(one.content, Cells)), None)
    if cells is None:
        return
    for at, name in enumerate(cells.number_names[:HISTOGRAMS]):
        sides = [("data", cells.numbers[:, at])]
        sides += [("reference", beside.numbers[:, at])] if beside is not None else []
        finite = [(side, values[np.isfinite(values)]) for side, values in sides]
        whole = np.concatenate([values for _, values in finite])
        if not whole.size or whole.min() == whole.max():
            continue
        low, high = np.quantile(whole, [0.001, 0.999])  # what lies beyond is in the bars at the ends
        if not low < high:
            low, high = float(whole.min()), float(whole.max())
        edges = np.linspace(low, high, BARS + 1)
        yield Curve(
            title=f"Distribution of {plain(name, 80)}",
            x_label=plain(name, 80),
            y_label="share of rows",
            series=tuple(
                Series(name=side, points=_bars(values, edges)) for side, values in finite if values.size
            ),
        )


def _bars(values: NDArray[np.float64], edges: NDArray[np.float64]) -> tuple[Point, ...]:
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    shares = counts / max(1, len(values))
    return tuple(
        Point(x=float(x), y=float(share))
        for share, left, right in zip(shares, edges[:-1], edges[1:], strict=True)
        for x in (left, right)
    )


def _columns(columns: Sequence[Column], roles: dict[str, str]) -> Table:
    rows = tuple(
        (
            plain(one.name, 80),
            roles.get(one.name, one.kind),
            f"{one.missing / one.rows:.1%}" if one.rows else "",
            one.different,
            "" if np.isnan(one.low) else f"{one.low:.6g} to {one.high:.6g}",
            ", ".join(f"{plain(redacted(name).text, 20)} {times}" for name, times in _frequent(one)),
        )
        for one in columns[:COLUMNS_SHOWN]
    )
    left = len(columns) - COLUMNS_SHOWN
    return Table(
        title="Columns",
        columns=("column", "taken for", "empty", "different values", "range", "most frequent"),
        rows=rows,
        note=f"and {left} columns more" if left > 0 else "",
    )


def _frequent(one: Column) -> list[tuple[str, int]]:
    return sorted(one.categories.items(), key=lambda pair: -pair[1])[:4]
