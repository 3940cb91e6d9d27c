"""`kerasexp list`."""

from __future__ import annotations

from typing import Any

from kerasexp.commands.options import Debug, Json
from kerasexp.commands.output import print_json, print_table


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
    print("\nEvery one of them also takes --augment N. Measured so far:")
    for experiment in experiments:
        for recipe in experiment["recipes"]:
            for result in recipe["measured"]:
                print(f"  {experiment['name']} --recipe {recipe['name']}: {describe_measured(result)}")


def _row(experiment: dict[str, Any]) -> list[str]:
    recipes = experiment["recipes"]
    variants = dict.fromkeys(variant for recipe in recipes for variant in recipe["variants"])
    names = [recipe["name"] for recipe in recipes]
    return [f"  {experiment['name']}", experiment["data"], " ".join(names), " ".join(variants)]


def describe_measured(result: dict[str, Any]) -> str:
    """A recipe's own result in one line.

    Example:

    >>> describe_measured({"metric": "test.macro.f1", "mean": 0.953, "spread": 0.001, "seeds": 3, "seconds": 190,
    ...                    "hardware": "2 cores", "data": "kmnist"})
    'macro F1, test: 0.953 ± 0.001 on kmnist (3 seeds, 190 s each, 2 cores)'
    """
    from kerasexp.published.words import metric_words

    spread = f" ± {result['spread']:g}" if result["spread"] is not None else ""
    each = " each" if result["seeds"] > 1 else ""
    runs = f"{result['seeds']} seed{'s'[: result['seeds'] > 1]}, {result['seconds']:,.0f} s{each}"
    score = f"{metric_words(result['metric'])}: {result['mean']:g}{spread}"
    return f"{score} on {result['data']} ({runs}, {result['hardware']})"
