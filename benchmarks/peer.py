"""What Nodepool 11.0.0 takes for what `benchmarks.figures` measures of nodepool-lite."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.common import figures, measure, resident, size, wait
from benchmarks.nodepool import install
from benchmarks.scale.nodepool import nodepool
from tests.zookeeper import open_zookeeper

PATIENCE = 600.0


def peer_rows(runs: int, many: int) -> Iterator[Sequence[str]]:
    """Measure Nodepool's launcher while idle, and its list of no node and of many."""
    with (
        tempfile.TemporaryDirectory(prefix="nodepool-lite-bench-") as name,
        open_zookeeper(Path(name) / "server") as zookeeper,
        nodepool(zookeeper, Path(name)) as running,
    ):
        words = [str(install() / "nodepool"), "-c", str(running.directory / "nodepool.yaml"), "list"]
        for count in (0, many):
            running.configure(count)
            wait(lambda: len(running.ready()) >= count, PATIENCE, "not all nodes were ready")  # noqa: B023 - called at once
            lists = [measure(words, {**os.environ, **running.environ}) for _ in range(runs)]
            yield f"Nodepool 11.0.0: list, {count} nodes: wall", *figures([run.wall for run in lists], "s"), ""
            yield f"Nodepool 11.0.0: list, {count} nodes: memory", *figures([run.memory for run in lists], "MiB"), ""
            if not count:
                yield "Nodepool 11.0.0: idle launcher, no builder", f"{resident(running.pid):.0f} MiB", "", ""
    yield "Nodepool 11.0.0: installed", f"{size(install().parent):.0f} MiB", "", ""
