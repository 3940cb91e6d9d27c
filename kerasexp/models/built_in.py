"""What a `.keras` file may make objects of: Keras' own layers and kerasexp's, by a list of what is allowed."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasexp.errors import DataError

if TYPE_CHECKING:
    import keras

# where Keras has what a network is made of
_MODULES = re.compile(
    r"keras(\.src)?(\.(layers|models|ops|applications|activations|initializers|regularizers|constraints"
    r"|dtype_policies|losses|metrics|optimizers)(\.\w+)*)?"
)
# Keras looks a function of "builtins" up in the others; it writes activations so, and how nested models were compiled
_FUNCTIONS = ("activations", "losses", "metrics")
_NOT_COMPUTING = {"get", "serialize", "deserialize"}
PLAIN = {"__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__"}
_WITH_CODE = {"Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "__typespec__"}
_WITH_FILES = {"StringLookup", "IntegerLookup", "TextVectorization", "IndexLookup", "FeatureSpace"}  # vocabularies


class RefusedModel(DataError):
    """A file that would run code, read other files or fill the memory."""


def load_built_in(path: Path) -> keras.Model:
    """Loads a `.keras` file, uncompiled, after its configuration was looked through.

    Keras' safe mode alone calls any function or class of Keras that a file names, those that run a program or read
    files included.

    Raises:
        RefusedModel: if it is made of anything but built-in layers and kerasexp's own.
        DataError: if it names a layer that this version of Keras has not.
        Exception: whatever `zipfile`, `json` and Keras raise for a damaged file.
    """
    import keras

    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    check_configuration(path, config)
    return keras.models.load_model(path, compile=False, safe_mode=True)


def check_configuration(path: Path, config: dict[str, Any]) -> None:
    """Refuses what is neither Keras' own nor kerasexp's; how the model was trained is never loaded.

    Args:
        path: of the file, for the reason.
        config: its `config.json`.

    Raises:
        RefusedModel: for code, custom objects, and layers that read files.
        DataError: for a layer that this version of Keras has not.
    """
    for part in objects({**config, "compile_config": None}):
        kind = part["class_name"]
        if kind in PLAIN:
            continue
        name = _name(part)
        if kind == "function":
            if not _is_function(part):
                raise _custom(path, name, kind)
            continue
        parents = {kind} if kind in _WITH_CODE else {parent.__name__ for parent in inspect.getmro(_class(path, part))}
        if parents & _WITH_CODE:
            raise RefusedModel(
                f"{path.name} is refused: {name} ({kind}) holds code, which is never run. Use built-in layers."
            )
        if parents & _WITH_FILES:
            raise RefusedModel(f"{path.name} is refused: {name} ({kind}) may read files. It has no place here.")


def objects(content: Any) -> Iterator[dict[str, Any]]:
    """Everything in a configuration that Keras would make an object of."""
    waiting = [content]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if "class_name" in part:
                if not isinstance(part["class_name"], str):
                    raise TypeError("a class_name that is no text")
                yield part
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part


def _is_function(part: dict[str, Any]) -> bool:
    """Whether it is one of Keras' functions that only compute."""
    import keras

    module, name = part.get("module"), part.get("config")
    places = [place for place in _FUNCTIONS if module in ("builtins", f"keras.{place}")]
    return (
        isinstance(name, str)
        and name not in _NOT_COMPUTING
        and part.get("registered_name") in (None, name, "function")
        and any(inspect.isfunction(vars(getattr(keras, place)).get(name)) for place in places)
    )


def _class(path: Path, part: dict[str, Any]) -> type:
    """The class of Keras or kerasexp that a part is made of."""
    import keras

    allowed = (
        keras.Operation,  # layers, models, and the operations of keras.ops
        keras.initializers.Initializer,
        keras.regularizers.Regularizer,
        keras.constraints.Constraint,
        keras.DTypePolicy,
        keras.dtype_policies.DTypePolicyMap,
        keras.losses.Loss,
        keras.metrics.Metric,
        keras.optimizers.Optimizer,
        keras.optimizers.schedules.LearningRateSchedule,
    )
    kind, module, registered = part["class_name"], part.get("module"), part.get("registered_name")
    if isinstance(registered, str) and registered.startswith("kerasexp>"):
        own = _own(registered)
        if own is None or own.__name__ != kind:
            raise _custom(path, _name(part), registered)
        return own
    known = isinstance(module, str) and _MODULES.fullmatch(module) and kind.isidentifier()
    if not known or registered not in (None, kind):
        raise _custom(path, _name(part), registered or kind)
    # never imported: a name of the file only chooses among what Keras has imported itself
    found = vars(sys.modules[module]).get(kind) if module in sys.modules else None
    if found is None:
        raise DataError(f"{path.name} is damaged or of another Keras: {keras.__version__} has no {module}.{kind}.")
    if not (inspect.isclass(found) and issubclass(found, allowed)):
        raise _custom(path, _name(part), registered or kind)
    return found


def _own(registered: str) -> type | None:
    """A layer of kerasexp; its modules are imported first, since that is what registers their layers."""
    import keras

    import kerasexp.models

    for module in pkgutil.iter_modules(kerasexp.models.__path__, "kerasexp.models."):
        importlib.import_module(module.name)
    found = keras.saving.get_registered_object(registered)
    return found if inspect.isclass(found) and issubclass(found, keras.Operation) else None


def _custom(path: Path, name: str, kind: Any) -> RefusedModel:
    return RefusedModel(
        f"{path.name} is refused: {name} ({str(kind)[:80]}) is custom code, which is never run. Use built-in layers."
    )


def _name(part: dict[str, Any]) -> str:
    settings = part.get("config")
    name = settings.get("name") if isinstance(settings, dict) else settings
    return f"the part {str(name or part['class_name'])[:80]!r}"
