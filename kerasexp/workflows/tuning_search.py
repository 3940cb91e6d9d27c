"""What one call of `kerasexp tune` is to do, from its words; the chief and every worker make it for themselves."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kerasexp import files
from kerasexp.config.loading import read_config
from kerasexp.config.schema import Experiment
from kerasexp.config.space import Space, load_space
from kerasexp.errors import UsageError, did_you_mean
from kerasexp.workflows.planned import PlannedRun, plan_run
from kerasexp.workflows.tuning_checks import check_search
from kerasexp.workflows.tuning_record import TrialRecord

TUNERS = ("random", "bayesian", "hyperband", "grid")


@dataclasses.dataclass(frozen=True)
class Search:
    """A search that can be made.

    Attributes:
        base: the experiment whose settings are varied.
        space: how they are varied.
        tuner: `random`, `bayesian`, `hyperband` or `grid`.
        folder: of the search.
        command: the command line that goes on with it.
        planned: the run of the experiment with further overrides.
        data_dir: folder of the data.
        offline: never use the network.
    """

    base: Experiment
    space: Space
    tuner: str
    folder: Path
    command: str
    planned: Callable[[Sequence[str]], PlannedRun]
    data_dir: str | Path | None
    offline: bool

    def settings(self) -> dict[str, Any]:
        """What decides the search: two with equal settings are one."""
        return _settings(self.base, self.tuner, self.space)

    def configure(self, trial: TrialRecord) -> Experiment:
        """The experiment of a trial."""
        return self.planned(self._overrides(trial)).experiment

    def train_command(self, trial: TrialRecord) -> str:
        """The command line that repeats a trial's run."""
        return self.planned(self._overrides(trial)).command

    def _overrides(self, trial: TrialRecord) -> list[str]:
        length = [] if trial.epochs is None else [f"epochs={trial.epochs}"]
        return [*self.space.overrides(trial.values), *length]


def prepare_search(
    experiment: str,
    space: str | Path | None,
    tuner: str,
    recipe: str | None,
    variant: Sequence[str],
    augment: int | None,
    data: str | Path | None,
    data_dir: str | Path | None,
    offline: bool,
    epochs: int | None,
    seed: int | None,
    precision: str | None,
    overrides: Sequence[str],
    out: str | Path | None,
) -> Search:
    """Checks the words of a search, as `kerasexp.tune` takes them.

    Raises:
        UsageError: for unknown names, or what cannot be searched.
    """
    if tuner not in TUNERS:
        raise UsageError(f'Unknown tuner "{tuner}". {did_you_mean(tuner, TUNERS)}')
    recipe = recipe or ("sound" if "sound" in read_config(experiment)["recipes"] else None)

    def planned(further: Sequence[str]) -> PlannedRun:
        return plan_run(
            experiment,
            recipe=recipe,
            variant=variant,
            augment=augment,
            data=data,
            epochs=epochs,
            seed=seed,
            precision=precision,
            set=[*overrides, *further],
        )

    base = planned(()).experiment
    dimensions = load_space(base.name, space)
    check_search(base, dimensions, tuner, lambda further: planned(further).experiment)
    words = ["--tuner", tuner, *(["--space", str(space)] if space is not None else [])]
    words += ["--out", str(out)] if out is not None else []
    digest = files.digest(_settings(base, tuner, dimensions))
    return Search(
        base=base,
        space=dimensions,
        tuner=tuner,
        folder=Path(out) if out is not None else Path("searches") / f"{base.name}-{digest[:8]}",
        command=f"{planned(()).command.replace('kerasexp train', 'kerasexp tune', 1)} {shlex.join(words)}",
        planned=planned,
        data_dir=data_dir,
        offline=offline,
    )


def _settings(base: Experiment, tuner: str, space: Space) -> dict[str, Any]:
    return {
        "experiment": base.name,
        "recipe": base.recipe,
        "tuner": tuner,
        "seed": base.seed,
        "configuration": base.digest(),
        "space": space.content(),
    }
