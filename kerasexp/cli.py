"""The list of commands. Nothing heavy is imported before a command needs it: `kerasexp --help` answers at once."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer

from kerasexp import files
from kerasexp.commands.cache import cache
from kerasexp.commands.compare import compare
from kerasexp.commands.data import data
from kerasexp.commands.doctor import doctor
from kerasexp.commands.evaluate import evaluate
from kerasexp.commands.export import export
from kerasexp.commands.grade import grade
from kerasexp.commands.list import list_experiments
from kerasexp.commands.predict import predict
from kerasexp.commands.report import report
from kerasexp.commands.reproduce import reproduce
from kerasexp.commands.resume import resume
from kerasexp.commands.show import show
from kerasexp.commands.train import train
from kerasexp.commands.tune import tune
from kerasexp.commands.weights import weights
from kerasexp.errors import Interrupted, KerasexpError, WorkerDone
from kerasexp.training.interruption import as_keyboard_interrupt, interrupted_as

app = typer.Typer(
    name="kerasexp",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={
        "help_option_names": ["--help", "-h"],
        # a help flag that is not given is False, not None: to convert None, Typer would load pydantic
        "default_map": {"help": False} | {group: {"help": False} for group in ("cache", "data", "weights")},
    },
)


def _version(wanted: bool) -> None:
    if wanted:
        from kerasexp import __version__

        print(__version__)
        raise typer.Exit


@app.callback()
def kerasexp(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Classic deep-learning experiments on images: as published, repaired, or fast.

    [bold]Examples[/]

      [dim]# a first run: no download, a few minutes, a report at the end[/]
      kerasexp train kmnist_cnn --augment 10 --recipe fast --data mnist5k --epochs 6

      [dim]# what there is, and whether everything is in place[/]
      kerasexp list
      kerasexp doctor
    """


app.command("list", rich_help_panel="Look around")(list_experiments)
app.command(rich_help_panel="Look around")(show)
app.add_typer(data, name="data", rich_help_panel="Look around")
app.add_typer(cache, name="cache", rich_help_panel="Look around")
app.add_typer(weights, name="weights", rich_help_panel="Look around")
app.command(rich_help_panel="Look around")(doctor)
app.command(rich_help_panel="Run")(train)
app.command(rich_help_panel="Run")(resume)
app.command(rich_help_panel="Run")(reproduce)
app.command(rich_help_panel="Run")(tune)
app.command(rich_help_panel="Use a run")(evaluate)
app.command(rich_help_panel="Use a run")(report)
app.command(rich_help_panel="Use a run")(predict)
app.command(rich_help_panel="Use a run")(compare)
app.command(rich_help_panel="Use a run")(export)
app.command(rich_help_panel="Use a run")(grade)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line.

    Args:
        argv: the words after `kerasexp`; those of the process by default.

    Returns:
        The exit code: 0 done, 1 failed, 2 usage, 3 data or a run missing or damaged, 4 a grade below the pass
        mark, 130 interrupted.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if sys.stdout is None or sys.stderr is None:
        message = "Error: standard output or standard error is closed. To drop what it gets: >/dev/null, 2>/dev/null."
        print(message, file=sys.stderr)  # on the other one if it is this
        return 1
    stdout: Any = _Output(sys.stdout)
    stderr: Any = _Output(sys.stderr, needed=False)
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        return _ended(words)


def _ended(words: Sequence[str]) -> int:
    """The exit code of a command line, once all that is to be said of its end is said."""
    try:
        with as_keyboard_interrupt(), interrupted_as("Interrupted."):
            try:
                code: int = app(words, prog_name="kerasexp", standalone_mode=False) or 0
            finally:
                sys.stdout.flush()
            if code == Interrupted.exit_code:  # into which Typer turns it
                raise KeyboardInterrupt
            return code
    except Exception as raised:
        error: Exception = raised
        if isinstance(raised, PermissionError) and raised.filename:
            error = files.denied(raised.filename)
        if "--debug" in words and not isinstance(error, WorkerDone):
            traceback.print_exc()
        message = _message(error, words)
        if message:
            print(message if isinstance(error, WorkerDone) else f"Error: {message}", file=sys.stderr)
        return getattr(error, "exit_code", 1)


def _message(error: Exception, words: Sequence[str]) -> str:
    """One clear message for whatever ended a command; empty if Typer has said all."""
    if isinstance(error, KerasexpError):
        return str(error)
    if isinstance(error, typer.TyperException):
        return _usage_message(error)
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    debug = "" if "--debug" in words else ". Run it again with --debug to see where"
    return f"unexpected error, {reason}{debug}."


def _usage_message(error: typer.TyperException) -> str:
    near = getattr(error, "possibilities", None)
    text = f"{error.message}. Did you mean {near[0]}?" if near else error.format_message()
    if not text:  # no words at all: Typer has shown the help
        return ""
    text = text.replace("Value error, ", "")  # put there by pydantic, which Typer converts values with
    setting = re.fullmatch(r"Got unexpected extra argument\S* \((\S+=.*)\)", text)
    if setting:
        text = f'Got unexpected {setting[1]}. Did you mean --set "{setting[1]}"?'
    context = getattr(error, "ctx", None)
    end = "" if text.endswith((".", "?")) else "."
    return f"{text}{end} See {context.command_path if context else 'kerasexp'} --help."


class _Output:
    """A standard stream whose reader may leave.

    After `kerasexp list | head -1` the rest is dropped, and the command ends as it would have ended.

    Args:
        stream: where the text goes.
        needed: whether it is an error if it cannot be written for another reason.
    """

    def __init__(self, stream: Any, needed: bool = True):
        self.stream = stream
        self.needed = needed

    def write(self, text: str) -> int:
        with self._failing():
            self.stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._failing():
            self.stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.stream.fileno())  # what is still to be written
            if self.needed and not isinstance(error, BrokenPipeError):
                message = f"standard output cannot be written to: {error.strerror}. Make room, or write it elsewhere."
                raise KerasexpError(message) from None
