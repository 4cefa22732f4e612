"""Reading the pool's tree of znodes: which reads it takes, and what their results mean as records."""

import logging
import random
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec import DecodeError, Struct

from nodepool_lite.model.errors import StoreUnavailableError
from nodepool_lite.model.record import Record
from nodepool_lite.store._codec import NewerRecordError, decode, is_folder
from nodepool_lite.store._view import View
from nodepool_lite.store.base import NO_SAMPLE, PATHS, id_problem

BATCH = 500
"""Reads in one request: large enough to hide the round trips, small enough for the server's request limit of 1 MB."""

_LONGEST = 300
"""Characters that are said about a znode that cannot be read."""
_KINDS = {name: kind for kind, name in PATHS.items()}
_log = logging.getLogger(__name__)


class Read(NamedTuple):
    """One read: the names of the children of `path`, or its data."""

    path: str
    children: bool = False
    most: int | None = None
    """Of so many children, chosen at random, the data is wanted; None: of all."""


class Znode(Struct, frozen=True):
    """What a znode holds; `created` is the transaction that made it."""

    data: bytes
    version: int
    created: int
    children: int


class Refused(Struct, frozen=True):
    """The answer to a read that the server would not do."""

    why: str


Answer = Znode | tuple[str, ...] | Refused | None
"""Data, names of children, or None for a znode that does not exist."""


def kind_and_id(relative: str) -> tuple[type[Record] | None, str]:
    """Return the kind and the id of a path below the pool's root; (None, ...) for what is not ours."""
    name, _, record_id = relative.partition("/")
    return _KINDS.get(name), record_id


def absorb(view: View, relative: str, answer: Answer) -> bool:
    """Bring one znode of the view up to date; returns whether the view changed.

    A znode without data is a folder, where records may be below it. An answer older than what the view holds is passed
    over.
    """
    kind, record_id = kind_and_id(relative)
    if kind is None or not record_id:
        return False
    nothing = answer is None or isinstance(answer, tuple)
    if nothing or (isinstance(answer, Znode) and not answer.data and is_folder(kind, record_id)):
        return view.drop(kind, record_id) | view.drop_garbage(relative)
    present = view.get(kind, record_id)
    if present and isinstance(answer, Znode) and (answer.created, answer.version) <= (present.order, present.version):
        return False
    try:
        view.put(_record(kind, record_id, answer))
    except ValueError as error:
        return _note_garbage(view, relative, kind, error)
    view.drop_garbage(relative)
    return True


def _record(kind: type[Record], record_id: str, answer: Answer) -> Record:
    """Return what a znode holds; raises ValueError with the reason when it holds no record of that kind."""
    if not isinstance(answer, Znode) or not answer.data:
        raise ValueError(answer.why if isinstance(answer, Refused) else "it is empty")
    if problem := id_problem(kind, record_id):
        raise ValueError(f"this is no id of a {kind.__name__.lower()}: {problem}")
    return decode(kind, record_id, answer.data, answer.version, answer.created)


def _note_garbage(view: View, relative: str, kind: type[Record], error: ValueError) -> bool:
    view.drop(kind, relative.partition("/")[2])
    why = _reason(error)
    if view.put_garbage(relative, why, newer=isinstance(error, NewerRecordError)):
        _log.warning("store.garbage path=%r is no %s record and is left alone: %s", relative, kind.__name__, why)
        return True
    return False


def _reason(error: ValueError) -> str:
    """Return which field is wrong and how, in one line fit for a terminal, without what stands there."""
    said = str(error)
    if isinstance(error, DecodeError):
        what, _, where = said.partition(" - at `$.")
        what = what.partition(" value '")[0]
        said = f"`{where}: {what}" if where else said
    return "".join(char if char.isprintable() else "?" for char in said)[:_LONGEST]


def everything(kinds: Iterable[type[Record]] = PATHS, sample: Mapping[type[Record], int] = NO_SAMPLE) -> Iterator[Read]:
    """Yield where a walk begins that reads all records of these kinds, and of those in `sample` so many."""
    return (Read(PATHS[kind], children=True, most=sample.get(kind)) for kind in kinds)


def chosen(names: Sequence[str], most: int | None) -> Sequence[str]:
    """Return the names, or so many of them at random."""
    return names if most is None or len(names) <= most else random.sample(names, most)


class Walk:
    """Reads breadth-first into a view, one batch of reads after the other.

    `wanted` is where to begin: paths below `root`.
    """

    def __init__(self, root: str, wanted: Iterable[Read]) -> None:
        self.view = View()
        self._root = root
        self._queue = deque(each._replace(path=f"{root}/{each.path}") for each in wanted)

    def batch(self) -> tuple[Read, ...]:
        """Return the next reads to do; none when everything was read."""
        return tuple(self._queue.popleft() for _ in range(min(BATCH, len(self._queue))))

    def take(self, reads: Sequence[Read], answers: Sequence[Answer]) -> None:
        """Take in the answers of one batch.

        Raises:
            StoreUnavailableError: a folder may not be read, so nobody knows what is in it.
        """
        for read, answer in zip(reads, answers, strict=True):
            if not read.children:
                absorb(self.view, read.path.removeprefix(f"{self._root}/"), answer)
                if isinstance(answer, Znode) and answer.children:
                    self._queue.append(Read(read.path, children=True))
            elif isinstance(answer, Refused):
                raise StoreUnavailableError(f"{read.path}: {answer.why}")
            elif isinstance(answer, tuple):
                self._queue.extend(Read(f"{read.path}/{child}") for child in chosen(answer, read.most))
