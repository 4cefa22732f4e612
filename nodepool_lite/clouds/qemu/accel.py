"""KVM or TCG: found out by running guest code, because /dev/kvm can be there and be of no use.

A host inside another cloud's machine may offer a KVM that starts, runs the firmware, and then emulates the kernel one
instruction at a time; a guest hangs there for hours at full load. So the probe is a boot sector that goes where kernels
go, into 64-bit mode with paging, and counts there: 0.2 s under TCG, less under a good KVM, minutes under a bad one.
"""

import json
import resource
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Literal, NamedTuple

from nodepool_lite.clouds.qemu import host, programs

# Assembled for 0x7c00:  cli; ds=es=ss=0; sp=0x7c00; clear three page tables at 0x1000 and link them so that the first
# 2 MiB are mapped; load the GDT; cr3=0x1000; cr4 |= PAE; EFER |= LME; cr0 |= PG|PE; far jump into 64-bit code:
# ecx=50_000_000; count down to 0; write "K" to COM1; reset through the keyboard controller (port 0x64); hlt.
_CODE = bytes.fromhex(
    "fa31c08ed88ec08ed0bc007cbf0010b90018fcf3abc70600100320c70600200330c706003083000f0116887c66b8001000000f22d80f20e0"
    "0c200f22e066b9800000c00f320d00010f300f20c0660d010000800f22c0ea5b7c0800b980f0fa02ffc975fc66baf803b04beeb0fee664f4"
    "ebfd660f1f440000000000000000000000000000009a20000f00787c0000"
)
_SECTOR = _CODE.ljust(510, b"\0") + b"\x55\xaa"
_DISK_SIZE = 1 << 20
_PROOF = b"K"
_CPU_SECONDS = 3
_WALL_SECONDS = 15


class Acceleration(NamedTuple):
    """How QEMU runs guest code, and why so."""

    name: Literal["kvm", "tcg"]
    reason: str

    @property
    def arguments(self) -> list[str]:
        """QEMU's options for it."""
        if self.name == "kvm":
            return ["-accel", "kvm", "-cpu", "host"]
        # By default each TCG guest may fill 1 GiB of the host's memory with translated code.
        return ["-accel", "tcg,thread=multi,tb-size=256", "-cpu", "max"]


class _Answer(NamedTuple):
    works: bool
    reason: str
    lasting: bool
    """Whether it holds until the next boot of the host."""


_lock = threading.Lock()


def choose(wanted: Literal["auto", "kvm", "tcg"], qemu: str, cache: Path) -> Acceleration:
    """Return what to use; `auto` tries KVM once per boot of this host and remembers the answer in `cache`.

    It takes up to 15 seconds when KVM hangs on a busy host, once.
    """
    if wanted != "auto":
        return Acceleration(wanted, "the configuration says so")
    with _lock:
        known = _recall(cache, qemu)
        answer = known or probe(qemu)
        if known is None and answer.lasting:
            _remember(cache, qemu, answer)
    return Acceleration("kvm" if answer.works else "tcg", answer.reason)


def probe(qemu: str, accel: Acceleration = Acceleration("kvm", "being tried")) -> _Answer:  # noqa: B008 - frozen
    """Run the boot sector and tell whether it came to its end in time."""
    with tempfile.TemporaryDirectory(prefix="nodepool-lite-kvm-") as directory:
        disk, serial = Path(directory, "disk"), Path(directory, "serial")
        disk.write_bytes(_SECTOR.ljust(_DISK_SIZE, b"\0"))
        command = [
            *(qemu, *accel.arguments, "-machine", "q35", "-m", "64", "-nodefaults", "-no-user-config"),
            *("-display", "none", "-no-reboot", "-serial", f"file:{serial}"),
            *("-drive", f"file={disk},if=virtio,format=raw,readonly=on"),
        ]
        try:
            status, words = _run_limited(command)
        except OSError as error:
            return _Answer(works=False, reason=f"QEMU could not be started: {error.strerror}", lasting=False)
        if serial.exists() and _PROOF in serial.read_bytes():
            return _Answer(works=True, reason=f"{accel.name} ran guest code at full speed", lasting=True)
    if status is None:
        return _Answer(works=False, reason=f"{accel.name} ran no guest code in {_WALL_SECONDS} s", lasting=False)
    if status < 0:
        reason = f"{accel.name} starts, but guest code hangs or is far too slow"
        return _Answer(works=False, reason=reason, lasting=True)
    # Such as a missing group or device: it is told at once each time, and may be mended without a reboot.
    return _Answer(works=False, reason=words or f"QEMU ended with {status} before guest code ran", lasting=False)


def _run_limited(command: list[str]) -> tuple[int | None, str]:
    """Return (exit status, last words); the status is None after too long a time, and negative after too much work.

    Work is what is limited in the first place: on a busy host a good KVM may wait long for its turn.
    """
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=programs.environment()
    )
    with process:
        resource.prlimit(process.pid, resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
        try:
            words = process.communicate(timeout=_WALL_SECONDS)[1]
        except subprocess.TimeoutExpired:
            process.kill()
            return None, ""
    return process.returncode, words.decode(errors="replace").strip()


def _recall(cache: Path, qemu: str) -> _Answer | None:
    try:
        known = json.loads(cache.read_text(encoding="utf-8"))
        if (known["boot_id"], known["qemu"]) == (host.boot_id(), qemu):
            return _Answer(works=bool(known["works"]), reason=str(known["reason"]), lasting=True)
    except (OSError, ValueError, KeyError, TypeError):
        pass  # no cache, or not ours: try again
    return None


def _remember(cache: Path, qemu: str, answer: _Answer) -> None:
    text = json.dumps({"boot_id": host.boot_id(), "qemu": qemu, "works": answer.works, "reason": answer.reason})
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        temporary = cache.with_name(f".{cache.name}.tmp")
        temporary.write_text(text + "\n", encoding="utf-8")
        temporary.replace(cache)
    except OSError:
        pass  # it is asked again next time
