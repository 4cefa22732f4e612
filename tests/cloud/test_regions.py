"""Two regions of one cloud in one pool: each provider's calls go where the catalogue says for its region."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from openstack.connection import Connection

from nodepool_lite.model.node import NodeState
from nodepool_lite.store.base import Snapshot
from tests.cloud.conftest import Cloud
from tests.cloud.pools import PATIENCE, members, running
from tests.cloud.proxy import FaultProxy
from tests.cloud.way import UPSTREAMS
from tests.machine.pool import RealPool

__all__ = ["members"]

pytestmark = pytest.mark.cloud
SECOND = "RegionTwo"
PATHS = {"compute": "v2.1", "network": "", "image": ""}
"""Service type -> version in the URLs of the catalogue."""
HEAD = """
state-dir: {base}/state
labels: [{{name: first, min-ready: 1}}, {{name: second, min-ready: 1}}]
providers:
"""
PROVIDER = """
  - name: {name}
    driver: openstack
    cloud: both
    region-name: {region}
    login-test: false
    rate: 0.01
    cloud-images: [{{name: empty}}]
    pools:
      - networks: [bulk]
        availability-zones: [fake]
        labels: [{{name: {name}, cloud-image: empty, flavor-name: tiny}}]
"""


@pytest.fixture
def proxy(cloud: Cloud) -> Iterator[FaultProxy]:
    """Give a second region, which is the same cloud behind this proxy."""
    with FaultProxy(UPSTREAMS).running() as made, cloud.connect("admin") as admin:
        admin.identity.create_region(id=SECOND)
        endpoints = []
        try:
            for kind, version in PATHS.items():
                service = next(each for each in admin.identity.services() if each.type == kind)
                where = {"service_id": service.id, "interface": "public", "region_id": SECOND}
                endpoints.append(admin.identity.create_endpoint(url=made.url(kind, version), **where))
            yield made
        finally:
            for endpoint in endpoints:
                admin.identity.delete_endpoint(endpoint)
            admin.identity.delete_region(SECOND)


@pytest.fixture
def pool(cloud: Cloud, proxy: FaultProxy, members: list[Connection], tmp_path: Path) -> Iterator[RealPool]:
    """Run a pool with a provider in each region, and a label for each."""
    entry = yaml.safe_load(cloud.clouds_yaml.read_text())["clouds"]["one"]
    del entry["region_name"]
    clouds = tmp_path / "clouds.yaml"
    clouds.write_text(yaml.safe_dump({"clouds": {"both": {**entry, "regions": ["RegionOne", SECOND]}}}))
    providers = {"first": "RegionOne", "second": SECOND}
    text = HEAD.format(base=tmp_path) + "".join(
        PROVIDER.format(name=name, region=region) for name, region in providers.items()
    )
    config = tmp_path / "nodepool.yaml"
    config.write_text(text)
    with running(config, {"OS_CLIENT_CONFIG_FILE": str(clouds)}, members[:1]) as pool:
        yield pool


def test_each_provider_uses_its_own_region(pool: RealPool, proxy: FaultProxy) -> None:
    """Nodes are made and deleted in it; neither takes the other's servers for aliens."""

    def ready(records: Snapshot) -> bool:
        states = {node.label: node.state for node in records.nodes.values()}
        return states == {"first": NodeState.READY, "second": NodeState.READY}

    nodes = {node.label: node for node in pool.wait(ready, PATIENCE).nodes.values()}
    asked = [
        call.json["server"]["metadata"]["nodepool_node_id"] for call in proxy.made("POST", "compute/v2.1/servers$")
    ]
    assert asked == [nodes["second"].id]
    assert pool.cli("alien-list", "-f", "json").strip() == "[]"
    for node in nodes.values():
        pool.cli("delete", node.id)
    pool.wait(
        lambda records: ready(records) and not {each.id for each in nodes.values()} & records.nodes.keys(), PATIENCE
    )
    ended = [call.path.rpartition("/")[2] for call in proxy.made("DELETE", "compute/v2.1/servers/")]
    assert set(ended) == {nodes["second"].server_id}
