"""What all benchmarks need: a table, and what a process has used."""

import argparse
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

LOOKS = 10
"""A look at what is measured takes at most one part in so many of the time: its cost is not to be measured."""
_TICKS = os.sysconf("SC_CLK_TCK")


def table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows in columns, as Markdown."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    for number, row in enumerate(rows):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |")
        if number == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")


def resident(pid: int, *, peak: bool = False) -> float:
    """Return the MiB of memory that a process holds, or has held at most."""
    field = "VmHWM" if peak else "VmRSS"
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith(field)).split()[1]) / 1024


def cpu(pid: int) -> float:
    """Return the seconds of CPU that a process has used (proc(5): fields 14 and 15 of `stat`)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def wait(condition: Callable[[], object], seconds: float, otherwise: str, pause: float = 0.02) -> None:
    """Wait until the condition holds, with looks at least `pause` seconds apart.

    Raises:
        TimeoutError: it does not within so many seconds; `otherwise` says in words what did not come to be.
    """
    end = time.monotonic() + seconds
    looked = time.monotonic()
    while not condition():
        if looked > end:
            raise TimeoutError(f"{otherwise} within {seconds:g} s")
        time.sleep(max(pause, LOOKS * (time.monotonic() - looked)))
        looked = time.monotonic()


def numbers(text: str) -> list[int]:
    """Return the numbers of a list on the command line: `50,500`."""
    return [int(each) for each in text.split(",")]


def contenders(*known: str) -> Callable[[str], list[str]]:
    """Return what reads a list of contenders on the command line."""

    def read(text: str) -> list[str]:
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"there is no contender {name}: choose from {', '.join(known)}")
        return names

    return read


@dataclass(frozen=True)
class Run:
    """One finished process: seconds on the wall and of CPU, and its largest resident size in MiB."""

    wall: float
    cpu: float
    memory: float


def measure(command: Sequence[str], environ: dict[str, str]) -> Run:
    """Run a command to its end; raises RuntimeError when it fails."""
    began = time.perf_counter()
    process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return Run(time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def figures(values: Sequence[float], unit: str) -> tuple[str, str]:
    """Return the median and the worst of the runs."""
    digits = 3 if unit == "s" else 1
    return f"{statistics.median(values):.{digits}f} {unit}", f"{max(values):.{digits}f} {unit}"


def size(directory: Path) -> float:
    """Return the MiB that a tree takes on disk."""
    return sum(file.lstat().st_blocks for file in directory.rglob("*")) * 512 / 2**20
