"""`kerasexp predict`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from kerasexp.commands.options import Debug, Json
from kerasexp.commands.output import print_json, print_table
from kerasexp.errors import DataError


def predict(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN",
            help="A run's folder, or what [bold]kerasexp export[/] made of it.",
        ),
    ],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Image files, or folders of them.")],
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Names the class of images with the model of a run, or of an exported file.

    An image that cannot be read is told on standard error and does not keep
    the others from being classified; the exit code is then 3.

    [bold]Examples[/]

      kerasexp predict runs/kmnist_cnn/20260101T120000-1a2b3c letter.png
      kerasexp predict runs/kmnist_cnn/20260101T120000-1a2b3c folder/ --json
      kerasexp predict kmnist_cnn.onnx letter.png
    """
    from kerasexp.workflows.predict import predict

    results = predict(run, images)
    good = [result for result in results if "error" not in result]
    bad = [result for result in results if "error" in result]
    if json:
        print_json(results)
    elif good:
        rows = [[result["image"], result["class"], f"{result['probability']:.4f}"] for result in good]
        print_table(["image", "class", "probability"], rows)
    for result in bad:
        print(result["error"], file=sys.stderr)  # begins with the image
    if bad:
        raise DataError(f"{len(bad)} of {len(results)} images could not be read.")
