"""What an installed wheel holds: every package, every config, the command."""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
import zipfile
from importlib import metadata, resources
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def test_every_package_is_listed(setup):
    on_disk = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "kerasexp").rglob("__init__.py")}
    assert set(setup["options"]["packages"].split()) == on_disk | {"kerasexp.configs"}


def test_every_data_file_is_covered_by_a_pattern(setup):
    patterns = setup["options.package_data"]
    for package, folder in (
        ("kerasexp.configs", ROOT / "configs"),
        ("kerasexp.reporting", ROOT / "kerasexp/reporting"),
    ):
        globs = [part.strip() for part in patterns[package].split(",")]
        covered = {path for glob in globs for path in folder.glob(glob)}
        others = {path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
        assert others == covered


def test_configs_are_found_through_the_package():
    names = {entry.name for entry in resources.files("kerasexp.configs").iterdir()}
    assert {"kmnist_cnn.yaml", "kmnist_cnn_nopool.yaml", "kmnist_fcnn.yaml"} <= names


def test_the_command_is_declared():
    entries = [entry for entry in metadata.entry_points(group="console_scripts") if entry.name == "kerasexp"]
    assert [entry.value for entry in entries] == ["kerasexp.cli:main"]


def test_the_base_install_has_no_pytorch(setup):
    assert "torch" not in setup["options"]["install_requires"]
    assert "torch" not in setup["options.extras_require"]["test"]


def test_the_readme_and_ci_run_the_same_commands():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    commands = [line for line in lines if line.startswith("python -m venv ")]
    assert len(commands) == 2
    assert "kerasexp train kmnist_cnn --augment 10 --recipe fast --data mnist5k" in commands[0]
    assert commands[1].endswith(".venv/bin/python -m pytest")
    # .ci/run takes its commands from the README by this very pattern
    assert "grep '^python -m venv ' README.md" in (ROOT / ".ci/run").read_text(encoding="utf-8")


def test_the_licence_is_whole():
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


@pytest.mark.slow
def test_a_wheel_works_without_the_checkout(tmp_path):
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    # a copy, so that the build leaves nothing in the checkout
    source = tmp_path / "source"
    tracked = ["configs", "kerasexp", "LICENSE", "README.md", "pyproject.toml", "setup.cfg"]
    source.mkdir()
    for name in tracked:
        subprocess.run(["cp", "-r", str(ROOT / name), str(source / name)], check=True)
    subprocess.run([*pip, "wheel", "--no-deps", "-q", "-w", str(tmp_path), str(source)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "kerasexp/configs/kmnist_cnn.yaml" in names
    assert not [name for name in names if name.startswith("tests")]

    target = tmp_path / "installed"
    subprocess.run([*pip, "install", "--no-deps", "-q", "--target", str(target), str(wheel)], check=True)
    environment = {**os.environ, "PYTHONPATH": str(target)}
    code = "import sys, kerasexp; print(kerasexp.__file__); from kerasexp.cli import main; sys.exit(main(['list']))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert str(target) in done.stdout
    assert "kmnist_cnn" in done.stdout
