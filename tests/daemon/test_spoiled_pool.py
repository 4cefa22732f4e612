"""A real daemon on a pool that somebody has spoiled: it says so once, and goes on with what it can."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kazoo.client import KazooClient

from nodepool_lite.model.node import NodeState
from nodepool_lite.store.base import PATHS
from nodepool_lite.store.zookeeper import ZooKeeperStore
from tests.program import Program
from tests.store.waiting import until_seen

pytestmark = pytest.mark.zookeeper

PATIENCE = 60.0
CONFIG = """\
state-dir: {directory}/state
zookeeper-servers: [{{host: 127.0.0.1, port: {port}, chroot: {root}}}]
labels: [{{name: debian-12, min-ready: 1}}]
providers:
  - name: local
    driver: simulated
    login-test: false
    options: {{images: [img]}}
    cloud-images: [{{name: debian, image-id: img}}]
    pools: [{{labels: [{{name: debian-12, cloud-image: debian}}]}}]
"""
GARBAGE = {
    **{f"{folder}/stray{'/x' * number}": b"\xff\x00" for folder in PATHS.values() for number in range(3)},
    "nodes/0000000000": b"",
    "nodes/0000000001": b'{"label": {}}',
    "nodes/two words": b"{}",
    "backoffs/launch/debian-12@local": b"[]",
    "leases/abcd2345": b'{"state": "somewhere"}',
}


@pytest.fixture
def raw(zookeeper_hosts: str) -> Iterator[KazooClient]:
    """Give a plain client, for what our own does not do."""
    client = KazooClient(zookeeper_hosts)
    client.start()
    yield client
    client.stop()
    client.close()


def test_a_daemon_lives_with_any_garbage(
    tmp_path: Path, zookeeper_hosts: str, zookeeper_root: str, raw: KazooClient
) -> None:
    """It waits for a pool that it can understand, and then makes its node; each stray znode is in the log once."""
    top = f"{zookeeper_root}/nodepool-lite"
    for path, data in {**GARBAGE, "pool/self": b"?"}.items():
        if raw.exists(f"{top}/{path}"):
            raw.set(f"{top}/{path}", data)
        else:
            raw.create(f"{top}/{path}", data, makepath=True)
    config, log = tmp_path / "nodepool.yaml", tmp_path / "log"
    port = zookeeper_hosts.partition(":")[2]
    config.write_text(CONFIG.format(directory=tmp_path, port=port, root=zookeeper_root))
    store = ZooKeeperStore.connect(f"{zookeeper_hosts}{zookeeper_root}", watch=True)
    command = [sys.executable, "-m", "nodepool_lite", "--config", config, "run", "--role", "launcher"]
    with log.open("wb") as file, Program(command, stdout=file, stderr=file) as daemon:
        try:
            while "pool.unreadable" not in log.read_text():
                assert daemon.poll() is None, log.read_text()
            assert not store.snapshot().members
            raw.delete(f"{top}/pool/self")
            ready = until_seen(store, lambda seen: any(each.state is NodeState.READY for each in seen.nodes.values()))
            assert ready.unreadable(type(next(iter(ready.nodes.values())))) == {"0000000000", "0000000001", "stray"}
        finally:
            daemon.terminate()
            assert daemon.wait(PATIENCE) == 0
            store.close()
    text = log.read_text()
    assert "Traceback" not in text
    assert "crashed" not in text
    told = [line for line in text.splitlines() if "store.garbage" in line]
    assert len(told) == len(set(told)) == len(ready.garbage) + 1
    for path, data in GARBAGE.items():
        assert raw.get(f"{top}/{path}")[0] == data
