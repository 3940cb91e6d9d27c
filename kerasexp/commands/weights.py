"""`kerasexp weights convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kerasexp.commands.options import DataDir, Debug, Json
from kerasexp.commands.output import print_json

weights = typer.Typer(help="Pretrained weights: from other libraries into Keras' form.", no_args_is_help=True)


@weights.callback()
def group() -> None:
    """Pretrained weights: from other libraries into Keras' form."""


@weights.command("convert")
def convert(
    network: Annotated[str, typer.Argument(metavar="NETWORK", help="alexnet: torchvision's, which Keras lacks.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="e.g. alexnet-owt-7be5be79.pth")],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where to write. Default: where pretrained experiments look, in weights/ of the data folder.",
            rich_help_panel="Output",
        ),
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Turns torchvision's AlexNet file into one of Keras. Needs no PyTorch, and runs nothing that is in the file.

    [bold]Examples[/]

      [dim]# the file is at https://download.pytorch.org/models/alexnet-owt-7be5be79.pth[/]
      kerasexp weights convert alexnet alexnet-owt-7be5be79.pth
    """
    from kerasexp.workflows.weights import convert_weights

    result = convert_weights(network, file, out, data_dir)
    if json:
        print_json(result)
        return
    own = "torchvision's own file" if result["official"] else "not torchvision's own file: not comparable"
    print(f"{network}: converted from {file} ({own}, sha256 {result['source_sha256'][:16]})")
    print(result["path"])
