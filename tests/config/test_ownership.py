"""Files that root makes in a state directory that it shares with a launcher that is not root."""

import os
from pathlib import Path

import pytest

from nodepool_lite.config.ownership import handed_over, made_directory

LAUNCHER = 64123
"""A user id that needs no entry in the user database."""

pytestmark = pytest.mark.machine  # only root can give files away


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory that belongs to the launcher's user."""
    os.chown(tmp_path, LAUNCHER, LAUNCHER)
    return tmp_path


def test_what_root_makes_belongs_to_the_owner_of_its_directory(state: Path) -> None:
    """A file made by root becomes the launcher's."""
    file = state / "key"
    file.touch()

    handed_over(file)

    assert (file.stat().st_uid, file.stat().st_gid) == (LAUNCHER, LAUNCHER)


def test_a_link_is_not_followed(state: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A link that waits where root writes does not give root's file away."""
    secret = tmp_path_factory.mktemp("root") / "secret"
    secret.touch()
    (state / "key").symlink_to(secret)

    handed_over(state / "key")

    assert secret.stat().st_uid == 0


def test_each_missing_directory_is_handed_over(state: Path) -> None:
    """All directories on the way are the launcher's, and only the last one has the mode that was asked for."""
    made_directory(state / "qemu" / "local" / "servers", 0o700)

    made = [state / "qemu", state / "qemu" / "local", state / "qemu" / "local" / "servers"]
    assert {each.stat().st_uid for each in made} == {LAUNCHER}
    assert [oct(each.stat().st_mode & 0o777) for each in made] == ["0o755", "0o755", "0o700"]


def test_a_directory_that_exists_keeps_its_owner(state: Path) -> None:
    """A directory of root's own, as the package made it, stays root's."""
    (state / "images").mkdir()

    made_directory(state / "images")

    assert (state / "images").stat().st_uid == 0
