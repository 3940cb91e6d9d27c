"""The claims of a study, read from its YAML file in `configs/published/`."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable, Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, Literal

from pydantic import StrictInt, ValidationError, model_validator

from kerasexp.config.schema import Frozen
from kerasexp.config.yaml_text import parse_yaml
from kerasexp.errors import UsageError, did_you_mean
from kerasexp.evaluation.statistics import wilson
from kerasexp.published.claim import Check, Claim, Contrast, Number, Provenance, Scope, Split, StudyData, Unit
from kerasexp.published.question import Question


class _Margin(Frozen):
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


class _Source(Frozen):
    """What the claims of a table, a classification report or a confusion matrix share."""

    title: str
    source: str
    provenance: Provenance
    split: Split | None = None
    protocol: str = ""
    run: str = ""
    note: str = ""


class _Table(_Source):
    """A published table: a row per metric, a column per model; null where the source has no number."""

    kind: Literal["exact", "small", "band"]
    unit: Unit
    columns: tuple[str, ...]
    rows: dict[str, tuple[Number | None, ...]]
    margin: float | tuple[float, ...] | _Margin = 0.0
    band: tuple[float, float] | None = None
    n: StrictInt | None = None
    proportion: bool = False

    @model_validator(mode="after")
    def _rectangular(self) -> _Table:
        lengths = {len(values) for values in self.rows.values()}
        if isinstance(self.margin, tuple):
            lengths.add(len(self.margin))
        if lengths != {len(self.columns)}:
            raise ValueError(f"{self.title}: every row needs {len(self.columns)} values, one per column")
        if isinstance(self.margin, _Margin) and self.margin.wilson and self.n is None:
            raise ValueError(f"{self.title}: a margin from the number of images needs n")
        return self

    def margin_of(self, column: int, value: float) -> float:
        if isinstance(self.margin, _Margin):
            return self.margin.of(value, self.n, self.unit)
        return self.margin[column] if isinstance(self.margin, tuple) else self.margin


_FEW_IMAGES = _Margin(wilson=True, at_least=0.015)  # of one class: never narrower than the margin of all classes


class _Report(_Source):
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


class _Matrix(_Source):
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
    def _square(self) -> _Matrix:
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


class _Statement(Frozen):
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
    def _of_its_models(self) -> _Statement:
        others = [model for contrast in self.contrasts for model in contrast.models if model not in self.compares]
        if others:
            raise ValueError(f"{self.text} The contrasts name {others[0]}, compares does not")
        return self


class _Study(Frozen):
    study: str
    title: str
    source: str
    seeds: StrictInt = 1
    data: tuple[StudyData, ...]
    columns: dict[str, dict[str, str | None]]
    tables: tuple[_Table, ...]
    reports: tuple[_Report, ...] = ()
    matrices: tuple[_Matrix, ...] = ()
    statements: tuple[_Statement, ...]
    questions: tuple[Question, ...] = ()

    @model_validator(mode="after")
    def _known_names(self) -> _Study:
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


def _folder() -> Traversable:
    return resources.files("kerasexp.configs") / "published"


@functools.cache
def studies() -> tuple[str, ...]:
    """The studies whose claims are known, sorted."""
    return tuple(
        sorted(entry.name.removesuffix(".yaml") for entry in _folder().iterdir() if entry.name.endswith(".yaml"))
    )


@functools.cache
def _text(name: str) -> str:
    return (_folder() / f"{name}.yaml").read_text(encoding="utf-8")


@functools.cache
def _study(name: str) -> _Study:
    if name not in studies():
        raise UsageError(f'Unknown study "{name}". {did_you_mean(name, studies())}')
    file = f"published/{name}.yaml"
    content = parse_yaml(_text(name), file)
    try:
        return _Study.model_validate(content)
    except ValidationError as error:
        raise UsageError(f"{file} is no list of claims: {error}") from None


def title(study: str) -> str:
    """What a study is about, in a few words."""
    return _study(study).title


def source(study: str) -> str:
    """Authors, course, date and place of a study."""
    return _study(study).source


def questions(study: str) -> tuple[Question, ...]:
    """What a study asked, in the order of its file; its columns are models, as `Claim.compares` names them."""
    content = _study(study)
    return tuple(
        question.model_copy(update={"columns": tuple(_named(content.model(name)) for name in question.columns)})
        for question in content.questions
    )


@functools.cache
def probe(study: str, model: str, metric: str = "") -> Claim:
    """A claim about the whole training of one model: what decides whether a run may speak for the model.

    Args:
        study: its name.
        model: experiment and variants, as `Claim.compares` names them.
        metric: in which number it speaks; any by default.
    """
    content = _study(study)
    names = [name for group in content.columns.values() for name in group]
    found = next(found for name in names if _named(found := content.model(name)) == model)
    fixed: dict[str, Any] = {"kind": "qualitative", "source": "", "provenance": "D", "scope": "training"}
    return Claim(**found, **fixed, text=model, metric=metric, table="Statements")


@functools.cache
def published_number(study: str, model: str, metric: str) -> Claim | None:
    """What a study published of one number; from the author's own output where the report prints it too.

    Args:
        study: its name.
        model: experiment and variants, as `Claim.compares` names them.
        metric: as in `Results.value`.
    """
    experiment, *variants = model.split(" + ")
    wanted = (experiment, tuple(variants), metric)
    found = [claim for claim in claims(study) if (claim.experiment, claim.variants, claim.metric) == wanted]
    return min(found, key=lambda claim: claim.provenance != "O", default=None)


def study_data(study: str, data: str) -> StudyData:
    """The images of one of a study's data sets."""
    return next(one for one in _study(study).data if one.name == data)


