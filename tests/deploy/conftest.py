from collections.abc import Iterator

import pytest

from tests.conftest import require_laboratory
from tests.lab import cluster, containers
from tests.lab.cluster import Tools
from tests.lab.containers import Engine


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    """kubectl and helm."""
    return cluster.unpack(tmp_path_factory.mktemp("cluster"))


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """One that has our image."""
    require_laboratory()
    with containers.engine(tmp_path_factory.mktemp("podman")) as made:
        containers.build(made)
        yield made
