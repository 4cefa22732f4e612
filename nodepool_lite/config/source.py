"""Where the configuration is read from, and how one reading of it is told from another."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from nodepool_lite.model.errors import ConfigError

VARIABLE = "NODEPOOL_LITE_CONFIG"
SECURE_VARIABLE = "NODEPOOL_LITE_SECURE"
LIMIT = 8 << 20
"""Bytes that a configuration may have, hundreds of times what the largest has."""
PLACES = (Path("/etc/nodepool-lite/nodepool.yaml"), Path("/etc/nodepool/nodepool.yaml"))


def find(explicit: Path | None, environ: Mapping[str, str]) -> Path:
    """Return the configuration file to use: the one given, the environment's, else the first that exists.

    Raises:
        ConfigError: there is none; every place that was looked at is named.
    """
    if explicit is not None:
        return explicit
    if environ.get(VARIABLE):
        return Path(environ[VARIABLE])
    for place in PLACES:
        if place.exists():
            return place
    looked = "\n".join(f"  {place}: no such file" for place in PLACES)
    raise ConfigError(
        f"no configuration file found:\n  --config: not given\n  ${VARIABLE}: not set\n{looked}\n"
        "Copy etc/nodepool.yaml to one of these places, or name a file with --config."
    )


def secure_file(environ: Mapping[str, str]) -> Path | None:
    """Return the second, secret file that $NODEPOOL_LITE_SECURE names, if it does."""
    return Path(environ[SECURE_VARIABLE]) if environ.get(SECURE_VARIABLE) else None


def digest_of(read: Iterable[bytes]) -> str:
    """Return a hash of all that was read: the content of each file, followed by the variables that it names."""
    found = hashlib.sha256()
    for each in read:
        found.update(each)
    return found.hexdigest()[:16]
