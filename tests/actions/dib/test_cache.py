"""Tests of the cache that builds share without disturbing each other."""

import os
import time
from pathlib import Path

import pytest

from nodepool_lite.actions.dib.cache import Cache

TREE = "debootstrap-debian-bookworm-amd64.tar.gz"


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    """Give a cache that no build has used."""
    return Cache(tmp_path / ".cache", ("bookworm",))


def test_the_second_build_finds_what_the_first_gave_back(cache: Cache, tmp_path: Path) -> None:
    """The first build starts cold; what it leaves is there for the next, without lock files."""
    first, second = tmp_path / "first", tmp_path / "second"
    assert cache.take(first) is False
    (first / TREE).write_text("tree")
    (first / "apt").mkdir()
    (first / "apt" / "lock").touch()
    cache.give_back(first)

    assert cache.take(second) is True

    assert (second / TREE).read_text() == "tree"
    assert not (second / "apt" / "lock").exists()


def test_a_build_does_not_see_what_another_is_writing(cache: Cache, tmp_path: Path) -> None:
    """Each build has a copy; what fails is not given back and is never seen."""
    first, second = tmp_path / "first", tmp_path / "second"
    cache.take(first)
    (first / TREE).write_text("half of a tr")

    cache.take(second)

    assert list(second.iterdir()) == []


def test_of_two_builds_at_once_the_later_ones_cache_stays(cache: Cache, tmp_path: Path) -> None:
    """Both can give back, in any order."""
    for name in ("first", "second"):
        cache.take(tmp_path / name)
        (tmp_path / name / TREE).write_text(name)
    for name in ("first", "second"):
        cache.give_back(tmp_path / name)

    cache.take(tmp_path / "third")

    assert (tmp_path / "third" / TREE).read_text() == "second"


def test_a_tree_that_is_too_old_is_made_anew(cache: Cache, tmp_path: Path) -> None:
    """A tree of eight days would take longer to upgrade than to make."""
    cache.take(tmp_path / "first")
    (tmp_path / "first" / TREE).write_text("tree")
    then = time.time() - 8 * 86400
    os.utime(tmp_path / "first" / TREE, (then, then))
    cache.give_back(tmp_path / "first")

    cache.take(tmp_path / "second")

    assert not (tmp_path / "second" / TREE).exists()
