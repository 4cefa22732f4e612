"""A pool whose znodes were made for everybody, and are to be for its own user alone from now on."""

from collections.abc import Sequence
from typing import Any

from kazoo.exceptions import NoNodeError

from nodepool_lite.store._link import CALL_TIMEOUT, Link, Request
from nodepool_lite.store._tree import BATCH, Read
from nodepool_lite.store._wire import Guard, Guarded, ReadBatch, Root


def is_sealed(link: Link, root: Root) -> bool:
    """Return whether the topmost znode of the pool is for us alone, or is not there yet."""
    (answer,) = _ask(link, [Guarded(root.path)])
    return answer is None or list(answer[0]) == list(root.acl)


def seal(link: Link, root: Root) -> int:
    """Make every znode of the pool ours alone, the topmost one last: if we die before, the next one does it again.

    Returns how many there were.
    """
    paths = [root.path]
    done = 0
    while done < len(paths):
        reads = [Read(path, children=True) for path in paths[done : done + BATCH]]
        answers = link.ask(ReadBatch(reads))
        done += len(reads)
        for read, names in zip(reads, answers, strict=True):
            if isinstance(names, tuple):
                paths += [f"{read.path}/{name}" for name in names]
    paths.reverse()
    for start in range(0, len(paths), BATCH):
        _ask(link, [Guard(path, root.acl) for path in paths[start : start + BATCH]])
    return len(paths)


def _ask(link: Link, requests: Sequence[Request]) -> list[Any]:
    """Return the answers; None for a znode that is not there."""
    answers = []
    for reply in [link.send(request, lambda _reply: None) for request in requests]:
        reply.wait(CALL_TIMEOUT)
        answers.append(None if isinstance(reply.error, NoNodeError) else link.answer(reply))
    return answers
