"""`kerasexp reproduce`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from kerasexp.commands.options import Cluster, CpusPerRun, DataDir, Debug, Json, MaxTimeOfAll, Offline
from kerasexp.commands.output import print_json, print_table


def reproduce(
    study: Annotated[
        str,
        typer.Argument(
            metavar="STUDY",
            help="deep_kmeans, simple_cnn, cifar_eurosat, kmnist, vgg16_beans, or [bold]all[/].",
        ),
    ],
    recipe: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="How the experiments are trained; only [bold]published[/] is comparable with the claims.",
            rich_help_panel="What to run",
        ),
    ] = "published",
    seeds: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Runs of each experiment: with its seed, the next one, and so on; three show how far it varies.",
            rich_help_panel="What to run",
        ),
    ] = 1,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="An experiment with all its variants, experiment:variant, [bold]experiment:[/] for the one without "
            "variants, or a data set; may be given more than once.",
            rich_help_panel="What to run",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="NAME_OR_PATH",
            help="Other data instead of the study's; not comparable with its claims.",
            rich_help_panel="Data",
        ),
    ] = None,
    data_dir: DataDir = None,
    offline: Offline = False,
    max_time: MaxTimeOfAll = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Of all runs and the pages. Default: runs", rich_help_panel="Output"),
    ] = None,
    cluster: Cluster = None,
    cpus_per_run: CpusPerRun = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Runs what a study ran and says of every published claim whether it is reproduced.

    Finished runs are reused. Ctrl-C saves and stops; the same command goes on from exactly there.

    [bold]Examples[/]

      kerasexp reproduce kmnist --only kmnist_fcnn --seeds 3
      kerasexp reproduce cifar_eurosat --only cifar10 --max-time 2h
      kerasexp reproduce vgg16_beans --only beans_vgg16_finetune:block5
      kerasexp reproduce all --seeds 3 --cluster auto
    """
    from kerasexp.workflows.reproduce import reproduce

    content = reproduce(
        study,
        recipe=recipe,
        seeds=seeds,
        only=only or (),
        max_time=max_time,
        data=data,
        data_dir=data_dir,
        offline=offline,
        out=out,
        cluster=cluster,
        cpus_per_run=cpus_per_run,
    )
    if json:
        print_json(content)
        return
    for number, one in enumerate(content["studies"]):
        if number:
            print()
        _show(one)


def _show(study: dict[str, Any]) -> None:
    """Prints a row per claim with a verdict, why the others have none, and last the path of the page."""
    columns = ("model", "claim", "published", "ours", "verdict", "why")
    rows, before = [], None
    for line in study["lines"]:
        rows.append([line[column] if column != "model" or line["model"] != before else "" for column in columns])
        before = line["model"]
    if rows:
        print_table([study["study"], *columns[1:]], rows)
        print()
    faults: dict[str, dict[str, None]] = {}
    for line in study["lines"]:
        faults.setdefault(line["model"], {}).update(dict.fromkeys(line["faults"]))
    for model, names in faults.items():
        if names:
            print(f"faults that may explain the differences of {model}: {', '.join(names).replace('_', ' ')}")
    for reason, count in study["without"].items():
        print(f"{count:,} claim{'s'[: count != 1]} without a verdict: {reason}")
    print(f"{study['study']}: " + ", ".join(f"{count:,} {status}" for status, count in study["tally"].items()))
    for run in study["plan"]:
        if run["reason"]:
            print(f"{run['run']}: {run['what']}, {run['reason']}")
    print(study["page"])
