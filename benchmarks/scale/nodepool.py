"""Nodepool 11 with its own fake driver, which is a cloud in the launcher's memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.nodepool import Nodepool, launcher

PROVIDER = """    driver: fake
    cloud: fake
    region-name: fake-region
    rate: 0
    launch-timeout: 600
    boot-timeout: 600
    cloud-images: [{name: fake-image, image-id: fake-image-id}]
    pools:
      - name: main
        max-servers: 20000
        host-key-checking: false
        labels: [{name: fake, cloud-image: fake-image, min-ram: 8192, flavor-name: Fake}]
"""
CLOUDS = """
clouds:
  fake: {auth: {username: fake, password: fake, project_name: fake, auth_url: "http://127.0.0.1:1/v3"}}
"""
"""The entry must be there; nobody is asked for anything."""
LAUNCH = """
import sys
from nodepool.cmd import launcher
from nodepool.driver.fake.adapter import FakeOpenStackCloud
FakeOpenStackCloud._get_quota = staticmethod(lambda: (10**9, 10**9, 10**9))
sys.argv[0] = "nodepool-launcher"
sys.exit(launcher.main())
"""
"""Its fake cloud has room for 20 servers: this starts the launcher with a larger one."""


@contextmanager
def nodepool(zookeeper: str, above: Path) -> Iterator[Nodepool]:
    """Run a launcher on fake servers during this block."""
    with launcher(zookeeper, above, PROVIDER) as (running, programs):
        clouds = running.directory / "clouds.yaml"
        clouds.write_text(CLOUDS)
        running.start([programs / "python", "-c", LAUNCH], {"OS_CLIENT_CONFIG_FILE": str(clouds)})
        running.wait_until_up()
        yield running
