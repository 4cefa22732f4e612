"""What is written down about servers and images, and where: one directory each, published by one rename."""

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

from msgspec import DecodeError, field, json

from nodepool_lite.clouds.driver import ServerSpec
from nodepool_lite.model.value import Frozen

R = TypeVar("R", bound=Frozen)

HIDDEN = "."
"""Directories with this prefix are not published yet (`.new-`, `.upload-`), or not any more (`.gone-`)."""
_GONE = ".gone-"


class ServerRecord(Frozen):
    """`server.json`: written before the process starts. `ram` is MiB, `created` epoch seconds."""

    id: str
    pool_id: str
    node_id: str
    attempt: str
    name: str
    label: str
    generation: str
    image_id: str
    cores: int
    ram: int
    disk: int | None
    port: int
    created: float
    boot_id: str
    set_id: str = ""
    """The id of its set's primary node; empty for a server that stands alone."""
    meta: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, spec: ServerSpec, **own: Any) -> Self:
        """Return the record of what is asked for; `own` is what the spec does not say, or leaves to this host."""
        shared = {name: getattr(spec, name) for name in cls.__struct_fields__ if name in spec.__struct_fields__}
        return cls(**shared | own)


class ImageRecord(Frozen):
    """`image.json`: one image; `size` is what the guest sees, in bytes."""

    id: str
    pool_id: str
    upload_id: str
    name: str
    format: str
    sha256: str
    size: int
    created: float
    meta: Mapping[str, str] = field(default_factory=dict)


def write(record: Frozen, path: Path) -> None:
    """Write the record so that a reader, and a host after a power cut, finds the old text or the new one whole."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(json.format(json.encode(record).decode(), indent=1))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read(kind: type[R], path: Path) -> R | None:
    """Return the record, or None when there is none or it cannot be read."""
    try:
        return json.decode(path.read_bytes(), type=kind)
    except (FileNotFoundError, NotADirectoryError, DecodeError, UnicodeDecodeError):
        return None


def published(parent: Path) -> Iterator[Path]:
    """Yield the directories of what exists under `parent`, in the order of their names."""
    yield from sorted(each for each in children(parent) if not each.name.startswith(HIDDEN))


def hidden(parent: Path) -> list[Path]:
    """Return the directories under `parent` that are being made (`new`, `upload`) or removed (`gone`)."""
    return [each for each in children(parent) if each.name.startswith(HIDDEN)]


def children(parent: Path) -> list[Path]:
    """Return the directories under `parent`; none when there is no such place."""
    try:
        with os.scandir(parent) as entries:
            return [Path(each.path) for each in entries if each.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []


def remove(directory: Path) -> None:
    """Unpublish a directory by one rename, then remove it; one that is gone is no error."""
    gone = directory
    if not directory.name.startswith(_GONE):
        gone = directory.with_name(_GONE + directory.name.lstrip(HIDDEN))
        try:
            directory.rename(gone)
        except FileNotFoundError:
            return
    shutil.rmtree(gone, ignore_errors=True)