@functools.cache
def claims(study: str) -> tuple[Claim, ...]:
    """Every claim of a study, in the order of its file.

    Raises:
        UsageError: for an unknown study.

    Example:

    >>> claims("kmnist")[2].what
    'parameters'
    """
    content = _study(study)
    return (
        *(claim for table in content.tables for claim in _numbers(content, table)),
        *(claim for report in content.reports for claim in _scores(content, report)),
        *(claim for matrix in content.matrices for claim in _cells(content, matrix)),
        *(claim for statement in content.statements for claim in _statements(content, statement)),
    )


def claims_for(experiment: str, variants: Iterable[str] = ()) -> tuple[Claim, ...]:
    """The claims about one run of an experiment with these variants, those about every run on its data set included.

    Args:
        experiment: its name.
        variants: in any order.

    Returns:
        Claims in the order of their file; none for an experiment or variant that nobody published.
    """
    chosen = tuple(sorted(variants))
    for study in studies():
        if experiment not in _text(study):  # a study of a thousand claims takes a second to parse
            continue
        every = [claim for claim in claims(study) if claim.scope != "several"]
        data = next((claim.data for claim in every if (claim.experiment, claim.variants) == (experiment, chosen)), None)
        if data is not None:
            wanted = ((experiment, chosen), (None, ()))
            return tuple(
                claim for claim in every if (claim.experiment, claim.variants) in wanted and claim.data == data
            )
    return ()


def _numbers(study: _Study, table: _Table) -> Iterator[Claim]:
    shared = table.model_dump(exclude={"title", "columns", "rows", "margin"})
    for metric, values in table.rows.items():
        for column, value in enumerate(values):
            if value is None:
                continue
            margin = 0.0 if table.band else table.margin_of(column, value)
            scope, epoch = _scope(metric, value, margin)
            yield Claim(
                **study.model(table.columns[column]),
                **shared,
                table=table.title,
                metric=metric,
                value=value,
                margin=margin,
                scope=scope,
                epoch=epoch,
            )


def _scores(study: _Study, report: _Report) -> Iterator[Claim]:
    shared = study.model(report.column) | _shared(report)
    score: dict[str, Any] = {**shared, "split": "test", "unit": "share", "scope": "training"}
    for number, (*values, images) in enumerate(report.classes):
        for name, value in zip(("precision", "recall", "f1"), values, strict=True):
            yield Claim(
                **score,
                metric=f"test.per_class.{number}.{name}",
                value=value,
                n=images,
                proportion=name == "recall",
                kind="small",
                margin=_FEW_IMAGES.of(value, images, "share"),
            )
    for average in ("macro", "weighted"):
        for name, value in zip(("precision", "recall", "f1"), getattr(report, average) or (), strict=False):
            total = sum(images for *_, images in report.classes)
            metric = f"test.{average}.{name}"
            yield Claim(**score, metric=metric, value=value, n=total, kind="band", margin=report.margin)
    if report.images_margin is not None:
        for number, (*_, images) in enumerate(report.classes):
            yield Claim(
                **shared,
                metric=f"data.test.images.{number}",
                value=images,
                unit="count",
                kind="band",
                margin=report.images_margin,
                scope="data",
            )


def _cells(study: _Study, matrix: _Matrix) -> Iterator[Claim]:
    shared = study.model(matrix.column) | _shared(matrix)
    for true, (images, row) in enumerate(matrix.rows):
        for predicted, share in enumerate(row):
            yield Claim(
                **shared | {"split": "test"},
                metric=f"test.confusion.{true}.{predicted}",
                value=share,
                unit="share",
                n=images,
                proportion=True,
                kind="small" if matrix.margin is None else "band",
                margin=_FEW_IMAGES.of(share, images, "share") if matrix.margin is None else matrix.margin,
                scope="training",
            )


def _statements(study: _Study, statement: _Statement) -> Iterator[Claim]:
    shared = statement.model_dump(exclude={"columns", "compares", "check", "contrasts"})
    about_all = {"study": study.study, "least_seeds": study.seeds}
    for model in [study.model(name) for name in statement.columns] or [about_all]:
        yield Claim(
            **model,
            **shared,
            table="Statements",
            kind="qualitative",
            compares=tuple(_named(study.model(name)) for name in statement.compares),
            check=statement.check,
            contrasts=tuple(_resolved(study, contrast) for contrast in statement.contrasts),
        )


def _resolved(study: _Study, contrast: Contrast) -> Contrast:
    """A contrast with its columns' experiments and variants in place of their names in the file."""
    groups = tuple(tuple(_named(study.model(name)) for name in group) for group in contrast.groups)
    return contrast.model_copy(update={"groups": groups})


def _shared(source: _Source) -> dict[str, Any]:
    """The part of a report or a matrix that every claim of it repeats."""
    return source.model_dump(include={*_Source.model_fields} - {"title"}) | {"table": source.title}


def _named(model: dict[str, Any]) -> str:
    return " + ".join([model["experiment"] or "", *model["variants"]])


def _scope(metric: str, value: float, margin: float) -> tuple[Scope, int | None]:
    """What of a run a number needs, and how many epochs if not all of them."""
    head = metric.partition(".")[0]
    if head in ("data", "parameters"):
        return ("data" if head == "data" else "network"), None
    if re.match(r"(history\.)?seconds", metric):
        return "machine", None
    if metric.startswith("history.reaches."):
        return "epoch", math.ceil(value + margin)
    after = re.fullmatch(r"history\.\w*(?:loss|accuracy)@(\d+)", metric)
    if after and after[1] == "0":
        return "start", None
    return ("epoch", int(after[1])) if after else ("training", None)
