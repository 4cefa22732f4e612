"""A benchmark runs, and prints a figure for everything that it is about."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.zookeeper
def test_the_benchmark_of_scale_fills_its_table() -> None:
    """A pool of five nodes: made, one of them replaced, all of them gone."""
    command = [sys.executable, "-m", "benchmarks.scale", "--counts", "5", "--contenders", "lite"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    heads, _, row, _ = ([cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines()[1:])
    figures = dict(zip(heads, row, strict=True))
    assert (figures["nodes"], figures["contender"]) == ("5", "nodepool-lite")
    assert not [head for head, figure in figures.items() if not figure]
