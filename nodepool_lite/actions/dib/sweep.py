"""Removing what dead builds left: nothing that a living build uses, nothing that no build of ours made."""

from collections.abc import Iterator
from pathlib import Path

from nodepool_lite.actions.dib import devices, locks
from nodepool_lite.model.clock import SystemClock

PARTIAL = ".building"
"""Suffix of the hidden directory in images-dir where an image grows until it is complete."""


def partial_dir(output: Path) -> Path:
    """Return where the files of a build grow before they are renamed to `output` with their suffixes."""
    return output.parent / f".{output.name}{PARTIAL}"


def sweep(work_root: Path, images_dir: Path) -> tuple[str, ...]:
    """Remove what builds that are dead left in both directories; return a sentence for each thing removed."""
    said: list[str] = []
    for directory in (*_directories(work_root), *_directories(images_dir, f".*{PARTIAL}")):
        if locks.is_dead(directory):
            said += devices.release(directory, SystemClock())
            devices.remove(directory)
            said.append(f"removed {directory}, left by a build that is dead")
    return tuple(said)


def _directories(parent: Path, pattern: str = "*") -> Iterator[Path]:
    if parent.is_dir():
        yield from sorted(each for each in parent.glob(pattern) if each.is_dir() and not each.is_symlink())
