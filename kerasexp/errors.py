"""Errors that a user can cause: one clear message and an exit code each."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class KerasexpError(Exception):
    """The run failed. `str(error)` says what was wrong, what was expected and what to do."""

    exit_code = 1


class UsageError(KerasexpError):
    """A wrong word on the command line or in a config, or a run that is locked."""

    exit_code = 2


class DataError(KerasexpError):
    """Data, weights or a run folder that is missing, damaged or of another version."""

    exit_code = 3


class WorkerLost(KerasexpError):
    """Another machine of the same run no longer answers."""


class WorkerDone(KerasexpError):
    """A machine that helped another one to train has done its part: the run lies with the other. No failure."""

    exit_code = 0


class Interrupted(KerasexpError):
    """Ctrl-C or SIGTERM, after the state was saved."""

    exit_code = 130


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """The end of an error message about an unknown name: the nearest choice, then all of them.

    Example:

    >>> did_you_mean("kmnist_cn", ["kmnist_cnn", "kmnist_fcnn"])
    'Did you mean "kmnist_cnn"? Valid: kmnist_cnn, kmnist_fcnn.'
    """
    choices = sorted(map(str, choices))
    small = {choice.lower(): choice for choice in choices}
    near = difflib.get_close_matches(str(word).lower(), small, n=1)
    hint = f'Did you mean "{small[near[0]]}"? ' if near else ""
    return f"{hint}Valid: {', '.join(choices) or 'none'}."
