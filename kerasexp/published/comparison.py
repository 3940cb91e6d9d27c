"""Whether a run may be held against a claim."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from kerasexp.config.loading import load_experiment
from kerasexp.config.schema import Experiment
from kerasexp.published.claim import Claim, StudyData
from kerasexp.published.claims import study_data

_START = {"imagenet": "ImageNet"}
_INSTEAD = {"imagenet": "ImageNet", "random": "random weights"}


def comparable(experiment: Experiment, manifest: Mapping[str, Any], claim: Claim) -> tuple[str, ...]:
    """Why a run and a claim are not comparable. This function alone decides; what it refuses gets no verdict.

    A claim about the network needs only the network and images of the study's shape; one about the data only the data.
    A time is never comparable: nobody has the study's machine; nor is what was measured before the training, which our
    runs do not evaluate. All others need the recipe `published` with the settings of the claim's own configuration (the
    seed apart), the complete data set, the published weights where the study started from such, and the precision of
    the study; one about t-SNE maps needs the same maps too. A claim about epoch e is served by every such run that
    passed epoch e, all others by runs that went to their own end: stopping early by the recipe's rule is one.

    Args:
        experiment: the run's resolved configuration.
        manifest: the run's manifest.
        claim: what it is held against.

    Returns:
        The reasons, one sentence part each; empty if they are comparable.
    """
    if claim.scope == "several":
        return ("a statement about several runs",)
    if claim.scope == "machine":
        return ("a time on another machine",)
    if claim.scope == "start":
        return ("measured before the training; a run is first validated after its first epoch",)
    if claim.scope == "network":
        return _network(experiment, manifest, claim)
    if claim.scope == "data":
        return _data(experiment, manifest, claim)
    claimed = _claimed(claim)
    reasons = [*_recipe(experiment, claim, claimed), *_data(experiment, manifest, claim)]
    reasons += _weights(experiment, manifest, claimed)
    if experiment.recipe == claimed.recipe:
        reasons += _precision(experiment, manifest, claimed)
        reasons += _length(experiment, manifest, claim, claimed)
        if about_maps(claim):
            reasons += _differences(_maps(experiment), _maps(claimed))
    return tuple(reasons)


@functools.cache
def _published(experiment: str, variants: tuple[str, ...]) -> Experiment:
    return load_experiment(experiment, "published", variants)


def _claimed(claim: Claim) -> Experiment:
    assert claim.experiment is not None
    return _published(claim.experiment, claim.variants)


def _network(experiment: Experiment, manifest: Mapping[str, Any], claim: Claim) -> tuple[str, ...]:
    study, ours, theirs = _study(claim), experiment, _claimed(claim)
    reasons = _differences(_network_of(ours), _network_of(theirs))
    if claim.metric == "parameters.trainable":
        reasons += _differences(_trained_part(ours), _trained_part(theirs))
    data = manifest.get("data", {})
    shape, classes = tuple(data.get("image_shape", ())), len(data.get("class_names", ()))
    if shape != study.image_shape:
        reasons.append(f"images of {_by(shape)} instead of {_by(study.image_shape)}")
    if classes != study.classes:
        reasons.append(f"{classes} classes instead of {study.classes}")
    return tuple(reasons)


def _network_of(experiment: Experiment) -> dict[str, Any]:
    """What decides the weights that there are: not the rates of dropout, which has none."""
    model = {key: value for key, value in experiment.model.items() if key != "dropout"}
    return {"network": experiment.network, "model": model}


def _trained_part(experiment: Experiment) -> dict[str, Any]:
    """Where the trained part of the network begins, in the last stage."""
    return {"trainable_from": experiment.training_stages[-1].trainable_from}


def _data(experiment: Experiment, manifest: Mapping[str, Any], claim: Claim) -> tuple[str, ...]:
    study, data = _study(claim), manifest.get("data", {})
    name, remarks = data.get("name", experiment.data.name), tuple(data.get("remarks", ()))
    if name != study.name or experiment.data.name != study.name:
        other = experiment.data.name if name == study.name else name
        return (f"other data: {other} instead of {study.name}", *remarks)
    if remarks:
        return remarks
    counts = data.get("counts", {})
    held_out = sum(counts.get("validation", ())) if experiment.data.validation != "test" else 0
    if claim.scope == "data" and held_out != study.validation and _needs_split(claim):
        instead = f" instead of {study.validation:,}" if study.validation else ""
        return (f"{held_out:,} training images held out for validation{instead}",)
    training = "training and validation" if study.validation else "training"
    found = {training: sum(counts.get("train", ())) + held_out, "test": sum(counts.get("test", ()))}
    complete = {training: study.train + study.validation, "test": study.test}
    return tuple(
        f"not the complete data set: {found[split]:,} {split} images instead of {complete[split]:,}"
        for split in complete
        if found[split] != complete[split]
    )


def _study(claim: Claim) -> StudyData:
    return study_data(claim.study, claim.data)


def _needs_split(claim: Claim) -> bool:
    """Whether it matters to a claim about the data which of the images that are no test images validate."""
    metric = claim.check.metric if claim.check else claim.metric
    return not metric.startswith(("data.test.", "data.train+validation"))


def _recipe(experiment: Experiment, claim: Claim, claimed: Experiment) -> list[str]:
    if experiment.recipe != claimed.recipe:
        return [f"the recipe {experiment.recipe} instead of {claimed.recipe}"]
    reasons = []
    if experiment.name != claim.experiment:
        reasons.append(f"the experiment {experiment.name} instead of {claim.experiment}")
    return reasons + _differences(_what_trains(experiment), _what_trains(claimed))


def _what_trains(experiment: Experiment) -> dict[str, Any]:
    """The settings without those whose difference has a reason of its own: data set, weights, epochs, precision."""
    settings = experiment.settings()
    data = {key: value for key, value in settings["data"].items() if key != "name"}
    apart = ("epochs", "precision", "pretrained")
    return {key: value for key, value in settings.items() if key not in apart} | {"data": data}


def about_maps(claim: Claim) -> bool:
    """Whether the claim is about t-SNE maps: how they are drawn decides nothing else."""
    return (claim.check.metric if claim.check else claim.metric).startswith("embedding.")


def _maps(experiment: Experiment) -> dict[str, Any]:
    return {"embedding": experiment.embedding and experiment.embedding.model_dump()}


def _weights(experiment: Experiment, manifest: Mapping[str, Any], claimed: Experiment) -> list[str]:
    """What the training started from, backbone by backbone.

    A file is ImageNet's if its numbers are, rounded or not, whatever it is called; the name alone proves nothing.
    """
    ours, theirs = (one.settings().get("pretrained") or {} for one in (experiment, claimed))
    if ours and theirs and set(ours) != set(theirs):
        return [f"weights of {', '.join(ours)} instead of {', '.join(theirs)}"]
    reasons = []
    for backbone in [*theirs, *(backbone for backbone in ours if backbone not in theirs)]:
        our, their = ours.get(backbone, "random"), theirs.get(backbone, "random")
        found = manifest.get("pretrained", {}).get(backbone, {})
        if their == "imagenet" and our != "random" and _known(found):
            continue
        if our == their == "imagenet" and found.get("origin") == "unknown":
            reasons.append("weights of unknown origin instead of ImageNet")
        elif our != their:
            reasons.append(f"{_START.get(our, our)} weights instead of {_INSTEAD.get(their, their)}")
    return list(dict.fromkeys(reasons))


def remarks(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """What a reader should know of a run's data and weights though it changes no verdict."""
    weights = [
        _about(found).format(backbone=backbone)
        for backbone, found in (manifest.get("pretrained") or {}).items()
        if found.get("source") != "random" and not found.get("official", True)
    ]
    return (*manifest.get("data", {}).get("notes", ()), *weights)


