from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import typer

import kerasexp
from kerasexp.cli import main
from kerasexp.errors import DataError, Interrupted
from kerasexp.workflows import describe

COMMANDS = ["list", "show", "data", "weights", "cache", "doctor"]
COMMANDS += ["train", "resume", "reproduce", "tune", "evaluate", "report", "predict", "compare", "export", "grade"]
GROUPS = {"data", "weights", "cache"}  # of commands
HEAVY = {"tensorflow", "keras", "numpy", "pydantic", "scipy", "sklearn", "matplotlib", "yaml", "jinja2", "PIL"}

# what the console script does, and then what it cost
HELP = """
import sys, time, json
from kerasexp.cli import main
code, seconds = main(["--help"]), time.process_time()
main(["train", "--help"])
main(["data", "get", "--help"])
print(json.dumps({"code": code, "seconds": seconds, "modules": sorted(sys.modules)}), file=sys.stderr)
"""


def test_help_is_quick_and_loads_nothing_heavy():
    for _ in range(3):  # only a busy machine needs a second try
        done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=True)
        told = json.loads(done.stderr)
        assert told["code"] == 0
        assert HEAVY.isdisjoint(told["modules"])
        assert all(command in done.stdout for command in COMMANDS)
        if told["seconds"] < 0.4:
            return
    pytest.fail(f"--help took {told['seconds']:.2f} s of processor time")


def test_a_reader_that_leaves_is_no_error():
    command = [sys.executable, "-m", "kerasexp", "list"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 0


@pytest.mark.parametrize(("error", "code"), [(typer.Exit(4), 4), (DataError("2 of 3 images"), 3)])
@pytest.mark.parametrize("characters", [10, 100_000])  # written at the end; and while the command goes on
def test_a_reader_that_leaves_keeps_the_exit_code(monkeypatch, error, code, characters):
    def list_experiments():
        print("x" * characters)
        raise error

    monkeypatch.setattr(describe, "list_experiments", list_experiments)
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert main(["list"]) == code


def test_a_full_disk_under_standard_output_is_one_line(monkeypatch, capsys):
    with open("/dev/full", "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert main(["list"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("Error: standard output cannot be written to: No space left on device.")
    assert err.count("\n") == 1


def test_a_closed_standard_output_is_one_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["list", "--json"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("Error: standard output or standard error is closed.")
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", [*COMMANDS, "data list", "data get", "data check", "weights convert"])
def test_every_command_has_help_with_an_example(command, capsys):
    assert main([*command.split(), "--help"]) == 0
    out = capsys.readouterr().out
    assert "Usage: kerasexp" in out
    if command not in GROUPS:
        assert f"kerasexp {command}" in out.split("Examples")[1]


def test_no_words_show_the_help(capsys):
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert "Usage: kerasexp" in out
    assert err == ""


def test_the_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"{kerasexp.__version__}\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trian"], "No such command 'trian'. Did you mean 'train'?"),
        (["data", "chekc"], "Did you mean 'check'?"),
        (["train", "kmnist_cnn", "--recip", "fast"], "No such option: --recip. Did you mean --recipe?"),
        (["list", "--jsn"], "Did you mean --json?"),
        (["list", "extra"], "unexpected extra argument"),
        (
            ["train", "kmnist_cnn", "epochs=3"],
            'Got unexpected epochs=3. Did you mean --set "epochs=3"? See kerasexp tr',
        ),
        (["train", "kmnist_cnn", "--recipe"], "--recipe"),
    ],
)
def test_usage_errors_are_exit_2(words, message, capsys):
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Error: ")
    assert message in err
    assert "--help" in err


@pytest.fixture
def failing(monkeypatch):
    """Makes `kerasexp list` end with an exception."""

    def fail_with(error: BaseException) -> None:
        def list_experiments():
            raise error

        monkeypatch.setattr(describe, "list_experiments", list_experiments)

    return fail_with


@pytest.mark.parametrize(
    ("error", "code"), [(DataError("x.gz is truncated."), 3), (Interrupted("Saved; kerasexp resume RUN"), 130)]
)
def test_our_errors_are_one_message_and_their_code(failing, capsys, error, code):
    failing(error)
    assert main(["list"]) == code
    assert capsys.readouterr() == ("", f"Error: {error}\n")


def test_an_unexpected_error_is_one_line(failing, capsys):
    failing(RuntimeError("two\nlines"))
    assert main(["list"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "Error: unexpected error, RuntimeError: two lines. Run it again with --debug to see where.\n"


def test_debug_shows_where(failing, capsys):
    failing(RuntimeError("boom"))
    assert main(["list", "--debug"]) == 1
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "in list_experiments" in err
    assert "--debug to see" not in err


def test_ctrl_c_is_130_and_one_line(failing, capsys):
    failing(KeyboardInterrupt())
    assert main(["list"]) == 130
    assert capsys.readouterr() == ("", "Error: Interrupted.\n")


def test_every_command_is_a_function():
    functions = {"list": "list_experiments"}
    for command in set(COMMANDS) - GROUPS:
        assert callable(getattr(kerasexp, functions.get(command, command)))
    for name in kerasexp.__all__:
        assert name in dir(kerasexp)


def test_an_unknown_attribute_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'trian'"):
        kerasexp.trian  # noqa: B018
