"""What tests of the whole exporter share that watch it find stuck sockets."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.cgroups import Cgroup, cgroup
from tests.lab.daemon import QUICK, UNHURRIED_AFTER, stuck_after


@pytest.fixture
def quick(tmp_path: Path) -> str:
    """The flag for a configuration with low thresholds."""
    (tmp_path / "config.yaml").write_text(QUICK)
    return f"--config.file={tmp_path / 'config.yaml'}"


@pytest.fixture
def unhurried(tmp_path: Path) -> str:
    """The same with thresholds that are beyond the pauses of a program on a busy machine."""
    (tmp_path / "config.yaml").write_text(stuck_after(UNHURRIED_AFTER))
    return f"--config.file={tmp_path / 'config.yaml'}"


@pytest.fixture
def web() -> Iterator[Cgroup]:
    with cgroup(f"web-{os.getpid()}.service") as made:
        yield made
