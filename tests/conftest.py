from collections.abc import Iterator

import pytest

from tests.lab import netns
from tests.lab.netns import Namespace, Pair


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two hosts on one cable."""
    with netns.pair() as made:
        yield made


@pytest.fixture
def host() -> Iterator[Namespace]:
    """A host with nothing but its loopback interface."""
    with netns.namespace() as made:
        yield made
