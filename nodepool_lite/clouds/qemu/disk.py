"""Disk files: what an image is, and overlays that leave it untouched. All through qemu-img."""

import json
from pathlib import Path
from typing import Any

from nodepool_lite.clouds.qemu import programs
from nodepool_lite.clouds.qemu.records import ImageRecord
from nodepool_lite.model.errors import BadRequestError

GIB = 1 << 30


def virtual_size(path: Path, image_format: str) -> int:
    """Return the size in bytes that a guest will see; the format is never guessed from the content.

    Raises:
        BadRequestError: it is empty or not in that format, or refers to other files, which could be any of this host.
    """
    output = programs.run(programs.QEMU_IMG, ["info", "--output=json", "-f", image_format, str(path)])
    info: dict[str, Any] = json.loads(output)
    specific = info.get("format-specific", {}).get("data", {})
    for name in (info.get("backing-filename"), specific.get("data-file")):
        if name:
            raise BadRequestError(f"{path}: an image that refers to another file ({name}) is not accepted")
    size = int(info["virtual-size"])
    if not size:
        raise BadRequestError(f"{path}: this image is empty")
    return size


def make_overlay(path: Path, base: Path, image: ImageRecord, disk: int | None) -> None:
    """Make a disk of at least `disk` GiB (never less than the image has) that starts with the image's content."""
    size = max(image.size, (disk or 0) * GIB)
    path.touch(mode=0o600)
    programs.run(
        programs.QEMU_IMG,
        ["create", "-q", "-f", "qcow2", "-b", str(base), "-F", image.format, str(path), str(size)],
    )