def _known(found: Mapping[str, Any]) -> bool:
    """Whether weights are the publisher's, as far as anybody can tell."""
    return bool(found.get("official")) or found.get("origin") in ("rounded", "unverified")


def _about(found: Mapping[str, Any]) -> str:
    if found.get("origin") == "unverified":
        return "origin of the {backbone} weights not verified: their publisher gives no checksum"
    if found.get("origin") == "unknown":
        return "{backbone} weights of unknown origin"
    return f"altered copy of the {{backbone}} weights: {found.get('altered') or 'not the official file'}"


def _precision(experiment: Experiment, manifest: Mapping[str, Any], claimed: Experiment) -> list[str]:
    used = manifest.get("precision", experiment.precision)
    return [] if used == claimed.precision else [f"precision {used} instead of {claimed.precision}"]


def _length(experiment: Experiment, manifest: Mapping[str, Any], claim: Claim, claimed: Experiment) -> list[str]:
    done, allowed, studied = manifest.get("epochs_run") or 0, experiment.epochs or 0, claimed.epochs or 0
    ended = manifest.get("status") == "complete"
    stopped_itself = ended and experiment.early_stopping is not None and done < min(allowed, studied)
    whole = ended and allowed == studied or stopped_itself
    if claim.epoch is not None:
        # a milestone that a whole run never reached is an answer; a point of a curve that it never reached is none
        enough = done >= claim.epoch or whole and claim.metric.startswith("history.reaches.")
        return [] if enough else [f"fewer epochs: {done}, the claim needs {claim.epoch}"]
    if whole:
        return []
    if ended:
        return [f"{'more' if allowed > studied else 'fewer'} epochs: {done}, the study allowed {studied}"]
    why = manifest.get("stop_reason") or manifest.get("status", "unknown")
    return [f"fewer epochs: {done}, ended by {why}"]


def _differences(ours: Mapping[str, Any], theirs: Mapping[str, Any], path: str = "") -> list[str]:
    reasons = []
    for key in [*theirs, *(key for key in ours if key not in theirs)]:
        our, their = ours.get(key), theirs.get(key)
        if our == their:
            continue
        if isinstance(our, Mapping) and isinstance(their, Mapping) and our.get("name") == their.get("name"):
            reasons += _differences(our, their, f"{path}{key}.")
        else:
            reasons.append(f"{path}{key} {_shown(our)} instead of {_shown(their)}")
    return reasons


def _shown(setting: Any) -> str:
    if setting is None:
        return "not set"
    return str(setting.get("name", "set")) if isinstance(setting, Mapping) else str(setting)


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "unknown size"
