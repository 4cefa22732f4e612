"""What the daemon uses of the configuration, kept for the commands: the file as it was, and what it means.

With the file, commands go on working while somebody makes mistakes in it. With its meaning, they need not read YAML
and check again what was checked, which would take longer than all else that most of them do. Only a meaning that
follows from the file alone is kept: neither variables nor the secure file, where secrets are, nor anybody's home.
"""

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from msgspec import DecodeError, json

from nodepool_lite import __version__
from nodepool_lite.config.finish import absolute
from nodepool_lite.config.ownership import made_directory, publish
from nodepool_lite.config.settings import STATE_DIR, Config
from nodepool_lite.config.source import LIMIT, digest_of, secure_file
from nodepool_lite.model.value import Frozen

FILE, MEANING = "accepted.yaml", "accepted.json"
_STATE_DIR = re.compile(r"""^state-dir:\s*(["']?)(?P<path>[^"'#\n]+?)\1\s*(?:#.*)?$""", re.MULTILINE)
_VARIABLE = re.compile(r"%\((NODEPOOL_\w+)\)")
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


class _Meaning(Frozen):
    """The settings that a file of this content gave, to this very program."""

    program: str
    digest: str
    file: Path
    config: Config


def keep(path: Path, config: Config, digest: str) -> None:
    """Keep a copy of the file that was accepted, and its meaning, for those who may read the file itself.

    Raises:
        OSError: that is not possible.
    """
    place, content, file = made_directory(config.state_dir), path.read_bytes(), path.stat()
    mode = stat.S_IMODE(file.st_mode) & 0o644
    if file.st_gid != place.stat().st_gid:
        mode &= ~stat.S_IRGRP  # the copy belongs to another group
    publish(place / FILE, content, mode, replace=True)
    meaning = _Meaning(program=_program(), digest=digest, file=path.absolute(), config=config)
    written = _written(meaning) if digest == digest_of([content]) and b"~" not in content else None
    if written is None:
        (place / MEANING).unlink(missing_ok=True)
    else:
        publish(place / MEANING, written, mode, replace=True)


def meant(path: Path, environ: Mapping[str, str]) -> Config | None:
    """Return what the file means if that is what a daemon on this host uses; None when it has to be read.

    Root takes only root's own word for it.
    """
    if secure_file(environ) is not None:
        return None
    try:
        if not path.is_file():
            return None  # what a pipe holds can be read once
        with path.open("rb") as file:
            content = file.read(LIMIT)
        found = _read(_trusted(_state_dir(content.decode("utf-8-sig"), path, environ) / MEANING))
    except (OSError, ValueError):
        return None
    if found is None or (found.program, found.file) != (_program(), path.absolute()):
        return None
    return found.config if found.digest == digest_of([content]) else None


def recall(path: Path, environ: Mapping[str, str]) -> Config | None:
    """Return what a daemon accepted last of a file that has errors now; None when nobody knows."""
    from nodepool_lite.config.load import load  # noqa: PLC0415 - seldom

    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None
    return load(_state_dir(text, path, environ) / FILE, environ, path.absolute().parent).config


def _state_dir(text: str, path: Path, environ: Mapping[str, str]) -> Path:
    """Return where the state directory is, from a file that may not even be YAML: its line is looked for as text."""
    found = _STATE_DIR.search(text)
    written = found["path"] if found else str(STATE_DIR)
    return absolute(
        Path(_VARIABLE.sub(lambda name: environ.get(name[1], ""), written)), path.absolute().parent, environ
    )


def _program() -> str:
    """Return what is another one after an upgrade, or after a developer's change."""
    return f"{__version__} {Path(__file__).parent.stat().st_mtime_ns}"


def _written(meaning: _Meaning) -> bytes | None:
    """Return the meaning as JSON; None where that would mean something else."""
    try:
        written = json.encode(meaning, enc_hook=str)
    except (TypeError, ValueError, OverflowError):
        return None
    return written if _read(written) == meaning else None


def _read(written: bytes) -> _Meaning | None:
    try:
        return json.decode(written, type=_Meaning, dec_hook=lambda _path, value: Path(value))
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _trusted(place: Path) -> bytes:
    """Return the content of a file; as root, only of one that nobody else can have written.

    Raises:
        OSError: there is none, or none of that kind.
    """
    with os.fdopen(os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        found = os.fstat(file.fileno())
        alien = os.geteuid() == 0 and (found.st_uid != 0 or found.st_mode & _WRITABLE_BY_OTHERS)
        if alien or not stat.S_ISREG(found.st_mode):
            raise PermissionError(place)
        return file.read()
