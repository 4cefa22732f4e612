"""Real disk-image-create with centos-minimal and our elements, as far as it goes where there is no CentOS.

It goes until a program of CentOS itself has to run inside the image: the packages have true names and no programs.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.elements.centos_build import ELEMENTS

pytestmark = [pytest.mark.machine, pytest.mark.proof]
WITHOUT_LOCAL = (
    'mount --bind "$1/local.conf" /etc/dnf/plugins/local.conf && exec "$0" -m tests.elements.centos_build "$1"'
)
"""Dnf's plugin `local`, which Debian switches on, spoils installs below another root (docs/rdo.md)."""


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The log of a build, which has to fail in the end."""
    base = tmp_path_factory.mktemp("centos")
    (base / "local.conf").write_text("[main]\nenabled = false\n")
    space = ["unshare", "--mount", "--propagation", "private", "sh", "-c", WITHOUT_LOCAL, sys.executable, str(base)]
    done = subprocess.run(space, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    return (base / "rdo.log").read_text()


def test_our_elements_and_all_that_they_need_are_taken_together(log: str) -> None:
    """Their dependencies are found, and none is missing or provided twice."""
    expanded = next(line for line in log.splitlines() if "Expanded element dependencies to:" in line)
    assert set(ELEMENTS) | {"nodepool-firstboot", "selinux-permissive", "package-installs"} <= set(expanded.split())


def test_the_packages_of_a_stream_9_are_installed_from_the_repository(log: str) -> None:
    """Release and repositories first, then the package manager, by the host's dnf."""
    for name in ("centos-stream-release", "centos-stream-repos", "dnf-plugins-core", "coreutils"):
        assert name in log
    assert "Complete!" in log


def test_it_ends_where_a_program_of_centos_has_to_run(log: str) -> None:
    """And not before."""
    assert "root.d/08-yum-chroot" in log
    assert "chroot: failed to run command" in log
