"""Ready-scripts on this host: where each is, which other files go to the node with it, and how it is verified.

A script names the others itself, in lines of comment that start where the line starts:

    # nodepool-needs: ready-lib.sh
    # nodepool-verify: verify_openstack.sh
"""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from nodepool_lite.config import shipped
from nodepool_lite.config.settings import Config, Label
from nodepool_lite.model.errors import ScriptFileError

_LINE = re.compile(rb"^# nodepool-(needs|verify):([^\n]*)$", re.MULTILINE)


class Script(Struct, frozen=True):
    """A script as it is on this host now."""

    name: str
    content: bytes
    needs: tuple[str, ...] = ()
    """Names of the files that have to be beside it on the node."""
    verify: str = ""
    """Name of the script that tells whether what it set up works; empty for none."""

    def __repr__(self) -> str:
        """What a log or a traceback may show: not all that it holds."""
        return f"{type(self).__name__}({self.name!r})"


def places(config: Config) -> tuple[Path, ...]:
    """Return the directories with scripts: `scripts-dir`, then those that ship."""
    return (*config.scripts_dir, shipped.scripts_dir())


def find_script(directories: Iterable[Path], name: str) -> Path | None:
    """Return the script of that name in the first of the directories that has it; None when none has."""
    if not name or Path(name).name != name:
        return None
    scripts = (each / name for each in directories)
    return next((each for each in scripts if os.path.isfile(each)), None)  # noqa: PTH113 - Path.is_file raises


def read_script(directories: Iterable[Path], name: str) -> Script | None:
    """Return a script with what it names; None when it is in none of the directories.

    Raises:
        OSError: it cannot be read.
    """
    path = find_script(directories, name)
    if path is None:
        return None
    content = path.read_bytes()
    named: dict[bytes, list[str]] = {b"needs": [], b"verify": []}
    for kind, names in _LINE.findall(content):
        named[kind] += names.decode(errors="replace").split()
    return Script(name, content, tuple(named[b"needs"]), next(iter(named[b"verify"]), ""))


def with_needs(directories: Sequence[Path], names: Iterable[str]) -> Mapping[str, bytes]:
    """Return the content of these scripts and of all that they need and are verified by, by name.

    A name of `names` itself that is not on this host is left out: it may be in the image.

    Raises:
        ScriptFileError: something that one of them names is not here, or cannot be read.
    """
    found: dict[str, bytes] = {}
    waiting = [(name, "") for name in names if name]
    while waiting:
        name, wanted_by = waiting.pop(0)
        if name in found:
            continue
        try:
            script = read_script(directories, name)
        except OSError as error:
            raise ScriptFileError(f"the script {name} cannot be read: {error.strerror}") from error
        if script is not None:
            found[name] = script.content
            waiting += [(each, name) for each in (*script.needs, script.verify) if each]
        elif wanted_by:
            raise ScriptFileError(f"{wanted_by} names {name}, which is not in `scripts-dir` and does not ship")
    return found


def verify_script(config: Config, label: Label) -> str:
    """Return the name of the script that verifies the label's nodes: the label's, else its ready-script's, or none."""
    if label.verify_script:
        return label.verify_script
    try:
        script = read_script(places(config), label.ready_script)
    except OSError:
        return ""
    return script.verify if script is not None else ""


def label_files(config: Config, label: Label | None, ready_script: str) -> Mapping[str, bytes]:
    """Return all files that a node of the label gets, by name, its ready-script among them.

    Raises:
        ScriptFileError: as `with_needs`.
    """
    verify = verify_script(config, label) if label is not None else ""
    return with_needs(places(config), (ready_script, verify))


def label_digest(config: Config, label: Label) -> str:
    """Return a hash of all scripts of a label; empty when none is on this host or one cannot be read."""
    try:
        files = label_files(config, label, label.ready_script)
    except ScriptFileError:
        return ""
    return _hash(files) if files else ""


def missing(directories: Sequence[Path], name: str) -> Iterator[str]:
    """Yield what a script that is here names and that is not here, one sentence each."""
    try:
        with_needs(directories, (name,))
    except ScriptFileError as error:
        yield str(error)


def _hash(files: Mapping[str, bytes]) -> str:
    hashed = hashlib.sha256()
    for name, content in sorted(files.items()):
        hashed.update(f"{name} {hashlib.sha256(content).hexdigest()}\n".encode())
    return hashed.hexdigest()
