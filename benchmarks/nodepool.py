"""Nodepool 11 as a contender: its launcher from PyPI, told by its configuration file, watched through its records."""

import json
import os
import ssl
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from kazoo.client import KazooClient
from kazoo.recipe.cache import TreeCache

from benchmarks.common import wait
from tests.authority import Authority, Files
from tests.meter import Mark, Meter

REQUIREMENTS = ("nodepool==11.0.0", "cachetools")
"""It imports cachetools, and does not say that it needs it."""
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "nodepool-lite" / "benchmarks"
CONFIG = """
{zookeeper}
labels:
  - {{name: fake, min-ready: {count}}}
providers:
  - name: {name}
"""
LOOK = 12.0
"""Seconds after which its launcher has seen a change of its configuration: it looks every 10."""
START = 60.0


class Nodepool:
    """A launcher whose files are in a directory that is named as its chroot is.

    `zookeeper` is what its configuration says of where its records are, `provider` what it says of its only provider
    behind the name, which is the directory's.
    """

    pause = 0.02

    def __init__(
        self, client: KazooClient, directory: Path, zookeeper: str, provider: str, mark: Callable[[], Mark]
    ) -> None:
        self.directory = directory
        self.mark = mark
        self.environ: Mapping[str, str] = {}
        """Of its processes, besides this one's."""
        self._client = client
        self._zookeeper = zookeeper
        self._provider = provider
        self._records = TreeCache(client, "/nodepool")
        self.configure(0)
        self.launcher: subprocess.Popen[bytes] | None = None

    def configure(self, count: int) -> None:
        """Write its configuration."""
        new = self.directory / "nodepool.yaml.new"
        head = CONFIG.format(name=self.directory.name, zookeeper=self._zookeeper, count=count)
        new.write_text(head + self._provider)
        new.rename(self.directory / "nodepool.yaml")

    def start(self, command: Sequence[str | Path], environ: Mapping[str, str]) -> None:
        """Start the launcher and begin to watch its records."""
        self.environ = environ
        words = [*command, "-f", "--no-webapp", "-c", self.directory / "nodepool.yaml"]
        with (self.directory / "launcher.log").open("wb") as log:
            self.launcher = subprocess.Popen(
                words, env={**os.environ, **environ}, stdout=log, stderr=log, cwd=self.directory
            )
        self._client.ensure_path("/nodepool")
        self._records.start()

    def wait_until_up(self) -> None:
        """Wait until its pools are on record; raises TimeoutError."""
        wait(lambda: self._records.get_children("/nodepool/components/pool"), START, "it did not start")

    @property
    def pid(self) -> int:
        """The launcher's process."""
        assert self.launcher is not None
        return self.launcher.pid

    def want(self, count: int) -> Mark:
        """Set `min-ready` in its file, and wait until it has begun: until then it did not know."""
        before = self.mark()
        self.configure(count)
        wait(lambda: self._records.get_children("/nodepool/requests"), START, "no node was requested")
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
def launcher(
    zookeeper: str, above: Path, provider: str, calls: Callable[[], int] = lambda: 0
) -> Iterator[tuple[Nodepool, Path]]:
    """Give a launcher that is still to be started, and where its programs are; it is ended with this block."""
    programs = install()
    directory = above / f"nodepool-{uuid.uuid4().hex[:8]}"
    directory.mkdir()
    with ExitStack() as stack:
        authority = Authority(directory)
        tls = authority.sign("localhost", "localhost", "127.0.0.1")
        meter = stack.enter_context(Meter(zookeeper, _server(authority, tls)).running())
        client = KazooClient(f"{zookeeper}/{directory.name}")
        client.start()
        stack.callback(client.close)
        stack.callback(client.stop)
        client.ensure_path("/")
        server = f"zookeeper-servers: [{{host: 127.0.0.1, port: {meter.port}, chroot: /{directory.name}}}]"
        files = f"zookeeper-tls: {{ca: {authority.ca}, cert: {tls.cert}, key: {tls.key}}}"
        made = Nodepool(
            client, directory, f"{server}\n{files}", provider, lambda: Mark(calls(), meter.operations, time.monotonic())
        )
        stack.callback(made.close)
        try:
            yield made, programs
        except BaseException:
            sys.stderr.write((directory / "launcher.log").read_text()[-4000:])
            raise


def _server(authority: Authority, own: Files) -> ssl.SSLContext:
    """Return how a server speaks TLS that lets in only clients with a certificate of the authority."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.ca))
    context.load_cert_chain(own.cert, own.key)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


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
