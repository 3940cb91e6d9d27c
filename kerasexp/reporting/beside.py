"""The published numbers beside a run's own, arranged for reading."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections import Counter
from collections.abc import Sequence

from kerasexp.published import Claim, Row

DIGITS = {"ratio": 4, "seconds": 1}  # after the point; other units are counts
SYMBOLS = {"reproduced": "✓", "not reproduced": "✗", "cannot tell": "?", "not comparable": "–"}


@dataclasses.dataclass(frozen=True)
class Line:
    """One claim as it is shown.

    Attributes:
        what: the claim in words.
        source: where it stands and how it was measured.
        published, ours: the numbers; empty for a statement.
        published_interval, ours_interval: empty where there is none.
        verdict: one of `SYMBOLS`.
        provisional: empty, or `provisional: one seed`.
        reason: of this claim's verdict alone.
        notes: numbers of the notes that give the other reasons, from 1.
        remark: what is known beyond the claim.
    """

    what: str
    source: str
    published: str
    published_interval: str
    ours: str
    ours_interval: str
    verdict: str
    provisional: str
    reason: str
    notes: tuple[int, ...]
    remark: str

    @property
    def symbol(self) -> str:
        return SYMBOLS[self.verdict]


@dataclasses.dataclass(frozen=True)
class Group:
    """Claims that the study gave in one table."""

    title: str
    source: str
    lines: tuple[Line, ...]


@dataclasses.dataclass(frozen=True)
class Matrix:
    """A published confusion matrix.

    Attributes:
        title: its heading.
        source: where it stands.
        class_names: of its rows (true) and columns (predicted).
        lines: its cells, row by row, shares of the true class; None where there is no claim.
    """

    title: str
    source: str
    class_names: tuple[str, ...]
    lines: tuple[tuple[Line | None, ...], ...]


@dataclasses.dataclass(frozen=True)
class Beside:
    """Everything that is published about a run's experiment beside its own numbers.

    Attributes:
        reasons: why the run as a whole is not comparable; empty if it is.
        tally: how many claims got which verdict.
        given: which of the reproduced ones no training decides, in a sentence; empty if there is none.
        headline: the numbers of the whole run and the statements.
        others: numbers of the training's course and of the data, table by table.
        matrices: published confusion matrices.
        scores: headings of the class table, such as `F1, test`.
        classes: class name and its lines, one per heading; None where the study gave no number.
        notes: reasons that several claims share, in the order of their numbers.
        remarks: what changes no verdict.
    """

    reasons: tuple[str, ...]
    tally: dict[str, int]
    given: str
    headline: tuple[Line, ...]
    others: tuple[Group, ...]
    matrices: tuple[Matrix, ...]
    scores: tuple[str, ...]
    classes: tuple[tuple[str, tuple[Line | None, ...]], ...]
    notes: tuple[str, ...]
    remarks: tuple[str, ...]


def beside(rows: Sequence[Row], class_names: Sequence[str]) -> Beside:
    """Arranges the rows of `kerasexp.published.rows`.

    Args:
        rows: of one run.
        class_names: one per label.
    """
    notes = _notes(rows)
    of_class = [row for row in rows if ".per_class." in row.claim.metric]
    cells = _whole_matrices(rows, len(class_names))
    kept = {id(row) for row in cells}
    further = re.compile(r"history\.|data\..*\.\d+$|test\.confus")
    others = [row for row in rows if further.match(row.claim.metric) and id(row) not in kept]
    elsewhere = {id(row) for row in [*of_class, *cells, *others]}
    headline = [row for row in rows if id(row) not in elsewhere]
    headline.sort(key=lambda row: (row.claim.kind == "qualitative", not row.claim.metric.startswith("test.")))
    scores, classes = _class_table(of_class, class_names, notes)
    whole = [reason for row in rows if row.claim.scope == "training" for reason in _reasons(row) if not row.verdict]
    return Beside(
        reasons=tuple(dict.fromkeys(whole)),
        tally={verdict: count for verdict in SYMBOLS if (count := sum(_verdict(row) == verdict for row in rows))},
        given=given_words([row.claim.scope for row in rows if _verdict(row) == "reproduced"]),
        headline=tuple(_line(row, notes) for row in headline),
        others=_groups(others, notes),
        matrices=_matrices(cells, class_names, notes),
        scores=scores,
        classes=classes,
        notes=notes,
        remarks=tuple(dict.fromkeys(remark for row in rows for remark in row.remarks)),
    )


def given_words(scopes: Sequence[str]) -> str:
    """How many of the reproduced claims are counts that no training decides, in a sentence; empty if there is none.

    Args:
        scopes: of the reproduced claims.
    """
    given = sum(scope in ("data", "network") for scope in scopes)
    if not given:
        return ""
    counts, them = ("are counts of images and", "them") if given > 1 else ("is a count of images or", "it")
    which = f"{given:,} of the {len(scopes):,}" if len(scopes) > 1 else "The one"
    return f"{which} reproduced {counts} parameters: the data and the network decide {them}, no training."


def _notes(rows: Sequence[Row]) -> tuple[str, ...]:
    """Reasons that are said once, in a note: those of the whole run, and those that several verdicts share."""
    refused = [row for row in rows if not row.verdict and row.claim.scope != "epoch"]
    refused.sort(key=lambda row: row.claim.scope != "training")
    whole = [reason for row in refused for reason in _reasons(row)]
    shared = Counter(row.verdict.reason for row in rows if row.verdict and row.verdict.interval is None)
    return tuple(dict.fromkeys([*whole, *(reason for reason, count in shared.items() if reason and count > 1)]))


def _groups(rows: Sequence[Row], notes: Sequence[str]) -> tuple[Group, ...]:
    return tuple(
        Group(title, source, tuple(_line(row, notes) for row in members))
        for (title, source), members in itertools.groupby(rows, key=lambda row: (row.claim.table, _source(row.claim)))
    )


def _whole_matrices(rows: Sequence[Row], classes: int) -> list[Row]:
    """The rows of confusion matrices that were published whole, not as a few cells."""
    cells = [row for row in rows if row.claim.metric.startswith("test.confusion.")]
    counts = Counter((row.claim.table, row.claim.run) for row in cells)
    return [row for row in cells if counts[row.claim.table, row.claim.run] == classes**2]


def _matrices(rows: Sequence[Row], class_names: Sequence[str], notes: Sequence[str]) -> tuple[Matrix, ...]:
    found: dict[tuple[str, str], dict[tuple[int, int], Line]] = {}
    for row in rows:
        _, _, true, predicted = row.claim.metric.split(".")
        title = row.claim.table + (f" ({row.claim.run})" if row.claim.run else "")
        found.setdefault((title, _source(row.claim)), {})[int(true), int(predicted)] = _line(row, notes)
    numbers = range(len(class_names))
    return tuple(
        Matrix(title, source, tuple(class_names), tuple(tuple(cells.get((i, j)) for j in numbers) for i in numbers))
        for (title, source), cells in found.items()
    )


def _source(claim: Claim) -> str:
    return "; ".join(part for part in (claim.source, claim.protocol) if part)


def _class_table(
    rows: Sequence[Row], class_names: Sequence[str], notes: Sequence[str]
) -> tuple[tuple[str, ...], tuple[tuple[str, tuple[Line | None, ...]], ...]]:
    cells = {}
    for row in rows:
        split, _, number, score = row.claim.metric.split(".")
        heading = f"{'F1' if score == 'f1' else score}, {'training' if split == 'train' else split}"
        heading += f" ({row.claim.run})" if row.claim.run else ""
        cells[heading, int(number)] = _line(row, notes)
    scores = tuple(dict.fromkeys(heading for heading, _ in cells))
    numbers = sorted({number for _, number in cells})
    names = {number: class_names[number] if number < len(class_names) else f"class {number}" for number in numbers}
    return scores, tuple((names[number], tuple(cells.get((score, number)) for score in scores)) for number in numbers)


def _line(row: Row, notes: Sequence[str]) -> Line:
    reasons = _reasons(row)
    return Line(
        what=row.claim.what,
        source=_source(row.claim),
        published=value_words(row.claim, row.published),
        published_interval=interval_words(row.claim, row.published_interval),
        ours=value_words(row.claim, row.ours),
        ours_interval=interval_words(row.claim, row.ours_interval),
        verdict=_verdict(row),
        provisional=row.verdict.provisional if row.verdict else "",
        reason="; ".join(reason for reason in reasons if reason not in notes),
        notes=tuple(sorted(notes.index(reason) + 1 for reason in reasons if reason in notes)),
        remark=row.claim.note,
    )


def _verdict(row: Row) -> str:
    return row.verdict.status if row.verdict else "not comparable"


def _reasons(row: Row) -> list[str]:
    """Why the verdict is what it is, or why there is none."""
    if row.verdict:
        return [row.verdict.reason] if row.verdict.reason else []
    return [reason.removesuffix(".") for reason in row.reasons]


def value_words(claim: Claim, value: float | None) -> str:
    """A number as its claim is written; empty for a statement."""
    if claim.kind == "qualitative":
        return ""
    if value is None:
        return "–"
    if claim.unit == "share":
        return f"{100 * value:.2f} %" if "accuracy" in claim.metric else f"{value:.4f}"
    if claim.unit == "loss":
        return f"{value:.4f}"
    return f"{value:,.{DIGITS.get(claim.unit or '', 0)}f}"


def interval_words(claim: Claim, interval: Sequence[float] | None) -> str:
    """Two numbers as their claim is written; empty where there are none, or both are written alike."""
    if interval is None:
        return ""
    low, high = (value_words(claim, bound) for bound in interval)
    return f"{low.removesuffix(' %')} to {high}" if low != high else ""
