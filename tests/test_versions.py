"""The versions of what is installed: those that are pinned, and the lowest that are allowed."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

from tests.lab.daemon import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TOLD_BY_OTHERS = (
    "tests/show",
    "tests/settings",
    *(f"tests/server/test_{name}.py" for name in ("routes", "negotiation", "framing", "heads")),
)
"""What depends on how the libraries behave."""


def lowest() -> Mapping[str, str]:
    """The lowest version allowed of each library, by name."""
    allowed = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["auth"]]
    return dict(one.split(">=") for one in allowed)


def pinned(file: str) -> dict[str, str]:
    """The version of each package in a file of constraints."""
    return dict(re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / file).read_text(), re.MULTILINE))


def test_all_that_the_exporter_needs_is_pinned_with_sums() -> None:
    text = (ROOT / "constraints.txt").read_text() + (ROOT / "constraints-auth.txt").read_text()
    packages = re.findall(r"^[\w.-]+==\S+ (?:\\\n    --hash=sha256:[0-9a-f]{64} ?)+$", text, re.MULTILINE)
    names = {name.lower().replace("_", "-") for name in pinned("constraints.txt") | pinned("constraints-auth.txt")}

    assert len(packages) == len(names)
    assert {name.lower() for name in lowest()} <= names


def test_no_package_is_pinned_twice() -> None:
    files = [pinned(f"constraints{kind}.txt") for kind in ("", "-auth", "-tests")]

    assert sum(map(len, files)) == len({name for file in files for name in file})


def test_the_lowest_versions_that_are_allowed_will_do(tmp_path: Path) -> None:
    tools = pinned("constraints-tests.txt")
    wanted = {**lowest(), **{name: tools[name] for name in ("hypothesis", "pytest")}}
    subprocess.run([sys.executable, "-m", "venv", tmp_path], check=True)
    python = str(tmp_path / "bin/python")
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, *(f"{name}=={version}" for name, version in wanted.items())], check=True)

    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TOLD_BY_OTHERS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-4000:]
