"""Which key opens a node for the user at the keyboard."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from nodepool_lite.access.keys import KeyPair, pool_key
from nodepool_lite.config.settings import Config
from nodepool_lite.model.errors import NodepoolError
from nodepool_lite.model.lease import Lease
from nodepool_lite.model.node import Node


@dataclass(frozen=True)
class Identity:
    """A private key file, and the certificate that makes it valid on one node (None: the pool's own key)."""

    key: Path
    certificate: str | None = None


def pool_key_file(config: Config) -> Path | None:
    """Return the file of the pool's key if this user may read it."""
    path = _pool_key_path(config)
    return path if os.access(path, os.R_OK) else None


def readable_pool_key(config: Config) -> KeyPair:
    """Return the pool's key; raises NodepoolError when this user may not read it (and never makes one)."""
    if pool_key_file(config) is None:
        raise NodepoolError("the pool's SSH key cannot be read: run this with sudo, on a host of the pool")
    return pool_key(config)


def identity(config: Config, lease: Lease | None, node: Node, given: Path | None) -> Identity:
    """Return what logs in to a node: the key of the lease, or else the pool's.

    `given` is the private key that the user named. Raises NodepoolError when there is none.
    """
    certificate = lease.certificates.get(node.id) if lease is not None else None
    if lease is not None and lease.public_key and certificate:
        own = given or _private_key_of(lease.public_key)
        if own is not None:
            return Identity(own, certificate)
    pool = pool_key_file(config)
    if pool is not None:
        return Identity(pool)
    if lease is not None and lease.public_key:
        raise NodepoolError(
            f"lease {lease.id} is for the key {' '.join(lease.public_key.split()[:2])[:40]}..., whose private half "
            "is not in ~/.ssh; name it with --identity"
        )
    path = _pool_key_path(config)
    raise NodepoolError(
        f"node {node.id} opens to the pool's key only ({path}), which is not here or not for you to read: "
        "use sudo on a host of the pool, or grab a node with --public-key"
    )


@contextmanager
def own_directory() -> Iterator[Path]:
    """Give a directory that only this user can read, removed at the end."""
    with TemporaryDirectory(prefix="nodepool-lite-") as name:
        yield Path(name)


def write_private(path: Path, text: str) -> Path:
    """Write a file that only its owner can read, and return its path."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    return path


def _pool_key_path(config: Config) -> Path:
    return config.private_key or config.state_dir / "ssh" / "id_ed25519"


def _private_key_of(public_key: str) -> Path | None:
    """Return the user's private key whose public half is this one."""
    wanted = public_key.split()[:2]
    for path in sorted((Path.home() / ".ssh").glob("*.pub")):
        try:
            words = path.read_text().split()
        except (OSError, UnicodeDecodeError):
            continue
        if words[:2] == wanted and path.with_suffix("").exists():
            return path.with_suffix("")
    return None
