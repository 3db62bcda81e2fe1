"""``make run`` where something is missing: a line that says what, and nothing to clean up when it has been mended."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.lab.source import copy

OLD = "import sys; sys.version_info = (3, 9, 2)"
WITHOUT_VENV = "import sys; sys.modules['ensurepip'] = None"
NOBODY_LISTENS = "http://127.0.0.1:9/simple"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of it."""
    made = tmp_path_factory.mktemp("source")
    copy(made)
    return made


OF_MAKE = frozenset({"MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS"})
"""What it tells a make that it starts, as whoever runs these tests may do."""


def run(source: Path, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    ours = {name: value for name, value in os.environ.items() if name not in OF_MAKE}
    environment: Mapping[str, str] = {**ours, **more}
    command = ["make", "--no-print-directory", "run", *arguments]
    return subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True, check=False)


def told(done: "subprocess.CompletedProcess[str]") -> str:
    """The line that says what is wrong; make itself adds one that names the target."""
    assert done.returncode == 2
    first, second = done.stderr.splitlines()
    assert second.startswith("make: *** [Makefile:")
    return first


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """Where a Python finds what makes it odd."""
    (tmp_path / "odd").mkdir()
    return tmp_path / "odd"


def test_an_old_python_is_told_by_its_version(source: Path, odd: Path) -> None:
    (odd / "sitecustomize.py").write_text(OLD)

    assert told(run(source, PYTHONPATH=str(odd))) == (
        "make: python3 is Python 3.9, and this takes 3.11 or newer: make PYTHON=python3.11 names another one"
    )


def test_no_python_is_told_by_its_name(source: Path) -> None:
    assert told(run(source, "PYTHON=python9")) == (
        "make: no python9: this takes Python 3.11 or newer, make PYTHON=python3.11 names one"
    )


def test_a_python_without_venv_is_told_with_what_mends_it(source: Path, odd: Path) -> None:
    (odd / "sitecustomize.py").write_text(WITHOUT_VENV)
    line = told(run(source, PYTHONPATH=str(odd)))

    assert line.startswith("make: python3 cannot make virtual environments: apt-get install python3-venv (python3.")


def test_without_a_network_that_is_told_and_when_there_is_one_the_same_command_runs_it(source: Path) -> None:
    """Where an environment of an older Python lies, which nobody has cleaned up."""
    left = source / ".venv"
    (left / "bin").mkdir(parents=True)
    (left / "bin/python").symlink_to("/nonexistent/python3.9")
    (left / ".run-3.9").touch()
    unreachable = {"PIP_INDEX_URL": NOBODY_LISTENS, "PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "1"}
    line = told(run(source, **unreachable, PIP_FIND_LINKS="", PIP_NO_CACHE_DIR="1"))
    assert line == "make: the package index cannot be reached: this takes a network, or a mirror that pip is told of"

    done = run(source, "ARGS=--once=json")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("{")
    assert not (left / ".run-3.9").exists()
