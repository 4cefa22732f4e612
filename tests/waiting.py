"""Waiting for what nobody tells of: other processes, machines, a cloud."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
SHARE = 4
"""How much longer the pauses are than the looks: who looks all the time keeps from working what is waited for."""
SHORTEST = 0.02
PATIENCE = 120.0


def eventually(look: Callable[[], T | None], within: float = PATIENCE) -> T:
    """Return what `look` gives as soon as it is something; fails the test after `within` seconds."""
    end = time.monotonic() + within
    while True:
        began = time.monotonic()
        if found := look():
            return found
        now = time.monotonic()
        assert now < end, f"nothing came within {within:g} seconds"
        time.sleep(max(SHORTEST, SHARE * (now - began)))
