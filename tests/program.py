"""Programs that tests start."""

import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import AnyStr


class Program(subprocess.Popen[AnyStr]):
    """A process that a `with` block ends when the block fails, where Popen's own would wait for it, maybe for ever."""

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for its end, after killing it if something went wrong."""
        if kind is not None:
            self.kill()
        super().__exit__(kind, problem, trace)


def naming(text: str) -> list[str]:
    """Return the command lines of other processes in which that stands."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue  # it has just ended
            if text in line:
                found.append(line)
    return found
