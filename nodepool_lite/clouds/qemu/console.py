"""The serial console's file: QEMU appends to it for as long as the guest talks, so somebody must hold it small."""

import os
from pathlib import Path

TAIL = 64 << 10
"""Bytes that are of interest, and that stay when the file is cut."""
LIMIT = 8 << 20
"""Bytes that a console may take on the host's disk."""


def tail(path: Path) -> bytes:
    """Return the last 64 KiB; empty when there is no console yet."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL))
            return file.read(TAIL)
    except FileNotFoundError:
        return b""


def hold_small(path: Path) -> None:
    """Cut a console that grew above the limit down to its tail; what the guest says in that moment may be lost.

    QEMU has the file open for appending, so it goes on behind what we leave there.
    """
    try:
        if path.stat().st_size <= LIMIT:
            return
    except FileNotFoundError:
        return
    kept = tail(path)
    with path.open("ab") as file:
        file.truncate(0)
        file.write(kept)
