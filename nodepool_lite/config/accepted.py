"""What the daemon uses of the configuration, kept for the commands: the file as it was, and what it means.

With the file, commands go on working while somebody makes mistakes in it. With its meaning, they need not read YAML
and check again what was checked, which would take longer than all else that most of them do.
"""

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from msgspec import DecodeError, json

from nodepool_lite import __version__
from nodepool_lite.config.finish import absolute
from nodepool_lite.config.ownership import handed_over, made_directory
from nodepool_lite.config.settings import STATE_DIR, Config
from nodepool_lite.config.source import digest_of, secure_file
from nodepool_lite.model.value import Frozen

FILE, MEANING = "accepted.yaml", "accepted.json"
_STATE_DIR = re.compile(r"""^state-dir:\s*(["']?)(?P<path>[^"'#\n]+?)\1\s*(?:#.*)?$""", re.MULTILINE)
_VARIABLE = re.compile(r"%\((NODEPOOL_\w+)\)")


class _Meaning(Frozen):
    """The settings that a file of this content gave, to this version of the program."""

    program: str
    digest: str
    """As `digest_of` the file alone: what also depends on variables or a secure file has another one."""
    file: Path
    config: Config


def keep(path: Path, config: Config, digest: str) -> None:
    """Keep a copy of the file that was accepted, and its meaning, for those who may read the file itself.

    Raises:
        OSError: that is not possible.
    """
    place, mode = made_directory(config.state_dir), stat.S_IMODE(path.stat().st_mode) & 0o664
    _put(place / FILE, path.read_bytes(), mode)
    meaning = _Meaning(program=__version__, digest=digest, file=path.absolute(), config=config)
    written = json.encode(meaning, enc_hook=str)
    if _read(written) == meaning:
        _put(place / MEANING, written, mode)
    else:  # `options` may hold what JSON does not know
        (place / MEANING).unlink(missing_ok=True)


def meant(path: Path, environ: Mapping[str, str]) -> Config | None:
    """Return what the file means if that is what a daemon on this host uses; None when it has to be read.

    Root takes only root's own word for it.
    """
    if secure_file(environ) is not None:
        return None
    try:
        content = path.read_bytes()
        place = _state_dir(content.decode("utf-8-sig"), path, environ) / MEANING
        if os.geteuid() == 0 and place.stat().st_uid != 0:
            return None
        found = _read(place.read_bytes())
    except (OSError, UnicodeDecodeError):
        return None
    if found is None:
        return None
    same = (found.program, found.digest, found.file) == (__version__, digest_of([content]), path.absolute())
    return found.config if same else None


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


def _read(written: bytes) -> _Meaning | None:
    try:
        return json.decode(written, type=_Meaning, dec_hook=lambda _path, value: Path(value))
    except (DecodeError, UnicodeDecodeError):
        return None


def _put(place: Path, content: bytes, mode: int) -> None:
    new = place.with_name(f"{place.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    handed_over(new)
    new.chmod(mode)
    new.replace(place)
