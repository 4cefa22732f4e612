"""Measure many nodes on simulated servers, beside Nodepool 11 with its own fake driver on the same ZooKeeper.

    python -m benchmarks.scale [--counts 50,500,2000] [--contenders nodepool,lite] [--runs 1] [--poll 0.1]
    python -m benchmarks.scale --hold 10000 [--seconds 60]

benchmarks/README.md says what is measured, and how.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from benchmarks.common import contenders, cpu, numbers, resident, table, wait
from benchmarks.contender import Contender
from benchmarks.scale.lite import POLL, lite
from benchmarks.scale.nodepool import nodepool
from benchmarks.story import Story, tell
from tests.zookeeper import open_zookeeper

NODEPOOL, LITE = "nodepool", "lite"
HEAD = (
    "nodes", "contender", "all ready", "first ready", "CPU until ready", "CPU in all", "CPU a node", "ZooKeeper",
    "replaced", "all gone", "memory",
)  # fmt: skip
GOALS = ("500", "goal", "5.0 s", "", "", "3.0 s", "", "10.0", "0.5 s", "", "")
HELD_POLL = 1.0
"""Seconds between two lists while something is expected, where nodes are held: as a real cloud is polled."""
REST = 5.0
"""Seconds in which a pool comes to rest once all is ready."""
PATIENCE = 120.0
PATIENCE_A_NODE = 0.5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=str(__doc__).splitlines()[0])
    parser.add_argument(
        "--counts", type=numbers, default=[50, 500, 2000], metavar="N,N", help="numbers of nodes (50,500,2000)"
    )
    parser.add_argument(
        "--contenders",
        type=contenders(NODEPOOL, LITE),
        default=[NODEPOOL, LITE],
        metavar="NAME,NAME",
        help="nodepool,lite",
    )
    parser.add_argument("--runs", type=int, default=1, help="runs of each, of which the median is shown (1)")
    parser.add_argument(
        "--poll", type=float, default=POLL, metavar="SECONDS", help="between our lists of servers (0.1; --hold: 1)"
    )
    parser.add_argument("--hold", type=int, metavar="N", help="only measure what it takes to hold N ready nodes")
    parser.add_argument("--seconds", type=float, default=60.0, help="with --hold: for how long (60)")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="nodepool-lite-") as name,
        open_zookeeper(Path(name) / "server") as zookeeper,
    ):
        directory = Path(name)
        if options.hold:
            table([("what", "figure", "goal"), *_hold(zookeeper, directory, options.hold, options.seconds)])
            return
        rows = [
            _row(title, stories)
            for count in options.counts
            for title, stories in _stories(zookeeper, directory, count, options)
        ]
        table([HEAD, *rows, GOALS])


def _stories(
    zookeeper: str, directory: Path, count: int, options: argparse.Namespace
) -> Iterator[tuple[str, Sequence[Story]]]:
    """Tell the story of so many nodes with each contender, as often as asked for, in turn."""
    chosen = [
        Contender(title, partial(run, zookeeper, directory))
        for name, title, run in (
            (NODEPOOL, "Nodepool 11.0.0", nodepool),
            (LITE, "nodepool-lite", partial(lite, poll=options.poll)),
        )
        if name in options.contenders
    ]
    found: dict[str, list[Story]] = {each.name: [] for each in chosen}
    for _ in range(options.runs):
        for contender in chosen:
            story = tell(contender, count, PATIENCE + PATIENCE_A_NODE * count)
            print(f"{count} nodes, {contender.name}: all ready after {story.until_ready:.1f} s", flush=True)
            found[contender.name].append(story)
    yield from found.items()


def _row(title: str, stories: Sequence[Story]) -> Sequence[str]:
    def middle(name: str) -> float:
        return float(statistics.median(getattr(story, name) for story in stories))

    count = stories[0].count
    return (
        str(count),
        title,
        f"{middle('until_ready'):.1f} s",
        f"{middle('until_first'):.1f} s",
        f"{middle('cpu_ready'):.2f} s",
        f"{middle('cpu'):.2f} s",
        f"{1000 * middle('cpu') / count:.1f} ms",
        f"{middle('operations'):.1f}",
        f"{middle('replaced'):.2f} s",
        f"{middle('until_gone'):.1f} s",
        f"{middle('memory'):.0f} MiB",
    )


def _hold(zookeeper: str, directory: Path, count: int, seconds: float) -> Iterator[Sequence[str]]:
    """Measure a daemon that has `count` ready nodes and nothing to do."""
    with lite(zookeeper, directory, poll=HELD_POLL) as running:
        began = running.want(count).at
        used = cpu(running.pid)
        wait(lambda: len(running.ready()) >= count, PATIENCE + PATIENCE_A_NODE * count, "not all nodes were ready", 1.0)
        yield f"{count} nodes: all ready after", f"{time.monotonic() - began:.0f} s", ""
        made = cpu(running.pid) - used
        yield f"{count} nodes: CPU until then", f"{made:.1f} s, {1000 * made / count:.1f} ms a node", ""
        time.sleep(REST)
        used, before = cpu(running.pid), running.mark()
        time.sleep(seconds)
        after = running.mark()
        share = (cpu(running.pid) - used) / (after.at - before.at)
        yield f"{count} nodes held for {seconds:.0f} s: CPU", f"{100 * share:.1f} % of a core", "5 %"
        yield f"{count} nodes held: resident memory", f"{resident(running.pid):.0f} MiB", "300 MiB"
        operations = (after.operations - before.operations) / (after.at - before.at)
        yield f"{count} nodes held: operations of ZooKeeper", f"{operations:.1f} a second", ""


if __name__ == "__main__":
    main()
