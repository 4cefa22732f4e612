"""Reading the log of disk-image-create while it grows: what it is doing, how far it is, and why it failed."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

CHECKSUMS = "checksums"

_STAMP = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \| ")
_HOOK = re.compile(r"^dib-run-parts Running \S*/([a-z-]+\.d/\S+)$")
_MILESTONES = (
    (re.compile(r"^Calculating image size"), "image size"),
    (re.compile(r"Create image file \["), "block device"),
    (re.compile(r"^Converting image using qemu-img convert"), "qcow2"),
)

_TAIL = 65536
_ERROR = re.compile(r"(E|Error|ERROR|error|fatal): ?\S")
_NOISE = re.compile(
    r"\s*$|\++ |Unmount |(INFO|DEBUG) |\*\*\* |dib-run-parts |nodepool-lite: |returncode: |"
    r"[IW]: |(Get|Hit|Ign|Err):\d|Fetched |(Reading|Building) \w+|Running command: |"
    r"diskimage-builder version |Building elements: "
)
_MODULE = re.compile(r"^(?:\w+\.)+(\w+(?:Error|Exception): )")

_BEGINS = {
    # Seconds into a build from a cold cache at which each begins, as a fraction of the whole (measured, Debian 12)
    "root.d": 0.02,
    "extra-data.d": 0.41,
    "pre-install.d": 0.42,
    "install.d": 0.44,
    "post-install.d": 0.63,
    "post-root.d": 0.64,
    "image size": 0.64,
    "block-device.d": 0.65,
    "block device": 0.65,
    "pre-finalise.d": 0.71,
    "finalise.d": 0.72,
    "cleanup.d": 0.76,
    "qcow2": 0.78,
    CHECKSUMS: 0.98,
}


class LogReader:
    """Follows one log; one thread calls it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = path.stat().st_size if path.exists() else 0
        self._rest = b""

    def newest_phase(self) -> str:
        """Return the last phase that began in what was written since the last call; nothing when none did."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            data = self._rest + file.read()
            self._offset = file.tell()
        *lines, self._rest = data.split(b"\n")
        phases = (phase_of(line.decode(errors="replace")) for line in reversed(lines))
        return next((phase for phase in phases if phase), "")


def phase_of(line: str) -> str:
    """Return the phase that a line of the log begins (`install.d/60-x`, `block device`, `qcow2`), or nothing."""
    said = _STAMP.sub("", line)
    hook = _HOOK.match(said)
    if hook:
        return hook[1]
    return next((name for pattern, name in _MILESTONES if pattern.search(said)), "")


def phase_fraction(phase: str) -> float:
    """Return about how much of a build is done when `phase` begins, from 0 to 1, for a progress bar."""
    directory, _, script = phase.partition("/")
    begins = _BEGINS.get(directory)
    if begins is None:
        return 0.0
    ends = min((each for each in _BEGINS.values() if each > begins), default=1.0)
    number = re.match(r"\d{1,2}", script)
    return round(begins + (ends - begins) * (int(number[0]) / 100 if number else 0), 3)


def reason(log: Path) -> str:
    """Return why a build failed, from the end of its log: one line, or two when they belong together."""
    lines = list(_meaningful(_last_phase(_tail(log))))
    told = [line for line in lines if _ERROR.match(line)]
    return " / ".join(told[:2] or lines[-2:]) or f"disk-image-create failed and did not say why; see {log}"


def _tail(path: Path) -> list[str]:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        text = file.read().decode(errors="replace")
    return [_STAMP.sub("", line).rstrip().removeprefix("> ") for line in text.splitlines()]


def _last_phase(lines: list[str]) -> list[str]:
    """Return what came after the last line that begins a phase: the script that failed was running then."""
    begin = max((number for number, line in enumerate(lines) if phase_of(line)), default=-1)
    return lines[begin + 1 :]


def _meaningful(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines without shell traces, progress, what DIB says while it cleans up, and frames of tracebacks."""
    in_traceback = False
    for line in lines:
        in_traceback = line.startswith("Traceback (most recent") or (in_traceback and line.startswith(" "))
        if not in_traceback and not _NOISE.match(line):
            yield _MODULE.sub(r"\1", line.strip())
