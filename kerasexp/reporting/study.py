"""The page of a study: every published claim beside our runs, in one HTML file without network or JavaScript."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kerasexp import files
from kerasexp.config.faults import FAULTS
from kerasexp.errors import DataError
from kerasexp.published.answers import Answer, answers
from kerasexp.published.claims import source, title
from kerasexp.published.tables import STATUSES, Candidate, StudyRow, candidates, rows_about, study_rows, tally
from kerasexp.published.words import metric_words
from kerasexp.reporting.beside import SYMBOLS, given_words, interval_words, value_words
from kerasexp.reporting.page import templates
from kerasexp.runs import Run

EVERY = "every run"  # heading of what is about no single model
MARKS = {**SYMBOLS, "no check": "○"}


@dataclasses.dataclass(frozen=True)
class Entry:
    """One claim in a table.

    Attributes:
        row: the claim and our runs.
        published, published_interval, ours, ours_interval: as words; empty where there is none.
        beside: what runs that are not comparable gave: whose they are, and the mean.
        note: why the verdict is what it is, or why there is none.
    """

    row: StudyRow
    published: str
    published_interval: str
    ours: str
    ours_interval: str
    beside: tuple[tuple[str, str], ...]
    note: str

    @property
    def status(self) -> str:
        return self.row.status

    @property
    def model(self) -> str:
        return self.row.claim.model or " · ".join(self.row.claim.compares) or EVERY

    @property
    def mark(self) -> str:
        return MARKS[self.status]


@dataclasses.dataclass(frozen=True)
class Table:
    """Claims that the study gave under one heading.

    Attributes:
        title: the heading.
        sources: where its numbers stand and how they were measured, each once.
        kind: `numbers` (a line per metric, a column per model), `matrix` (a line per true class, a column per predicted
            one) or `statements`.
        heads: headings of the columns.
        lines: heading and cells; None where there is no claim.
        tally: how many claims have which status.
        provisional: how many verdicts are of fewer than three seeds.
        differing: those that were not reproduced.
        faults: of the recipes behind those.
        undecided: reasons why others could not be told, and how many share each.
    """

    title: str
    sources: tuple[str, ...]
    kind: str
    heads: tuple[str, ...]
    lines: tuple[tuple[str, tuple[Entry | None, ...]], ...]
    tally: dict[str, int]
    provisional: int
    differing: tuple[Entry, ...]
    faults: tuple[str, ...]
    undecided: tuple[tuple[str, int], ...]


def write_study(
    study: str,
    runs: Sequence[Run],
    folder: Path,
    plan: Sequence[Mapping[str, Any]] | None = None,
    models: Collection[str] | None = None,
) -> tuple[Path, list[StudyRow]]:
    """Writes `study.html` and `study.json`: every claim of a study beside our runs, and its questions answered.

    Args:
        study: its name.
        runs: any runs, finished or not; those of other studies are left out.
        folder: takes the files; it is made if it is missing.
        plan: what was to be run, in order: `run` (in words), `what` became of it, `reason` (empty where all went well),
            `folder` (of the run, or None) and `seconds` of training (or None).
        models: the models that are asked for, as `Claim.model` names them; claims and questions about others are left
            out. All by default.

    Returns:
        The path of `study.html`, and the claims in it beside our runs.

    Raises:
        UsageError: for an unknown study.
        DataError: if a run folder is damaged, or the folder cannot be written to.
    """
    known = candidates(study, runs)
    rows = study_rows(study, known)
    found = answers(study, rows, known)
    if models is not None:
        rows = rows_about(models, rows)
        found = [one for one in found if not {*models}.isdisjoint(one.question.columns)]
    content = {
        "study": study,
        "title": title(study),
        "source": source(study),
        "tally": tally(rows),
        "claims": len(rows),
        "models": None if models is None else sorted(models),
        "runs": _runs(rows, known),
        "plan": [dict(one) for one in plan or ()],
    }
    tables = _tables(rows, _class_names(runs))
    page = templates().get_template("study.html")
    text = page.render(
        **content,
        statuses=STATUSES,
        marks=MARKS,
        answers=found,
        tables=tables,
        cells=_cells(tables),
        few={row.claim: row.verdict.provisional for row in rows if row.verdict},
        behind=behind_the_tally(rows),
        provisional={table.title: table.provisional for table in tables},
        faults=_faults(rows),
        reasons=_why_not(rows),
        remarks=tuple(dict.fromkeys(remark for row in rows for remark in row.remarks)),
        metric_words=metric_words,
        interval_words=interval_words,
        value_words=value_words,
        number=_number,
    )
    path = folder / "study.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files.write_text(path, text.encode("utf-8", "replace").decode())  # folder names may be no valid Unicode
        content |= {"questions": [_answer_json(one) for one in found], "rows": [row_json(row) for row in rows]}
        files.write_json(folder / "study.json", content)
    except OSError as error:
        raise DataError(f"{folder} cannot be written to: {error.strerror}. Choose another folder with --out.") from None
    return path, rows


def behind_the_tally(rows: Sequence[StudyRow]) -> list[str]:
    """What a reader of the numbers of verdicts should know of them, in sentences; none where there is nothing."""
    reproduced = [row.claim.scope for row in rows if row.status == "reproduced"]
    few = _provisional(rows)
    sentences = [given_words(reproduced)]
    if few:
        sentences.append(f"{few:,} verdict{'s are' if few > 1 else ' is'} provisional: of one or two seeds.")
    return [sentence for sentence in sentences if sentence]


def row_json(row: StudyRow) -> dict[str, Any]:
    """A row as `study.json` holds it; what its runs ran stands there once, in `runs`."""
    claim = row.claim.model_dump(mode="json", exclude_defaults=True, exclude={"check", "contrasts"})
    return {
        "claim": {"what": row.claim.what, **claim},
        "status": row.status,
        "published": row.published,
        "published_interval": row.published_interval,
        "ours": row.ours,
        "ours_interval": row.ours_interval,
        "verdict": dataclasses.asdict(row.verdict) if row.verdict else None,
        "reasons": row.reasons,
        "comparable": [{"run": one.run, "seed": one.seed, "value": one.value} for one in row.comparable],
        "others": [{"run": one.run, "value": one.value, "reasons": one.reasons} for one in row.others],
        "faults": row.faults,
        "remarks": row.remarks,
    }


def _answer_json(answer: Answer) -> dict[str, Any]:
    question = answer.question
    numbers = [
        {
            "metric": metric,
            "what": metric_words(metric),
            "models": [
                {
                    "model": cell.model,
                    "published": cell.claim.value if cell.claim else None,
                    "ours": cell.ours,
                    "ours_interval": cell.ours_interval,
                    "runs": cell.seeds,
                    "status": cell.status,
                    "reasons": cell.reasons,
                }
                for cell in cells
            ],
        }
        for metric, cells in answer.numbers
    ]
    statements = [
        {"text": row.claim.text, "status": row.status, "reason": _note(row), "note": row.claim.note}
        for row in answer.statements
    ]
    return {
        "question": question.question,
        "answer_of_the_study": question.answer,
        "answered": answer.answered,
        "numbers": numbers,
        "statements": statements,
        "tables": [{"title": name, "tally": counts} for name, counts in answer.tables],
    }


def _runs(rows: Sequence[StudyRow], known: Sequence[Candidate]) -> list[dict[str, Any]]:
    """Every run of the study, how many claims it decides, and why not those about its whole training."""
    decides: Counter[str] = Counter()
    reasons: dict[str, dict[str, None]] = {}
    for row in rows:
        if row.claim.scope != "several":
            decides.update(one.run for one in row.comparable)
        if row.claim.scope == "training":
            for one in row.others:
                reasons.setdefault(one.run, {}).update(dict.fromkeys(one.reasons))
    found = []
    for candidate in known:
        ran, run = candidate.experiment, str(candidate.run)
        why = list(reasons.get(run, ()))
        if candidate.variants is None:
            why = ["no published number is about this model alone"]
        elif not decides[run] and not why:
            why = ["another run with the same seed counts"]
        labels = {"experiment": ran.name, "variants": ran.variants, "recipe": ran.recipe, "seed": ran.seed}
        found.append({"run": run, **labels, "data": candidate.data, "comparable": decides[run], "reasons": why})
    return sorted(found, key=lambda one: (one["experiment"], one["variants"], one["recipe"], one["seed"]))


def _class_names(runs: Sequence[Run]) -> dict[str, Sequence[str]]:
    """The classes of each data set that was run, by its name."""
    data = [run.manifest.get("data", {}) for run in runs]
    return {one["name"]: one["class_names"] for one in data if one.get("class_names")}


def _tables(rows: Sequence[StudyRow], class_names: Mapping[str, Sequence[str]]) -> list[Table]:
    """Statements first, then the numbers by the study's own tables, in the order of its file."""
    of_title: dict[str, list[StudyRow]] = {}
    for row in rows:
        of_title.setdefault(row.claim.table, []).append(row)
    found = []
    for name, members in of_title.items():
        if name == "Statements":
            found.append(_statements(members))
        elif _is_matrix(members):
            found.append(_matrix(name, members, class_names))
        else:
            found.append(_numbers(name, members))
    return sorted(found, key=lambda table: table.kind != "statements")


