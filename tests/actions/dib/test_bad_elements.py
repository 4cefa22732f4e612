"""Elements that are broken or not what they seem: a recipe's fingerprint copes, and stays where elements are."""

import os
from pathlib import Path

import pytest

from nodepool_lite.actions.dib.recipe import fingerprint, takes_host_key
from nodepool_lite.config.settings import Diskimage

IMAGE = Diskimage(name="i", elements=("mine",))


@pytest.fixture
def element(tmp_path: Path) -> Path:
    """Give the directory of an element that is right."""
    directory = tmp_path / "elements" / "mine"
    (directory / "install.d").mkdir(parents=True)
    (directory / "install.d" / "10-it").write_text("#!/bin/sh\n")
    return directory


@pytest.mark.parametrize("deps", [b"\xff\xfe\x00", b"../secret", b"/etc", b"-o\n$(reboot)\n", b"mine\nmine\n"])
def test_dependencies_that_are_no_elements_lead_nowhere(element: Path, deps: bytes) -> None:
    """Neither up, nor anywhere else on the host; what they say still shapes the recipe."""
    before = fingerprint(IMAGE, [element.parent])
    secret = element.parent.parent / "secret"
    secret.mkdir()
    (secret / "file").write_text("one")
    (element / "element-deps").write_bytes(deps)
    after = fingerprint(IMAGE, [element.parent])
    assert after != before
    (secret / "file").write_text("two")
    assert fingerprint(IMAGE, [element.parent]) == after
    assert not takes_host_key(IMAGE, [element.parent])


def test_files_that_cannot_be_read_are_no_reason_to_stop(element: Path) -> None:
    """Links to nothing or in circles, pipes and sockets: what can be read counts."""
    (element / "nowhere").symlink_to("gone")
    (element / "circle").symlink_to("circle")
    os.mkfifo(element / "pipe")
    before = fingerprint(IMAGE, [element.parent])
    (element / "install.d" / "10-it").write_text("#!/bin/sh\ntrue\n")
    assert fingerprint(IMAGE, [element.parent]) != before


@pytest.mark.parametrize("place", ["/dev/null", "/nowhere", "/tmp/" + "x" * 300])
def test_a_directory_that_is_none_has_no_elements(place: str) -> None:
    """It is passed over, as if it were not named."""
    assert fingerprint(IMAGE, [Path(place)]) == fingerprint(IMAGE, [])
