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
            metavar="RUN...",
            help="Run folders; runs/EXPERIMENT stands for the experiment's newest finished run and the other seeds of "
            "its group.",
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
    data_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where the data lies whose changed images are shown. Default: where the runs found it",
            rich_help_panel="Data",
        ),
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Runs side by side: scores, paired tests, cost, settings, changed images, curves, classes, maps.

    Runs of equal settings with different seeds become one line, their mean.

    No winner is named inside the noise: paired tests on the same images, Holm's correction, seeds.

    [bold]Examples[/]

      kerasexp compare runs/kmnist_cnn runs/kmnist_fcnn
      kerasexp compare runs/kmnist_cnn/20260101* runs/kmnist_fcnn --out mine
    """
    from kerasexp.workflows.compare import compare

    content = compare(*runs, out=out, data_dir=data_dir)
    if json:
        print_json(content)
        return
    _show(content)


def _show(content: dict[str, Any]) -> None:
    rows = {f"{number} {row['label']}": row for number, row in enumerate(content["entries"], start=1)}
    _show_test_images(rows)
    if content["pairs"]:
        number = {row["label"]: place for place, row in enumerate(content["entries"], start=1)}
        pairs = [_pair(pair, number) for pair in content["pairs"]]
        print_table(["pair", "difference in points (95 % interval)", "alone right", "p, corrected", "better"], pairs)
        print()
    _show_all_images(rows)
    _show_cost(rows)
    if content["settings"]:
        numbers = [str(number) for number in range(1, len(rows) + 1)]
        settings = [[row["setting"], *map(_value, row["values"])] for row in content["settings"]]
        print_table(["what differs", *numbers], settings)
        print()
    for row in content["runs"]:
        if row["status"] != "complete":
            after = f"{row['epochs']:,} epoch{'s'[: row['epochs'] != 1]}"
            print(f"{row['label']} was {row['status']} after {after}: its numbers are not those of the whole training.")
    print(content["conclusion"])
    print(content["page"])


def _show_test_images(rows: dict[str, dict[str, Any]]) -> None:
    """The scores; of groups their spread between seeds, of clusterings what needs no map to the labels."""
    scores = [
        [name, score(row["test"]["accuracy"], percent=True), score(row["test"]["macro_f1"])]
        for name, row in rows.items()
    ]
    print_table(["test images", "accuracy (95 % interval)", "macro F1 (95 % interval)"], scores)
    print()
    seeds = [[name, *_spread(row)] for name, row in rows.items() if len(row["seeds"]) > 1]
    if seeds:
        print_table(["accuracy between seeds", "seeds", "standard deviation", "lowest to highest"], seeds)
        print()
    clusterings = [
        [name, f"{row['test']['nmi']:.4f}", f"{row['test']['ari']:.4f}"]
        for name, row in rows.items()
        if "nmi" in row["test"]
    ]
    if clusterings:
        print_table(["clusters", "NMI", "ARI"], clusterings)
        print()


def _show_all_images(rows: dict[str, dict[str, Any]]) -> None:
    shown = [
        [
            name,
            *_accuracy_and_loss(row["train"]),
            *_accuracy_and_loss(row["validation"]),
            _best(row),
            f"{row['test']['loss']:.4f}",
        ]
        for name, row in rows.items()
    ]
    print_table(["all images", "train", "loss", "validation", "loss", "best (epoch)", "test loss"], shown)
    print()


def _show_cost(rows: dict[str, dict[str, Any]]) -> None:
    from kerasexp.training.progress import duration

    features = any(row["feature_seconds"] for row in rows.values())
    cost = [
        [
            name,
            f"{row['epochs']:,}",
            *([duration(row["feature_seconds"])] if features else []),
            duration(row["seconds"]),
            duration(row["seconds_per_epoch"]) if row["seconds_per_epoch"] else "–",
            f"{row['parameters']['total']:,}",
            f"{row['parameters']['trainable']:,}",
        ]
        for name, row in rows.items()
    ]
    print_table(
        ["training", "epochs", *["features, once"][:features], "time", "per epoch", "parameters", "trainable"], cost
    )
    print()


def _accuracy_and_loss(scores: dict[str, Any] | None) -> list[str]:
    return [f"{scores['accuracy']['value']:.2%}", f"{scores['loss']:.4f}"] if scores else ["–", "–"]


def _best(row: dict[str, Any]) -> str:
    best = row["best_validation"]
    if best is None:
        return "–"
    epoch = f" ({best['epoch']})" if best["epoch"] else ""
    return f"{best['accuracy']:.2%}{epoch}{' on test' if row['validated_by'] == 'test' else ''}"


def _spread(row: dict[str, Any]) -> list[str]:
    accuracy = row["test"]["accuracy"]
    spread = f"{accuracy['lowest']:.2%} to {accuracy['highest']:.2%}"
    return [", ".join(map(str, row["seeds"])), f"{accuracy['deviation']:.2%}", spread]


def _pair(pair: dict[str, Any], number: dict[str, int]) -> list[str]:
    name = f"{number[pair['first']]} − {number[pair['second']]}"
    if not pair["comparable"]:
        return [name, "–", "–", "–", pair["verdict"]]
    low, high = pair["interval"]
    corrected = "< 0.0001" if pair["corrected_p"] < 0.0001 else f"{pair['corrected_p']:.4f}"
    return [
        name,
        f"{100 * pair['difference']:+.2f} ({100 * low:+.2f} to {100 * high:+.2f})",
        f"{pair['only_first']:,} : {pair['only_second']:,}",
        corrected,
        str(number.get(pair["verdict"], pair["verdict"])),
    ]


def _value(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, list):
        return ", ".join(map(_value, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