def _cells(tables: Sequence[Table]) -> dict[str, int]:
    """How many cells of confusion matrices have which status: most are near 0, and easy to meet."""
    found: Counter[str] = Counter()
    for table in tables:
        if table.kind == "matrix":
            found.update(table.tally)
    return {status: found[status] for status in STATUSES if found[status]}


def _numbers(name: str, rows: Sequence[StudyRow]) -> Table:
    entries = [_entry(row) for row in rows]
    heads = tuple(dict.fromkeys(entry.model for entry in entries))
    counts = Counter((entry.row.claim.what, entry.model) for entry in entries)
    twice = {what for (what, _), count in counts.items() if count > 1}  # from two sources
    lines: dict[tuple[str, str], dict[str, Entry]] = {}
    for entry in entries:
        what = entry.row.claim.what
        lines.setdefault((what, entry.row.claim.source if what in twice else ""), {})[entry.model] = entry
    shown = tuple(
        (f"{what} · {where}" if where else what, tuple(cells.get(head) for head in heads))
        for (what, where), cells in lines.items()
    )
    return _table(name, "numbers", heads, shown, entries)


def _statements(rows: Sequence[StudyRow]) -> Table:
    entries = [_entry(row) for row in rows]
    return _table("Statements", "statements", (), tuple((entry.row.claim.text, (entry,)) for entry in entries), entries)


