"""Printing a file, and going on as it grows."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import click

from nodepool_lite.model.clock import Clock

LOOK = 0.3
"""Seconds between two looks at a file that grows: files do not wake us."""
CHUNK = 64 * 1024
CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\x1b")) + b"\x7f"
"""Escape sequences stay, because boot messages and test output are coloured."""


def print_file(path: Path) -> int:
    """Copy a file to stdout; return how many bytes that was."""
    return _copy(path, 0)


def follow_file(path: Path, clock: Clock, ended: Callable[[], bool]) -> None:
    """Copy a file to stdout as it grows (and when it comes to be), until `ended` and all of it was printed."""
    offset = 0
    while True:
        over = ended()
        if os.path.exists(path):  # noqa: PTH110 - Path.exists raises where this user may not look
            if path.stat().st_size < offset:
                offset = 0  # it was begun anew
            offset = _copy(path, offset)
        if over:
            return
        clock.sleep(LOOK)


def _copy(path: Path, offset: int) -> int:
    with path.open("rb") as file:
        file.seek(offset)
        while data := file.read(CHUNK):
            write(data)
            offset += len(data)
    return offset


def write(data: bytes) -> None:
    """Write what a machine printed to stdout, without what could play tricks on a terminal."""
    if sys.stdout.isatty():
        data = data.translate(None, CONTROLS)
    click.echo(data, nl=False)
