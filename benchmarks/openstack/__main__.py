"""Measure the pool beside Nodepool 11 and plain requests, on the cloud of tests/cloud/up.

    python -m benchmarks.openstack [--counts 30,60] [--contenders raw,nodepool,lite] [--runs 1] [--threads 2,4,6]
    python -m benchmarks.openstack --many 300

benchmarks/README.md says what is measured, and how.
"""

import argparse
import subprocess
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from benchmarks.common import contenders, numbers, table
from benchmarks.contender import Contender
from benchmarks.openstack.lite import lite
from benchmarks.openstack.measure import Figures, measure, middle
from benchmarks.openstack.nodepool import nodepool
from benchmarks.openstack.raw import raw, single
from tests.cloud.many import Stage, come_and_go, stage
from tests.cloud.stack.place import Place

UP = Path(__file__).parents[2] / "tests" / "cloud" / "up"
RAW, NODEPOOL, LITE = "raw", "nodepool", "lite"
HEAD = (
    "nodes", "contender", "all ready", "to raw", "first ready", "to one", "calls: launch", "delete", "life", "lists",
    "ZooKeeper", "all gone", "replaced", "memory", "CPU",
)  # fmt: skip
GOALS = ("", "goal", "", "1.05", "", "1.50", "", "", "3.0", "", "10.0", "", "", "", "")


def main() -> None:
    """Bring the cloud up if it is not, measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.openstack", description=str(__doc__).splitlines()[0])
    parser.add_argument("--counts", type=numbers, default=[30, 60], metavar="N,N", help="numbers of nodes (30,60)")
    parser.add_argument(
        "--contenders",
        type=contenders(RAW, NODEPOOL, LITE),
        default=[RAW, NODEPOOL, LITE],
        metavar="NAME,NAME",
        help="raw,nodepool,lite",
    )
    parser.add_argument("--runs", type=int, default=1, help="runs of each, of which the median is shown (1)")
    parser.add_argument(
        "--threads", type=numbers, default=[2, 4, 6], metavar="N,N",
        help="numbers of threads for plain requests, of which the quickest is shown (2,4,6)",
    )  # fmt: skip
    parser.add_argument("--many", type=int, metavar="N", help="only count what N nodes cost, from wanted to gone")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # openstacksdk warns of how it calls itself
    subprocess.run([UP], stdin=subprocess.DEVNULL, check=True)
    with (
        tempfile.TemporaryDirectory(prefix="nodepool-lite-") as directory,
        stage(Path(directory), Place.find().clouds_yaml) as place,
    ):
        if options.many:
            life = come_and_go(place, options.many)
            print(life, *(f"left: {each}" for each in life.left), sep="\n")
            return
        one = single(place)
        print(f"a single server: {one:.2f} s", flush=True)
        rows = [row for count in options.counts for row in _rows(place, count, one, options)]
        table([HEAD, *rows, GOALS])


def _rows(place: Stage, count: int, one: float, options: argparse.Namespace) -> Iterator[Sequence[str]]:
    """Measure all contenders in turn, as often as asked for, and yield a row for each."""
    found: dict[str, list[Figures]] = {}
    for _ in range(options.runs):
        for contender in _contenders(place, options.contenders, options.threads):
            figures = measure(contender, place, count)
            print(f"{count} nodes, {contender.name}: all ready after {figures.ready:.1f} s", flush=True)
            found.setdefault(contender.name, []).append(figures)
    medians = {name: middle(runs) for name, runs in found.items()}
    raws = {name: figures for name, figures in medians.items() if name.startswith(RAW)}
    best = min(raws, key=lambda name: raws[name].ready, default="")
    for name, figures in medians.items():
        if name == best or name not in raws:
            ceiling = raws[best].ready if raws else None
            yield _row(count, name, figures, ceiling, one)


def _contenders(place: Stage, names: Iterable[str], threads: Iterable[int]) -> Iterator[Contender]:
    for name in names:
        if name == RAW:
            yield from (Contender(f"{RAW}, {number} threads", partial(raw, place, number)) for number in threads)
        elif name == NODEPOOL:
            yield Contender("Nodepool 11.0.0", partial(nodepool, place))
        else:
            yield Contender("nodepool-lite", partial(lite, place))


def _row(count: int, name: str, figures: Figures, ceiling: float | None, one: float) -> Sequence[str]:
    return (
        str(count),
        name,
        f"{figures.ready:.1f} s",
        "" if ceiling is None else f"{figures.ready / ceiling:.2f}",
        f"{figures.first:.1f} s",
        f"{figures.first / one:.2f}",
        f"{figures.launch:.1f}",
        f"{figures.delete:.1f}",
        f"{figures.life:.1f}",
        f"{figures.polls:.0f}",
        _cell(figures.operations, "{:.1f}"),
        f"{figures.gone:.1f} s",
        _cell(figures.replaced, "{:.1f} s"),
        _cell(figures.memory, "{:.0f} MiB"),
        _cell(figures.cpu, "{:.1f} s"),
    )


def _cell(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


if __name__ == "__main__":
    main()