def _is_matrix(rows: Sequence[StudyRow]) -> bool:
    """Whether these are all cells of one confusion matrix."""
    if not all(row.claim.metric.startswith("test.confusion.") for row in rows):
        return False
    cells = {tuple(row.claim.metric.split(".")[2:]) for row in rows}
    return len(rows) == len(cells) == len({true for true, _ in cells}) ** 2


def _matrix(name: str, rows: Sequence[StudyRow], class_names: Mapping[str, Sequence[str]]) -> Table:
    entries = [_entry(row) for row in rows]
    classes = sorted({int(row.claim.metric.split(".")[2]) for row in rows})
    names = class_names.get(rows[0].claim.data) or [str(number) for number in classes]
    cells = {tuple(map(int, entry.row.claim.metric.split(".")[2:])): entry for entry in entries}
    lines = tuple((names[true], tuple(cells.get((true, other)) for other in classes)) for true in classes)
    return _table(name, "matrix", tuple(names[number] for number in classes), lines, entries)


def _table(
    name: str,
    kind: str,
    heads: tuple[str, ...],
    lines: tuple[tuple[str, tuple[Entry | None, ...]], ...],
    entries: Sequence[Entry],
) -> Table:
    differing = () if kind == "statements" else tuple(one for one in entries if one.status == "not reproduced")
    where = ("; ".join(filter(None, (one.row.claim.source, one.row.claim.protocol))) for one in entries)
    reasons = [one.row.verdict.reason for one in entries if one.row.verdict and one.status == "cannot tell"]
    undecided = Counter(map(gist, reasons))
    return Table(
        name,
        () if kind == "statements" else tuple(dict.fromkeys(where)),
        kind,
        heads,
        lines,
        tally(one.row for one in entries),
        _provisional(one.row for one in entries),
        differing,
        tuple(dict.fromkeys(fault for one in differing for fault in one.row.faults)),
        tuple(undecided.most_common()) if kind != "statements" else (),
    )


def _entry(row: StudyRow) -> Entry:
    return Entry(
        row,
        value_words(row.claim, row.published),
        interval_words(row.claim, row.published_interval),
        "" if row.ours is None else value_words(row.claim, row.ours),
        interval_words(row.claim, row.ours_interval),
        _beside(row),
        _note(row),
    )


def _beside(row: StudyRow) -> tuple[tuple[str, str], ...]:
    """Means of the runs that are not comparable, by recipe, or by data where the recipe is the study's own."""
    values: dict[str, list[float]] = {}
    for one in row.others:
        if one.value is not None:
            other = Path(one.data).stem if row.claim.data != one.data else "other settings"
            values.setdefault(one.recipe if one.recipe != "published" else other, []).append(one.value)
    return tuple((whose, value_words(row.claim, sum(of) / len(of))) for whose, of in values.items())


def _note(row: StudyRow) -> str:
    """Why the verdict is what it is, or why there is none."""
    if row.verdict is None:
        return "; ".join(reason.removesuffix(".") for reason in row.reasons)
    return ", ".join(filter(None, (row.verdict.reason, row.verdict.provisional)))


def gist(reason: str) -> str:
    """What several claims share of a reason: the part before the claim's own numbers."""
    return reason.partition(":")[0]


def _provisional(rows: Iterable[StudyRow]) -> int:
    return sum(bool(row.verdict and row.verdict.provisional) for row in rows)


def _faults(rows: Sequence[StudyRow]) -> list[tuple[str, str, int]]:
    """The faults of the recipes behind our numbers: name, what it does, and how many differing claims carry it."""
    touched = dict.fromkeys(itertools.chain.from_iterable(row.faults for row in rows))
    differ = [row for row in rows if row.status == "not reproduced"]
    return [(name, FAULTS[name].explanation, sum(name in row.faults for row in differ)) for name in touched]


def _why_not(rows: Sequence[StudyRow]) -> list[tuple[str, int]]:
    """Why claims have no verdict, and how many share each reason, the most frequent first."""
    counts = Counter(reason for row in rows if row.status == "not comparable" for reason in row.reasons)
    return counts.most_common()


def _number(claim: Any, metric: str, value: float | None) -> str:
    """A number of ours as its claim is written, or by the kind of its metric where nobody published it."""
    if value is None:
        return "–"
    if claim is not None:
        return value_words(claim, value)
    if "accuracy" in metric and "reaches" not in metric and ".epoch." not in metric:
        return f"{100 * value:.2f} %"
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) > 1 else f"{value:.4f}"
