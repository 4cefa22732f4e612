"""Programs that tests start."""

import subprocess
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
