"""A launcher that is killed while it makes a server loses nothing and leaks nothing."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.machine


Found = list[dict[str, Any]]


def crash(directory: Path, what: str) -> Found:
    """Kill a launcher at each step of what it does, see `crashing`, and return what was found each time."""
    command = [sys.executable, "-m", "tests.clouds.crashing", str(directory), what]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def states(crashes: Found) -> set[str]:
    """Return the states that were seen; `nothing` where no server was listed."""
    return {each["found"][0][2] if each["found"] else "nothing" for each in crashes}


@pytest.fixture(scope="module")
def creations(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """Kill creators."""
    return crash(tmp_path_factory.mktemp("crash"), "create")


def test_creators_are_killed_before_at_and_after_the_record(creations: Found) -> None:
    """The experiment meets a creation before its record, between record and process, and after."""
    assert len(creations) > 100
    assert {"nothing", "stopped", "active"} <= states(creations)


def test_what_a_killed_creator_leaves_is_listed_once_with_its_node(creations: Found) -> None:
    """There is no server yet, or one that carries the node's mark."""
    for each in creations:
        assert len(each["found"]) <= 1
        assert all(found[:2] == ["0000000001", "attempt-1"] for found in each["found"])


def test_a_server_whose_process_was_never_started_is_stopped(creations: Found) -> None:
    """Between record and process, a crash leaves a server that does not run and says why."""
    faults = {found[3] for each in creations for found in each["found"] if found[2] == "stopped"}

    assert "its launcher ended before QEMU was started" in faults


def test_nothing_of_a_killed_creator_stays_once_it_is_deleted(creations: Found) -> None:
    """No process outlives its directory."""
    assert not [each for each in creations if each["left"]]


def test_a_deletion_that_was_killed_can_be_taken_up_again(tmp_path: Path) -> None:
    """Wherever a deletion stops, the server is still listed or gone for good, and nothing stays."""
    deletions = crash(tmp_path, "delete")

    assert len(deletions) > 30
    assert {"active", "stopped", "nothing"} <= states(deletions)
    assert not [each for each in deletions if each["left"]]
