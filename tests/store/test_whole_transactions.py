"""Records that change together are seen to change together."""

from nodepool_lite.model.node import NodeState
from nodepool_lite.store.base import Write
from nodepool_lite.testing import make_lease, make_node

from .conftest import Connect
from .waiting import until_seen


def test_no_view_ever_shows_half_of_a_transaction(connect: Connect) -> None:
    """A watcher that looks at each change never sees the lease ahead of its nodes, or behind them."""
    writer, watcher = connect(), connect()
    lease = writer.create(make_lease("abc", reason="0"))
    nodes = [writer.create(make_node(number, error="0")) for number in range(5)]
    until_seen(watcher, lambda seen: len(seen.nodes) == 5 and "abc" in seen.leases)
    torn: list[set[str]] = []

    def look() -> None:
        seen = watcher.snapshot()
        counts = {seen.leases["abc"].reason, *(node.error for node in seen.nodes.values())}
        if len(counts) > 1:
            torn.append(counts)

    with watcher.subscribe(look):
        for count in range(1, 101):
            writes = [Write("update", lease.but(reason=str(count)))]
            writes += [Write("update", node.but(error=str(count))) for node in nodes]
            lease, *nodes = writer.transact(writes)  # type: ignore[assignment]  # the same kinds come back
        until_seen(watcher, lambda seen: seen.leases["abc"].reason == "100")
    assert torn == []


def test_a_record_that_is_deleted_while_it_is_read_does_not_come_back(connect: Connect) -> None:
    """Changes and deletions of one record in quick succession end with what the server has."""
    writer, watcher = connect(), connect()
    for number in range(50):
        node = writer.create(make_node(number, state=NodeState.READY))
        writer.delete(writer.update(node.noted(1.0, "changed")))
    last = writer.create(make_node(999))
    until_seen(watcher, lambda seen: last.id in seen.nodes)
    assert set(watcher.snapshot().nodes) == {last.id}
