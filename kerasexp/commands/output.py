"""Results on standard output: tables for a person, JSON for a program."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kerasexp.runs import Run

GAP = 3  # characters between two columns
SHORT = 12  # characters of a word, such as a number, that is broken last
WORD = re.compile(r"^\s*\S+|\S+")  # an indented one with its indentation


def print_json(content: Any) -> None:
    """Prints `content` as indented JSON."""
    print(json.dumps(content, indent=2, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Prints a table. Columns of numbers are aligned to the right.

    In a terminal cells are broken so that the table fits: between words, where that is not enough within long words,
    and only then within names in the first column. In a file or pipe no line is broken.
    """
    from rich import box
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table

    rows = [[str(cell) for cell in row] for row in rows]
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    texts = [[column, *(row[number] for row in rows)] for number, column in enumerate(columns)]
    widths = [max(1, *map(cell_len, of_column)) for of_column in texts]
    if sys.stdout.isatty():
        words = [[cell_len(word) for text in of_column for word in WORD.findall(text)] for of_column in texts]
        least = [max(of_column, default=0) for of_column in words]
        widths = _narrowed(widths, least, Console().width - GAP * (len(columns) - 1))
    for number, column in enumerate(columns):
        cells = [row[number] for row in rows if row[number]]
        numbers = bool(cells) and all(cell.replace(",", "").replace(".", "").isdigit() for cell in cells)
        table.add_column(column, justify="right" if numbers else "left", overflow="fold", width=widths[number])
    for row in rows:
        table.add_row(*row)
    Console(markup=False, highlight=False, width=sum(widths) + GAP * (len(widths) - 1)).print(table)


def _narrowed(widths: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """The widths of columns that fit into `room`; `least` is the longest word of each."""
    narrowed = list(widths)
    short = [least[0], *(min(SHORT, width) for width in least[1:])]
    for floor in (least, short, [1] * len(widths)):
        while sum(narrowed) > room and (wider := [n for n, width in enumerate(narrowed) if width > floor[n]]):
            narrowed[max(wider, key=narrowed.__getitem__)] -= 1
    return narrowed


def summary(run: Run) -> dict[str, Any]:
    """What a run came to, from its folder: the content of `--json`."""

    manifest = run.manifest
    kept = ("experiment", "recipe", "variants", "seed", "status", "stop_reason", "epochs_run", "seconds", "images_seen")
    result: dict[str, Any] = {"run": str(run), **{key: manifest.get(key) for key in kept}}
    result["feature_seconds"] = run.feature_seconds
    if run.path("metrics.json").exists():
        metrics = run.metrics
        test = metrics["weights"][metrics["table_weights"]]["test"]
        result["weights"] = metrics["table_weights"]
        result["test"] = {"n": test["n"]}
        if "accuracy" in test:  # images without labels have none
            result["test"] |= {"accuracy": test["accuracy"], "macro_f1": test["macro"]["f1"]}
        if "clustering" in metrics:
            clusters = {"clusters": metrics["clustering"]["clusters"], "clusters_used": test["clusters_used"]}
            result["test"] |= clusters | {name: test[name] for name in ("nmi", "ari", "silhouette") if name in test}
    report = run.path("report.html")
    return {**result, "report": str(report) if report.exists() else None}


def show_run(run: Run, as_json: bool) -> None:
    """Prints how a run ended, its test scores, and last the path of its report."""
    from kerasexp.training.progress import duration

    result = summary(run)
    if as_json:
        print_json(result)
        return
    words = [result["experiment"], result["recipe"], *result["variants"]]
    reason = f" ({result['stop_reason']})" if result["stop_reason"] else ""
    epochs = result["epochs_run"]
    features = f"{duration(result['feature_seconds'])} of features, " if result["feature_seconds"] else ""
    spent = f"{epochs:,} epoch{'s'[: epochs != 1]}, {features}{duration(result['seconds'])} of training"
    print(f"{' '.join(words)}: {result['status']}{reason}, {spent}")
    if "test" in result:
        print(f"{_scores(result['test'])}, n = {result['test']['n']:,}")
    if result["status"] == "stopped":
        print(f"to go on: kerasexp resume {run}")
    print(result["report"] or result["run"])


def _scores(test: dict[str, Any]) -> str:
    """What a run came to, in one line."""
    told = []
    if "clusters" in test:
        told.append(f"{test['clusters_used']} of {test['clusters']} clusters used")
    if "accuracy" in test:
        of = "accuracy of the mapped labels" if "clusters" in test else "test accuracy"
        told.append(f"{of} {score(test['accuracy'], percent=True)}, macro F1 {score(test['macro_f1'])}")
    told += [f"{name} {test[key]:.4f}" for key, name in (("nmi", "NMI"), ("ari", "ARI")) if key in test]
    if test.get("silhouette") is not None:
        told.append(f"silhouette {test['silhouette']:.4f}")
    return ", ".join(told)


def score(measure: dict[str, Any], percent: bool = False) -> str:
    """A value with its 95 % interval, e.g. `0.953 (0.949 to 0.957)`."""
    low, high = measure["interval"]
    if percent:
        return f"{measure['value']:.2%} ({low:.2%} to {high:.2%})"
    return f"{measure['value']:.4f} ({low:.4f} to {high:.4f})"
