"""The figures that this project claims for one host, measured and printed as a table.

    python -m benchmarks.figures [--runs N] [--many 2000] [--install] [--peer]

Starts a private ZooKeeper and a daemon with both roles on simulated servers, in a directory of its own, and ends both.
Every row says what was measured, the median and the worst of the runs, and the goal. `--install` adds what the package
and all that it needs take in a new virtual environment, `--peer` what Nodepool 11.0.0 takes for the same. Times depend
on the machine and on what else it does: compare rows of one run.
"""

import argparse
import compileall
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import nodepool_lite
from benchmarks.common import figures, measure, resident, size, table
from nodepool_lite.config.load import load_or_raise
from nodepool_lite.model.clock import SystemClock
from nodepool_lite.model.lease import Lease, LeaseState
from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.service.grab import Wish, grab_now
from nodepool_lite.service.leases import release
from nodepool_lite.store.base import Store
from nodepool_lite.store.open import open_store

CONFIG = """
pool-name: benchmark
state-dir: {state}
labels:
  - name: bench
    min-ready: {ready}
  - name: none
providers:
  - name: nowhere
    driver: simulated
    login-test: false
    max-concurrency: 100
    cloud-images: [{{name: image, image-id: image-1}}]
    options: {{boot-time: 0.1, poll-interval: 0.05, images: [image-1]}}
    pools:
      - max-servers: 5000
        labels: [{{name: bench, cloud-image: image}}, {{name: none, cloud-image: image}}]
"""
KEPT = 2
"""Nodes kept ready while replacements are measured."""
NODEPOOL_LITE = [sys.executable, "-m", "nodepool_lite"]


@contextmanager
def pool(ready: int) -> Iterator[tuple[Store, dict[str, str], int]]:
    """Run a daemon until the block ends; gives a store with a view, the environment for commands, and its pid."""
    state = Path(tempfile.mkdtemp(prefix="nodepool-lite-bench-"))
    config = state / "nodepool.yaml"
    config.write_text(CONFIG.format(state=state, ready=ready))
    environ = {**os.environ, "NODEPOOL_LITE_CONFIG": str(config)}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with (state / "daemon.log").open("w") as log:
        daemon = subprocess.Popen([*NODEPOOL_LITE, "run"], env=environ, stdout=log, stderr=log)
    try:
        store = _store(config)
        try:
            wait(store, lambda: len(_nodes(store, NodeState.READY)) >= ready, 60 + 0.1 * ready)
            yield store, environ, daemon.pid
        finally:
            store.close()
    except BaseException:
        sys.stderr.write((state / "daemon.log").read_text()[-4000:])
        raise
    finally:
        daemon.terminate()
        daemon.wait(30)
        shutil.rmtree(state)


def wait(store: Store, condition: Callable[[], bool], seconds: float) -> float:
    """Return how many seconds passed until the view fulfilled the condition; raises TimeoutError."""
    began = time.perf_counter()
    while not condition():
        if time.perf_counter() - began > seconds or not store.connected:
            raise TimeoutError(f"did not happen within {seconds} s")
        time.sleep(0.001)
    return time.perf_counter() - began


def command_rows(runs: int) -> Iterator[Sequence[str]]:
    """Measure the commands, each beside the bare interpreter; their bytecode is there, as an installer leaves it."""
    compileall.compile_dir(Path(nodepool_lite.__file__).parent, quiet=1)
    with pool(ready=0) as (_, environ, _pid):
        bare, lists = [], []
        for _ in range(runs):
            bare.append(measure([sys.executable, "-c", "pass"], environ))
            lists.append(measure([*NODEPOOL_LITE, "list"], environ))
        yield "python -c pass", *figures([run.wall for run in bare], "s"), ""
        yield "list, empty pool: wall", *figures([run.wall for run in lists], "s"), "0.25 s"
        yield "list, empty pool: peak memory", *figures([run.memory for run in lists], "MiB"), "40 MiB"
    with pool(ready=KEPT) as (store, environ, _pid):
        beyond, grabs = [], []
        for _ in range(runs):
            wait(store, lambda: len(_nodes(store, NodeState.READY)) == KEPT, 10)  # the pool is at rest again
            start = measure([sys.executable, "-c", "pass"], environ)
            grabs.append(measure([*NODEPOOL_LITE, "grab", "bench"], environ))
            beyond.append(grabs[-1].wall - start.wall)
        yield "grab, warm: wall", *figures([run.wall for run in grabs], "s"), ""
        yield "grab, warm: beyond python -c pass", *figures(beyond, "s"), "0.1 s"


