"""The pool on a real OpenStack: a true machine from the image to a user's shell, and many servers at once."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from nodepool_lite.actions.dib.recipe import fingerprint
from nodepool_lite.config.shipped import elements_dir
from nodepool_lite.model.image import UploadState
from nodepool_lite.model.node import NodeState
from tests.cloud.conftest import Cloud
from tests.cloud.many import come_and_go, stage
from tests.images import debian_image
from tests.machine.pool import RealPool

pytestmark = pytest.mark.cloud
TRUE_MACHINES = """
state-dir: {base}/state
scripts-dir: {base}/scripts
private-key: {key}
diskimages:
  - name: debian-12
    elements: [debian-minimal, vm, nodepool-minimal, debian-quick]
    release: bookworm
    pause: true
labels:
  - {{name: debian-12, min-ready: 1, ready-script: hello.sh}}
providers:
  - name: cloud
    driver: openstack
    cloud: one
    boot-timeout: 15m
    diskimages: # Debian's cloud kernel has no driver for the SATA on which Nova gives the config drive with q35
      - {{name: debian-12, meta: {{hw_cdrom_bus: scsi, hw_scsi_model: virtio-scsi}}}}
    pools:
      - max-servers: 2
        networks: [provider]
        availability-zones: [qemu]
        auto-floating-ip: false
        labels: [{{name: debian-12, diskimage: debian-12, flavor-name: tiny}}]
"""
MANY = 40
CALLS_A_NODE, OPERATIONS_A_NODE = 3.0, 10.0


@pytest.fixture
def start(tmp_path: Path, cloud: Cloud) -> Iterator[Callable[..., RealPool]]:
    """Give a function that runs a pool with this configuration until the test ends."""
    pools: list[RealPool] = []

    def started(text: str, **values: object) -> RealPool:
        config = tmp_path / "nodepool.yaml"
        config.write_text(text.format(base=tmp_path, **values))
        pool = RealPool(config, {"OS_CLIENT_CONFIG_FILE": str(cloud.clouds_yaml)})
        pools.append(pool)
        pool.start()
        return pool

    yield started
    for pool in pools:
        with closing(pool):
            pool.stop()


@pytest.mark.aside
def test_a_true_machine_from_the_image_to_a_users_shell(start: Callable[..., RealPool], tmp_path: Path) -> None:
    """DIB's image goes to Glance, Nova boots it, the pinned key lets us in, and a user gets it and gives it back."""
    image, key = debian_image()
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "hello.sh").write_text("#!/bin/sh\necho hello > ~/hello.txt\n")
    pool = start(TRUE_MACHINES, key=key)
    diskimage = pool.config.diskimage("debian-12")
    assert diskimage is not None
    pool.plant(image, "debian-12", fingerprint(diskimage, (elements_dir(),)))
    pool.wait(lambda records: any(u.state is UploadState.READY for u in records.uploads.values()), 300)
    node = pool.wait_for_node(NodeState.READY, seconds=900)
    assert node.host_key_source == "injected"
    lease = json.loads(pool.cli("grab", "debian-12", "-f", "json"))
    assert pool.cli("ssh", lease["lease"], "--", "cat hello.txt; hostname") == f"hello\n{node.hostname}\n"
    pool.cli("ssh", lease["lease"], "--", "touch left-behind; sync")
    pool.cli("release", lease["lease"])
    fresh = pool.wait_for_node(NodeState.READY, other_than=node, seconds=900)
    assert (fresh.image_id, fresh.server_id == node.server_id) == (node.image_id, False)
    assert pool.cli("ssh", fresh.id, "--", "ls; hostname") == f"hello.txt\n{fresh.hostname}\n"
    pool.wait(lambda records: node.id not in records.nodes, 300)
    _leave_nothing(pool)


def test_many_servers_come_and_go_and_leave_nothing(
    cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All become ready and are deleted, by few calls of the cloud and of ZooKeeper for each, and nothing remains."""
    with stage(tmp_path, cloud.clouds_yaml) as place:
        life = come_and_go(place, MANY)
    with capsys.disabled():
        sys.stdout.write(f"\n{life}\n")
    assert life.left == ()
    assert life.calls_a_node <= CALLS_A_NODE, life
    assert life.tally.polls <= life.ready + life.gone + 2, life
    assert life.operations_a_node <= OPERATIONS_A_NODE, life


def _leave_nothing(pool: RealPool) -> None:
    """Make the label want nothing, delete what there is, and wait until the cloud has nothing of it."""
    pool.config_path.write_text(pool.config_path.read_text().replace("min-ready: 1", "min-ready: 0"))
    pool.wait(lambda records: all(n.state is not NodeState.READY for n in records.nodes.values()), 120)
    pool.wait(lambda records: not records.nodes, 600)
    for image in pool.cli("image-list", "-f", "value", "--column", "ID").split():
        pool.cli("image-delete", image)
    pool.wait(lambda records: not records.uploads, 120)
