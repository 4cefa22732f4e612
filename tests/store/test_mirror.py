"""Which events make the view read again: the rules, without a server."""

import pytest

from nodepool_lite.model.node import Node
from nodepool_lite.store._codec import encode
from nodepool_lite.store._mirror import Mirror
from nodepool_lite.store._tree import Read, Refused, Znode
from nodepool_lite.store.base import PATHS
from nodepool_lite.testing import make_node

PATH = "/pool/nodes/0000000001"


def znode(node: Node, *, version: int = 0, created: int = 5) -> Znode:
    """Return what the server says of a node's znode."""
    return Znode(encode(node), version, created, 0)


def loaded(*nodes: Node) -> Mirror:
    """Return a mirror that has read these nodes."""
    mirror = Mirror("/pool")
    mirror.load()
    found = {f"/pool/{PATHS[Node]}": tuple(each.id for each in nodes)}
    mirror.take([found.get(read.path, ()) for read in mirror.batch()])
    if nodes:
        assert mirror.batch() == tuple(Read(f"/pool/nodes/{each.id}") for each in nodes)
        mirror.take([znode(each) for each in nodes])
    assert mirror.batch() == ()
    assert mirror.fresh
    return mirror


def test_nothing_is_fresh_before_everything_was_read() -> None:
    """A view is only trusted once the whole tree was read after the watch was set."""
    mirror = Mirror("/pool")
    assert mirror.batch() == ()
    assert not mirror.fresh
    mirror.load()
    assert {read.path for read in mirror.batch()} == {f"/pool/{each}" for each in PATHS.values()}
    assert not mirror.fresh


def test_a_change_while_loading_is_read_before_the_view_is_fresh() -> None:
    """An event that comes during the first reading is not lost."""
    mirror = Mirror("/pool")
    mirror.load()
    reads = mirror.batch()
    mirror.event(PATH, deleted=False)
    mirror.take([()] * len(reads))
    assert mirror.batch() == (Read(PATH),)
    assert not mirror.fresh
    assert mirror.take([znode(make_node(1))])
    assert mirror.batch() == ()
    assert mirror.fresh
    assert list(mirror.view.snapshot().nodes) == ["0000000001"]


def test_a_foreign_change_is_read_once() -> None:
    """However many events come before the read is sent, one read is enough."""
    mirror = loaded(make_node(1))
    for _ in range(3):
        mirror.event(PATH, deleted=False)
    assert mirror.batch() == (Read(PATH),)
    assert mirror.take([znode(make_node(1, error="x"), version=3)])
    assert mirror.batch() == ()
    assert mirror.view.snapshot().nodes["0000000001"].error == "x"


def test_a_change_during_its_own_read_is_read_once_more() -> None:
    """The answer under way may be the older one."""
    mirror = loaded(make_node(1))
    mirror.event(PATH, deleted=False)
    mirror.batch()
    mirror.event(PATH, deleted=False)
    mirror.event(PATH, deleted=False)
    assert mirror.batch() == ()
    mirror.take([znode(make_node(1), version=1)])
    assert mirror.batch() == (Read(PATH),)


def test_an_older_answer_is_passed_over() -> None:
    """A read that was overtaken does not turn the view back."""
    mirror = loaded(make_node(1))
    mirror.event(PATH, deleted=False)
    mirror.batch()
    mirror.wrote(make_node(1).but(version=2, order=5))
    assert not mirror.take([znode(make_node(1), version=1)])
    assert mirror.view.snapshot().nodes["0000000001"].version == 2


def test_a_foreign_removal_needs_no_read() -> None:
    """What is gone is taken out of the view at once."""
    mirror = loaded(make_node(1))
    assert mirror.event(PATH, deleted=True)
    assert mirror.batch() == ()
    assert not mirror.view.snapshot().nodes


def test_a_removal_during_a_read_is_checked() -> None:
    """An answer that was on its way cannot bring back what was removed."""
    mirror = loaded(make_node(1))
    mirror.event(PATH, deleted=False)
    mirror.batch()
    mirror.event(PATH, deleted=True)
    mirror.take([znode(make_node(1), version=1)])
    assert mirror.batch() == (Read(PATH),)
    mirror.take([None])
    assert not mirror.view.snapshot().nodes


