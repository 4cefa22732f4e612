"""One seed from its beginning to its end."""

import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from traceback import format_exc

from tests.simulation.promises import UNFORESEEN
from tests.simulation.universe import BrokenPromiseError, Universe

LIFE = 100.0
"""Seconds, of the simulation's time, for which trouble lasts."""


@dataclass(frozen=True)
class Told:
    """What happened in one run."""

    seed: int
    story: str
    broken: str
    """Which promises were broken; empty when none was."""


def run(seed: int) -> Told:
    """Let the universe of that seed live and come to rest, and tell what happened."""
    with tempfile.TemporaryDirectory() as directory, _drawing_from(seed):
        universe = Universe(seed, Path(directory))
        broken = ""
        try:
            with universe.ended():
                universe.live(LIFE)
                universe.settle()
        except BrokenPromiseError as error:
            broken = str(error)
        except Exception:  # noqa: BLE001  # an error that nobody foresaw has its story, too
            broken = f"{UNFORESEEN}: {format_exc()}"
    return Told(seed, *(text.replace(directory, "DIRECTORY") for text in (universe.story.text(), broken)))


@contextmanager
def _drawing_from(seed: int) -> Iterator[None]:
    """Have what the product draws from Python's own random numbers drawn from the seed as well."""
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)
