"""A store in memory with what a pool holds, for tests of what users may ask of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nodepool_lite.config.settings import Config
from nodepool_lite.store.memory import MemoryServer, MemoryStore
from nodepool_lite.testing import FakeClock, make_config


@pytest.fixture
def server() -> MemoryServer:
    """Return what all clients of a test share."""
    return MemoryServer()


@pytest.fixture
def store(server: MemoryServer) -> Iterator[MemoryStore]:
    """Return a client of its own."""
    client = server.connect()
    yield client
    client.close()


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock that the test moves."""
    return FakeClock()


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Return a pool with two labels and ten servers at most."""
    return make_config(["debian-12", "rdo"], state_dir=tmp_path)
