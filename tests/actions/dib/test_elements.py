"""Tests that the elements keep the rules of diskimage-builder and of shell."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nodepool_lite.actions.dib import recipe
from nodepool_lite.actions.dib.host import HOST_TOOLS
from nodepool_lite.config.files import dib_elements
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


@pytest.mark.machine
def test_the_services_of_devstack_are_of_its_branch(tmp_path: Path) -> None:
    """A stable DevStack gets stable services, cloned by diskimage-builder; one that is given a branch keeps it."""
    stable, other = "stable/2025.1", "refs/changes/1"
    element, hooks, root = elements_dir() / "devstack-requirements", tmp_path / "hooks", tmp_path / "build.0" / "mnt"
    sources = sorted(element.glob("source-repository-*"))
    names = [each.name.removeprefix("source-repository-") for each in sources]
    for directory in (hooks, root / "etc"):
        directory.mkdir(parents=True)
    for source, name in zip(sources, names, strict=True):
        shutil.copy(source, hooks)
        make_repository(tmp_path / "git" / "openstack" / name, [stable, other])
    environment = {
        "TMP_HOOKS_PATH": str(hooks), "TMP_MOUNT_PATH": str(root), "DIB_IMAGE_CACHE": str(tmp_path / "cache"),
        "DIB_DEFAULT_INSTALLTYPE": "source", "DIB_GITREPOBASE": f"file://{tmp_path}/git/", "DIB_OFFLINE": "",
        "DIB_MANIFEST_IMAGE_DIR": "etc", "IMAGE_NAME": "devstack", "HOME": str(tmp_path),
        "DIB_REPOREF_devstack": stable, "DIB_REPOREF_nova": other,
    }  # fmt: skip

    clone = dib_elements()[0] / "source-repositories" / "extra-data.d" / "98-source-repositories"
    done = subprocess.run([clone], env={**os.environ, **environment}, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    found = {name: (root / "opt" / "stack" / name / "branch").read_text() for name in names}
    assert found == {name: other if name == "nova" else stable for name in names}


def make_repository(directory: Path, refs: list[str]) -> None:
    """Make a repository whose file `branch` says `master`, and on each of these references its name."""
    directory.mkdir(parents=True)
    git = ["git", "-C", str(directory), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.check_call([*git, "init", "-q", "-b", "master"])
    for ref in ("master", *refs):
        (directory / "branch").write_text(ref)
        subprocess.check_call([*git, "add", "branch"])
        subprocess.check_call([*git, "commit", "-q", "-m", ref])
        full = ref if ref.startswith("refs/") else f"refs/heads/{ref}"
        subprocess.check_call([*git, "update-ref", full, "HEAD"])
    subprocess.check_call([*git, "update-ref", "refs/heads/master", f"HEAD~{len(refs)}"])


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
