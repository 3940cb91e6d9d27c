"""`kerasexp train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from kerasexp.commands.options import (
    Augment,
    DataDir,
    Debug,
    Experiment,
    Json,
    MaxTime,
    Offline,
    Recipe,
    Set,
    Variant,
)
from kerasexp.commands.output import show_run


def train(
    experiment: Experiment,
    recipe: Recipe = None,
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
    epochs: Annotated[
        int | None, typer.Option(metavar="N", help="At the most, instead of the recipe's.", rich_help_panel="How long")
    ] = None,
    max_time: MaxTime = None,
    seed: Annotated[
        int | None,
        typer.Option(metavar="N", help="Instead of the experiment's own.", rich_help_panel="What to run"),
    ] = None,
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"] | None,
        typer.Option(
            help="Instead of the recipe's; auto is bfloat16 where the processor has units for it.",
            rich_help_panel="What to run",
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            help="Of the pretrained part: imagenet, random, or a file.",
            rich_help_panel="Data",
        ),
    ] = None,
    set_: Set = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Of all runs. Default: runs", rich_help_panel="Output")
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Trains an experiment, evaluates it and writes its report.

    Ctrl-C saves and stops; [bold]kerasexp resume[/] goes on from exactly there.

    [bold]Examples[/]

      [dim]# no download, a couple of minutes[/]
      kerasexp train kmnist_cnn --augment 10 --recipe fast --data mnist5k

      [dim]# real KMNIST; then as the study did it, for half an hour[/]
      kerasexp train kmnist_cnn --recipe fast
      kerasexp train kmnist_cnn --augment 10 --max-time 30m

      [dim]# the mistakes repaired, with a rate of one's own[/]
      kerasexp train kmnist_fcnn --recipe sound --set optimizer.learning_rate=0.5
    """
    from kerasexp.workflows.train import train

    run = train(
        experiment,
        recipe=recipe,
        variant=variant or (),
        augment=augment,
        data=data,
        data_dir=data_dir,
        offline=offline,
        epochs=epochs,
        max_time=max_time,
        seed=seed,
        precision=precision,
        weights=weights,
        set=set_ or (),
        out=out,
    )
    show_run(run, as_json=json)
