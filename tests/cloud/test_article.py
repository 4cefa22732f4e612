"""The article of 2017, step by step, on a real OpenStack: its two files, its element, its commands."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from openstack.connection import Connection

from nodepool_lite.model.node import NodeState
from tests.cloud.conftest import Cloud
from tests.cloud.pools import pool_id, running, servers_of
from tests.clouds.openstack.conftest import members
from tests.machine import article
from tests.machine.pool import RealPool
from tests.waiting import eventually

__all__ = ["members"]

pytestmark = [pytest.mark.cloud, pytest.mark.aside]
CHANGES = {
    "defaultnet": "private",
    "check: '*/15 * * * *'": "check: '* * * * *'",  # nobody waits a quarter of an hour for the check
    "rate: 10.0": "rate: 1.0",
    "    pool: nova\n": "    pool: nova\n    availability-zones: [qemu]\n",  # elsewhere servers only pretend to boot
}
FLOATING = "198.18.2."


@pytest.fixture(scope="module")
def home(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the service user's home, with the article's clouds.yaml: one entry, `le-cloud`."""
    home = tmp_path_factory.mktemp("article")
    file = home / ".config" / "openstack" / "clouds.yaml"
    file.parent.mkdir(parents=True)
    entry = yaml.safe_load(cloud.clouds_yaml.read_text())["clouds"]["one"]
    file.write_text(yaml.safe_dump({"clouds": {"le-cloud": entry}}))
    return home


@pytest.fixture(scope="module")
def pool(home: Path, members: list[Connection]) -> Iterator[RealPool]:
    """Start the services with the article's nodepool.yaml."""
    with running(article.lay_out(home, CHANGES), {"HOME": str(home)}, members[:1]) as pool:
        yield pool


def test_the_files_are_checked_before_anything_is_started(home: Path) -> None:
    """Steps 1 and 3: a network of another cloud is found before a daemon runs into it, and the right ones are named."""
    unchanged = {key: new for key, new in CHANGES.items() if key != "defaultnet"}
    pool = RealPool(article.lay_out(home, unchanged), {"HOME": str(home)})
    pool.cli("config", "check")
    said = pool.cli("config", "check", "--live", status=78)
    (told,) = re.findall(r"there is no network `defaultnet`; there are: (.*)", said)
    assert {"bulk", "private", "provider", "public"} <= set(told.split(", "))
    article.lay_out(home, CHANGES)
    pool.cli("config", "check", "--live")


def test_an_image_comes_to_glance_and_a_node_is_ready_without_being_asked(
    pool: RealPool, members: list[Connection]
) -> None:
    """Step 4: start the services, and watch; the node is reached by a floating IP, as `pool` wants it."""
    node = article.is_built_and_uploaded_and_makes_a_node(pool)
    image = members[0].image.get_image(node.image_id)
    assert (image.status, image.disk_format, image.visibility) == ("active", "raw", "private")
    assert (node.address or "").startswith(FLOATING)
    assert members[0].compute.get_server(node.server_id).flavor.ram >= 2048


def test_the_node_can_be_logged_in_to_with_the_pools_own_key(pool: RealPool) -> None:
    """Step 6: `ssh -i /var/lib/nodepool/.ssh/id_rsa jenkins@NODE`."""
    node = pool.wait_for_node(NodeState.READY)
    article.lets_its_owner_in(pool, node)
    assert "login:" in pool.cli("logs", node.id, "--console")


@pytest.mark.proof
def test_a_node_that_was_shut_down_is_replaced(pool: RealPool, members: list[Connection]) -> None:
    """Step 5: the check finds a node that was shut down and makes a new one, which is pristine."""
    node = pool.wait_for_node(NodeState.READY)
    pool.cli("ssh", node.id, "--", "touch left-behind; sync")
    members[0].compute.stop_server(node.server_id)
    article.is_followed_by_a_pristine_one(pool, node)
    told = pool.cli("show", node.id)
    assert "it did not answer the check" in told or "Nova says SHUTOFF" in told


def test_a_deleted_node_is_gone_and_followed_by_another(pool: RealPool, members: list[Connection]) -> None:
    """Step 5: `nodepool delete NODE`; its server and its floating IP go."""
    node = pool.wait_for_node(NodeState.READY)
    article.is_deleted_and_followed_by_another(pool, node)
    assert node.server_id not in servers_of(members[0], pool_id(pool))
    mark = f"server={node.server_id}"
    eventually(lambda: not [each for each in members[0].network.ips() if mark in each.description], 60)


def test_images_are_built_uploaded_and_deleted_by_hand(pool: RealPool, members: list[Connection]) -> None:
    """Step 5: `image-build`, `image-upload`, `image-delete`, `dib-image-delete`; Glance has what is left."""
    article.is_built_uploaded_and_deleted_by_hand(pool)
    (upload,) = pool.records.uploads.values()
    mine = members[0].image.images(tag=f"nodepool-{pool_id(pool)}")
    assert [image.id for image in mine] == [upload.image_id]
    assert pool.cli("alien-list", "-f", "json").strip() == "[]"
