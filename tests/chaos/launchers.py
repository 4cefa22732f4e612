"""Three launchers, real daemons on hosts of their own, whose clocks can be set; and the configuration they share."""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from nodepool_lite.access.keys import ca_key, pool_key
from nodepool_lite.config.load import load_or_raise
from nodepool_lite.config.settings import Config
from tests.chaos import ensemble
from tests.chaos.kept import Kept
from tests.chaos.network import CLOUD, RECORDS, add_host, on

NUMBERS = {"launcher-1": 21, "launcher-2": 22, "launcher-3": 23}
PROVIDER = "cloud"
MAX_SERVERS = 10
SESSION = 10.0
"""Seconds; the default of `zookeeper-timeout`."""
CLEANUP = 10.0
PREFIX = "chaos-"
"""With what the names of all servers begin."""
WRONG_CLOCK = Path(__file__).parent / "clock"
ROOT = Path(__file__).parents[2]
CONFIG = """
pool-name: chaos
state-dir: {home}
cleanup-interval: {cleanup:g}s
failed-retention: 30s
zookeeper-servers:
{servers}
labels:
  - {{name: chaos-one, min-ready: {ones}}}
  - {{name: chaos-pair, min-ready: {pairs}, subnodes: 1}}
providers:
  - name: cloud
    driver: openstack
    cloud: one
    login-test: false
    rate: 0.05
    cloud-images: [{{name: empty, image-name: empty}}]
    pools:
      - max-servers: {most}
        networks: [bulk]
        availability-zones: [fake]
        auto-floating-ip: false
        labels:
          - {{name: chaos-one, cloud-image: empty, flavor-name: tiny}}
          - {{name: chaos-pair, cloud-image: empty, flavor-name: tiny}}
"""


class Launcher(Kept):
    """One daemon, with a clock of its own."""

    def __init__(self, home: Path, name: str, clouds_yaml: Path) -> None:
        self._clock = home / "clock"
        self.config = home / "nodepool.yaml"
        environment = {
            "NODEPOOL_LITE_CONFIG": str(self.config),
            "OS_CLIENT_CONFIG_FILE": str(clouds_yaml),
            "NODEPOOL_TEST_CLOCK": str(self._clock),
            "PYTHONPATH": f"{WRONG_CLOCK}:{ROOT}",
        }
        command = on(name, sys.executable, "-m", "nodepool_lite", "run", "--role", "launcher")
        super().__init__(name, command, home / "log", environment)
        self.set_clock(0.0)

    @property
    def member(self) -> str:
        """The id under which the pool knows the process that runs now."""
        return f"launcher-{self.name}-{self.pid}"

    def set_clock(self, ahead: float) -> None:
        """Let its clock be wrong by so many seconds, within a second."""
        fresh = self._clock.with_suffix(".new")
        fresh.write_text(f"{ahead:+.0f}\n")
        fresh.replace(self._clock)


def make_launchers(directory: Path, clouds_yaml: Path) -> Sequence[Launcher]:
    """Return the launchers, with their hosts and the pool's keys, not started yet."""
    made = []
    for name, number in NUMBERS.items():
        add_host(name, number, {RECORDS: "records", CLOUD: "cloud"})
        home = directory / name
        home.mkdir()
        write_config(home)
        made.append(Launcher(home, name, clouds_yaml))
    first = load_or_raise(made[0].config, {})
    ca_key(first.state_dir)
    pool_key(first)
    for other in made[1:]:
        shutil.copytree(first.state_dir / "ssh", other.config.parent / "ssh")
    return made


def write_config(home: Path, *, ones: int = 2, pairs: int = 1) -> Config:
    """Write a host's configuration, in one go, and return it; `ones` and `pairs` are what is to be kept ready."""
    servers = "\n".join(f"  - {{host: {ensemble.address(name)}, port: {ensemble.PORT}}}" for name in ensemble.NUMBERS)
    text = CONFIG.format(home=home, cleanup=CLEANUP, servers=servers, ones=ones, pairs=pairs, most=MAX_SERVERS)
    fresh = home / "nodepool.yaml.new"
    fresh.write_text(text)
    fresh.replace(home / "nodepool.yaml")
    return load_or_raise(home / "nodepool.yaml", {})
