"""nodepool-lite with its simulated driver."""

import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks.lite import Lite
from tests.machine.pool import RealPool
from tests.meter import Mark, Meter

CONFIG = """
pool-name: benchmark
state-dir: {directory}/state
zookeeper-servers: [{{host: 127.0.0.1, port: {port}, chroot: /{chroot}}}]
labels:
  - {{name: fake, min-ready: {count}}}
providers:
  - name: nowhere
    driver: simulated
    login-test: false
    max-concurrency: 1000
    cloud-images: [{{name: image, image-id: image-1}}]
    options: {{boot-time: {boot_time}, poll-interval: {poll}, images: [image-1]}}
    pools:
      - max-servers: 20000
        labels: [{{name: fake, cloud-image: image}}]
"""
BOOT_TIME = 0.1
"""Seconds, as Nodepool's fake cloud takes."""
POLL = 0.1
"""Seconds between two lists of servers while something is expected."""


@contextmanager
def lite(zookeeper: str, above: Path, poll: float = POLL) -> Iterator[Lite]:
    """Run a daemon with both roles on simulated servers during this block."""
    directory = above / f"lite-{uuid.uuid4().hex[:8]}"
    directory.mkdir()
    config = directory / "nodepool.yaml"
    with Meter(zookeeper).running() as meter:
        write = partial(_write, config, {"port": meter.port, "poll": poll, "boot_time": BOOT_TIME})
        write(0)
        pool = RealPool(config, {}, f"{zookeeper}/{directory.name}")
        mark = partial(_mark, meter)
        running = Lite(pool, mark, lambda count: _want(pool, mark, write, count))
        try:
            pool.start()
            pool.wait(lambda records: {"planner", "provider/nowhere"} <= records.leaders.keys())
            yield running
            pool.stop()
        finally:
            pool.close()


def _mark(meter: Meter) -> Mark:
    return Mark(0, meter.operations, time.monotonic())


def _want(pool: RealPool, mark: Callable[[], Mark], write: Callable[[int], None], count: int) -> Mark:
    """Set `min-ready` in its file; return the moment before it knew."""
    before = mark()
    write(count)
    assert pool.daemon is not None
    os.kill(pool.daemon.pid, signal.SIGHUP)
    return before


def _write(config: Path, values: Mapping[str, float], count: int) -> None:
    directory = config.parent
    config.write_text(CONFIG.format(**values, directory=directory, chroot=directory.name, count=count))
