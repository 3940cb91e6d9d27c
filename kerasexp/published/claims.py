"""The claims of a study, read from its YAML file in `configs/published/`."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable, Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from pydantic import ValidationError

from kerasexp.config.yaml_text import parse_yaml
from kerasexp.errors import UsageError, did_you_mean
from kerasexp.published.claim import Claim, Contrast, Scope, StudyData
from kerasexp.published.question import Question
from kerasexp.published.study_file import FEW_IMAGES, Matrix, Report, Source, Statement, Study, Table


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
def _study(name: str) -> Study:
    if name not in studies():
        raise UsageError(f'Unknown study "{name}". {did_you_mean(name, studies())}')
    file = f"published/{name}.yaml"
    content = parse_yaml(_text(name), file)
    try:
        return Study.model_validate(content)
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


def _numbers(study: Study, table: Table) -> Iterator[Claim]:
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


def _scores(study: Study, report: Report) -> Iterator[Claim]:
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
                margin=FEW_IMAGES.of(value, images, "share"),
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


def _cells(study: Study, matrix: Matrix) -> Iterator[Claim]:
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
                margin=FEW_IMAGES.of(share, images, "share") if matrix.margin is None else matrix.margin,
                scope="training",
            )


def _statements(study: Study, statement: Statement) -> Iterator[Claim]:
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


def _resolved(study: Study, contrast: Contrast) -> Contrast:
    """A contrast with its columns' experiments and variants in place of their names in the file."""
    groups = tuple(tuple(_named(study.model(name)) for name in group) for group in contrast.groups)
    return contrast.model_copy(update={"groups": groups})


def _shared(source: Source) -> dict[str, Any]:
    """The part of a report or a matrix that every claim of it repeats."""
    return source.model_dump(include={*Source.model_fields} - {"title"}) | {"table": source.title}


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
