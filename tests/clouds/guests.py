"""Guests of a few bytes: boot sectors that show one thing each, up in a tenth of a second, even without KVM."""

import hashlib
from pathlib import Path

from nodepool_lite.clouds.driver import ImageSpec

_SIZE = 1 << 20
_HALT = bytes.fromhex("fa f4 ebfd")
"""cli; hlt; again."""
_POWER_OFF = bytes.fromhex("ba0406 b80020 ef")
"""Write 0x2000 to port 0x604: the ACPI power button of QEMU's q35 machine, pressed from inside."""
_SCRIBBLE = bytes.fromhex("31c0 8ec0 bb007c b80103 b90200 ba8000 cd13")
"""BIOS call 13h/03h: write the boot sector itself to the second sector of the first disk."""


def saying(text: str) -> bytes:
    """Return code that writes `text` to the first serial port."""
    return bytes.fromhex("baf803") + b"".join(bytes((0xB0, each, 0xEE)) for each in text.encode())


HELLO = saying("hello\n") + _HALT
POWERING_OFF = saying("bye\n") + _POWER_OFF + _HALT
SCRIBBLING = _SCRIBBLE + saying("written\n") + _HALT

BABBLING = bytes.fromhex("baf803 b078 ee ebfd")
"""Write `x` to the first serial port for ever."""


def disk(code: bytes) -> bytes:
    """Return the content of a raw disk that boots into `code`."""
    assert len(code) <= 510
    return (code.ljust(510, b"\0") + b"\x55\xaa").ljust(_SIZE, b"\0")


def image(directory: Path, code: bytes = HELLO, *, name: str = "tiny", pool_id: str = "pool-1") -> ImageSpec:
    """Write a raw disk file into `directory` and return what to upload."""
    path = directory / f"{name}.raw"
    path.write_bytes(disk(code))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return ImageSpec(pool_id=pool_id, upload_id=f"{name}/1", name=name, path=path, format="raw", sha256=digest)
