"""`kerasexp list`."""

from __future__ import annotations

from typing import Any

from kerasexp.commands.options import Debug, Json
from kerasexp.commands.output import print_json, print_table


def list_experiments(json: Json = False, debug: Debug = False) -> None:
    """The experiments with their recipes, variants and measured results.

    [bold]Examples[/]

      kerasexp list
      kerasexp list --json
    """
    from kerasexp.workflows import describe

    experiments = describe.list_experiments()
    if json:
        print_json(experiments)
        return
    rows = []
    for experiment in experiments:
        first = [experiment["name"], experiment["data"]]
        for recipe in experiment["recipes"]:
            rows.append([*first, recipe["name"], " ".join(recipe["variants"]), _measured(recipe["measured"])])
            first = ["", ""]
    print_table(["experiment", "data", "recipe", "variants", "measured"], rows)


def _measured(results: list[dict[str, Any]]) -> str:
    return "; ".join(map(describe_measured, results)) or "not measured"


def describe_measured(result: dict[str, Any]) -> str:
    """A recipe's own result in one line.

    Example:

    >>> describe_measured({"metric": "macro F1", "mean": 0.953, "spread": 0.001, "seeds": 3, "seconds": 190,
    ...                    "hardware": "2 cores", "data": "kmnist"})
    'macro F1 0.953 ± 0.001 on kmnist (3 seeds, 190 s each, 2 cores)'
    """
    spread = f" ± {result['spread']:g}" if result["spread"] is not None else ""
    each = " each" if result["seeds"] > 1 else ""
    runs = f"{result['seeds']} seed{'s'[: result['seeds'] > 1]}, {result['seconds']:,.0f} s{each}"
    return f"{result['metric']} {result['mean']:g}{spread} on {result['data']} ({runs}, {result['hardware']})"
