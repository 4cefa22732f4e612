"""What one story on an OpenStack took: its times, and what was asked of the cloud and of ZooKeeper for it."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from benchmarks.contender import Contender
from benchmarks.story import tell
from tests.cloud.many import Stage

SECONDS_A_NODE = 6.0
"""Patience: far more than this kind of cloud needs."""


@dataclass(frozen=True)
class Figures:
    """What one story took. Seconds, or calls a node; None where the contender has no such thing."""

    ready: float
    first: float
    launch: float
    delete: float
    """Calls a node of the cloud that are no lists of servers, while nodes are made and while they are deleted."""
    polls: float
    """Lists of servers, in all."""
    gone: float
    operations: float | None = None
    """Of ZooKeeper, a node's share from wanted to gone."""
    replaced: float | None = None
    memory: float | None = None
    """MiB, at most."""
    cpu: float | None = None

    @property
    def life(self) -> float:
        """Calls in a node's whole life."""
        return self.launch + self.delete


def measure(contender: Contender, stage: Stage, count: int) -> Figures:
    """Run the story once; raises TimeoutError when it does not come to its end."""
    story = tell(contender, count, 60 + SECONDS_A_NODE * count)
    made, deleted = stage.tally(story.wanted, story.ready), stage.tally(story.ended, story.gone)
    return Figures(
        ready=story.until_ready,
        first=story.until_first,
        launch=made.calls / count,
        delete=deleted.calls / count,
        polls=made.polls + deleted.polls,
        gone=story.until_gone,
        operations=story.operations,
        replaced=story.replaced,
        memory=story.memory,
        cpu=story.cpu,
    )


def middle(runs: Sequence[Figures]) -> Figures:
    """Return the median of each figure of several stories."""

    def median(name: str) -> Any:
        values = [getattr(run, name) for run in runs]
        return None if None in values else statistics.median(values)

    return Figures(**{field.name: median(field.name) for field in fields(Figures)})
