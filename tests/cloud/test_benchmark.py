"""The benchmark on a real OpenStack, small: all three contenders tell the same story, and a table comes of it.

What is bounded is counted, not timed: times of one small run say nothing. docs/benchmarks.md has large ones.
"""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.cloud.test_story import CALLS_A_NODE, OPERATIONS_A_NODE

pytestmark = [pytest.mark.cloud, pytest.mark.aside, pytest.mark.proof]
CHECKOUT = Path(__file__).parents[2]
COUNT = 10


@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("cloud")
def test_the_pool_costs_few_calls_beside_plain_requests_and_nodepool(capsys: pytest.CaptureFixture[str]) -> None:
    """Each makes all its nodes and deletes them; ours asks for each server once and deletes it once."""
    command = [sys.executable, "-m", "benchmarks.openstack", "--counts", str(COUNT), "--threads", "4"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=1100, check=False)
    assert done.returncode == 0, done.stderr
    with capsys.disabled():
        sys.stdout.write(f"\n{done.stdout}")
    rows = _table(done.stdout)
    assert set(rows) == {"raw, 4 threads", "Nodepool 11.0.0", "nodepool-lite", "goal"}
    assert {row["nodes"] for name, row in rows.items() if name != "goal"} == {str(COUNT)}
    ours, peer = rows["nodepool-lite"], rows["Nodepool 11.0.0"]
    assert float(ours["life"]) <= CALLS_A_NODE
    assert float(ours["ZooKeeper"]) <= OPERATIONS_A_NODE
    assert float(ours["life"]) < float(peer["life"])
    assert float(ours["ZooKeeper"]) < float(peer["ZooKeeper"])


def _table(text: str) -> Mapping[str, Mapping[str, str]]:
    """Return the rows of the table at the end of the output, by contender."""
    lines = [[cell.strip() for cell in line.strip()[1:-1].split("|")] for line in text.splitlines() if "|" in line]
    head, _, *rows = lines
    return {row[1]: dict(zip(head, row, strict=True)) for row in rows}
