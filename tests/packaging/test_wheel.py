"""The wheel holds all that the product needs at run time, and an installed one works."""

import os
import shutil
import stat
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
LEFT_OUT = ("*.egg-info", "__pycache__", ".git", ".venv", ".nodepool-lite", "build", "dist")
IN_USE = (".*_cache", ".hypothesis", ".coverage*", ".*.log")
"""What tests beside this one may write or remove at any moment."""

pytestmark = pytest.mark.machine


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel made from a source distribution of this checkout, as a release would be."""
    directory = tmp_path_factory.mktemp("wheel")
    source = directory / "source"
    shutil.copytree(CHECKOUT, source, symlinks=True, ignore=shutil.ignore_patterns(*LEFT_OUT, *IN_USE))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    program = "from setuptools import build_meta; print(build_meta.build_sdist('dist'))"
    tools = directory / "tools"
    subprocess.run([*pip, "install", "--target", str(tools), "setuptools>=77"], check=True)
    subprocess.run(
        [sys.executable, "-c", program],
        cwd=source,
        env={**os.environ, "PYTHONPATH": str(tools)},
        capture_output=True,
        check=True,
    )
    archive = next((source / "dist").glob("*.tar.gz"))
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(directory), str(archive)], check=True)
    return next(directory.glob("*.whl"))


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh virtual environment with the wheel; its dependencies are those of the present one."""
    venv = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    pip = [str(venv / "bin" / "pip"), "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "install", "--no-deps", str(wheel)], check=True)
    site = next(venv.glob("lib/python*/site-packages"))
    (site / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return venv


def _run(environment: Path, *arguments: str) -> str:
    """Run a program of the environment away from the checkout and return what it printed."""
    program, *rest = arguments
    command = [str(environment / "bin" / program), *rest]
    return subprocess.run(command, cwd="/", capture_output=True, text=True, check=True).stdout


def test_the_wheel_holds_every_file_that_ships(wheel: Path) -> None:
    """Elements, examples, ready-scripts, units and stand-ins for host tools are all in it."""
    held = set(zipfile.ZipFile(wheel).namelist())
    wanted = {"nodepool_lite/py.typed"}
    for top in ("elements", "etc", "systemd"):
        for file in (CHECKOUT / top).rglob("*"):
            if file.is_file():
                wanted.add(f"nodepool_lite/share/{file.relative_to(CHECKOUT)}")
    for file in (CHECKOUT / "nodepool_lite").rglob("*"):
        inside = file.relative_to(CHECKOUT)
        if file.is_file() and "__pycache__" not in inside.parts and "share" not in inside.parts:
            wanted.add(str(inside))

    assert wanted - held == set()
    assert any(name.endswith("licenses/LICENSE") for name in held)


def test_programs_stay_executable(environment: Path) -> None:
    """What is run by its name, in a build or on a node, may be executed when it was installed from the wheel."""
    package = next(environment.glob("lib/python*/site-packages/nodepool_lite"))
    ours = {
        **{each: package / "share" / each.relative_to(CHECKOUT) for each in (CHECKOUT / "elements").rglob("*")},
        **{each: package / "share" / each.relative_to(CHECKOUT) for each in (CHECKOUT / "etc").rglob("*")},
        **{
            each: package.parent / each.relative_to(CHECKOUT)
            for each in (CHECKOUT / "nodepool_lite/actions/dib").rglob("*")
        },
    }
    programs = {here: there for here, there in ours.items() if here.is_file() and here.stat().st_mode & stat.S_IXUSR}

    assert programs
    assert [str(here) for here, there in programs.items() if not there.stat().st_mode & stat.S_IXUSR] == []


def test_an_installed_wheel_runs(environment: Path) -> None:
    """The command is there, finds its own package and no other, and its elements with it."""
    where = "import nodepool_lite.config.shipped as s; print(s.__file__, s.elements_dir() / 'nodepool-minimal')"

    module, element = _run(environment, "python", "-c", where).split()

    assert Path(module).is_relative_to(environment)
    assert Path(element).is_relative_to(environment)
    assert Path(element).is_dir()
    assert "Take a machine" in _run(environment, "nodepool-lite", "--help")


def test_an_installed_wheel_can_play_its_roles(environment: Path) -> None:
    """Every module of the package can be imported from the installed copy."""
    program = (
        "import importlib, pkgutil, nodepool_lite as n\n"
        "for m in pkgutil.walk_packages(n.__path__, 'nodepool_lite.'): importlib.import_module(m.name)\n"
        "print('all')"
    )

    assert _run(environment, "python", "-c", program).strip() == "all"