def many_rows(runs: int, many: int) -> Iterator[Sequence[str]]:
    """Measure the list of many nodes."""
    with pool(ready=many) as (_, environ, _pid):
        lists = [measure([*NODEPOOL_LITE, "list"], environ) for _ in range(runs)]
        yield f"list, {many} nodes: wall", *figures([run.wall for run in lists], "s"), "0.5 s"
        yield f"list, {many} nodes: peak memory", *figures([run.memory for run in lists], "MiB"), ""


def install_rows() -> Iterator[Sequence[str]]:
    """Install the package as users do, and measure what that takes on disk."""
    with tempfile.TemporaryDirectory(prefix="nodepool-lite-bench-") as name:
        home = Path(name) / "venv"
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        bare = size(home)
        source = Path(__file__).parents[1]
        pip: list[str | Path] = [home / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, source], check=True, stderr=subprocess.DEVNULL)
        yield "installed, with all that it needs", f"{size(home):.1f} MiB", "", "150 MiB"
        yield "an empty virtual environment (in both)", f"{bare:.1f} MiB", "", ""


def daemon_rows(runs: int) -> Iterator[Sequence[str]]:
    """Measure the daemon: how fast it replaces a node, and what it holds while idle."""
    with pool(ready=KEPT) as (store, environ, pid):
        config = load_or_raise(Path(environ["NODEPOOL_LITE_CONFIG"]), environ)

        def take() -> None:
            lease = grab_now(store, config, SystemClock(), Wish("bench", "benchmark", lifetime=3600))
            assert lease is not None, "no node was ready"

        def delete() -> None:
            store.update(_nodes(store, NodeState.READY)[0].to(NodeState.DELETING, time.time(), "benchmark"))

        for what, leave in (("taken", take), ("deleted", delete)):
            found = [_replacement(store, leave) for _ in range(runs)]
            yield f"{what} node -> replacement asked for", *figures([asked for asked, _ in found], "s"), "0.1 s"
            yield (
                f"{what} node -> replacement ready (0.1 s boot)",
                *figures([ready for _, ready in found], "s"),
                "0.5 s",
            )
        time.sleep(2)
        yield "idle daemon, both roles: resident memory", f"{resident(pid):.0f} MiB", "", "120 MiB"


def _replacement(store: Store, leave: Callable[[], None]) -> tuple[float, float]:
    """Return how many seconds after a ready node has left another one was asked of the cloud, and was ready."""
    before = set(store.snapshot().nodes)
    began = time.perf_counter()
    leave()
    wait(store, lambda: any(node.asked for node in _new(store, before)), 10)
    asked = time.perf_counter() - began
    wait(store, lambda: any(node.state is NodeState.READY for node in _new(store, before)), 10)
    ready = time.perf_counter() - began
    for lease in store.read(Lease).leases.values():
        if lease.state is LeaseState.ACTIVE:
            release(store, lease.id, "benchmark", time.time())
    wait(store, lambda: len(store.snapshot().nodes) == KEPT, 10)
    return asked, ready


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--many", type=int, default=2000, help="nodes in a long list (2000)")
    parser.add_argument("--install", action="store_true", help="also install the package into a new environment")
    parser.add_argument("--peer", action="store_true", help="also measure Nodepool 11.0.0")
    options = parser.parse_args()
    rows = [*command_rows(options.runs), *daemon_rows(options.runs), *many_rows(options.runs, options.many)]
    rows += install_rows() if options.install else ()
    if options.peer:
        from benchmarks.peer import peer_rows  # noqa: PLC0415 - what it loads would show in the memory of what is measured

        rows += peer_rows(options.runs, options.many)
    table([("what", "median", "worst", "goal"), *rows])


def _store(config: Path) -> Store:
    settings = load_or_raise(config, os.environ)
    for _ in range(300):
        try:
            return open_store(settings, watch=True)
        except Exception:  # noqa: BLE001 - the daemon is only just starting; the last attempt tells
            time.sleep(0.1)
    return open_store(settings, watch=True)


def _nodes(store: Store, state: NodeState) -> list[Node]:
    return [node for node in store.snapshot().nodes.values() if node.state is state]


def _new(store: Store, before: set[str]) -> list[Node]:
    return [node for node in store.snapshot().nodes.values() if node.id not in before]


if __name__ == "__main__":
    main()
