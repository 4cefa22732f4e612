"""The secret of an embedded ZooKeeper: other users of this host, and guests that reach its loopback, do not know it."""

import os
from pathlib import Path

from nodepool_lite.model.errors import StoreUnavailableError

SECRET = "?secret="  # noqa: S105  # no secret itself
"""What stands between the servers' addresses and the name of the file with the secret."""


def read_secret(path: Path) -> str:
    """Return what is in the file; raises StoreUnavailableError when this user may not read it."""
    try:
        return path.read_text().strip()
    except OSError as error:
        raise StoreUnavailableError(
            f"the pool's own ZooKeeper is for those who can read {path} ({error.strerror}): "
            "join the group that owns it, or use sudo"
        ) from error


def make_secret(path: Path) -> None:
    """Write a new secret that owner and group may read, unless there is one already."""
    if not path.exists():
        fresh = path.with_suffix(".new")
        fresh.touch(mode=0o640)
        fresh.write_text(f"{os.urandom(24).hex()}\n")
        fresh.rename(path)
