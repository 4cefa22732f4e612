"""The article of 2017, step by step, with its own file and its own element, on this host in place of a cloud."""

import subprocess
from collections.abc import Iterator
from contextlib import closing

import pytest

from nodepool_lite.model.node import NodeState
from tests.machine import article
from tests.machine.pool import RealPool

pytestmark = pytest.mark.machine
CHANGES = {
    "    cloud: le-cloud\n": "    driver: qemu\n",
    "    image-type: raw\n": "    image-type: qcow2\n",
    "min-ram: 2048": "min-ram: 512",
}


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealPool]:
    """The article's set-up: a key, an element, and its nodepool.yaml with another driver."""
    pool = RealPool(article.lay_out(tmp_path_factory.mktemp("article"), CHANGES), {})
    with closing(pool):
        pool.start()
        yield pool


def test_an_image_is_built_uploaded_and_a_node_is_ready_without_being_asked(pool: RealPool) -> None:
    """Step 4: start the services, and watch."""
    article.is_built_and_uploaded_and_makes_a_node(pool)


def test_the_node_can_be_logged_in_to_with_the_pools_own_key(pool: RealPool) -> None:
    """Step 6: `ssh -i /var/lib/nodepool/.ssh/id_rsa jenkins@NODE`."""
    article.lets_its_owner_in(pool, pool.wait_for_node(NodeState.READY))


def test_a_node_that_was_shut_down_is_replaced(pool: RealPool) -> None:
    """Step 5: the check finds a node that was shut down and makes a new one, which is pristine."""
    node = pool.wait_for_node(NodeState.READY)
    pool.cli("ssh", node.id, "--", "touch left-behind; sync")
    subprocess.check_call(["kill", "-9", *pool.servers()])
    article.is_followed_by_a_pristine_one(pool, node)
    assert "stopped" in pool.records.nodes[node.id].error


def test_a_deleted_node_is_gone_and_followed_by_another(pool: RealPool) -> None:
    """Step 5: `nodepool delete NODE`."""
    article.is_deleted_and_followed_by_another(pool, pool.wait_for_node(NodeState.READY))


def test_images_are_built_uploaded_and_deleted_by_hand(pool: RealPool) -> None:
    """Step 5: `image-build`, `image-upload`, `image-delete`, `dib-image-delete`."""
    article.is_built_uploaded_and_deleted_by_hand(pool)
