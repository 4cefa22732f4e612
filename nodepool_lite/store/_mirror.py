"""The view that follows the server: which events are our own writes, and what has to be read again.

ZooKeeper sends the watch events of a write on the same connection before the answer to that write. So as many events
for a path as writes of ours succeeded on it, between asking and being answered, are our own; any further one is
somebody else's.
"""

from collections.abc import Sequence

from msgspec import Struct, field

from nodepool_lite.model.record import Record
from nodepool_lite.store._tree import BATCH, Answer, Read, Walk, absorb, everything, kind_and_id
from nodepool_lite.store._view import View
from nodepool_lite.store.base import PATHS

PATIENCE = 8
"""Batches after which what was read is shown although there is more to read: the view may not fall behind for ever."""


class _Writing(Struct):
    """Our writes to one path that are not answered yet, and what was heard of it meanwhile."""

    unanswered: int = 0
    events: int = 0


class _Numbering(Struct):
    """Our numbered creations below one parent that are not answered yet, and which children appeared meanwhile."""

    unanswered: int = 0
    appeared: set[str] = field(default_factory=set)


class Mirror:
    """The cached records of the tree below `root`. Not thread-safe: its owner holds a lock around every call."""

    def __init__(self, root: str) -> None:
        self.view = View()
        self._root = root
        self.reset()

    @property
    def fresh(self) -> bool:
        """Whether everything was read since the last reset, so that events keep the view up to date."""
        return self._fresh

    def reset(self) -> None:
        """Forget what is under way: the connection, and its watch, are gone. The view stays as it was."""
        self._fresh = False
        self._loaded = False
        self._walk: Walk | None = None
        self._dirty: dict[str, None] = {}
        self._reading: tuple[Read, ...] = ()
        self._held: dict[str, Answer] = {}
        self._rounds = 0
        self._writing: dict[str, _Writing] = {}
        self._numbering: dict[str, _Numbering] = {}

    def load(self) -> None:
        """Start to read everything; the watch must be in place by now."""
        self.reset()
        self._walk = Walk(self._root, everything())

    def batch(self) -> tuple[Read, ...]:
        """Return the reads to send now; none while a batch is under way or when nothing is to be read."""
        if self._reading:
            return ()
        if self._walk:
            self._reading = self._walk.batch()
            if self._reading:
                return self._reading
            self.view, self._walk, self._loaded = self._walk.view, None, True
        paths = list(self._dirty)[:BATCH]
        for path in paths:
            del self._dirty[path]
        self._reading = tuple(Read(path) for path in paths)
        self._fresh = self._fresh or (self._loaded and not self._reading)
        return self._reading

    def take(self, answers: Sequence[Answer]) -> bool:
        """Take in the answers to the batch under way; returns whether the view changed.

        The events of one transaction come in a row, before the answer to a read that the first of them caused. So what
        was read is shown once nothing else is known to have changed, nor may have under a write of ours that is not
        answered yet: never half of a transaction.
        """
        reads, self._reading = self._reading, ()
        if self._walk:
            self._walk.take(reads, answers)
            return False
        self._held |= {read.path: answer for read, answer in zip(reads, answers, strict=True)}
        self._rounds += 1
        if (self._dirty or self._may_be_foreign) and self._rounds < PATIENCE:
            return False
        return self._absorb_held()

    def show(self) -> bool:
        """Bring in what was held back for a write of ours that is answered now; returns whether the view changed."""
        if self._held and not (self._reading or self._dirty or self._may_be_foreign):
            return self._absorb_held()
        return False

    def event(self, path: str, *, deleted: bool) -> bool:
        """Hear that a znode was made, changed or deleted; returns whether the view changed."""
        writing = self._writing.get(path)
        if writing:
            writing.events += 1
            return False
        numbering = self._numbering.get(path.rpartition("/")[0])
        if numbering and not deleted:
            numbering.appeared.add(path)
            return False
        return self._foreign(path, deleted=deleted)

    def expect(self, path: str) -> None:
        """Note that a write of ours to `path` is being sent."""
        self._writing.setdefault(path, _Writing()).unanswered += 1

    def expect_numbered(self, parent: str) -> None:
        """Note that a numbered creation of ours below `parent` is being sent."""
        self._numbering.setdefault(parent, _Numbering()).unanswered += 1

    def answered(self, path: str, *, done: bool) -> None:
        """Hear how the write to `path` went."""
        writing = self._writing.get(path)
        if not writing:
            return
        writing.unanswered -= 1
        writing.events -= done
        if not writing.unanswered:
            del self._writing[path]
            if writing.events > 0:
                self._foreign(path, deleted=False)

    def answered_numbered(self, parent: str, path: str | None) -> None:
        """Hear how the numbered creation below `parent` went: the `path` it made, if it did."""
        numbering = self._numbering.get(parent)
        if not numbering:
            return
        numbering.unanswered -= 1
        if path:
            numbering.appeared.discard(path)
        if not numbering.unanswered:
            del self._numbering[parent]
            for each in numbering.appeared:
                self._foreign(each, deleted=False)

    def wrote(self, record: Record) -> None:
        """Put the outcome of our own write into the view."""
        present = self.view.get(type(record), record.id)
        if not present or (present.order, present.version) < (record.order, record.version):
            self.view.put(record)

    def removed(self, record: Record) -> None:
        """Take the record that we deleted out of the view."""
        self._held.pop(f"{self._root}/{PATHS[type(record)]}/{record.id}", None)
        self.view.drop(type(record), record.id)

    @property
    def _may_be_foreign(self) -> bool:
        """Whether something was heard that only the answer to a write of ours can tell from our own event."""
        return any(each.events for each in self._writing.values()) or any(
            each.appeared for each in self._numbering.values()
        )

    def _absorb_held(self) -> bool:
        """Bring what was read into the view, all at once."""
        relative = len(self._root) + 1
        held, self._held, self._rounds = self._held, {}, 0
        changed = [absorb(self.view, path[relative:], answer) for path, answer in held.items()]
        return any(changed)

    def _foreign(self, path: str, *, deleted: bool) -> bool:
        relative = path[len(self._root) + 1 :]
        kind, record_id = kind_and_id(relative)
        if kind is None or not record_id:
            return False
        if not deleted or self._walk or any(read.path == path for read in self._reading):
            self._dirty[path] = None
        else:
            self._dirty.pop(path, None)
        if not deleted or self._walk:
            return False
        self._held.pop(path, None)
        return self.view.drop(kind, record_id) | self.view.drop_garbage(relative)
