"""Classic deep-learning experiments on images, as published, repaired and fast.

Every command is a function here, imported when it is first used:

>>> import kerasexp
>>> run = kerasexp.train("kmnist_cnn", augment=10, recipe="fast", data="mnist5k")
>>> run.path("report.html")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kerasexp.training.clusterer import DeepKMeansClusterer
    from kerasexp.workflows.cache import clear_cache, list_cache
    from kerasexp.workflows.compare import compare
    from kerasexp.workflows.data import check_data, get_data, list_data
    from kerasexp.workflows.describe import list_experiments, show
    from kerasexp.workflows.doctor import doctor
    from kerasexp.workflows.evaluate import evaluate
    from kerasexp.workflows.export import export
    from kerasexp.workflows.grade import grade
    from kerasexp.workflows.group import train_group
    from kerasexp.workflows.predict import predict
    from kerasexp.workflows.report import report
    from kerasexp.workflows.reproduce import reproduce
    from kerasexp.workflows.resume import resume
    from kerasexp.workflows.train import train
    from kerasexp.workflows.tune import tune
    from kerasexp.workflows.weights import convert_weights

    __version__: str

_HOMES = {  # function -> file in kerasexp.workflows
    "check_data": "data",
    "clear_cache": "cache",
    "convert_weights": "weights",
    "compare": "compare",
    "doctor": "doctor",
    "evaluate": "evaluate",
    "export": "export",
    "get_data": "data",
    "grade": "grade",
    "list_cache": "cache",
    "list_data": "data",
    "list_experiments": "describe",
    "predict": "predict",
    "report": "report",
    "reproduce": "reproduce",
    "resume": "resume",
    "show": "describe",
    "train": "train",
    "train_group": "group",
    "tune": "tune",
}

__all__ = [
    "DeepKMeansClusterer",
    "__version__",
    "check_data",
    "clear_cache",
    "convert_weights",
    "compare",
    "doctor",
    "evaluate",
    "export",
    "get_data",
    "grade",
    "list_cache",
    "list_data",
    "list_experiments",
    "predict",
    "report",
    "reproduce",
    "resume",
    "show",
    "train",
    "train_group",
    "tune",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("kerasexp")
    if name == "DeepKMeansClusterer":
        return importlib.import_module("kerasexp.training.clusterer").DeepKMeansClusterer
    if name in _HOMES:
        return getattr(importlib.import_module(f"kerasexp.workflows.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'kerasexp' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
