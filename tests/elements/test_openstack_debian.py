"""The promise: a node on which an OpenStack answers, and a fresh one when it is gone. All of it real, on this host.

With NODEPOOL_TEST_OPENSTACK=openstack-debian-full in the environment the same is done with nova and neutron.
"""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from nodepool_lite.actions.dib.recipe import fingerprint
from nodepool_lite.config.load import load_or_raise
from nodepool_lite.config.shipped import elements_dir, etc_dir
from nodepool_lite.model.node import Node, NodeState
from tests.images import built
from tests.machine.pool import RealPool

pytestmark = [pytest.mark.machine, pytest.mark.proof]
LABEL = os.environ.get("NODEPOOL_TEST_OPENSTACK", "openstack-debian")
SERVICES = {
    "openstack-debian": "keystone glance placement",
    "openstack-debian-full": "keystone glance placement nova neutron",
}
PATIENCE = 1200.0


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealPool]:
    """The pool of etc/openstack-debian.yaml with one label, its image built by the real disk-image-create."""
    base = tmp_path_factory.mktemp("openstack")
    environ = {"NODEPOOL_STATE_DIR": str(base / "state")}
    example = etc_dir() / "openstack-debian.yaml"
    diskimage = load_or_raise(example, environ).diskimage(LABEL)
    assert diskimage is not None
    image, key = built(diskimage)
    config = base / "nodepool.yaml"
    config.write_text(yaml.safe_dump(_changed(yaml.safe_load(example.read_text()), key)))
    pool = RealPool(config, environ)
    with closing(pool):
        pool.start()
        pool.plant(image, LABEL, fingerprint(diskimage, (elements_dir(),)))
        yield pool


def _changed(example: dict[str, Any], key: Path) -> dict[str, Any]:
    """Return the example with one label, a node of which is kept ready and checked often, and no builds of its own."""
    (pool,) = example["providers"][0]["pools"]
    pool["labels"] = [label for label in pool["labels"] if label["name"] == LABEL]
    labels = [{**label, "min-ready": 1} for label in example["labels"] if label["name"] == LABEL]
    images = [{**image, "pause": True} for image in example["diskimages"]]
    return {**example, "labels": labels, "diskimages": images, "private-key": str(key), "check-interval": "10s"}


@pytest.fixture(scope="module")
def node(pool: RealPool) -> Node:
    """The first node that is ready."""
    return pool.wait_for_node(NodeState.READY, seconds=PATIENCE)


def test_a_ready_node_was_prepared_and_verified(pool: RealPool, node: Node) -> None:
    """Its history tells so, and its log has every step with its time."""
    assert node.history[-1].reason == "ready-script run_openstack_debian.sh succeeded, and so did verify_openstack.sh"
    log = pool.cli("logs", node.id)
    assert "::step:: filling the catalog" in log
    assert "s  asking with the client" in log


def test_a_user_finds_a_true_catalog(pool: RealPool, node: Node) -> None:
    """`nodepool-lite ssh openstack-debian -- '. ./keystonerc_admin && openstack catalog list'`."""
    catalog = pool.cli("ssh", node.id, "--", ". ./keystonerc_admin && openstack catalog list -f value -c Name")
    assert sorted(catalog.split()) == sorted(SERVICES[LABEL].split())


def test_a_node_whose_openstack_ceases_to_answer_is_replaced_by_a_pristine_one(pool: RealPool, node: Node) -> None:
    """Its sshd is well, and that is not what people wait for; the reason names the service."""
    pool.cli("ssh", node.id, "--", "touch left-behind; sudo systemctl stop glance-api")
    failed = pool.wait_for_node(NodeState.FAILED)
    assert failed.id == node.id
    assert "verify_openstack.sh ended with status 1: glance at http://172.31.99.1:9292" in failed.error
    fresh = pool.wait_for_node(NodeState.READY, other_than=node, seconds=PATIENCE)
    assert "left-behind" not in pool.cli("ssh", fresh.id, "--", "ls -A")
    pool.cli("delete", fresh.id, "--now")
    assert fresh.id not in pool.cli("list")
