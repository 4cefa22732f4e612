"""The store in ZooKeeper: one znode with JSON for each record, a view that one recursive watch keeps fresh."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Self, TypeVar, cast

from kazoo.exceptions import NoAuthError, NodeExistsError, NoNodeError

from nodepool_lite.model.errors import StoreConflictError, StoreUnavailableError
from nodepool_lite.model.record import Record
from nodepool_lite.store._access import OPEN, Access
from nodepool_lite.store._codec import checked
from nodepool_lite.store._feed import Feed
from nodepool_lite.store._parts import Part, failure, missing_folder, numbered_part_of, part_of
from nodepool_lite.store._seal import is_sealed, seal
from nodepool_lite.store._secret import SECRET, read_secret
from nodepool_lite.store._tree import Read, Walk, everything
from nodepool_lite.store._wire import Guard, ReadBatch, Root, Transaction, Written, create, remove
from nodepool_lite.store.base import NO_SAMPLE, PATHS, Snapshot, Write

R = TypeVar("R", bound=Record)
ROOT = "/nodepool-lite"
_ATTEMPTS = 3
_TAKEN_NUMBERS = 100


class ZooKeeperStore:
    """Keeps the `Store` contract on a ZooKeeper ensemble, 3.6 or later.

    `hosts` is `host:port,host:port/chroot`, and for the embedded server `?secret=FILE` behind that. With a secret, or
    with an `access` that says who we are, all znodes are for us alone. Any thread may call; subscribers are called by
    the thread that reads from the server, and by it alone. Only with `watch` is there a view; without one a client has
    `read` and the writes.

    Raises:
        ConfigError: a file that `access` names is missing or is not what it should be.
        StoreUnavailableError: this user may not read one of them.
    """

    def __init__(
        self,
        hosts: str,
        *,
        root: str = ROOT,
        access: Access = OPEN,
        session_timeout: float = 10.0,
        watch: bool = True,
    ) -> None:
        address, _, secret_file = hosts.partition(SECRET)
        servers, slash, chroot = address.partition("/")
        above = f"{slash}{chroot}".rstrip("/")
        access = Access.with_secret(read_secret(Path(secret_file))) if secret_file else access
        place = Root(above + root, above or root, access.acl)
        self._feed = Feed(servers, place, access, session_timeout=session_timeout, watch=watch)

    @classmethod
    def connect(
        cls,
        hosts: str,
        *,
        root: str = ROOT,
        access: Access = OPEN,
        timeout: float = 5.0,
        session_timeout: float = 10.0,
        watch: bool = False,
    ) -> Self:
        """Return a store that is connected, and has its view with `watch`.

        Raises:
            ConfigError: a file that `access` names is missing or is not what it should be.
            StoreUnavailableError: that was not possible within `timeout` seconds, or the servers refuse us.
        """
        store = cls(hosts, root=root, access=access, session_timeout=session_timeout, watch=watch)
        store.start()
        if store.wait(timeout):
            return store
        link, problem = store._feed.link, store.problem
        trouble = f" ({link.trouble})" if link.trouble else ""
        link.close(wait=0)
        raise StoreUnavailableError(
            problem
            or f"ZooKeeper at {link.hosts} could not be reached within {timeout:g} s{trouble}: "
            "see that it runs, and that `zookeeper-servers` in nodepool.yaml names it"
        )

    def start(self) -> None:
        """Connect in the background, and again for ever whenever the connection breaks."""
        self._feed.link.start()

    def wait(self, timeout: float) -> bool:
        """Return whether the store is connected, within `timeout` seconds or once the servers refused us."""
        self._feed.decided.wait(timeout)
        return self._feed.ready.is_set()

    @property
    def session(self) -> str:
        """An id of the present session; empty before the first."""
        return self._feed.link.session

    @property
    def connected(self) -> bool:
        """Whether calls can succeed at the moment and the view is being kept fresh."""
        return self._feed.ready.is_set()

    @property
    def problem(self) -> str:
        """Why the store is not connected, if that will not pass by itself; empty otherwise."""
        return self._feed.problem

    @property
    def operations(self) -> int:
        """How many operations were sent to ZooKeeper so far; each part of a transaction or batch counts."""
        return self._feed.link.operations

    def snapshot(self) -> Snapshot:
        """Return the cached view."""
        return self._feed.snapshot()

    def find(self, kind: type[R], record_id: str) -> R | None:
        """Return what the cached view says of one record now."""
        return self._feed.find(kind, record_id)

    def read(self, *kinds: type[Record], sample: Mapping[type[Record], int] = NO_SAMPLE) -> Snapshot:
        """Return only `kinds` (all, if none is named) from the server, and a random choice of those in `sample`."""
        return self._read(everything(kinds or PATHS, sample))

    def look_up(self, kind: type[R], ids: Collection[str]) -> Mapping[str, R]:
        """Return those of the records that are there and readable, from the server now."""
        found = self._read(Read(f"{PATHS[kind]}/{checked(kind, each)}") for each in ids)
        return cast("Mapping[str, R]", getattr(found, PATHS[kind]))

    def _read(self, wanted: Iterable[Read]) -> Snapshot:
        self._feed.check()
        walk = Walk(self._feed.root.path, wanted)
        link = self._feed.link
        while reads := walk.batch():
            answers = link.ask(ReadBatch(reads))
            try:
                walk.take(reads, answers)
            except StoreUnavailableError as error:
                raise StoreUnavailableError(f"{error}; {link.access.when_refused}") from error
        return walk.view.snapshot()

    def subscribe(self, callback: Callable[[], None]) -> AbstractContextManager[None]:
        """Call `callback` after each change of the view or connection."""
        return self._feed.subscribers.added(callback)

    def create(self, record: R) -> R:
        """Store a new record and return it with its version."""
        (result,) = self.transact([Write("create", record)])
        return cast("R", result)

    def create_numbered(self, record: R, under: str = "") -> R:
        """Store a new record under the next free ten-digit number and return it."""
        part = numbered_part_of(record, self._feed.root, under)
        for _ in range(_TAKEN_NUMBERS):
            try:
                (result,) = self._write([part])
            except StoreConflictError:
                self._pass_over(part.path)
            else:
                return cast("R", result)
        raise StoreConflictError(f"{part.path}: {_TAKEN_NUMBERS} numbers in a row are taken; remove what is not ours")

    def update(self, record: R) -> R:
        """Replace the stored record and return the new one."""
        (result,) = self.transact([Write("update", record)])
        return cast("R", result)

    def delete(self, record: Record) -> None:
        """Remove the record."""
        self.transact([Write("delete", record)])

    def transact(self, writes: Sequence[Write]) -> tuple[Record, ...]:
        """Do all `writes` or none; return the new records in order (deleted ones as given)."""
        self._feed.check()
        return self._write([part_of(write, self._feed.root) for write in writes]) if writes else ()

    def close(self) -> None:
        """End the session: ephemeral records vanish at once."""
        self._feed.ready.clear()
        self._feed.link.close()

    def guard(self) -> None:
        """Keep everybody who does not know the secret out of the whole server. For one that is ours alone."""
        self._feed.check()
        self._feed.link.ask(Guard("/", self._feed.root.acl))

    @property
    def sealed(self) -> bool:
        """Whether the pool's records are for us alone, as far as its topmost znode tells; asks the server."""
        self._feed.check()
        return is_sealed(self._feed.link, self._feed.root)

    def seal(self) -> int:
        """Make all records of a pool that was made for everybody ours alone; return how many znodes were changed."""
        return 0 if self.sealed else seal(self._feed.link, self._feed.root)

    def _write(self, parts: Sequence[Part]) -> tuple[Record, ...]:
        for _ in range(_ATTEMPTS):
            reply = self._feed.send(parts)
            results = self._feed.link.answer(reply)
            if all(isinstance(each, Written) for each in results):
                done = zip(parts, results, strict=True)
                return tuple(part.outcome(result, reply.transaction) for part, result in done)
            missing = missing_folder(parts, results)
            if not missing:
                raise failure(parts, results)
            part, folder = missing
            self._make_folder(folder, part.home, kept=part.numbered)
        raise StoreConflictError(f"{parts[0].path}: the folder above it is removed again and again; try once more")

    def _pass_over(self, folder: str) -> None:
        """Have the server count on: the next number belongs to a znode that somebody made by name."""
        path = f"{folder}/pass-over"
        self._feed.link.ask(Transaction([create(self._feed.root, path, b""), remove(path, -1)]))

    def _make_folder(self, path: str, home: str, *, kept: bool) -> None:
        """Make a folder and what is missing above it.

        The folder of a kind, and one that numbers its records, stays; others go with their last record.
        """
        kept = kept or len(path) <= len(home)
        result = self._try_folder(path, kept=kept)
        if isinstance(result, NoNodeError):
            self._make_folder(path.rpartition("/")[0], home, kept=kept)
            result = self._try_folder(path, kept=kept)
        if not isinstance(result, Written | NodeExistsError):
            hint = f"; {self._feed.link.access.when_refused}" if isinstance(result, NoAuthError) else ""
            raise StoreUnavailableError(
                f"ZooKeeper at {self._feed.link.hosts} refuses to make {path}: {result!r}{hint}"
            )

    def _try_folder(self, path: str, *, kept: bool) -> object:
        (result,) = self._feed.link.answer(self._feed.send_folder(path, kept=kept))
        return cast("object", result)
