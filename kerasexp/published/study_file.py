"""What a file of claims in `configs/published/` may hold: tables, reports, matrices and statements of one study."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import StrictInt, model_validator

from kerasexp.config.schema import Frozen
from kerasexp.errors import did_you_mean
from kerasexp.evaluation.statistics import wilson
from kerasexp.published.claim import Check, Contrast, Number, Provenance, Scope, Split, StudyData, Unit
from kerasexp.published.question import Question


class Margin(Frozen):
    """A margin as a share of the published value or from the number of images, never below `at_least`.

    Attributes:
        relative: share of the published value.
        wilson: half the width of the Wilson interval that a proportion of this value and n has.
    """

    relative: float = 0.0
    wilson: bool = False
    at_least: float = 0.0

    def of(self, value: float, n: int | None, unit: Unit) -> float:
        margin = self.relative * abs(value)
        if self.wilson:
            assert n is not None
            low, high = wilson(value if unit == "count" else value * n, n)
            margin = (high - low) / 2 * (n if unit == "count" else 1)
        return max(round(margin, 6), self.at_least)


class Source(Frozen):
    """What the claims of a table, a classification report or a confusion matrix share."""

    title: str
    source: str
    provenance: Provenance
    split: Split | None = None
    protocol: str = ""
    run: str = ""
    note: str = ""


class Table(Source):
    """A published table: a row per metric, a column per model; null where the source has no number."""

    kind: Literal["exact", "small", "band"]
    unit: Unit
    columns: tuple[str, ...]
    rows: dict[str, tuple[Number | None, ...]]
    margin: float | tuple[float, ...] | Margin = 0.0
    band: tuple[float, float] | None = None
    n: StrictInt | None = None
    proportion: bool = False

    @model_validator(mode="after")
    def _rectangular(self) -> Table:
        lengths = {len(values) for values in self.rows.values()}
        if isinstance(self.margin, tuple):
            lengths.add(len(self.margin))
        if lengths != {len(self.columns)}:
            raise ValueError(f"{self.title}: every row needs {len(self.columns)} values, one per column")
        if isinstance(self.margin, Margin) and self.margin.wilson and self.n is None:
            raise ValueError(f"{self.title}: a margin from the number of images needs n")
        return self

    def margin_of(self, column: int, value: float) -> float:
        if isinstance(self.margin, Margin):
            return self.margin.of(value, self.n, self.unit)
        return self.margin[column] if isinstance(self.margin, tuple) else self.margin


FEW_IMAGES = Margin(wilson=True, at_least=0.015)  # of one class: never narrower than the margin of all classes


class Report(Source):
    """A classification report of the test images: precision, recall, F1 and images of each class.

    Margins are half the Wilson interval of a proportion of the class's images, at least 0.015.

    Attributes:
        column: the model.
        classes: by class number.
        macro, weighted: precision, recall and F1 of all classes.
        margin: of the averages.
        images_margin: how far the images of a class may be off; None where they are the same in every run.
    """

    column: str
    classes: tuple[tuple[float, float, float, int], ...]
    macro: tuple[float, float, float] | None = None
    weighted: tuple[float, float, float] | None = None
    margin: float = 0.015
    images_margin: float | None = None


class Matrix(Source):
    """A confusion matrix of the test images, rows true: a claim per cell, as a share of the true class.

    Margins are half the Wilson interval of the share, at least 0.015, unless one is given.

    Attributes:
        column: the model.
        counts: images; or
        shares: of the true class, as far as they are printed, and
        images: of each true class.
        margin: of every cell; None for that of the Wilson interval.
    """

    column: str
    counts: tuple[tuple[int, ...], ...] = ()
    shares: tuple[tuple[float, ...], ...] = ()
    images: tuple[int, ...] = ()
    margin: float | None = None

    @model_validator(mode="after")
    def _square(self) -> Matrix:
        if bool(self.counts) == bool(self.shares) or len(self.images) != len(self.shares):
            raise ValueError(f"{self.title}: a confusion matrix has counts, or shares and the images of each class")
        cells = self.counts or self.shares
        if {len(row) for row in cells} != {len(cells)}:
            raise ValueError(f"{self.title}: a confusion matrix is square")
        return self

    @property
    def rows(self) -> Iterator[tuple[int, list[float]]]:
        """Images of each true class, and the shares of them that were taken for each class."""
        if self.shares:
            yield from zip(self.images, map(list, self.shares), strict=True)
        for row in self.counts:
            yield sum(row), [count / sum(row) for count in row]


class Statement(Frozen):
    """A sentence about each of `columns`, or about all of `compares` together."""

    text: str
    source: str
    provenance: Provenance
    scope: Scope = "several"
    columns: tuple[str, ...] = ()
    compares: tuple[str, ...] = ()
    check: Check | None = None
    contrasts: tuple[Contrast, ...] = ()
    run: str = ""
    note: str = ""

    @model_validator(mode="after")
    def _of_its_models(self) -> Statement:
        others = [model for contrast in self.contrasts for model in contrast.models if model not in self.compares]
        if others:
            raise ValueError(f"{self.text} The contrasts name {others[0]}, compares does not")
        return self


class Study(Frozen):
    study: str
    title: str
    source: str
    seeds: StrictInt = 1
    data: tuple[StudyData, ...]
    columns: dict[str, dict[str, str | None]]
    tables: tuple[Table, ...]
    reports: tuple[Report, ...] = ()
    matrices: tuple[Matrix, ...] = ()
    statements: tuple[Statement, ...]
    questions: tuple[Question, ...] = ()

    @model_validator(mode="after")
    def _known_names(self) -> Study:
        names = [data.name for data in self.data]
        if list(self.columns) != names:
            raise ValueError(f"columns need one group per data set, in the order {', '.join(names)}")
        known = [name for group in self.columns.values() for name in group]
        if len(known) != len(set(known)):
            raise ValueError("a column stands under two data sets")
        named = [name for table in self.tables for name in table.columns]
        named += [report.column for report in self.reports] + [matrix.column for matrix in self.matrices]
        named += [name for statement in self.statements for name in (*statement.columns, *statement.compares)]
        named += [name for one in self.statements for contrast in one.contrasts for name in contrast.models]
        named += [name for question in self.questions for name in question.columns]
        for name in named:
            if name not in known:
                raise ValueError(f"unknown column {name!r}. {did_you_mean(name, known)}")
        return self

    def model(self, column: str) -> dict[str, Any]:
        """What a claim says of its model: data set, experiment, variants; `kmnist_cnn + augment10` names both."""
        data = next(data for data in self.data if column in self.columns[data.name])
        experiment, *variants = (part.strip() for part in (self.columns[data.name][column] or "").split("+"))
        return {
            "study": self.study,
            "data": data.name,
            "experiment": experiment or None,
            "variants": tuple(sorted(variants)),
            "other_images": data.other_images,
            "least_seeds": self.seeds,
        }
