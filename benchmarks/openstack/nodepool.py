"""Nodepool 11 as a contender: its launcher from PyPI, set up as this cloud needs it, watched through its records."""

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml
from kazoo.client import KazooClient
from kazoo.recipe.cache import TreeCache

from benchmarks.openstack import certificates
from tests.cloud.many import Mark, Stage
from tests.cloud.proxy import FaultProxy, Reply
from tests.cloud.way import entry_through
from tests.meter import Meter

REQUIREMENTS = ("nodepool==11.0.0", "cachetools")
"""It imports cachetools, and does not say that it needs it."""
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "nodepool-lite" / "benchmarks"
LOOK = 12.0
"""Seconds after which its launcher has seen a change of its configuration: it looks every 10."""
START = 60.0
CONFIG = """
zookeeper-servers: [{{host: 127.0.0.1, port: {port}, chroot: {chroot}}}]
zookeeper-tls: {{ca: {tls.authority}, cert: {tls.certificate}, key: {tls.key}}}
labels:
  - {{name: fake, min-ready: {count}}}
providers:
  - name: {name}
    driver: openstack
    cloud: one
    rate: 0.001
    port-cleanup-interval: 0 # else it deletes ports of other people in the project that are down
    cloud-images: [{{name: empty, image-name: empty}}]
    pools:
      - name: main
        max-servers: 1000
        networks: [bulk]
        availability-zones: [fake]
        auto-floating-ip: false
        host-key-checking: false
        labels: [{{name: fake, cloud-image: empty, flavor-name: tiny}}]
"""
_UNLIMITED = {"absolute": {"maxTotalVolumes": -1, "maxTotalVolumeGigabytes": -1}}


class Nodepool:
    """A launcher; it is told by its configuration file, and by its records."""

    pause = 0.02

    def __init__(self, stage: Stage, meter: Meter, directory: Path, client: KazooClient) -> None:
        self._stage = stage
        self._meter = meter
        self._directory = directory
        self._client = client
        self._records = TreeCache(client, "/nodepool")
        self._values = {
            "port": meter.port,
            "chroot": f"/{directory.name}",
            "name": directory.name,
            "tls": certificates.Certificates(*(directory / each for each in ("ca.pem", "cert.pem", "key.pem"))),
        }
        self.configure(0)
        self.launcher: subprocess.Popen[bytes] | None = None

    def configure(self, count: int) -> None:
        """Write its configuration."""
        new = self._directory / "nodepool.yaml.new"
        new.write_text(CONFIG.format(**self._values, count=count))
        new.rename(self._directory / "nodepool.yaml")

    def start(self, programs: Path) -> None:
        """Start the launcher and wait until it has found its place in ZooKeeper and has come to rest."""
        before = len(self._stage.proxy.calls)
        words = [programs / "nodepool-launcher", "-f", "--no-webapp", "-c", self._directory / "nodepool.yaml"]
        environ = {**os.environ, "OS_CLIENT_CONFIG_FILE": str(self._directory / "clouds.yaml")}
        with (self._directory / "launcher.log").open("wb") as log:
            self.launcher = subprocess.Popen(words, env=environ, stdout=log, stderr=log, cwd=self._directory)
        self._client.ensure_path("/nodepool")
        self._records.start()
        self._stage.wait_for_rest(before)

    @property
    def pid(self) -> int:
        """The launcher's process."""
        assert self.launcher is not None
        return self.launcher.pid

    def mark(self) -> Mark:
        """Note what was asked until now."""
        return Mark(len(self._stage.proxy.calls), self._meter.operations, time.monotonic())

    def want(self, count: int) -> Mark:
        """Set `min-ready` in its file, and wait until it has begun: until then it did not know."""
        before = self.mark()
        self.configure(count)
        _wait(lambda: self._records.get_children("/nodepool/requests"), START, "no node was requested")
        return Mark(before.calls, before.operations, time.monotonic())

    def ready(self) -> Collection[str]:
        """Return the nodes that are on record as ready."""
        return [name for name, node in self._nodes().items() if node.get("state") == "ready"]

    def lose(self) -> Mark:
        """Mark a node as to be deleted, as `nodepool delete` does."""
        self._delete(next(iter(self.ready())))
        return self.mark()

    def end(self) -> Mark:
        """Set `min-ready` to nothing, wait until it has seen that, and mark all nodes as to be deleted."""
        self.configure(0)
        time.sleep(LOOK)
        before = self.mark()
        for name in self.ready():
            self._delete(name)
        return before

    def left(self) -> int:
        """Return how many nodes are on record."""
        return len(self._nodes())

    def close(self) -> None:
        """End the launcher."""
        if self.launcher is not None:
            self.launcher.kill()
            self.launcher.wait()

    def _nodes(self) -> dict[str, dict[str, Any]]:
        names = self._records.get_children("/nodepool/nodes") or ()
        found = {name: self._records.get_data(f"/nodepool/nodes/{name}") for name in names}
        return {name: json.loads(each.data) if each.data else {} for name, each in found.items() if each is not None}

    def _delete(self, name: str) -> None:
        path = f"/nodepool/nodes/{name}"
        node = json.loads(self._client.get(path)[0])
        self._client.set(path, json.dumps({**node, "state": "deleting", "state_time": time.time()}).encode())


@contextmanager
def nodepool(stage: Stage) -> Iterator[Nodepool]:
    """Run a launcher during this block."""
    programs = install()
    directory = stage.directory / f"nodepool-{uuid.uuid4().hex[:8]}"
    directory.mkdir()
    tls = certificates.make(directory)
    with ExitStack() as stack:
        write_clouds(stage, directory / "clouds.yaml")
        stack.enter_context(volumes(stage.proxy))
        meter = stack.enter_context(Meter(stage.zookeeper, tls.server()).running())
        client = KazooClient(f"{stage.zookeeper}/{directory.name}")
        client.start()
        stack.callback(client.close)
        stack.callback(client.stop)
        client.ensure_path("/")
        running = Nodepool(stage, meter, directory, client)
        stack.callback(lambda: stage.sweep("nodepool_provider_name", directory.name))
        stack.callback(running.close)
        try:
            running.start(programs)
            yield running
        except BaseException:
            sys.stderr.write((directory / "launcher.log").read_text()[-4000:])
            raise


def install() -> Path:
    """Return where its programs are; they are installed from PyPI into a virtual environment if they are not there."""
    home = CACHE / "-".join(REQUIREMENTS).replace("==", "-")
    complete = home / "complete"
    if not complete.exists():
        print(f"installing {' and '.join(REQUIREMENTS)} in {home}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
        subprocess.run([home / "bin" / "pip", "install", "--quiet", *REQUIREMENTS], check=True)
        complete.touch()
    return home / "bin"


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


def _wait(condition: Callable[[], object], seconds: float, otherwise: str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{otherwise} within {seconds:g} s")
        time.sleep(0.02)
