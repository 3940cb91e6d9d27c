"""`kerasexp tune`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from kerasexp.commands.options import (
    Augment,
    Cluster,
    CpusPerRun,
    DataDir,
    Debug,
    Experiment,
    Json,
    MaxTimeOfAll,
    Offline,
    Precision,
    Set,
    Variant,
)
from kerasexp.commands.output import print_json, print_table


def tune(
    experiment: Experiment,
    space: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="What to vary, a YAML file. Default: the experiment's own",
            rich_help_panel="What to run",
        ),
    ] = None,
    tuner: Annotated[
        Literal["random", "bayesian", "hyperband", "grid"],
        typer.Option(
            metavar="NAME",
            help="How trials are chosen: [bold]random[/], [bold]bayesian[/], [bold]grid[/], or [bold]hyperband[/], "
            "which trains many briefly and the best of them on.",
            rich_help_panel="What to run",
        ),
    ] = "random",
    trials: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="At the most. Default: 20 (random, bayesian), else as many as there are",
            rich_help_panel="How long",
        ),
    ] = None,
    max_time: MaxTimeOfAll = None,
    epochs: Annotated[
        int | None,
        typer.Option(metavar="N", help="Of each trial, at the most.", rich_help_panel="How long"),
    ] = None,
    keep: Annotated[
        int,
        typer.Option(metavar="K", help="How many of the best trials keep their models.", rich_help_panel="Output"),
    ] = 3,
    recipe: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What is varied. Default: [bold]sound[/], which validates on images of its own.",
            rich_help_panel="What to run",
        ),
    ] = None,
    variant: Variant = None,
    augment: Augment = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="NAME_OR_PATH",
            help="Other data: a catalog name ([bold]kerasexp data list[/]), an .npz, or a folder of class folders.",
            rich_help_panel="Data",
        ),
    ] = None,
    data_dir: DataDir = None,
    offline: Offline = False,
    seed: Annotated[
        int | None,
        typer.Option(metavar="N", help="Of all trials and of the search.", rich_help_panel="What to run"),
    ] = None,
    precision: Precision = None,
    set_: Set = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Of the search. Default: one in searches, named after what decides it",
            rich_help_panel="Output",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Trials trained at a time, a process each. Default: 1, or as many as a cluster has room for",
            rich_help_panel="Where to run",
        ),
    ] = None,
    cluster: Cluster = None,
    cpus_per_run: CpusPerRun = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Searches for better settings, judged on validation images alone.

    A search that was stopped or killed goes on with the same command, and no finished trial is repeated.

    [bold]Examples[/]

      [dim]# no download: twenty random trials of three epochs on the bundled digits[/]
      kerasexp tune kmnist_fcnn --data mnist5k --epochs 3

      [dim]# many short trainings, the best of them go on; for two hours[/]
      kerasexp tune kmnist_cnn --tuner hyperband --epochs 27 --max-time 2h

      [dim]# the four configurations of the study[/]
      kerasexp tune cifar10_cnnv3 --tuner grid

      [dim]# on all machines of a Ray cluster[/]
      kerasexp tune kmnist_fcnn --cluster auto --out /shared/searches/fcnn
    """
    from kerasexp.workflows.tune import tune

    content = tune(
        experiment,
        space=space,
        tuner=tuner,
        trials=trials,
        max_time=max_time,
        keep=keep,
        recipe=recipe,
        variant=variant or (),
        augment=augment,
        data=data,
        data_dir=data_dir,
        offline=offline,
        epochs=epochs,
        seed=seed,
        precision=precision,
        set=set_ or (),
        out=out,
        workers=workers,
        cluster=cluster,
        cpus_per_run=cpus_per_run,
    )
    if json:
        print_json(content)
        return
    _show(content)


ROWS = 10  # of the best trials
COLUMNS = 4  # settings that are shown of each: more belong on the page


def _show(content: dict[str, Any]) -> None:
    from kerasexp.training.progress import duration
    from kerasexp.workflows.tuning_progress import settings_text

    complete = [row for row in content["trials"] if row["status"] == "complete"]
    failed = sum(row["status"] == "failed" for row in content["trials"])
    words = f"{content['experiment']} {content['tuner']}: {content['status']}, {len(complete)} trials"
    print(words + (f", {failed} failed" if failed else ""))
    importance = content["importance"] or {"settings": []}
    known = [one["name"] for one in content["space"]]
    names = [one["setting"] for one in importance["settings"] if one["setting"] in known] or known
    shown = f"{COLUMNS} of {len(names)} settings" if len(names) > COLUMNS else "settings"
    rows = [
        [
            row["trial"],
            f"{row['score']:.2%} ({row['interval'][0]:.2%} to {row['interval'][1]:.2%})",
            row["epochs"],
            duration(row["seconds"]),
            settings_text({name: row["values"][name] for name in names[:COLUMNS]}),
        ]
        for row in complete[:ROWS]
    ]
    if rows:
        print_table(["trial", "validation (95 % interval)", "epochs", "time", shown], rows)
        if len(complete) > ROWS:
            print(f"and {len(complete) - ROWS} more")
        if content["others"]:
            print(f"\n{_others(content['others'], content['undecided'])}")
        print(f"to train and test the best settings: kerasexp train {content['recipe']}")
        if content["all_images"]:
            print(f"they leave out training images; with all of them: add{content['all_images']}")
    if content["status"] == "stopped":
        print(f"to go on: {content['command']}")
    print(content["page"])


def _others(others: int, undecided: int) -> str:
    """How sure the best trial is the best."""
    if not undecided:
        return f"The best is better than {'all others' if others > 1 else 'the other'} beyond chance (95 %)."
    return f"{undecided} of the {others} other{'s'[: others != 1]} cannot be told from the best (95 %)."
