"""A copy of the configuration that the daemon uses, so that commands go on working while the file has errors."""

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from nodepool_lite.config.finish import absolute
from nodepool_lite.config.load import load
from nodepool_lite.config.ownership import handed_over, made_directory
from nodepool_lite.config.settings import STATE_DIR, Config

NAME = "accepted.yaml"
_STATE_DIR = re.compile(r"""^state-dir:\s*(["']?)(?P<path>[^"'#\n]+?)\1\s*(?:#.*)?$""", re.MULTILINE)
_VARIABLE = re.compile(r"%\((NODEPOOL_\w+)\)")


def keep(path: Path, config: Config) -> None:
    """Keep a copy of the file that was accepted, for those who may read the file itself; raises OSError."""
    new = made_directory(config.state_dir) / f"{NAME}.new"
    new.unlink(missing_ok=True)
    mode = stat.S_IMODE(path.stat().st_mode) & 0o664
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(path.read_bytes())
    handed_over(new)
    new.chmod(mode)
    new.replace(config.state_dir / NAME)


def recall(path: Path, environ: Mapping[str, str]) -> Config | None:
    """Return what a daemon accepted last of a file that has errors now; None when nobody knows.

    Where the state directory is has to be read from a file that may not even be YAML: its line is looked for as text.
    """
    base = path.absolute().parent
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None
    found = _STATE_DIR.search(text)
    written = found["path"] if found else str(STATE_DIR)
    place = absolute(Path(_VARIABLE.sub(lambda name: environ.get(name[1], ""), written)), base, environ)
    return load(place / NAME, environ, base).config
