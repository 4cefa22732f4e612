"""Tests of which logs of builds are kept."""

from collections.abc import Callable
from pathlib import Path

import pytest

from nodepool_lite.actions.dib.build_logs import FAILED, SUCCEEDED, prune

WriteLogs = Callable[..., None]


@pytest.fixture
def write(tmp_path: Path) -> WriteLogs:
    """Give a function that writes logs of a diskimage, numbered from 1, each with the last line given."""

    def logs(diskimage: str, *last_lines: str) -> None:
        for number, line in enumerate(last_lines, 1):
            (tmp_path / f"{diskimage}-{number:010}.log").write_text(f"begin\n{line}\n")

    return logs


def numbers(directory: Path, diskimage: str) -> list[int]:
    """Return the numbers of the logs that are there."""
    return sorted(int(each.stem.rpartition("-")[2]) for each in directory.glob(f"{diskimage}-??????????.log"))


def test_the_newest_logs_are_kept(tmp_path: Path, write: WriteLogs) -> None:
    """Of ten good builds the last seven logs stay, and what went is told."""
    write("debian-12", *[SUCCEEDED] * 10)

    removed = prune(tmp_path, "debian-12", keep=7)

    assert numbers(tmp_path, "debian-12") == [4, 5, 6, 7, 8, 9, 10]
    assert {each.name for each in removed} == {f"debian-12-{number:010}.log" for number in (1, 2, 3)}


def test_the_latest_failed_and_the_latest_good_one_stay(tmp_path: Path, write: WriteLogs) -> None:
    """However old they are, the last failure and the last success can be read."""
    write("debian-12", SUCCEEDED, SUCCEEDED, f"{FAILED}: a", f"{FAILED}: b", "interrupted", "interrupted", "running")

    prune(tmp_path, "debian-12", keep=2)

    assert numbers(tmp_path, "debian-12") == [2, 4, 6, 7]


def test_a_log_that_may_be_growing_stays(tmp_path: Path, write: WriteLogs) -> None:
    """The newest log is kept even when none is to be kept."""
    write("debian-12", "interrupted", "running")

    prune(tmp_path, "debian-12", keep=0)

    assert numbers(tmp_path, "debian-12") == [2]


def test_other_diskimages_are_not_touched(tmp_path: Path, write: WriteLogs) -> None:
    """A diskimage whose name begins like another's keeps its logs, and so does a file that is no log of ours."""
    write("debian", *[SUCCEEDED] * 3)
    write("debian-12", *[SUCCEEDED] * 3)
    (tmp_path / "debian-notes.log").write_text("mine")

    prune(tmp_path, "debian", keep=1)

    assert numbers(tmp_path, "debian") == [3]
    assert numbers(tmp_path, "debian-12") == [1, 2, 3]
    assert (tmp_path / "debian-notes.log").exists()
