"""The end of a driver, while the cloud does not answer."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodepool_lite.clouds.openstack.api import Api
from nodepool_lite.clouds.openstack.turnstile import Turnstile
from nodepool_lite.model.errors import CloudError

CLOUDS = "clouds: {one: {auth: {auth_url: 'http://127.0.0.1:%d/v3', username: u, password: p, project_name: n}}}\n"
PATIENCE = 10.0


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A server that takes connections and says nothing until it is closed."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_closing_does_not_wait_for_a_cloud_that_is_silent(silent: socket.socket, tmp_path: Path) -> None:
    """Neither a daemon that is told to stop nor one that reads its configuration again has that time."""
    (tmp_path / "clouds.yaml").write_text(CLOUDS % silent.getsockname()[1])
    api = Api("one", "", tmp_path, Turnstile(0.0))

    def log_in() -> None:
        with pytest.raises(CloudError):
            api.version()

    caller = threading.Thread(target=log_in)
    caller.start()
    silent.settimeout(PATIENCE)
    connection, _ = silent.accept()
    began = time.monotonic()
    api.close()
    assert time.monotonic() - began < 1.0
    connection.close()
    silent.close()
    caller.join(PATIENCE)
    assert not caller.is_alive()
