"""Models as `.keras` files that plain Keras opens, with what kerasexp needs beside the weights."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasexp import files
from kerasexp.errors import DataError
from kerasexp.models.built_in import load_built_in
from kerasexp.runs import Run

if TYPE_CHECKING:
    import keras

CARD = "kerasexp.json"  # inside the .keras archive


def save_model(model: keras.Model, path: Path, class_names: Sequence[str], **card: Any) -> None:
    """Writes an uncompiled model, atomically, with its class names and `card` in `kerasexp.json` inside the file."""
    with files.replacing(path) as beside:
        model.save(beside)
        with zipfile.ZipFile(beside, "a") as archive:
            archive.writestr(CARD, json.dumps({"class_names": list(class_names), **card}, ensure_ascii=False, indent=2))


def load_model(path: Path) -> tuple[keras.Model, dict[str, Any]]:
    """Reads a model of a run and its card; no code from the file is run.

    Raises:
        RefusedModel: if it is made of anything but Keras' built-in layers and kerasexp's own.
        DataError: if the file is missing, damaged or no model of kerasexp.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            card = json.loads(archive.read(CARD))
        return load_built_in(path), card
    except FileNotFoundError:
        raise DataError(f"{path} is missing: {Run(path.parent).what_is_left}") from None
    except PermissionError:
        raise files.denied(path) from None
    except KeyError:
        raise DataError(f"{path} is no model of kerasexp: it holds no {CARD}.") from None
    except (OSError, ValueError, TypeError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{path} is damaged and cannot be read as a Keras model: {reason}") from None
