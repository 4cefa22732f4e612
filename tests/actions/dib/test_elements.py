"""Tests that the elements keep the rules of diskimage-builder and of shell."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nodepool_lite.actions.dib import recipe
from nodepool_lite.actions.dib.host import HOST_TOOLS
from nodepool_lite.config.shipped import elements_dir, etc_dir

TREES = [elements_dir(), recipe.OWN_ELEMENTS, Path(__file__).parent / "elements"]
SCRIPTS = etc_dir() / "scripts"


def scripts(directory: Path) -> list[Path]:
    """Return the shell scripts below a directory."""
    return sorted(each for each in directory.rglob("*") if each.is_file() and each.read_bytes()[:5] == b"#!/bi")


@pytest.mark.parametrize("tree", TREES, ids=["shipped", "own", "tests"])
def test_elements_keep_the_rules_of_diskimage_builder(tree: Path) -> None:
    """dib-lint, diskimage-builder's own check of elements, finds nothing."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    lint = subprocess.run(
        ["bash", "-c", 'exec dib-lint "$@"', "-"],
        env={**os.environ, "PATH": path, "ELEMENTS_DIR": str(tree), "LIB_DIR": str(HOST_TOOLS)},
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )

    assert lint.returncode == 0, lint.stdout + lint.stderr


@pytest.mark.parametrize("tree", [*TREES, HOST_TOOLS], ids=["shipped", "own", "tests", "hosttools"])
def test_shell_scripts_are_sound(tree: Path) -> None:
    """Shellcheck finds nothing in any script."""
    found = scripts(tree)
    assert found

    check = subprocess.run(["shellcheck", "--external-sources", *found], capture_output=True, text=True, check=False)

    assert check.returncode == 0, check.stdout


def test_environments_are_sound() -> None:
    """What diskimage-builder sources has no first line that would tell its language."""
    found = sorted(elements_dir().rglob("environment.d/*.bash"))
    assert found

    command = ["shellcheck", "--shell=bash", "--severity=warning", *found]
    check = subprocess.run(command, capture_output=True, text=True, check=False)

    assert check.returncode == 0, check.stdout


def test_the_services_of_devstack_are_of_its_branch() -> None:
    """A stable DevStack deploys stable services; one that is given a branch keeps it."""
    environment = elements_dir() / "devstack-requirements" / "environment.d" / "10-devstack-requirements.bash"
    command = ["bash", "-euc", f". {environment}; env | grep -c REPOREF_.*=stable/2025.1$; echo $DIB_REPOREF_nova"]
    refs = {"DIB_REPOREF_devstack": "stable/2025.1", "DIB_REPOREF_nova": "refs/changes/1"}

    told = subprocess.run(command, env={**os.environ, **refs}, capture_output=True, text=True, check=False)

    services = len(list((environment.parents[1]).glob("source-repository-*"))) - 1
    assert told.stdout.split() == [str(services), "refs/changes/1"]


def test_ready_scripts_are_sound() -> None:
    """And so are the files that they source."""
    found = sorted(SCRIPTS.glob("*.sh"))
    assert found

    check = subprocess.run(["shellcheck", "-x", "-P", SCRIPTS, *found], capture_output=True, text=True, check=False)

    assert check.returncode == 0, check.stdout


def test_every_element_is_explained() -> None:
    """Each element says in its README.rst what it does, and names the variables that it takes."""
    for element in elements_dir().iterdir():
        told = (element / "README.rst").read_text()
        used = {
            variable
            for script in element.rglob("*")
            if script.is_file() and script.suffix != ".rst"
            for variable in re.findall(
                r"\$\{?((?:NODEPOOL|DIB_DEBIAN_QUICK|OPENSTACK_DEBIAN|RDO|PACKSTACK|POI|DEVSTACK|KOLLA)_[A-Z_]+)",
                script.read_text(),
            )
        }
        assert {each for each in used if each not in told and "_FIRSTBOOT_" not in each} == set(), element.name
