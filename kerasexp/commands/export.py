"""`kerasexp export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kerasexp.commands.options import DataDir, Debug, Json, Offline, RunFolder
from kerasexp.commands.output import print_json


def export(
    run: RunFolder,
    format: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="[bold]onnx[/], [bold]litert[/] (the former TensorFlow Lite), [bold]savedmodel[/] or [bold]keras[/].",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Where to; a folder for savedmodel. Default: the experiment's name, in export/ of the run.",
        ),
    ] = None,
    data_dir: DataDir = None,
    offline: Offline = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Writes a run's model for other programs, preprocessing and class names inside.

    It takes float32 images with values 0 to 255, any number at once. Before it
    is kept, its own runtime opens it and what it says of test images is
    compared with what the run predicted.

    [bold]Examples[/]

      kerasexp export runs/kmnist_cnn/20260101T120000-1a2b3c --format onnx

      [dim]# elsewhere than in the run folder[/]
      kerasexp export RUN --format litert --out letters.tflite
      kerasexp predict letters.tflite letter.png
    """
    from kerasexp.workflows.export import export

    card = export(run, format, out, data_dir=data_dir, offline=offline)
    if json:
        print_json(card)
        return
    parity, (_, height, width, channels) = card["parity"], card["input"]["shape"]
    print(f"input: float32 [n, {height}, {width}, {channels}], 0 to 255; {len(card['class_names'])} classes")
    same = f", {parity['same_class']} with the same class" if "same_class" in parity else ""
    print(f"checked with {parity['runtime']} on {parity['images']} test images{same}")
    rounded = parity["precision_of_run"] != "float32"
    note = f" (which were computed in {parity['precision_of_run']})" if rounded else ""
    print(f"largest difference from the run's predictions{note}: {parity['largest_difference']:.1e}")
    print(f"largest difference from the run's model: {parity['largest_difference_from_model']:.1e}")
    print(card["path"])
