"""What a value of nodepool.yaml may be: each type says what reaches a shell, a path or a znode in the end."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from nodepool_lite.config.duration import positive, seconds

READ, CHECK = "read", "check"
"""Marks of a type: what reads its value from what the file says, and what looks at the value; both raise ValueError."""

Duration = Annotated[float, Meta(extra={READ: seconds})]
"""Seconds; the file may say `90`, `90s`, `15m`, `8h` or `1d`."""
Span = Annotated[float, Meta(extra={READ: positive})]
"""A duration above 0: of what would otherwise be over at once, or go on without a pause."""


def split(value: object) -> object:
    """Return the list that one text with colons between directories stands for; anything else as it is."""
    return [each for each in value.split(":") if each] if isinstance(value, str) else value


BOOLEANS: Mapping[str, bool] = {
    **dict.fromkeys(("true", "yes", "on", "y", "t", "1"), True),
    **dict.fromkeys(("false", "no", "off", "n", "f", "0"), False),
}
"""What a boolean may be written as, in small letters."""


def is_true(word: str) -> bool:
    """Return whether a word is one for true."""
    return BOOLEANS.get(word.lower(), False)


MOST = 10**9
"""More than anybody has of anything that is counted here."""
Count = Annotated[int, Meta(ge=0, le=MOST)]
Positive = Annotated[int, Meta(ge=1, le=MOST)]
LARGEST_SET = 1000
"""Machines that belong together, at most."""
Few = Annotated[int, Meta(ge=0, le=LARGEST_SET)]
Some = Annotated[int, Meta(ge=1, le=LARGEST_SET)]
Port = Annotated[int, Meta(ge=1, le=65535)]


def _printable(path: Path) -> None:
    if not str(path).isprintable():
        raise ValueError("expected a path without line breaks and other control characters")


def _directory(path: Path) -> None:
    _printable(path)
    if ":" in str(path):
        raise ValueError("expected a path without colons, which stand between directories")


def _command(text: str) -> None:
    import shlex  # noqa: PLC0415 - few files name a command

    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"expected a command that a shell could take apart ({error})") from error
    if not words or words[0].startswith("-") or "\n" in text:
        raise ValueError("expected a program, with its first arguments if it needs some")


Location = Annotated[Path, Meta(extra={CHECK: _printable})]
Directories = Annotated[tuple[Annotated[Path, Meta(extra={CHECK: _directory})], ...], Meta(extra={READ: split})]
"""A list of directories, or one text with colons between them."""
Command = Annotated[str, Meta(extra={CHECK: _command})]
"""A program and its first arguments, quoted as for a shell."""

_NAME, _ELEMENT, _VARIABLE, _FORMAT, _USER = (
    r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
    r"^[A-Za-z0-9][A-Za-z0-9._+-]*$",
    r"^[A-Za-z_][A-Za-z0-9_]*$",
    r"^[a-z0-9]*$",
    r"^[A-Za-z_][A-Za-z0-9._-]*$",
)
_FILE, _LINE = r"^([^/.\x00-\x1f\x7f][^/\x00-\x1f\x7f]*)?$", r"^[^\x00-\x1f\x7f]*$"
_HOST, _CHROOT = r"^[A-Za-z0-9._:%-]+$", r"^/*([A-Za-z0-9_~@+-][A-Za-z0-9._~@+-]*(/+|$))*$"
PATTERNS: Mapping[str, str] = {
    _NAME: "a name of letters, digits, `.`, `_` and `-`, a letter or digit first",
    _ELEMENT: "the name of an element: letters, digits, `.`, `_`, `+` and `-`, a letter or digit first",
    _VARIABLE: "the name of a variable: letters, digits and `_`, no digit first",
    _FORMAT: "the name of a format, such as qcow2",
    _USER: "the name of a user: letters, digits, `.`, `_` and `-`, a letter or `_` first",
    _FILE: "the name of a file, without a directory, control characters or a dot in front",
    _LINE: "one line of text without control characters",
    _HOST: "a host name or an address",
    _CHROOT: "a path of names of letters, digits, `.`, `_`, `~`, `@`, `+` and `-`, with slashes between",
}
"""What each pattern that a text has to match asks for, in words."""

Host = Annotated[str, Meta(pattern=_HOST, max_length=253)]
"""Name or address of a server."""
Chroot = Annotated[str, Meta(pattern=_CHROOT)]
"""A path within ZooKeeper."""
Name = Annotated[str, Meta(pattern=_NAME, max_length=100)]
"""A name that is safe as a file name, a host name part, a znode and a shell word."""
Element = Annotated[str, Meta(pattern=_ELEMENT, max_length=100)]
"""The name of a directory in `elements-dir`, and an argument of disk-image-create."""
Variable = Annotated[str, Meta(pattern=_VARIABLE, max_length=100)]
"""The name of a variable of a process's environment."""
Format = Annotated[str, Meta(pattern=_FORMAT, max_length=20)]
"""A suffix of image files."""
User = Annotated[str, Meta(pattern=_USER, max_length=32)]
"""A login name (useradd(8) takes 32 characters)."""
FileName = Annotated[str, Meta(pattern=_FILE, max_length=100)]
"""The name of a file in a directory that is said elsewhere."""
Line = Annotated[str, Meta(pattern=_LINE)]
"""Any text on one line."""
CloudName = Annotated[str, Meta(pattern=_LINE, max_length=255)]
"""What something is called in a cloud: any text on one line, as long as OpenStack's names may be."""
