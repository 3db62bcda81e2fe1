import pytest

from tests.lab import cluster
from tests.lab.cluster import Tools


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    """kubectl and helm."""
    return cluster.unpack(tmp_path_factory.mktemp("cluster"))
