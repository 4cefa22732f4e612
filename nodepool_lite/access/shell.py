"""Shell programs for nodes: sent whole over standard input, run by any POSIX sh, nothing of them in a process list.

A program is parsed to its end before its first command runs, so a connection that breaks in between does nothing.
"""

import base64
import re
import secrets
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

RUNNER = "exec sh -c 'eval \"$(cat)\"'"
"""The command that runs a program from standard input, whatever the user's login shell is."""


@dataclass(frozen=True, slots=True)
class FileContent:
    """What a file on a node is to hold, and its permissions."""

    data: bytes = field(repr=False)
    mode: int = 0o644


def program(body: str, marker: str) -> bytes:
    """Return `body` as a program that prints `marker` on a line of its own first: noise of login files comes before."""
    return f"{{\nprintf '\\n%s\\n' {marker}\n{body}\nexit 0\n}}\n".encode()


def embed(data: bytes, path: str) -> str:
    """Return a command that writes `data` to `path`, which is a shell word already quoted."""
    return f"base64 -d > {path} << 'NODEPOOL_DATA'\n{base64.encodebytes(data).decode()}NODEPOOL_DATA"


def fill(template: str, **values: str) -> str:
    """Return `template` with every `@NAME@` replaced by the value of that name; values are taken as they are."""
    return re.sub("@([A-Z]+)@", lambda found: values[found[1]], template)


def write_files(files: Mapping[str, FileContent], *, as_root: bool) -> str:
    """Return commands that write `files` (absolute paths), each appearing whole, in the order given.

    Directories are made where missing. As root: with `sudo -n` unless we are root, and root owns the files. Otherwise
    sudo is used only where a directory cannot be written, and the login user owns the files. A failure ends the
    program with its status.
    """
    folders = sorted({str(PurePosixPath(path).parent) for path in files})
    inner = _inner(files, folders, as_root=as_root)
    return "\n".join(
        [
            "sudo=",
            _need_root() if as_root else _need_write(folders),
            "$sudo sh -s \"$(id -u):$(id -g)\" << 'NODEPOOL_FILES' || exit",
            inner,
            "NODEPOOL_FILES",
        ]
    )


def _need_root() -> str:
    return "[ \"$(id -u)\" = 0 ] || sudo='sudo -n'"


def _need_write(folders: list[str]) -> str:
    words = " ".join(map(shlex.quote, folders))
    return f'for folder in {words}; do\n  mkdir -p "$folder" 2> /dev/null && [ -w "$folder" ] || sudo=\'sudo -n\'\ndone'


def _inner(files: Mapping[str, FileContent], folders: list[str], *, as_root: bool) -> str:
    token = secrets.token_hex(6)
    temporary = {path: shlex.quote(_beside(path, token)) for path in files}
    lines = ["{", "set -e", f"umask 022; mkdir -p {' '.join(map(shlex.quote, folders))}; umask 077"]
    cleanup = shlex.quote(f"rm -f {' '.join(temporary.values())}")
    lines.append(f"trap {cleanup} EXIT")
    for path, content in files.items():
        lines.append(embed(content.data, temporary[path]))
        lines.append(f"chmod {content.mode:04o} {temporary[path]}")
        if not as_root:
            lines.append(f'chown "$1" {temporary[path]}')
    lines += [f"mv -f {temporary[path]} {shlex.quote(path)}" for path in files]
    return "\n".join([*lines, "exit 0", "}"])


def _beside(path: str, token: str) -> str:
    pure = PurePosixPath(path)
    if not pure.is_absolute() or "\0" in path or "\n" in path:
        raise ValueError(f"{path!r} is not an absolute path on one line")
    return str(pure.with_name(f".{pure.name}.{token}"))
