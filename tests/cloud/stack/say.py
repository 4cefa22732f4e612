"""Progress, one line at a time, with the seconds since the start."""

import sys
import time

_START = time.monotonic()


def say(words: str) -> None:
    """Tell the person at the terminal (stderr) what goes on."""
    sys.stderr.write(f"[{time.monotonic() - _START:6.1f} s] {words}\n")
    sys.stderr.flush()
