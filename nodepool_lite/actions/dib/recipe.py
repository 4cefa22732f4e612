"""What one run of disk-image-create is made from, and the hash by which a change of it is seen."""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nodepool_lite.config.settings import Diskimage

OWN_ELEMENTS = Path(__file__).parent / "elements"
"""Elements that every build gets, below all others: they only adapt a build to the host it runs on."""

HOST_ELEMENT = "nodepool-build-host"
_ELEMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
"""What may be the name of an element: anything else would lead out of the directories of elements."""

HOST_KEY_ELEMENTS = frozenset({"nodepool-firstboot", "cloud-init"})
"""Elements that make a machine take an SSH host key from its user-data."""


@dataclass(frozen=True)
class Recipe:
    """One build, completely described."""

    diskimage: Diskimage
    formats: tuple[str, ...]
    output: Path
    """Where the image goes, without the suffix that tells the format."""
    log: Path
    work_dir: Path
    """This build's own directory; it is made, and removed when the build has ended. What builds may share is kept in
    `.cache` beside it."""
    elements_path: tuple[Path, ...]
    """Directories of elements, the first that has an element wins; those of diskimage-builder come last."""
    environment: Mapping[str, str]
    """For disk-image-create, besides what the host says and below the diskimage's own `env-vars`."""


def fingerprint(diskimage: Diskimage, elements_path: Sequence[Path]) -> str:
    """Return a short hash of what the image is made from: settings and the files of elements found in `elements_path`.

    Elements that ship with diskimage-builder count by name only, and so do the ones that others depend on without
    being listed, unless they are found in `elements_path` too.
    """
    digest = hashlib.sha256()
    shaping = (
        diskimage.elements,
        diskimage.formats,
        diskimage.release,
        sorted(diskimage.env_vars.items()),
        diskimage.dib_cmd,
    )
    digest.update(repr(shaping).encode())
    for directory in _element_directories(diskimage.elements, elements_path):
        for file in sorted(directory.rglob("*")):
            if os.path.isfile(file):  # noqa: PTH113 - Path.is_file raises where this user may not look
                digest.update(f"\0{file.relative_to(directory.parent)}\0".encode(errors="surrogateescape"))
                digest.update(_content(file))
    return digest.hexdigest()[:16]


def _content(file: Path) -> bytes:
    """Return mode and content of a file, or why there is none: an element may be broken, and DIB will tell how."""
    try:
        return b"%o\0%s" % (file.stat().st_mode & 0o777, file.read_bytes())
    except OSError as error:
        return str(error.strerror).encode()


def takes_host_key(diskimage: Diskimage, elements_path: Sequence[Path]) -> bool:
    """Return whether a machine made from the image takes the SSH host key that its config drive brings.

    Another `nodepool-minimal` than ours, found first in `elements_path`, may leave out what does that.
    """
    return not HOST_KEY_ELEMENTS.isdisjoint(_elements(diskimage.elements, elements_path))


def _element_directories(elements: Sequence[str], elements_path: Sequence[Path]) -> Iterator[Path]:
    """Yield the directory of each element in `elements_path`, and of those that it depends on, each once."""
    return (directory for directory in _elements(elements, elements_path).values() if directory is not None)


def _elements(elements: Sequence[str], elements_path: Sequence[Path]) -> Mapping[str, Path | None]:
    """Return the elements and those that they depend on, with their directories; None is not in `elements_path`."""
    pending = list(elements)
    found: dict[str, Path | None] = {}
    while pending:
        name = pending.pop(0)
        if name in found or not _ELEMENT.fullmatch(name):
            continue
        directories = (base / name for base in elements_path)
        directory = next((each for each in directories if os.path.isdir(each)), None)  # noqa: PTH112 - as above
        found[name] = directory
        needs = None if directory is None else directory / "element-deps"
        if needs is not None and os.path.isfile(needs):  # noqa: PTH113 - as above
            pending += _content(needs).decode(errors="replace").partition("\0")[2].split()
    return found
