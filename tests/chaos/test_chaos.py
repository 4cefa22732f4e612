"""The short form of a run on real parts: some kills, a partition, a stale leader, and every promise kept."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cloud.conftest import Cloud

pytestmark = [pytest.mark.cloud, pytest.mark.aside]
ROOT = Path(__file__).parents[2]
KILLS = "10"
SEED = "1"


def test_ten_kills_a_partition_and_a_stale_leader_lose_nothing(cloud: Cloud, tmp_path: Path) -> None:
    """Three launchers, three servers of ZooKeeper, a real OpenStack: `python -m tests.chaos` says what was seen."""
    command = [sys.executable, "-m", "tests.chaos", "--kills", KILLS, "--seed", SEED, "--takeovers", "1"]
    done = subprocess.run(
        [*command, "--directory", tmp_path],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "VERDICT: every promise was kept" in done.stdout
    assert "1 x stale leader" in done.stdout
