"""`kerasexp train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from kerasexp.commands.options import (
    Augment,
    Cluster,
    CpusPerRun,
    DataDir,
    Debug,
    Devices,
    Experiment,
    Json,
    MaxTime,
    Offline,
    Precision,
    Recipe,
    Set,
)
from kerasexp.commands.output import print_json, print_table, show_run
from kerasexp.errors import KerasexpError, UsageError


def train(
    experiment: Experiment,
    recipe: Recipe = None,
    variant: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A published row that differs in one setting; may be given more than once. "
            "[bold]all[/]: each of them, one after the other.",
            rich_help_panel="What to run",
        ),
    ] = None,
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
    seeds: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="So many runs: with the seed, the next one, and so on; mean and spread at the end.",
            rich_help_panel="What to run",
        ),
    ] = None,
    precision: Precision = None,
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            help="Of the pretrained part: imagenet, random, or a file.",
            rich_help_panel="Data",
        ),
    ] = None,
    set_: Set = None,
    devices: Devices = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Of all runs. Default: runs", rich_help_panel="Output")
    ] = None,
    cluster: Cluster = None,
    cpus_per_run: CpusPerRun = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Trains an experiment, evaluates it and writes its report.

    Ctrl-C saves and stops; [bold]kerasexp resume[/] goes on from exactly there.
    With [bold]--seeds[/] or [bold]--variant all[/] the same command does: what is finished is
    not run again.

    [bold]Examples[/]

      [dim]# no download, a few minutes[/]
      kerasexp train kmnist_cnn --recipe fast --data mnist5k --epochs 6

      [dim]# real KMNIST; then as the study did it, for half an hour[/]
      kerasexp train kmnist_cnn --recipe fast
      kerasexp train kmnist_cnn --augment 10 --max-time 30m

      [dim]# the mistakes repaired, with a rate of one's own[/]
      kerasexp train kmnist_fcnn --recipe sound --set optimizer.learning_rate=0.5

      [dim]# how far the result varies; what the settings of a study do[/]
      kerasexp train kmnist_fcnn --recipe fast --seeds 3
      kerasexp train cifar10_cnnv3 --variant all --seeds 3 --cluster auto
    """
    from kerasexp.training.devices import read_cluster
    from kerasexp.workflows.group import ALL, train_group
    from kerasexp.workflows.train import train

    words: dict[str, Any] = {
        "recipe": recipe,
        "variant": variant or (),
        "augment": augment,
        "data": data,
        "data_dir": data_dir,
        "offline": offline,
        "epochs": epochs,
        "max_time": max_time,
        "seed": seed,
        "precision": precision,
        "weights": weights,
        "set": set_ or (),
        "out": out,
    }
    if seeds is None and ALL not in (variant or ()) and cluster is None and cpus_per_run is None:
        show_run(train(experiment, devices=devices, **words), as_json=json)
    else:
        if devices is not None or read_cluster() is not None:
            raise UsageError(
                "--devices and TF_CONFIG are for one run: leave them out, or --seeds, --variant all and --cluster."
            )
        words |= {"cluster": cluster, "cpus_per_run": cpus_per_run}
        _show_group(train_group(experiment, seeds=1 if seeds is None else seeds, **words), as_json=json)


def _show_group(content: dict[str, Any], as_json: bool) -> None:
    """Prints a row per run, below those of each setting their mean and spread, and last the path of the page."""
    if as_json:
        print_json(content)
    else:
        measures = {path: words for path, words in content["measures"].items() if path != "test.loss"}
        rows = []
        for setting in content["settings"]:
            runs = [run for run in content["runs"] if run["variants"] == setting["variants"]]
            rows += [[run["label"], *_values(run, measures), _what(run)] for run in runs]
            if setting["seeds"] > 1:
                of = setting["measures"]
                seeds = f"{setting['seeds']} seeds"
                means = [_text(path, of[path]["mean"], of[path]["interval"]) for path in measures]
                spread = [f"± {_text(path, of[path]['deviation'])}" for path in measures]
                rows += [[f"mean of {seeds}", *means, ""], ["spread", *spread, ""]]
        print_table([f"{content['experiment']} {content['recipe']}", *measures.values(), "this time"], rows)
        print(
            "\nIn brackets: of a run, the 95 % interval of its test images; of a mean, where one more seed would lie."
        )
        print(content["page"])
    failed = [run for run in content["runs"] if run["what"] == "failed"]
    if failed:
        reasons = " ".join(f"{run['label']}: {run['reason']}" for run in failed)
        raise KerasexpError(f"{len(failed)} of {len(content['runs'])} runs failed. {reasons}")


def _values(run: dict[str, Any], measures: dict[str, str]) -> list[str]:
    found = [run["values"].get(path) for path in measures]
    return [_text(path, of["value"], of["interval"]) if of else "–" for path, of in zip(measures, found, strict=True)]


def _what(run: dict[str, Any]) -> str:
    return f"{run['what']}, stopped" if run["status"] == "stopped" and run["what"] != "not started" else run["what"]


def _text(path: str, value: float, interval: list[float] | None = None) -> str:
    """A number as its measure is written, with its interval where there is one."""
    from kerasexp.training.progress import duration

    if interval:
        return f"{_text(path, value)} ({_text(path, interval[0])} to {_text(path, interval[1])})"
    if path == "test.accuracy":
        return f"{value:.2%}"
    return duration(value) if path == "seconds" else f"{value:.4g}" if path == "epochs_run" else f"{value:.4f}"
