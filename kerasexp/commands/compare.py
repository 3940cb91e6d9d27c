"""`kerasexp compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from kerasexp.commands.options import Debug, Json
from kerasexp.commands.output import print_json, print_table, score


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...", help="Run folders; runs/EXPERIMENT stands for the experiment's newest finished run."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Of the page, the JSON and the figures. Default: a new one in comparisons",
            rich_help_panel="Output",
        ),
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Runs side by side: scores, cost, settings, curves, classes, maps.

    No winner is named where the 95 % interval of a difference holds 0.

    [bold]Examples[/]

      kerasexp compare runs/kmnist_cnn runs/kmnist_fcnn
      kerasexp compare runs/kmnist_cnn/20260101T120000-1a2b3c runs/kmnist_cnn/20260102T120000-4d5e6f --out mine
    """
    from kerasexp.workflows.compare import compare

    content = compare(*runs, out=out)
    if json:
        print_json(content)
        return
    _show(content)


def _show(content: dict[str, Any]) -> None:
    from kerasexp.training.progress import duration

    rows = content["runs"]
    names = [f"{number} {row['label']}" for number, row in enumerate(rows, start=1)]
    scores = [
        [name, score(row["test"]["accuracy"], percent=True), score(row["test"]["macro_f1"])]
        for name, row in zip(names, rows, strict=True)
    ]
    print_table(["test images", "accuracy (95 % interval)", "macro F1 (95 % interval)"], scores)
    print()
    others = [
        [
            name,
            *_accuracy_and_loss(row["train"]),
            *_accuracy_and_loss(row["validation"]),
            _best(row),
            f"{row['test']['loss']:.4f}",
        ]
        for name, row in zip(names, rows, strict=True)
    ]
    print_table(["all images", "train", "loss", "validation", "loss", "best (epoch)", "test loss"], others)
    print()
    cost = [
        [
            name,
            f"{row['epochs']:,}",
            duration(row["seconds"]),
            duration(row["seconds_per_epoch"]) if row["seconds_per_epoch"] else "–",
            f"{row['parameters']['total']:,}",
            f"{row['parameters']['trainable']:,}",
        ]
        for name, row in zip(names, rows, strict=True)
    ]
    print_table(["training", "epochs", "time", "per epoch", "parameters", "trainable"], cost)
    if content["settings"]:
        print()
        numbers = [str(number) for number in range(1, len(rows) + 1)]
        settings = [[row["setting"], *map(_value, row["values"])] for row in content["settings"]]
        print_table(["what differs", *numbers], settings)
    print(f"\n{content['conclusion']}")
    print(content["page"])


def _accuracy_and_loss(scores: dict[str, Any] | None) -> list[str]:
    return [f"{scores['accuracy']['value']:.2%}", f"{scores['loss']:.4f}"] if scores else ["–", "–"]


def _best(row: dict[str, Any]) -> str:
    best = row["best_validation"]
    if best is None:
        return "–"
    return f"{best['accuracy']:.2%} ({best['epoch']}){' on test' if row['validated_by'] == 'test' else ''}"


def _value(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:g}" if isinstance(value, float) else str(value)
