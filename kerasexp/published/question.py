"""What a study asked, and where our runs have the answer."""

from __future__ import annotations

from kerasexp.config.schema import Frozen


class Question(Frozen):
    """One question of a study.

    Attributes:
        question: in words.
        answer: what the study answered, in words; empty where it only asks.
        columns: the models that have the answer.
        metrics: which of their numbers, as in `Results.value`.
        sources: statements with these sources speak to it.
        tables: tables of published numbers that speak to it.
        shown: what a run's own report shows of it, where no number says it.
    """

    question: str
    answer: str = ""
    columns: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    shown: str = ""
