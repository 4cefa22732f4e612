"""Tests of looking at what the host has for building images."""

from pathlib import Path

import pytest

from nodepool_lite.actions.dib import host
from nodepool_lite.actions.dib.host import disk_problem, missing_tools


def test_room_on_the_disk_is_no_problem(tmp_path: Path) -> None:
    """With enough free space nothing is said, also when the directory is yet to be made."""
    assert disk_problem(tmp_path / "not" / "yet", 0.001) is None


def test_a_disk_that_is_too_full_is_told_with_numbers(tmp_path: Path) -> None:
    """The sentence names the directory, what is free, what is wanted, and the setting."""
    told = disk_problem(tmp_path, 1e6)

    assert told is not None
    assert told.startswith(f"{tmp_path} has ")
    assert "wants 1e+06 GiB" in told
    assert "build-min-free" in told


def test_a_missing_program_is_named_with_its_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each sentence says what is missing, what for, and how to get it on Debian and on CentOS."""
    monkeypatch.setattr(host, "search_path", lambda: ("/nonexistent",))

    told = missing_tools()

    assert "qemu-img is missing (converts images): install qemu-utils (Debian) or qemu-img (CentOS, Fedora)" in told
    assert any(sentence.startswith("debootstrap or mmdebstrap is missing") for sentence in told)
    assert not any("kpartx" in sentence for sentence in told), "there is a stand-in for it"
