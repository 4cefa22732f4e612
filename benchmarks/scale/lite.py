"""nodepool-lite with its simulated driver."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
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
def lite(zookeeper: str, above: Path, poll: float = POLL, *, metered: bool = True) -> Iterator[Lite]:
    """Run a daemon with both roles on simulated servers during this block.

    `metered` counts its operations of ZooKeeper, for which a gateway of this process hands on every one of them.
    """
    directory = above / f"lite-{uuid.uuid4().hex[:8]}"
    directory.mkdir()
    config = directory / "nodepool.yaml"
    with Meter(zookeeper).running() as meter:
        port = meter.port if metered else int(zookeeper.rpartition(":")[2])

        def text(count: int) -> str:
            return CONFIG.format(
                directory=directory, port=port, chroot=directory.name, count=count, boot_time=BOOT_TIME, poll=poll
            )

        def mark() -> Mark:
            return Mark(0, meter.operations, time.monotonic())

        def want(count: int) -> Mark:
            before = mark()
            pool.reconfigure(text(count))
            return before

        config.write_text(text(0))
        pool = RealPool(config, {}, f"{zookeeper}/{directory.name}")
        try:
            pool.start()
            pool.wait(lambda records: {"planner", "provider/nowhere"} <= records.leaders.keys())
            yield Lite(pool, mark, want)
            pool.stop()
        finally:
            pool.close()
