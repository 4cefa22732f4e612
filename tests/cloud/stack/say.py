"""Progress, one line at a time, with the seconds since the start."""

import os
import sys
import time

BEGAN = "NODEPOOL_TEST_CLOUD_BEGAN"
"""The environment variable by which a command inside counts from when the one outside began."""
_START = float(os.environ.get(BEGAN) or time.monotonic())


def began() -> dict[str, str]:
    """Return what makes another process of ours count from the same moment."""
    return {BEGAN: str(_START)}


def say(words: str) -> None:
    """Tell the person at the terminal (stderr) what goes on."""
    sys.stderr.write(f"[{time.monotonic() - _START:6.1f} s] {words}\n")
    sys.stderr.flush()
