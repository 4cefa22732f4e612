"""Tests of whole builds by the real disk-image-create, of an image so small that each takes seconds."""

import hashlib
import json
import os
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest

from nodepool_lite.actions.dib.log import CHECKSUMS
from nodepool_lite.model.errors import BuildFailedError, BuildStoppedError, BuildTimeoutError
from nodepool_lite.testing import FakeClock
from tests.actions.dib.workshop import Workshop, named, pausing
from tests.waiting import eventually

pytestmark = pytest.mark.machine


def test_a_build_gives_each_format_with_its_checksums(workshop: Workshop) -> None:
    """The files are images of the formats asked for, and the checksums beside them and returned are theirs."""
    files = workshop.build(workshop.recipe("tiny-0000000001", formats=("qcow2", "raw")))

    assert [file.format for file in files] == ["qcow2", "raw"]
    for file in files:
        path = Path(file.path)
        told = json.loads(subprocess.check_output(["qemu-img", "info", "--output=json", path]))
        assert told["format"] == file.format
        assert file.size == path.stat().st_size
        assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert path.with_name(f"{path.name}.sha256").read_text() == f"{file.sha256}  {path.name}\n"
        assert path.with_name(f"{path.name}.md5").read_text() == f"{file.md5}  {path.name}\n"
    assert workshop.traces() == []


def test_a_build_tells_its_phases_once_each(workshop: Workshop) -> None:
    """What is told of progress begins with the root, ends with the checksums and never repeats itself."""
    phases: list[str] = []

    workshop.build(workshop.recipe("tiny-0000000001"), on_phase=phases.append)

    assert phases[0].startswith("root.d/")
    assert phases[-1] == CHECKSUMS
    assert all(before != after for before, after in pairwise(phases))


def test_a_failing_element_is_told_in_its_own_words(workshop: Workshop) -> None:
    """The error is the phase and what the script said before it failed; nothing of the build is left."""
    recipe = named(workshop.recipe("tiny-0000000001", "fail"), FAIL_MESSAGE="the licence server said no")

    with pytest.raises(BuildFailedError, match=r"^install\.d/70-fail: the licence server said no$"):
        workshop.build(recipe)

    assert workshop.traces() == []
    assert list(workshop.images.iterdir()) == []


def test_an_element_that_does_not_exist_is_named(workshop: Workshop) -> None:
    """A misspelt element fails the build at once, with the name that was not found."""
    with pytest.raises(BuildFailedError, match="Element 'nonesuch' not found"):
        workshop.build(workshop.recipe("tiny-0000000001", "nonesuch"))


def test_a_build_that_takes_too_long_is_ended(workshop: Workshop) -> None:
    """After build-timeout the build ends with all that belongs to it, saying what it was doing."""
    recipe = workshop.recipe("tiny-0000000001", "pause-install", timeout=100)
    clock = FakeClock()

    def wait_for_the_pause(phase: str) -> None:
        if phase == "install.d/50-pause-install":
            eventually(lambda: pausing(recipe), within=60)
            clock.advance(101)

    with pytest.raises(BuildTimeoutError, match=r"after 100 s .* install\.d/50-pause-install"):
        workshop.build(recipe, wait_for_the_pause, clock=clock)

    assert workshop.traces() == []


def test_a_build_ends_when_it_is_told_to_stop(workshop: Workshop) -> None:
    """The stop event ends a build in the middle of its block device work and leaves nothing."""
    stop = threading.Event()
    recipe = workshop.recipe("tiny-0000000001", "pause-finalise")

    with ThreadPoolExecutor() as threads:
        build = threads.submit(workshop.build, recipe, lambda _: None, stop)
        eventually(lambda: pausing(recipe), within=60)
        assert any("loop device" in trace for trace in workshop.traces())
        stop.set()
        with pytest.raises(BuildStoppedError):
            build.result(timeout=30)

    assert workshop.traces() == []


def test_a_build_stopped_at_its_last_step_publishes_nothing(workshop: Workshop) -> None:
    """Told to stop while checksums are made, it leaves no file of any format."""
    stop = threading.Event()

    def stop_at_checksums(phase: str) -> None:
        if phase == CHECKSUMS:
            stop.set()

    with pytest.raises(BuildStoppedError):
        workshop.build(workshop.recipe("tiny-0000000001", formats=("qcow2", "raw")), stop_at_checksums, stop)

    assert list(workshop.images.iterdir()) == []


def test_a_killed_supervisor_fails_the_build(workshop: Workshop) -> None:
    """When the supervisor alone dies, the build fails, says so, and leaves nothing."""
    recipe = workshop.recipe("tiny-0000000001", "pause-finalise")

    with ThreadPoolExecutor() as threads:
        build = threads.submit(workshop.build, recipe)
        eventually(lambda: pausing(recipe), within=60)
        os.kill(workshop.supervisor(), signal.SIGKILL)
        with pytest.raises(BuildFailedError, match=r"supervisor .* killed by signal 9"):
            build.result(timeout=30)

    assert workshop.traces() == []


def test_an_image_has_its_name_only_when_it_is_complete(workshop: Workshop) -> None:
    """While a build runs, nobody who looks for images sees its file."""
    recipe = workshop.recipe("tiny-0000000001")
    seen: set[str] = set()

    workshop.build(recipe, on_phase=lambda _: seen.update(each.name for each in workshop.images.glob("[!.]*")))

    assert seen == set()
    assert recipe.output.with_name("tiny-0000000001.qcow2").is_file()


def test_two_builds_at_once_do_not_disturb_each_other(workshop: Workshop) -> None:
    """Two builds with one cache both succeed."""
    with ThreadPoolExecutor() as threads:
        builds = [threads.submit(workshop.build, workshop.recipe(f"tiny-000000000{number}")) for number in (1, 2)]
        files = [build.result(timeout=120) for build in builds]

    assert [len(each) for each in files] == [1, 1]
    assert workshop.traces() == []


def test_the_same_build_cannot_run_twice_at_once(workshop: Workshop) -> None:
    """A second run of a build that lives is refused and does the first no harm."""
    recipe = workshop.recipe("tiny-0000000001", "pause-install")

    with workshop.builder(recipe) as first:
        with pytest.raises(BuildFailedError, match="is being built already"):
            workshop.build(recipe)
        assert first.poll() is None
