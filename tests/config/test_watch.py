"""Noticing changes of the configuration and its scripts, and finding what ships with the package."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from nodepool_lite.config import shipped
from nodepool_lite.config.watch import ConfigFile
from tests.config.conftest import BASE, DATA

Write = Callable[[str], Path]
TOP = DATA.parent.parent.parent


def test_a_file_that_was_loaded_has_not_changed_until_it_does(write: Write) -> None:
    """Another content, a file put in its place and its removal are changes; loading again makes them known."""
    file = ConfigFile(write(BASE), {})
    assert file.load().config is not None
    assert not file.changed()
    file.path.write_text(BASE + "build-jobs: 2\n")
    assert file.changed()
    loaded = file.load()
    assert loaded.config is not None
    assert loaded.config.build_jobs == 2
    assert not file.changed()
    other = file.path.with_name("other")
    other.write_text(file.path.read_text())
    os.utime(other, ns=(0, file.path.stat().st_mtime_ns))
    other.replace(file.path)
    assert file.changed()
    file.load()
    file.path.unlink()
    assert file.changed()
    assert file.load().config is None
    assert not file.changed()


def test_a_script_that_changes_is_a_change(write: Write, tmp_path: Path) -> None:
    """Scripts in `scripts-dir` are watched too, also those that are new; a bad file does not stop that."""
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    file = ConfigFile(write(BASE + "scripts-dir: scripts\n"), {})
    file.load()
    (scripts / "a.sh").write_text("one")
    assert file.changed()
    file.path.write_text("broken: [")
    assert file.load().config is None
    assert not file.changed()
    (scripts / "a.sh").write_text("other")
    assert file.changed()


def test_the_secure_file_is_watched(write: Write, tmp_path: Path) -> None:
    """A change of the second file is a change."""
    secure = tmp_path / "secure.yaml"
    file = ConfigFile(write(BASE), {"NODEPOOL_LITE_SECURE": str(secure)})
    file.load()
    secure.write_text("zookeeper-servers: [{host: z}]\n")
    assert file.changed()


def test_a_checkout_finds_what_ships_at_its_top_level() -> None:
    """Elements, scripts and examples are the top level's own folders."""
    assert shipped.elements_dir() == TOP / "elements"
    assert shipped.etc_dir() == TOP / "etc"
    assert os.access(shipped.scripts_dir() / "hello.sh", os.X_OK)


@pytest.mark.machine
def test_a_wheel_brings_what_ships(tmp_path: Path) -> None:
    """Elements and scripts are in the wheel, and those that are executable stay so."""
    source = tmp_path / "source"
    source.mkdir()
    for name in ("nodepool_lite", "elements", "etc", "pyproject.toml", "README.md"):
        subprocess.run(["cp", "-a", TOP / name, source / name], check=True)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, source]
    subprocess.run(command, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    modes = {each.filename: each.external_attr >> 16 for each in zipfile.ZipFile(wheel).infolist()}
    assert modes["nodepool_lite/share/etc/scripts/hello.sh"] & 0o111
    assert any(name.startswith("nodepool_lite/share/elements/nodepool-minimal/install.d/") for name in modes)
