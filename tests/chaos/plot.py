"""What is to be done to the parts, and in which order: all of it follows from one seed."""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import cycle, islice

from tests.chaos import ensemble, launchers

PAUSE = 5.0
"""Seconds between two deeds on average."""
PROCESSES = (*launchers.NUMBERS, *ensemble.NUMBERS)


class Kind(StrEnum):
    """What can be done."""

    KILL = "kill -9"
    STOP = "clean stop"
    FREEZE = "SIGSTOP"
    CUT_LAUNCHER = "cut off from ZooKeeper"
    CUT_FOLLOWER = "follower cut off"
    CUT_LEADER = "leader cut off"
    CLOCK = "clock set"


CUTS = (Kind.CUT_LEADER, Kind.CUT_FOLLOWER, Kind.CUT_LAUNCHER)
LEADING = frozenset({Kind.STOP, Kind.FREEZE, Kind.CUT_LAUNCHER})
"""Done to the launcher that leads."""


@dataclass(frozen=True)
class Deed:
    """One thing, `pause` seconds after the one before; `whom` is for kinds that do not name their victim themselves."""

    pause: float
    kind: Kind
    whom: str = ""
    lasts: float = 0.0
    """Seconds after which it is undone, or a process is started again."""
    ahead: float = 0.0
    """For a clock: by how many seconds it is wrong; less than 0 is behind."""
    only_among_themselves: bool = False
    """For a server of ZooKeeper: its clients still reach it."""


def plot(seed: int, kills: int) -> list[Deed]:
    """Return the deeds of a run: `kills` kills, and of everything else its share, at least one."""
    chance = random.Random(seed)
    kinds = [Kind.KILL] * kills
    kinds += [Kind.FREEZE] * math.ceil(kills / 12)
    kinds += islice(cycle(chance.sample(CUTS, len(CUTS))), math.ceil(kills / 10))
    kinds += [Kind.CLOCK] * math.ceil(kills / 16)
    kinds += [Kind.STOP] * math.ceil(kills / 16)
    chance.shuffle(kinds)
    return list(_deeds(chance, kinds))


def _deeds(chance: random.Random, kinds: list[Kind]) -> Iterator[Deed]:
    for kind in kinds:
        pause = min(chance.expovariate(1 / PAUSE), 4 * PAUSE)
        match kind:
            case Kind.KILL:
                yield Deed(pause, kind, chance.choice(PROCESSES), lasts=chance.uniform(0.2, 4.0))
            case Kind.STOP:
                yield Deed(pause, kind, lasts=chance.uniform(0.2, 4.0))
            case Kind.CLOCK:
                ahead = chance.choice([-1, 1]) * chance.uniform(30, 600)
                whom = chance.choice(list(launchers.NUMBERS))
                yield Deed(pause, kind, whom, lasts=chance.uniform(10, 40), ahead=ahead)
            case Kind.FREEZE:
                yield Deed(pause, kind, lasts=launchers.SESSION + chance.uniform(2, 8))
            case _:
                some = chance.random() < 0.5
                yield Deed(pause, kind, lasts=chance.uniform(5, 20), only_among_themselves=some)
