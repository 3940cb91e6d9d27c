"""The words that several commands share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import typer


def parse_time(text: str) -> float:
    """Seconds from `90`, `30s`, `10m`, `2h` or `1h30m`.

    Raises:
        typer.BadParameter: for anything else, and for no time at all.
    """
    number = r"(\d{1,9}(?:\.\d{1,9})?)"
    match = re.fullmatch(rf"(?:{number}h)?(?:{number}m)?(?:{number}s?)?", text.strip().lower())
    hours, minutes, seconds = (float(part or 0) for part in match.groups()) if match else (0, 0, 0)
    total = 3600 * hours + 60 * minutes + seconds
    if not total:
        raise typer.BadParameter(f"expected a time such as 30s, 10m, 2h, 1h30m or seconds, received: {text}")
    return total


Experiment = Annotated[
    str,
    typer.Argument(metavar="EXPERIMENT", help="Its name ([bold]kerasexp list[/]), or the path of a YAML file."),
]
RunFolder = Annotated[
    Path, typer.Argument(metavar="RUN", help="Its folder, e.g. runs/kmnist_cnn/20260101T120000-1a2b3c.")
]
Recipe = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="How it is trained: [bold]published[/] as the study did it (default), [bold]sound[/] with its mistakes "
        "repaired, "
        "[bold]fast[/] for the best quality in the least time.",
        rich_help_panel="What to run",
    ),
]
Variant = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="A published row that differs in one setting; may be given more than once.",
        rich_help_panel="What to run",
    ),
]
Augment = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Augmented copies of every training image in an epoch; the originals are not among them.",
        rich_help_panel="What to run",
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Any other setting, e.g. optimizer.learning_rate=0.01; may be given more than once.",
        rich_help_panel="What to run",
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Where data lies and is kept. Default: KERASEXP_DATA_DIR, else a folder in the user's cache.",
        rich_help_panel="Data",
    ),
]
Offline = Annotated[bool, typer.Option("--offline", help="Never use the network.", rich_help_panel="Data")]
Precision = Annotated[
    Literal["auto", "float32", "bfloat16", "tensorfloat32"] | None,
    typer.Option(
        metavar="NAME",
        help="float32, bfloat16 (processors) or tensorfloat32 (GPUs), not the recipe's. auto: the fastest here.",
        rich_help_panel="What to run",
    ),
]
MaxTime = Annotated[
    float | None,
    typer.Option(
        parser=parse_time,
        metavar="TIME",
        help="Save, evaluate and stop after so much training (30s, 10m, 2h); [bold]kerasexp resume[/] goes on from "
        "there.",
        rich_help_panel="How long",
    ),
]
MaxTimeOfAll = Annotated[  # of a command that goes on with what it began
    float | None,
    typer.Option(
        parser=parse_time,
        metavar="TIME",
        help="Save and stop after this time (30s, 10m, 2h); the same command goes on.",
        rich_help_panel="How long",
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        metavar="WHERE",
        help="Spread the runs over a Ray cluster: [bold]local[/] (this machine), [bold]auto[/] (the one that this "
        "machine belongs to) or HOST:PORT.",
        rich_help_panel="Where to run",
    ),
]
CpusPerRun = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Cores of each run on the cluster. Default: a whole machine",
        rich_help_panel="Where to run",
    ),
]
Devices = Annotated[
    str | None,
    typer.Option(
        metavar="LIST",
        help="[bold]auto[/] (one GPU where there is one, else the processor), [bold]cpu[/], [bold]all[/] GPUs, or e.g. "
        "[bold]gpu:0,gpu:1[/]. Several machines: with TF_CONFIG (docs/scaling.md).",
        rich_help_panel="Where to run",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.", rich_help_panel="Output")]
# Read by cli.main, which catches what a command raises; every command takes it.
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.", rich_help_panel="Output")]
