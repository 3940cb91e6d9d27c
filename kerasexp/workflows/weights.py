"""`kerasexp weights convert`: weights of other libraries in Keras' form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kerasexp import environment, files
from kerasexp.data.load import data_folder
from kerasexp.errors import UsageError, did_you_mean

CONVERTIBLE = ("alexnet",)


def convert_weights(
    network: str, file: str | Path, out: str | Path | None = None, data_dir: str | Path | None = None
) -> dict[str, Any]:
    """Converts a weights file, so that pretrained experiments find it.

    Args:
        network: `alexnet`, from torchvision's file.
        file: the file to convert; nothing in it is run.
        out: where to write, a name that ends in `.h5`; `weights/alexnet.weights.h5` in the data folder by default.
        data_dir: the data folder.

    Returns:
        `path`, `sha256` and `source_sha256` of the two files, and `official` (whether the source is torchvision's own).

    Raises:
        UsageError: for another network, or an `out` that is no `.h5`.
        DataError: if the file is missing, damaged, refused, or of another network.
    """
    if network not in CONVERTIBLE:
        raise UsageError(f'Weights of "{network}" need no conversion. {did_you_mean(network, CONVERTIBLE)}')
    environment.start_tensorflow()
    from kerasexp.models.conversion import convert_alexnet
    from kerasexp.models.weights import ALEXNET_SHA256, BACKBONES

    source = Path(file).expanduser()
    target = Path(out).expanduser() if out else data_folder(data_dir) / "weights" / BACKBONES[network].local_name
    if target.suffix != ".h5" or target.is_dir():
        raise UsageError(f"--out must be a file name that ends in .h5, received: {target}")
    convert_alexnet(source, target)
    digest = files.file_digest(source)
    return {
        "path": str(target),
        "sha256": files.file_digest(target),
        "source_sha256": digest,
        "official": digest.startswith(ALEXNET_SHA256),
    }
