"""Tests of builds whose builder dies in the middle: what is left, and that the sweep removes it and nothing else."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from nodepool_lite.actions.dib import devices, locks
from nodepool_lite.actions.dib.sweep import sweep
from tests.actions.dib.workshop import Workshop
from tests.waiting import eventually

pytestmark = pytest.mark.machine

PAUSES = pytest.mark.parametrize("pause", ["pause-root", "pause-finalise"])


@PAUSES
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_build_ends_with_its_builder(workshop: Workshop, pause: str, number: signal.Signals) -> None:
    """However the builder dies, nothing of its build is left a moment later, without any sweep."""
    with workshop.builder(workshop.recipe("tiny-0000000001", pause)) as builder:
        assert any("process" in trace for trace in workshop.traces())
        builder.send_signal(number)
        builder.wait(10)

        eventually(lambda: workshop.traces() == [], within=20)


@PAUSES
def test_what_a_killed_supervisor_leaves_is_swept(workshop: Workshop, pause: str) -> None:
    """When builder and supervisor are killed at once, the kernel ends all processes and the sweep does the rest."""
    with workshop.builder(workshop.recipe("tiny-0000000001", pause)) as builder:
        builder.send_signal(signal.SIGSTOP)
        os.kill(workshop.supervisor(), signal.SIGKILL)
        builder.kill()
        builder.wait(10)
        eventually(lambda: locks.is_dead(workshop.work_root / "tiny-0000000001"), within=20)

        said = sweep(workshop.work_root, workshop.images)

    assert workshop.traces() == []
    assert f"removed {workshop.work_root}/tiny-0000000001, left by a build that is dead" in said
    assert any("detached /dev/loop" in sentence for sentence in said) == (pause == "pause-finalise")
    assert sweep(workshop.work_root, workshop.images) == ()


def test_the_sweep_leaves_a_living_build_alone(workshop: Workshop) -> None:
    """A build in the middle of its block device work goes on after a sweep, with all that it had."""
    with workshop.builder(workshop.recipe("tiny-0000000001", "pause-finalise")) as builder:
        before = workshop.traces()

        assert sweep(workshop.work_root, workshop.images) == ()

        assert workshop.traces() == before
        assert builder.poll() is None


def test_the_sweep_leaves_what_is_not_ours(workshop: Workshop, tmp_path: Path) -> None:
    """A directory that no build made stays, and so does a loop device on a file in it."""
    theirs = workshop.work_root / "theirs"
    theirs.mkdir(parents=True)
    image = theirs / "disk.raw"
    with image.open("wb") as file:
        file.truncate(1 << 20)
    device = subprocess.check_output(["losetup", "--show", "--find", image], text=True).strip()
    try:
        assert sweep(workshop.work_root, workshop.images) == ()

        assert devices.loops(theirs) == (device,)
    finally:
        subprocess.check_call(["losetup", "--detach", device])


def test_a_sweep_of_directories_that_do_not_exist_finds_nothing(tmp_path: Path) -> None:
    """Before the first build there is nothing to sweep, and that is no error."""
    assert sweep(tmp_path / "builds", tmp_path / "images") == ()
