"""What was done and seen, and when: lines for people, and the list of what must not have happened."""

import threading
import time
from typing import TextIO


class Journal:
    """Written by every thread."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._broken: list[str] = []

    @property
    def broken(self) -> list[str]:
        """What was found that must not be, each once."""
        with self._lock:
            return list(self._broken)

    def say(self, text: str) -> None:
        """Write a line with the seconds since the beginning."""
        with self._lock:
            self._say(text)

    def accuse(self, text: str) -> None:
        """Write down a broken promise, once."""
        with self._lock:
            if text not in self._broken:
                self._broken.append(text)
                self._say(f"BROKEN: {text}")

    def _say(self, text: str) -> None:
        self._out.write(f"{time.monotonic() - self._began:7.1f}  {text}\n")
        self._out.flush()
