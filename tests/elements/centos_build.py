"""Builds an image of centos-minimal with our elements from a repository of stand-ins: `python -m ... DIRECTORY`.

A program of its own, to be run in a mount namespace of its own, where dnf's configuration is the build's.
"""

import sys
import threading
from pathlib import Path

from nodepool_lite.actions.dib.recipe import Recipe
from nodepool_lite.actions.dib.run import run_build
from nodepool_lite.config.settings import Diskimage
from nodepool_lite.config.shipped import elements_dir
from nodepool_lite.model.clock import SystemClock
from nodepool_lite.model.errors import BuildFailedError
from tests.elements.repositories import Rpm, build, repo_file, served

BOOTSTRAP = "basesystem filesystem setup centos-gpg-keys centos-stream-release"
MANAGER = "dnf dnf-plugins-core curl libcurl glibc-minimal-langpack glibc-langpack-en coreutils"
ELEMENTS = ("centos-minimal", "vm", "growroot", "nodepool-minimal", "rdo-requirements", "packstack-ready")


def main(base: Path) -> int:
    """Build; the log is `rdo.log`, and what the build says of its failure is printed."""
    key, patch, repos = base / "key.pub", base / "patch.rpm", base / "repos"
    key.write_text("ssh-ed25519 AAAA pool\n")
    patch.write_text("a package of the build host")
    repos.mkdir()
    (base / "images").mkdir()
    with served(base / "stream") as url:
        release = {"/etc/yum.repos.d/centos.repo": repo_file("baseos", url).encode()}
        names = f"{BOOTSTRAP} {MANAGER}".split()
        build(base / "stream", [Rpm("centos-stream-repos", files=release), *map(Rpm, names)])
        (repos / "local.repo").write_text(repo_file("baseos", url))
        variables = {"DIB_YUM_MINIMAL_BOOTSTRAP_REPOS": str(repos), "RDO_EXTRA_RPMS": str(patch)}
        recipe = Recipe(
            diskimage=Diskimage(name="rdo", elements=ELEMENTS, release="9-stream", env_vars=variables),
            formats=("qcow2",),
            output=base / "images" / "rdo",
            log=base / "rdo.log",
            work_dir=base / "work" / "rdo",
            elements_path=(elements_dir(),),
            environment={"NODEPOOL_PUBLIC_KEY_FILE": str(key)},
        )
        try:
            run_build(recipe, on_phase=lambda _: None, stop=threading.Event(), clock=SystemClock())
        except BuildFailedError as error:
            sys.stdout.write(f"{error}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
