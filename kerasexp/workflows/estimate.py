"""How long a run will take on this machine, from what earlier runs took here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kerasexp import environment
from kerasexp.config.schema import Experiment
from kerasexp.published import claims_for
from kerasexp.published.rows import nearest_model
from kerasexp.runs import find_runs


def estimate(experiment: Experiment, out: str | Path | None = None) -> float | None:
    """Seconds of training that a run needs from its start to its end.

    What a finished run of equal settings took, else what other runs of the experiment took for each image, times the
    images that this one will see: where early stopping decides, as many epochs as the study needed.

    Args:
        experiment: what will be run.
        out: folder of all runs, `runs` by default; only runs of this machine count.

    Returns:
        None where no run tells.
    """
    machine = environment.hardware()
    known = [
        manifest
        for run in find_runs(out, experiment.name)
        if all((manifest := run.manifest).get("hardware", {}).get(key) == machine[key] for key in ("processor", "gpu"))
    ]
    equal = [
        manifest["seconds"]
        for manifest in known
        if manifest["status"] == "complete" and manifest["config_digest"] == experiment.digest()
    ]
    if equal:
        return sum(equal) / len(equal)
    known = [manifest for manifest in known if manifest.get("images_seen") and manifest["data"].get("counts")]
    images = _images(experiment, known)
    if not known or images is None:
        return None
    per_image = sum(manifest["seconds"] for manifest in known) / sum(manifest["images_seen"] for manifest in known)
    return per_image * images


def _images(experiment: Experiment, known: Sequence[Mapping[str, Any]]) -> float | None:
    """How many images the training will see; None where their number or the end of the training is not known."""
    on_same_data = [manifest for manifest in known if manifest["data"]["name"] == Path(experiment.data.name).stem]
    if not on_same_data:
        return None
    training = sum(on_same_data[-1]["data"]["counts"]["train"])
    copies = experiment.augmentation.copies
    epochs = sum(stage.epochs_for(training, copies) for stage in experiment.training_stages)
    if any(stage.early_stopping for stage in experiment.training_stages):
        studied = published_epochs(experiment)
        if studied is None:
            return None
        epochs = min(epochs, studied)
    return training * max(1, copies) * epochs


def published_epochs(experiment: Experiment) -> int | None:
    """How long the study trained, where early stopping decides the end of a run as published."""
    if experiment.recipe != "published":
        return None
    variants = nearest_model(experiment)
    if variants is None or not {*experiment.variants} <= {*variants}:  # a variant that nobody published
        return None
    claims = claims_for(experiment.name, variants)
    return next((round(claim.value) for claim in claims if claim.metric == "epochs_run" and claim.value), None)
