import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.lab import netns
from tests.lab.netns import Namespace, Pair

# Speed is measured by the benchmark; a busy machine is no reason to fail.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew instead of comparing")


def pytest_configure(config: pytest.Config) -> None:
    # From Python 3.12 on fork() warns where there are threads; our children make a few system calls and end.
    config.addinivalue_line("filterwarnings", "ignore:This process .* is multi-threaded:DeprecationWarning")


def require_laboratory() -> None:
    """Fail where network namespaces cannot be made: a test that is left out looks like one that passed."""
    missing = netns.lacking(os.geteuid(), os.environ["PATH"])
    if missing:
        pytest.fail(f"tests marked kernel need root and {', '.join(netns.PROGRAMS)}; missing: {', '.join(missing)}")


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two hosts on one cable."""
    require_laboratory()
    with netns.pair() as made:
        yield made


@pytest.fixture
def host() -> Iterator[Namespace]:
    """A host with nothing but its loopback interface."""
    require_laboratory()
    with netns.namespace() as made:
        yield made
