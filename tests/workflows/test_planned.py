"""The words of a command become a planned run, and its own command line repeats it."""

from __future__ import annotations

import shlex

import pytest

from kerasexp.workflows.planned import plan_run


@pytest.mark.parametrize(
    ("experiment", "variants", "flags"),
    [
        ("kmnist_cnn", ["bench12", "augment10"], ["--augment", "10", "--variant", "bench12"]),
        ("avp_finetune", ["augmented"], ["--variant", "augmented"]),
    ],
)
def test_the_command_names_every_variant(experiment, variants, flags):
    words = shlex.split(plan_run(experiment, variant=variants).command)
    assert words == ["kerasexp", "train", experiment, "--recipe", "published", *flags, "--seed", words[-1]]
