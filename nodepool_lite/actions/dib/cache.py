"""What builds may share: downloads and bootstrapped trees, kept warm; no build sees another's half-written files.

Each build works on a copy of its own and gives it back only when it succeeded, by renaming. Two builds that end at
the same time both leave a complete cache; the later one's is kept.
"""

import hashlib
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from nodepool_lite.actions.dib import devices, locks

_MAX_AGE = 7 * 86400.0
"""Seconds after which a bootstrapped tree is made anew, because upgrading it would take longer."""


class Cache:
    """The shared cache below `root` for builds with the same `key`."""

    def __init__(self, root: Path, key: Sequence[str]) -> None:
        name = hashlib.sha256("\n".join(key).encode()).hexdigest()[:12]
        self._shared = root / name
        self._lock = root / f"{name}.lock"

    def take(self, own: Path) -> bool:
        """Make `own` a copy for one build, without lock files and stale trees; return whether it was warm."""
        with locks.waited_for(self._lock):
            warm = self._shared.is_dir()
            if warm:
                subprocess.run(["cp", "-a", "--reflink=auto", "--", str(self._shared), str(own)], check=True)
            else:
                own.mkdir()
        for file in (*own.rglob("lock"), *own.rglob("*.lock"), *_stale(own)):
            file.unlink()
        return warm

    def give_back(self, own: Path) -> None:
        """Make `own` the shared cache; both must be on one file system."""
        with locks.waited_for(self._lock):
            old = self._shared.with_suffix(".old")
            devices.remove(old)
            if self._shared.exists():
                self._shared.rename(old)
            own.rename(self._shared)
            devices.remove(old)


def _stale(own: Path) -> Sequence[Path]:
    before = time.time() - _MAX_AGE
    return [tree for tree in own.glob("debootstrap-*.tar.gz") if tree.stat().st_mtime < before]
