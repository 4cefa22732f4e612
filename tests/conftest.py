"""Fixtures for every room: a real ZooKeeper server, started once for each test process."""

import uuid
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.cloud.turns import Turns, disturbs
from tests.secured import Secured, start, stop
from tests.zookeeper import open_zookeeper

_turns = Turns()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put those that stop services of the cloud behind those that need them."""
    items.sort(key=disturbs)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Have tests on the OpenStack wait while another process stops its services."""
    _turns.begin(item)
    try:
        return (yield)
    finally:
        _turns.end(item, nextitem)


settings.register_profile("busy", deadline=None)  # a test is not wrong because others use the processor
settings.load_profile("busy")


@pytest.fixture(scope="session")
def zookeeper_hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a real ZooKeeper and give its `127.0.0.1:PORT`; each pytest-xdist worker has its own."""
    with open_zookeeper(tmp_path_factory.mktemp("zookeeper")) as address:
        yield address


@pytest.fixture(scope="session")
def secured_zookeeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """Run a real ZooKeeper with TLS on one port, and with a user of its own on both."""
    secured, process = start(tmp_path_factory.mktemp("secured-zookeeper"))
    yield secured
    stop(process)


@pytest.fixture
def zookeeper_root() -> str:
    """Give a root path that no other test has, for stores of this test alone."""
    return f"/test-{uuid.uuid4().hex}"