@pytest.mark.parametrize(
    ("events", "done", "reads"), [(1, True, 0), (2, True, 1), (0, True, 0), (0, False, 0), (1, False, 1)]
)
def test_our_own_event_is_told_from_others_by_count(events: int, done: bool, reads: int) -> None:
    """One event belongs to our successful write; any further one, or one beside a refused write, is foreign."""
    mirror = loaded(make_node(1))
    mirror.expect(PATH)
    for _ in range(events):
        mirror.event(PATH, deleted=False)
    assert mirror.batch() == ()
    mirror.answered(PATH, done=done)
    assert len(mirror.batch()) == reads


def test_writes_of_ours_that_overlap_are_counted_together() -> None:
    """Two threads that write to the same record cause no read either."""
    mirror = loaded(make_node(1))
    mirror.expect(PATH)
    mirror.expect(PATH)
    mirror.event(PATH, deleted=False)
    mirror.answered(PATH, done=True)
    mirror.event(PATH, deleted=False)
    mirror.answered(PATH, done=True)
    assert mirror.batch() == ()


def half_shown(other: str) -> Mirror:
    """Return a mirror that has read one half of a transaction; the other half touched what we are writing to."""
    mirror = loaded(make_node(1), make_node(2))
    mirror.event(PATH, deleted=False)
    assert mirror.batch() == (Read(PATH),)
    mirror.expect(other)
    mirror.event(other, deleted=False)
    assert not mirror.take([znode(make_node(1, error="new"), version=1)])
    assert mirror.batch() == ()
    assert not mirror.view.snapshot().nodes["0000000001"].error
    return mirror


def test_half_of_a_transaction_is_not_shown_while_the_other_half_may_be_hidden_by_a_write_of_ours() -> None:
    """Else a lease would have a node that nobody has taken, until our write is refused and the node is read."""
    other = "/pool/nodes/0000000002"
    mirror = half_shown(other)
    mirror.answered(other, done=False)
    assert not mirror.show()
    assert mirror.batch() == (Read(other),)
    assert mirror.take([znode(make_node(2, error="new"), version=1)])
    assert [each.error for each in mirror.view.snapshot().nodes.values()] == ["new", "new"]


def test_what_was_held_back_is_shown_when_the_event_turns_out_to_be_our_own() -> None:
    """There is nothing more to read, then."""
    other = "/pool/nodes/0000000002"
    mirror = half_shown(other)
    mirror.answered(other, done=True)
    assert mirror.batch() == ()
    assert mirror.show()
    assert mirror.view.snapshot().nodes["0000000001"].error == "new"
    assert not mirror.show()


def test_our_numbered_record_needs_no_read_but_its_neighbour_does() -> None:
    """The path of a numbered record is only known from the answer, so what appears meanwhile waits for that."""
    mirror = loaded()
    mirror.expect_numbered("/pool/nodes")
    mirror.event("/pool/nodes/0000000001", deleted=False)
    mirror.event("/pool/nodes/0000000002", deleted=False)
    assert mirror.batch() == ()
    mirror.answered_numbered("/pool/nodes", "/pool/nodes/0000000002")
    assert mirror.batch() == (Read("/pool/nodes/0000000001"),)


def test_a_lost_connection_forgets_what_was_under_way() -> None:
    """After a reset nothing is read or fresh until the next load, and the answers of before do no harm."""
    mirror = loaded(make_node(1))
    mirror.expect(PATH)
    mirror.event(PATH, deleted=False)
    mirror.reset()
    mirror.answered(PATH, done=False)
    mirror.answered_numbered("/pool/nodes", None)
    assert mirror.batch() == ()
    assert not mirror.fresh


def test_what_cannot_be_read_as_a_record_is_garbage_until_it_is_mended() -> None:
    """Garbage is named with its reason, and forgotten when the znode becomes a record."""
    mirror = loaded(make_node(1))
    mirror.event(PATH, deleted=False)
    mirror.batch()
    mirror.take([Refused("no rights")])
    assert mirror.view.snapshot().garbage == {"nodes/0000000001": "no rights"}
    assert not mirror.view.snapshot().nodes
    mirror.event(PATH, deleted=False)
    mirror.batch()
    mirror.take([znode(make_node(1), version=2)])
    assert not mirror.view.snapshot().garbage
    assert list(mirror.view.snapshot().nodes) == ["0000000001"]


@pytest.mark.parametrize("path", ["/pool/nodes", "/pool/strange/1", "/pool"])
def test_what_is_no_record_of_ours_is_not_read(path: str) -> None:
    """Folders and what others keep below our root cost nothing."""
    mirror = loaded()
    mirror.event(path, deleted=False)
    assert not mirror.event(path, deleted=True)
    assert mirror.batch() == ()
