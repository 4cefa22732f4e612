"""The locks that tell living builds from dead ones."""

from pathlib import Path

from nodepool_lite.actions.dib.locks import FIRST_DESCRIPTOR, claimed, is_dead


def test_the_inherited_descriptor_leaves_the_low_numbers_to_the_builds_programs(tmp_path: Path) -> None:
    """A shell that knows only single digits must still find a free one."""
    with claimed(tmp_path / "build") as descriptor:
        assert descriptor >= FIRST_DESCRIPTOR


def test_a_claimed_directory_is_alive_and_gone_afterwards(tmp_path: Path) -> None:
    """Its lock tells so, whatever its age."""
    with claimed(tmp_path / "build"):
        assert not is_dead(tmp_path / "build")
    assert not (tmp_path / "build").exists()
