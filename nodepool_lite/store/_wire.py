"""What kazoo cannot say to ZooKeeper: recursive watches, batches of reads, transactions that return versions.

The numbers are those of ZooKeeper's `ZooDefs.OpCode` and `AddWatchMode`; the encodings those of its `zookeeper.jute`.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Self, cast

from kazoo.exceptions import EXCEPTIONS, NoNodeError, ZookeeperError
from kazoo.protocol.serialization import (
    Create,
    Create2,
    Delete,
    GetACL,
    GetChildren,
    GetData,
    MultiHeader,
    SetACL,
    SetData,
    int_struct,
    multiheader_struct,
    read_buffer,
    read_string,
    stat_struct,
    write_string,
)
from kazoo.protocol.states import ZnodeStat
from kazoo.security import OPEN_ACL_UNSAFE

from nodepool_lite.store._tree import Answer, Read, Refused, Znode

_EPHEMERAL, _SEQUENCE, _CONTAINER = 1, 2, 4
_ERROR = -1
_PERSISTENT_RECURSIVE = 1


class Root(NamedTuple):
    """Where a pool lives, and for whom its znodes are."""

    path: str
    home: str
    """The chroot, if there is one: it and all below are the pool's alone. What is above may be shared with others."""
    acl: Any

    def acl_of(self, path: str) -> Any:
        """Return who may do what with a new znode."""
        return self.acl if f"{path}/".startswith(f"{self.home}/") else OPEN_ACL_UNSAFE


class CreateContainer(Create):  # type: ignore[misc]  # kazoo ships no types
    """Make a folder that the server removes once it had children and has none any more."""

    type = 19


class AddWatch:
    """Ask to hear of every creation, change and deletion below `path`, as long as the connection lasts."""

    type = 106

    def __init__(self, path: str) -> None:
        self.path = path
        self.size = 1

    def serialize(self) -> bytes:
        """Return the request's body."""
        return bytes(write_string(self.path) + int_struct.pack(_PERSISTENT_RECURSIVE))

    def deserialize(self, _buffer: bytes, _offset: int) -> None:
        """Take the answer, which is empty."""


class Guard(SetACL):  # type: ignore[misc]  # kazoo ships no types
    """Say who may do what with a znode that is there already."""

    size = 1

    def __new__(cls, path: str, acl: Any) -> Self:
        """Make the request, whatever the version of the znode's present ACL."""
        return cast("Self", super().__new__(cls, path, acl, -1))


class Guarded(GetACL):  # type: ignore[misc]  # kazoo ships no types
    """Ask who may do what with a znode; answers the ACL and the znode's state."""

    size = 1


class Written(NamedTuple):
    """What one write of a transaction did: path, version and creating transaction, where the server says them.

    It does not say the latter two of a new znode: its version is 0, its creating transaction this one.
    """

    path: str = ""
    version: int = 0
    created: int = 0


class Transaction:
    """Writes that are done all or none; answers a `Written` or an error for each."""

    type = 14

    def __init__(self, operations: Sequence[Any]) -> None:
        self.operations = operations
        self.size = len(operations)

    def serialize(self) -> bytes:
        """Return the request's body."""
        return _multi(self.operations)

    def deserialize(self, buffer: bytes, offset: int) -> list[Written | ZookeeperError]:
        """Return what became of each operation."""
        return [each if isinstance(each, ZookeeperError) else Written(*each) for each in _results(buffer, offset)]


class ReadBatch:
    """Many reads in one request (ZooKeeper 3.6 or later)."""

    type = 22

    def __init__(self, reads: Sequence[Read]) -> None:
        self._reads = reads
        self.size = len(reads)

    def serialize(self) -> bytes:
        """Return the request's body."""
        return _multi([GetChildren(r.path, None) if r.children else GetData(r.path, None) for r in self._reads])

    def deserialize(self, buffer: bytes, offset: int) -> list[Answer]:
        """Return the answer to each read."""
        return [_answer(each) for each in _results(buffer, offset)]


def create(root: Root, path: str, data: bytes, *, ephemeral: bool = False, numbered: bool = False) -> Create:
    """Return the operation that makes a znode."""
    return Create(path, data, root.acl, ephemeral * _EPHEMERAL | numbered * _SEQUENCE)


def create_folder(root: Root, path: str, *, kept: bool) -> Create:
    """Return the operation that makes a folder: one that is `kept`, or one that goes with its last child."""
    acl = root.acl_of(path)
    return Create(path, b"", acl, 0) if kept else CreateContainer(path, b"", acl, _CONTAINER)


def replace(path: str, data: bytes, version: int) -> SetData:
    """Return the operation that replaces the data of a znode that is still at `version`."""
    return SetData(path, data, version)


def remove(path: str, version: int) -> Delete:
    """Return the operation that removes a znode that is still at `version`."""
    return Delete(path, version)


def _multi(operations: Sequence[Any]) -> bytes:
    parts = [MultiHeader(each.type, done=False, err=-1).serialize() + each.serialize() for each in operations]
    return b"".join((*parts, multiheader_struct.pack(-1, True, -1)))  # noqa: FBT003  # the end mark


def _results(buffer: bytes, offset: int) -> Iterator[Any]:
    """Yield the fields of a Written, a Znode, names or an error for each operation."""
    header, offset = MultiHeader.deserialize(buffer, offset)
    while not header.done:
        if header.type == _ERROR:
            yield EXCEPTIONS.get(int_struct.unpack_from(buffer, offset)[0], ZookeeperError)()
            offset += int_struct.size
        elif header.type in (Create.type, Create2.type, CreateContainer.type):
            path, offset = read_string(buffer, offset)
            offset += 0 if header.type == Create.type else stat_struct.size
            yield (path,)
        elif header.type == SetData.type:
            stat, offset = _stat(buffer, offset)
            yield "", stat.version, stat.czxid
        elif header.type == GetData.type:
            data, offset = read_buffer(buffer, offset)
            stat, offset = _stat(buffer, offset)
            yield Znode(data or b"", stat.version, stat.czxid, stat.numChildren)
        elif header.type == GetChildren.type:
            names, offset = _names(buffer, offset)
            yield names
        else:
            yield ()
        header, offset = MultiHeader.deserialize(buffer, offset)


def _stat(buffer: bytes, offset: int) -> tuple[Any, int]:
    return ZnodeStat._make(stat_struct.unpack_from(buffer, offset)), offset + stat_struct.size


def _names(buffer: bytes, offset: int) -> tuple[tuple[str, ...], int]:
    (count,) = int_struct.unpack_from(buffer, offset)
    offset += int_struct.size
    names = []
    for _ in range(count):
        name, offset = read_string(buffer, offset)
        names.append(name)
    return tuple(names), offset


def _answer(result: Any) -> Answer:
    if isinstance(result, NoNodeError):
        return None
    if isinstance(result, ZookeeperError):
        return Refused(f"ZooKeeper refuses to read it: {result!r}")
    return result  # type: ignore[no-any-return]
