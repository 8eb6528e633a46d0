"""What detectors have in common: each thing is reckoned once, when the first of them asks for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from ancile.core.errors import AncileError
from ancile.data.poison.cliques import blocks
from ancile.data.poison.directions import directions
from ancile.data.poison.discriminant import left_out_of_clouds
from ancile.data.poison.features import features
from ancile.data.poison.guesses import left_out, together
from ancile.data.poison.trees import able, by_trees
from ancile.data.poison.whitening import Whitened, whitened
from ancile.data.rows import Cells, Integers, Pictures, Reals, Rows
from ancile.numeric import NDArray, np

BLOCK = 500  # rows of a class that are compared with each other: cost grows with the square


def silent(_: str) -> None:
    """Says nothing."""


@dataclass(frozen=True, eq=False)
class Shared:
    """What is known of the rows beyond the rows: all of it follows from them and the seed.

    told  is given a few words when something long begins
    """

    rows: Rows
    seed: int = 0
    reference: Rows | None = None
    told: Callable[[str], None] = field(default=silent)

    def rng(self, purpose: str) -> np.random.Generator:
        """A stream of its own for each purpose, the same whatever else is drawn."""
        key = [self.seed, *purpose.encode()]
        return np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))

    @cached_property
    def labels(self) -> Integers:
        """The classes of the rows (n,); AncileError where there are none, or fewer than two."""
        y = self.rows.y
        if y is None or len(np.unique(y)) < 2:
            raise AncileError(
                "rows have no labels" if y is None else "all rows have one label",
                value=f"{len(self.rows)} rows",
                remedy="name the column of labels with --label",
            )
        return y

    @cached_property
    def features(self) -> NDArray[np.float32]:
        """The content of each row as numbers (n, d), d at most about 1,200; columns of mean 0."""
        self.told("features")
        return features(self.rows.content, self.rng("features"))

    @cached_property
    def probabilities(self) -> Reals:
        """Of each class for each row (n, classes), by models that did not see the label of the row."""
        self.told("what models say that did not see the row")
        y, classes = self.labels, len(self.rows.classes)
        experts = [
            left_out(self.features, y, classes),
            left_out_of_clouds(self.directions, y, classes),
        ]
        content = self.rows.content
        if isinstance(content, Cells) and able(content, classes):
            experts.append([by_trees(content, y, classes, self.rng("trees"))])
        return together(experts, y)

    @cached_property
    def directions(self) -> NDArray[np.float32]:
        """Unit vectors (n, at most 96) in which rows are compared."""
        return directions(self.features)

    @cached_property
    def pictures(self) -> Whitened:
        """The pictures less what pictures of their kind have in common."""
        content = self.rows.content
        if not isinstance(content, Pictures):
            raise AncileError("rows are no pictures", value=f"{len(self.rows)} rows", remedy="give pictures")
        self.told("what pictures have in common")
        return whitened(content.pixels, self.labels)

    @cached_property
    def blocks(self) -> list[Integers]:
        """Places of rows of one class each that are compared with each other."""
        return blocks(self.labels, most=BLOCK, rng=self.rng("blocks"))
