"""nodepool-lite on an OpenStack."""

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.lite import Lite
from tests.cloud.many import Stage, counted_pool


@contextmanager
def lite(stage: Stage) -> Iterator[Lite]:
    """Run a daemon during this block."""
    with counted_pool(stage) as made:
        yield Lite(made.pool, made.mark, made.want)
