"""A study's questions, answered from our own numbers."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from kerasexp.evaluation.statistics import Interval
from kerasexp.published.claim import Claim
from kerasexp.published.claims import probe, published_number, questions
from kerasexp.published.question import Question
from kerasexp.published.tables import Candidate, StudyRow, runs_of, tally


@dataclasses.dataclass(frozen=True)
class Cell:
    """One number of one model.

    Attributes:
        model: experiment and variants.
        claim: the published number; None where there is none.
        ours: mean of our comparable runs, else the value of the newest run that is not comparable; None without any.
        ours_interval: its 95 % interval, where there is one.
        seeds: how many runs `ours` is of.
        status: the verdict, `not comparable`, or empty without a published number or a run.
        reasons: why it is not comparable.
    """

    model: str
    claim: Claim | None
    ours: float | None
    ours_interval: Interval | None
    seeds: int
    status: str
    reasons: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Answer:
    """What our runs say to one question.

    Attributes:
        question: with the study's own answer.
        numbers: a metric and its cells, one per model of the question.
        statements: what the study said in words, with its verdict.
        tables: titles of published tables that speak to it, and how many of their claims got which verdict.
    """

    question: Question
    numbers: tuple[tuple[str, tuple[Cell, ...]], ...]
    statements: tuple[StudyRow, ...]
    tables: tuple[tuple[str, dict[str, int]], ...]

    @property
    def asks_runs(self) -> bool:
        """Whether numbers of runs can say anything to it."""
        return bool(self.numbers) or any(row.claim.decidable for row in self.statements)

    @property
    def answered(self) -> bool:
        """Whether any run speaks to it."""
        cells = [cell for _, row in self.numbers for cell in row]
        return any(cell.ours is not None for cell in cells) or any(row.verdict for row in self.statements)


def answers(study: str, rows: Sequence[StudyRow], known: Sequence[Candidate]) -> list[Answer]:
    """Every question of a study with our numbers, in the order of the study's file.

    Args:
        study: its name.
        rows: of `study_rows`.
        known: the runs that the rows are of.
    """
    return [_answer(study, question, rows, known) for question in questions(study)]


def _answer(study: str, question: Question, rows: Sequence[StudyRow], known: Sequence[Candidate]) -> Answer:
    numbers = tuple(
        (metric, tuple(_cell(study, model, metric, rows, known) for model in question.columns))
        for metric in question.metrics
    )
    about = {*question.columns}
    statements = tuple(
        row
        for row in rows
        if row.claim.kind == "qualitative"
        and row.claim.source in question.sources
        and (not about or not row.claim.experiment or row.claim.model in about)
    )
    tables = tuple((title, tally([row for row in rows if row.claim.table == title])) for title in question.tables)
    return Answer(question, numbers, statements, tables)


def _cell(study: str, model: str, metric: str, rows: Sequence[StudyRow], known: Sequence[Candidate]) -> Cell:
    data = probe(study, model).data
    of_metric = [row for row in rows if row.claim.metric == metric and row.claim.data == data]
    published = published_number(study, model, metric)
    row = next((row for row in of_metric if row.claim == published or not (published or row.claim.experiment)), None)
    if row is not None:
        value, interval, seeds = row.ours, row.ours_interval, len(row.comparable)
        if value is not None or row.comparable or not row.others:
            return Cell(model, row.claim, value, interval, seeds, row.status if row.verdict else "", row.reasons)
        other = row.others[0]
        status = "not comparable" if other.value is not None else ""
        return Cell(model, row.claim, other.value, None, 1, status, other.reasons)
    able = runs_of(study, model, known, metric)
    values = [value for one in able if (value := one.results.value(metric)) is not None]
    if not values:
        return Cell(model, None, None, None, 0, "")
    interval = able[0].results.interval(metric) if len(values) == 1 else None
    return Cell(model, None, math.fsum(values) / len(values), interval, len(values), "")
