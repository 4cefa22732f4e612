"""Whose the files in the state directory are, and how they appear.

What root makes there belongs to the owner of the directory it is in. A builder is root and a launcher need not be,
and on one host both share a state directory: whoever comes first makes what both need. For a process that is not root
nothing here changes anything.
"""

import os
from pathlib import Path


def handed_over(path: Path) -> Path:
    """Give what root has just made to the owner of its directory; return `path`. Links are not followed."""
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
    return path


def made_directory(path: Path, mode: int = 0o777) -> Path:
    """Make a directory, and those above it that are missing, each handed over; return `path`.

    `mode` (less the umask) is the last one's; one that exists is left as it is.
    """
    if not path.is_dir():
        made_directory(path.parent)
        try:
            path.mkdir(mode)
        except FileExistsError:
            return path  # somebody else was quicker
        handed_over(path)
    return path


def publish(path: Path, content: bytes, mode: int, *, replace: bool) -> None:
    """Let a file appear whole, handed over, however many do so at once; one that is there stays, unless `replace`.

    Raises:
        OSError: that is not possible.
    """
    import tempfile  # noqa: PLC0415 - commands that only read do without

    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    new = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        handed_over(new)
        if replace:
            new.replace(path)
        else:
            os.link(new, path)
    except FileExistsError:
        return
    finally:
        new.unlink(missing_ok=True)
