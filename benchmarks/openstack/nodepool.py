"""Nodepool 11 on an OpenStack, set up as this cloud needs it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from benchmarks.nodepool import Nodepool, launcher
from tests.cloud.many import Stage
from tests.cloud.proxy import FaultProxy, Reply
from tests.cloud.way import entry_through

PROVIDER = """    driver: openstack
    cloud: one
    rate: 0.001
    port-cleanup-interval: 0 # else it deletes ports of other people in the project that are down
    cloud-images: [{name: empty, image-name: empty}]
    pools:
      - name: main
        max-servers: 1000
        networks: [bulk]
        availability-zones: [fake]
        auto-floating-ip: false
        host-key-checking: false
        labels: [{name: fake, cloud-image: empty, flavor-name: tiny}]
"""
_UNLIMITED = {"absolute": {"maxTotalVolumes": -1, "maxTotalVolumeGigabytes": -1}}


@contextmanager
def nodepool(stage: Stage) -> Iterator[Nodepool]:
    """Run a launcher during this block; it has come to rest when the block begins."""
    with (
        volumes(stage.proxy),
        launcher(stage.zookeeper, stage.directory, PROVIDER, lambda: len(stage.proxy.calls)) as (running, programs),
    ):
        clouds = running.directory / "clouds.yaml"
        write_clouds(stage, clouds)
        before = len(stage.proxy.calls)
        try:
            running.start([programs / "nodepool-launcher"], {"OS_CLIENT_CONFIG_FILE": str(clouds)})
            stage.wait_for_rest(before)
            yield running
        finally:
            running.close()
            stage.sweep("nodepool_provider_name", running.directory.name)


def write_clouds(stage: Stage, path: Path) -> None:
    """Write a clouds.yaml without which no node would ever be ready: it says that `bulk` can be reached from here."""
    networks = [{"name": "bulk", "routes_externally": True, "default_interface": True}]
    volumes_at = stage.proxy.url("block-storage", "v3")
    entry = entry_through(stage.proxy, stage.entry, networks=networks, block_storage_endpoint_override=volumes_at)
    path.write_text(yaml.safe_dump({"clouds": {"one": entry}}))


@contextmanager
def volumes(proxy: FaultProxy) -> Iterator[None]:
    """Let the proxy answer for a volume service, which the cloud has not: without one it would not launch a node."""
    links = [{"rel": "self", "href": proxy.url("block-storage", "v3")}]
    body = {"version": {"id": "v3.0", "status": "CURRENT", "links": links}, "volumes": [], "limits": _UNLIMITED}
    answer = Reply(200, {"Content-Type": "application/json"}, json.dumps(body).encode())
    rule = proxy.rule("GET", "^block-storage/", times=None, answer=answer)
    yield
    with proxy.lock:
        proxy.rules.remove(rule)
