"""Claims: published numbers and statements, read from one YAML file per study (`configs/published/`)."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable, Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Annotated, Literal

from pydantic import Field, StrictFloat, StrictInt, ValidationError, model_validator

from kerasexp.config.loading import parse_yaml
from kerasexp.config.schema import Frozen
from kerasexp.errors import UsageError, did_you_mean
from kerasexp.evaluation.statistics import Interval, wilson
from kerasexp.published.checks import CHECKS
from kerasexp.published.words import metric_words

Number = StrictInt | StrictFloat
Provenance = Literal["S", "F", "O", "D", "A"]
Split = Literal["train", "validation", "test"]
Unit = Literal["share", "loss", "epochs", "count"]
Scope = Literal["data", "network", "epoch", "training", "several"]


class Check(Frozen):
    """A function of `kerasexp.published.checks` and what it is asked.

    Attributes:
        name: of the function.
        metric: what it looks at, as in `Results.value`; `*` stands for every class or split.
        limit: what it compares with.
    """

    name: str
    metric: str
    limit: Number

    @model_validator(mode="after")
    def _known(self) -> Check:
        if self.name not in CHECKS:
            raise ValueError(f"no check {self.name!r}. {did_you_mean(self.name, CHECKS)}")
        return self


class Claim(Frozen):
    """One published number or statement.

    Attributes:
        study: whose claim it is.
        experiment: which experiment it is about; None for any of the study's, or for several.
        variants: of that experiment, sorted.
        table: heading it stands under.
        metric: path of the number in a run, as in `Results.value`; empty for a statement.
        value: the published number; None for a statement.
        unit: `share` (0 to 1), `loss`, `epochs` or `count`.
        n: images that the number was measured on.
        proportion: whether it is k of n, so that binomial errors hold.
        split: images that it was measured on.
        protocol: how it was measured, where that matters.
        margin: how far a rerun may be off; 0 for exact claims.
        kind: `exact`, `small` (few test images: margin from their number), `band` or `qualitative`.
        source: where in the report.
        provenance: S stated in the report, F read off a figure, O from the author's code and files, D derived,
            A assumed.
        scope: what of a run decides it: its data, its network, its first epochs, its whole training, or several runs.
        epoch: for the scope `epoch`, how many epochs a run needs.
        text: a statement in words.
        compares: for the scope `several`, the experiments that the statement is about.
        check: how one run decides a statement; None if none can.
        note: what is known beyond the claim, for example that the study's own numbers contradict it.
    """

    study: str
    experiment: str | None = None
    variants: tuple[str, ...] = ()
    table: str = ""
    metric: str = ""
    value: Number | None = None
    unit: Unit | None = None
    n: StrictInt | None = None
    proportion: bool = False
    split: Split | None = None
    protocol: str = ""
    margin: Annotated[float, Field(ge=0)] = 0.0
    kind: Literal["exact", "small", "band", "qualitative"]
    source: str
    provenance: Provenance
    scope: Scope
    epoch: StrictInt | None = None
    text: str = ""
    compares: tuple[str, ...] = ()
    check: Check | None = None
    note: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> Claim:
        if (self.kind == "qualitative") != (self.value is None) or (self.kind == "qualitative") != bool(self.text):
            raise ValueError("a statement has a text and no value, every other claim a value and no text")
        if self.kind in ("small", "band") and not self.margin:
            raise ValueError(f"{self.metric}: a {self.kind} claim needs a margin above 0")
        if self.kind == "exact" and self.margin:
            raise ValueError(f"{self.metric}: an exact claim has no margin")
        if self.proportion and self.n is None:
            raise ValueError(f"{self.metric}: a proportion needs its n")
        return self

    @property
    def what(self) -> str:
        """The claim in words, without its number."""
        return self.text or metric_words(self.metric)

    @property
    def interval(self) -> Interval | None:
        """The Wilson interval of a published proportion, else None."""
        if not self.proportion or self.n is None or self.value is None:
            return None
        return wilson(self.value * self.n, self.n)


class StudyData(Frozen):
    """The images that a study trained and tested on."""

    name: str
    image_shape: tuple[int, int, int]
    classes: int
    train: int
    test: int


class _Margin(Frozen):
    """A margin as a share of the published value, in absolute terms never below `at_least`."""

    relative: float
    at_least: float = 0.0


class _Table(Frozen):
    """A published table: a row per metric, a column per model; null where the source has no number."""

    title: str
    source: str
    provenance: Provenance
    kind: Literal["exact", "small", "band"]
    unit: Unit
    columns: tuple[str, ...]
    rows: dict[str, tuple[Number | None, ...]]
    margin: float | tuple[float, ...] | _Margin = 0.0
    n: StrictInt | None = None
    proportion: bool = False
    split: Split | None = None
    protocol: str = ""

    @model_validator(mode="after")
    def _rectangular(self) -> _Table:
        lengths = {len(values) for values in self.rows.values()}
        if isinstance(self.margin, tuple):
            lengths.add(len(self.margin))
        if lengths != {len(self.columns)}:
            raise ValueError(f"{self.title}: every row needs {len(self.columns)} values, one per column")
        return self

    def margin_of(self, column: int, value: float) -> float:
        if isinstance(self.margin, _Margin):
            return max(round(self.margin.relative * abs(value), 6), self.margin.at_least)
        return self.margin[column] if isinstance(self.margin, tuple) else self.margin


class _Statement(Frozen):
    """A sentence about each of `columns`, or about all of `compares` together."""

    text: str
    source: str
    provenance: Provenance
    scope: Scope = "several"
    columns: tuple[str, ...] = ()
    compares: tuple[str, ...] = ()
    check: Check | None
    note: str = ""


class _Study(Frozen):
    study: str
    title: str
    source: str
    data: StudyData
    columns: dict[str, str | None]
    tables: tuple[_Table, ...]
    statements: tuple[_Statement, ...]

    @model_validator(mode="after")
    def _known_columns(self) -> _Study:
        named = [name for table in self.tables for name in table.columns]
        named += [name for statement in self.statements for name in (*statement.columns, *statement.compares)]
        for name in named:
            if name not in self.columns:
                raise ValueError(f"unknown column {name!r}. {did_you_mean(name, self.columns)}")
        return self


def _folder() -> Traversable:
    return resources.files("kerasexp.configs") / "published"


@functools.cache
def studies() -> tuple[str, ...]:
    """The studies whose claims are known, sorted."""
    return tuple(
        sorted(entry.name.removesuffix(".yaml") for entry in _folder().iterdir() if entry.name.endswith(".yaml"))
    )


@functools.cache
def _study(name: str) -> _Study:
    if name not in studies():
        raise UsageError(f'Unknown study "{name}". {did_you_mean(name, studies())}')
    file = f"published/{name}.yaml"
    content = parse_yaml((_folder() / f"{name}.yaml").read_text(encoding="utf-8"), file)
    try:
        return _Study.model_validate(content)
    except ValidationError as error:
        raise UsageError(f"{file} is no list of claims: {error}") from None


def study_data(name: str) -> StudyData:
    """The images of a study."""
    return _study(name).data


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
    numbers = [claim for table in content.tables for claim in _numbers(content, table)]
    statements = [claim for statement in content.statements for claim in _statements(content, statement)]
    return (*numbers, *statements)


def claims_for(experiment: str, variants: Iterable[str] = ()) -> tuple[Claim, ...]:
    """The claims about one run of an experiment with these variants, those about every run of its study included.

    Args:
        experiment: its name.
        variants: in any order.

    Returns:
        Claims in the order of their file; none for an experiment or variant that nobody published.
    """
    chosen = tuple(sorted(variants))
    for study in studies():
        every = claims(study)
        if any(claim.experiment == experiment and claim.variants == chosen for claim in every):
            return tuple(
                claim
                for claim in every
                if claim.scope != "several"
                and (claim.experiment is None or claim.experiment == experiment and claim.variants == chosen)
            )
    return ()


def _numbers(study: _Study, table: _Table) -> Iterator[Claim]:
    shared = table.model_dump(exclude={"title", "columns", "rows", "margin"})
    for metric, values in table.rows.items():
        for column, value in enumerate(values):
            if value is None:
                continue
            experiment, variants = _model(study.columns[table.columns[column]])
            margin = table.margin_of(column, value)
            scope, epoch = _scope(metric, value, margin)
            yield Claim(
                study=study.study,
                experiment=experiment,
                variants=variants,
                table=table.title,
                metric=metric,
                value=value,
                margin=margin,
                scope=scope,
                epoch=epoch,
                **shared,
            )


def _statements(study: _Study, statement: _Statement) -> Iterator[Claim]:
    shared = statement.model_dump(exclude={"columns", "compares", "check"})
    for model in [study.columns[name] for name in statement.columns] or [None]:
        experiment, variants = _model(model)
        yield Claim(
            study=study.study,
            experiment=experiment,
            variants=variants,
            table="Statements",
            kind="qualitative",
            compares=tuple(study.columns[name] or "" for name in statement.compares),
            check=statement.check,
            **shared,
        )


def _model(column: str | None) -> tuple[str | None, tuple[str, ...]]:
    """`kmnist_cnn + augment10` -> experiment and variants."""
    if column is None:
        return None, ()
    experiment, *variants = (part.strip() for part in column.split("+"))
    return experiment, tuple(sorted(variants))


def _scope(metric: str, value: float, margin: float) -> tuple[Scope, int | None]:
    """What of a run a number needs, and how many epochs if not all of them."""
    head = metric.partition(".")[0]
    if head in ("data", "parameters"):
        return ("data" if head == "data" else "network"), None
    if metric.startswith("history.reaches."):
        return "epoch", math.ceil(value + margin)
    after = re.fullmatch(r"history\.\w*(?:loss|accuracy)@(\d+)", metric)
    return ("epoch", int(after[1])) if after else ("training", None)
