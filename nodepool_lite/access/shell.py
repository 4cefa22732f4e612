"""Shell programs for nodes: sent whole over standard input, run by any POSIX sh, nothing of them in a process list.

A program is parsed to its end before its first command runs, so a connection that breaks in between does nothing.
They start as few processes as they can: each costs a twentieth of a second on a machine without virtualisation.
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
_SHORT = 4096
_END = "END_OF_NODEPOOL"
"""What here-documents end with; no embedded text holds it."""


@dataclass(frozen=True, slots=True)
class FileContent:
    """What a file on a node is to hold, and its permissions."""

    data: bytes = field(repr=False)
    mode: int = 0o644


def program(body: str, marker: str) -> bytes:
    """Return `body` as a program that prints `marker` on a line of its own first: noise of login files comes before."""
    return f"{{\nprintf '\\n%s\\n' {marker}\n{body}\nexit 0\n}}\n".encode()


def fill(template: str, **values: str) -> str:
    """Return `template` with every `@NAME@` replaced by the value of that name; values are taken as they are."""
    return re.sub("@([A-Z]+)@", lambda found: values[found[1]], template)


def embed(data: bytes) -> str:
    """Return a command that prints `data`: by the shell itself where it is short text, as base64 otherwise."""
    if len(data) <= _SHORT and b"\0" not in data and _END.encode() not in data:
        try:
            return f"printf %s {shlex.quote(data.decode())}"
        except UnicodeDecodeError:
            pass
    return f"base64 -d << '{_END}_DATA'\n{base64.encodebytes(data).decode()}{_END}_DATA"


def as_root(body: str) -> str:
    """Return commands that run `body` in a shell of root, by `sudo -n` unless we are root; its failure ends all."""
    return f"""sudo=
[ "$(id -u)" = 0 ] || sudo='sudo -n'
$sudo sh -s << '{_END}_ROOT' || exit
{{
{body}
exit 0
}}
{_END}_ROOT"""


def as_user(body: str, folders: list[str]) -> str:
    """Return commands that run `body` in a shell of ours, or of root where we cannot write to one of `folders`.

    `$owner` in `body` is then USER:GROUP, whom new files are to be given to; otherwise it is empty.
    """
    return f"""sudo= owner=
for folder in {" ".join(map(shlex.quote, folders))}; do
  [ -d "$folder" ] || mkdir -p "$folder" 2> /dev/null
  [ -w "$folder" ] || sudo='sudo -n'
done
[ -z "$sudo" ] || owner=$(id -u):$(id -g)
$sudo sh -s "$owner" << '{_END}_USER' || exit
{{
owner=$1
{body}
exit 0
}}
{_END}_USER"""


def write_files(files: Mapping[str, FileContent], *, root: bool) -> str:
    """Return commands that write `files` (absolute paths), each appearing whole, those of a directory in order.

    Directories are made where missing. The files are root's, or else the login user's: then sudo is used only where
    that user cannot write. A failure ends the program with its status.
    """
    folders = list(dict.fromkeys(_folder(path) for path in files))
    body = replace_files(files)
    return as_root(f"owner=\n{body}") if root else as_user(body, folders)


def replace_files(files: Mapping[str, FileContent]) -> str:
    """Return commands that write `files` beside their places and move them in; they are given to `$owner`, if set."""
    token = secrets.token_hex(6)
    by_folder: dict[str, dict[str, FileContent]] = {}
    for path, content in files.items():
        by_folder.setdefault(_folder(path), {})[PurePosixPath(path).name] = content
    stages = " ".join(shlex.quote(f"{folder}/.new.{token}") for folder in by_folder)
    lines = ["set -e", "umask 022"]
    lines += [f"[ -d {word} ] || mkdir -p {word}" for word in map(shlex.quote, by_folder)]
    lines += [f"trap {shlex.quote(f'rm -rf {stages}')} EXIT", "umask 077", f"mkdir {stages}"]
    for folder, contents in by_folder.items():
        lines += [f"cd {shlex.quote(f'{folder}/.new.{token}')}", *_fill_stage(contents), "cd /"]
    for folder, contents in by_folder.items():
        staged = " ".join(shlex.quote(f"{folder}/.new.{token}/{name}") for name in contents)
        lines.append(f"mv -f {staged} {shlex.quote(f'{folder}/')}")
    return "\n".join(lines)


def _fill_stage(contents: Mapping[str, FileContent]) -> list[str]:
    """Return commands that write `contents` to the working directory; names are shown as `./name`."""
    words = {name: shlex.quote(f"./{name}") for name in contents}
    lines = [f"{{ {embed(content.data)}\n}} > {words[name]}" for name, content in contents.items()]
    for mode in sorted({content.mode for content in contents.values()}):
        chosen = " ".join(words[name] for name, content in contents.items() if content.mode == mode)
        lines.append(f"chmod {mode:04o} {chosen}")
    return [*lines, f'[ -z "$owner" ] || chown "$owner" {" ".join(words.values())}']


def _folder(path: str) -> str:
    pure = PurePosixPath(path)
    if not pure.is_absolute() or not pure.name or "\0" in path or "\n" in path:
        raise ValueError(f"{path!r} is not the absolute path of a file, on one line")
    return str(pure.parent)
