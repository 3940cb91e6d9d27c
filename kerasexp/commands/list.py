"""`kerasexp list`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kerasexp.commands.options import Debug, Json
from kerasexp.commands.output import print_json, print_table

MEASURED = ["", "on", "seeds", "time each", "machine"]


def list_experiments(json: Json = False, debug: Debug = False) -> None:
    """The experiments with their recipes, variants and measured results.

    A result names its data, seeds, time and machine. Where none stands, nobody
    has measured it.

    [bold]Examples[/]

      kerasexp list
      kerasexp list --json
    """
    from kerasexp.workflows import describe

    experiments = describe.list_experiments()
    if json:
        print_json(experiments)
        return
    rows: list[list[str]] = []
    for study in dict.fromkeys(experiment["study"] for experiment in experiments):
        rows += [["", "", "", ""]] * bool(rows) + [[study, "", "", ""]]
        rows += [_row(experiment) for experiment in experiments if experiment["study"] == study]
    print_table(["study and experiments", "data", "recipes", "variants"], rows)
    print("\nEvery one of them also takes --augment N.\n")
    rows = [
        [f"{experiment['name']} --recipe {recipe['name']}", *row]
        for experiment in experiments
        for recipe in experiment["recipes"]
        for row in measured_rows(recipe["measured"])
    ]
    print_table(["measured so far", *MEASURED], rows)


def _row(experiment: dict[str, Any]) -> list[str]:
    recipes = experiment["recipes"]
    variants = dict.fromkeys(variant for recipe in recipes for variant in recipe["variants"])
    names = [recipe["name"] for recipe in recipes]
    return [f"  {experiment['name']}", experiment["data"], " ".join(names), " ".join(variants)]


def measured_rows(results: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Our own results of a recipe as rows of `MEASURED`, one for each data set.

    Example:

    >>> measured_rows([{"metric": "test.macro.f1", "mean": 0.953, "spread": 0.001, "seeds": 3, "seconds": 190,
    ...                 "hardware": "2 cores", "data": "kmnist"}])
    [['macro F1, test: 0.953 ± 0.001', 'kmnist', '3', '190 s', '2 cores']]
    """
    rows: dict[tuple[str, ...], list[str]] = {}
    for result in results:
        told = result["data"], str(result["seeds"]), f"{result['seconds']:,.0f} s", result["hardware"]
        rows.setdefault(told, []).append(_score(result))
    return [[", ".join(scores), *told] for told, scores in rows.items()]


def _score(result: dict[str, Any]) -> str:
    from kerasexp.published.words import metric_words

    spread = f" ± {result['spread']:g}" if result["spread"] is not None else ""
    return f"{metric_words(result['metric'])}: {result['mean']:g}{spread}"
