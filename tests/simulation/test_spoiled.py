"""Records that somebody spoils: what they speak of is left alone, the rest of the pool goes on, and mending mends."""

from pathlib import Path

import pytest

from nodepool_lite.config.settings import Label
from nodepool_lite.model.lease import LeaseState
from nodepool_lite.model.node import NodeState
from nodepool_lite.service.grab import Wish, grab_now
from nodepool_lite.store._codec import encode
from nodepool_lite.store.base import PATHS, Snapshot
from nodepool_lite.testing import LABEL, make_config
from tests.simulation.promises import always, settled
from tests.world import World

LONG = 1200.0
"""Seconds in which everything happens that ever does: lists, checks, clean-ups, back-offs, retention."""
GARBAGE = (b"", b"\xff", b'{"label": 7}')


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Give a pool with one node (set) ready, one taken, and one image in service."""
    labels = (Label(name=LABEL, min_ready=1, subnodes=1),)
    config = make_config(labels=labels, state_dir=tmp_path, max_servers=8, failed_retention=60.0)
    world = World(config, tmp_path / "images", quiet=True)
    world.run(60.0)
    lease = grab_now(world.store, config, world.clock, Wish(LABEL, owner="alice", lifetime=1e6))
    assert lease is not None
    world.run(60.0)
    assert list(settled(world)) == []
    return world


def paths(records: Snapshot) -> dict[str, bytes]:
    """Return every record that stays when nothing happens, as it is stored."""
    kept = ("nodes", "leases", "builds", "uploads")
    return {f"{kind}/{each.id}": encode(each) for kind in kept for each in getattr(records, kind).values()}


@pytest.mark.parametrize("data", GARBAGE, ids=["empty", "bytes", "json"])
def test_what_a_spoiled_record_speaks_of_is_left_alone(world: World, data: bytes) -> None:
    """Whichever it is, no machine, image, file or claim goes for it, and all is as before once it is mended.

    A machine that a user works on is the worst to lose: its node, its sub-node and its lease are among the records.
    """
    taken = {node.id for node in world.nodes(NodeState.IN_USE)}
    assert len(taken) == 2
    for path, good in paths(world.records).items():
        built = path.startswith("builds/")  # then there seems to be no image: another one is made, and its nodes
        kept = {node.server_id or "" for node in world.nodes() if node.id in taken or not built}
        images = set(world.cloud.images())
        files = {each for each in world.images.iterdir() if each.suffix == ".qcow2"}
        world.server.spoil(path, data)
        world.run(LONG, step=5.0)
        assert list(always(world)) == []
        assert world.launcher.engine.why.startswith("nodes: "), path
        assert kept <= {each.id for each in world.cloud.servers().values() if each.delete_asked is None}, path
        assert images <= set(world.cloud.images()), path
        assert files <= {each for each in world.images.iterdir() if each.suffix == ".qcow2"}, path
        assert len(world.cloud.servers()) <= 8
        world.server.spoil(path, good)
        world.run(LONG, step=5.0)
        assert list(settled(world)) == [], path
        assert {node.id for node in world.nodes(NodeState.IN_USE)} == taken, path
        assert [lease.state for lease in world.records.leases.values()] == [LeaseState.ACTIVE], path


def test_a_spoiled_node_still_takes_its_room(tmp_path: Path) -> None:
    """Its server is there, so no other one is made beyond max-servers; once it is gone, there is room again."""
    world = World(make_config(min_ready=3, max_servers=3, state_dir=tmp_path), tmp_path / "images", quiet=True)
    world.run(60.0)
    node = world.nodes(NodeState.READY)[0]
    world.server.spoil(f"nodes/{node.id}", b"?")
    world.run(LONG, step=5.0)
    assert (len(world.cloud.servers()), len(world.nodes(NodeState.READY))) == (3, 2)
    world.server.spoil(f"nodes/{node.id}", None)
    world.run(LONG, step=5.0)
    assert len(world.nodes(NodeState.READY)) == 3
    assert node.server_id not in world.servers()
    assert list(settled(world)) == []


def test_an_older_launcher_touches_nothing_once_a_newer_one_has_written(world: World) -> None:
    """It leads nothing and says why; when the record is its own kind again it takes up where it was."""
    node = world.nodes(NodeState.READY)[0]
    before = set(world.cloud.servers())
    good = encode(node)
    world.server.spoil(f"nodes/{node.id}", good.replace(b'"schema_version":1', b'"schema_version":2'))
    world.recipes = {LABEL: "recipe-2"}
    world.run(LONG, step=5.0)
    assert set(world.cloud.servers()) == before
    assert world.built == [LABEL]
    assert not world.records.leaders
    assert f"a newer nodepool-lite has written 1 records (nodes/{node.id} is one)" in world.launcher.engine.notice
    world.server.spoil(f"nodes/{node.id}", good)
    world.run(LONG, step=5.0)
    assert list(settled(world)) == []
    assert world.built == [LABEL, LABEL]
    assert world.launcher.engine.notice == ""


@pytest.mark.parametrize("kind", sorted(set(PATHS.values()) - {"pool"}))
def test_a_stray_record_stops_nothing(world: World, kind: str) -> None:
    """A znode of any kind under a name that will be wanted, or that means nothing: the pool goes on without it."""
    strays = {
        "nodes": ["nodes/9999999999", "nodes/0000000010", "nodes/no-number"],
        "builds": [f"builds/{LABEL}/0000000007", "builds/gone/0000000001"],
        "uploads": [f"uploads/{LABEL}/0000000001/local"],
        "backoffs": [f"backoffs/launch/{LABEL}@local", f"backoffs/build/{LABEL}", "backoffs/provider/local"],
        "requests": [f"requests/build/{LABEL}", f"requests/upload/{LABEL}@local"],
        "leases": ["leases/stray"],
        "waiters": ["waiters/stray"],
        "members": ["members/all-elsewhere-1"],
        "leaders": ["leaders/provider/elsewhere"],
    }
    for path in strays[kind]:
        world.server.spoil(path, b"?")
    world.nodes_inside.exit_status = 1  # a back-off is wanted, too
    world.recipes = {LABEL: "recipe-2"}
    world.broken_images[LABEL] = "no disk"
    lease = next(iter(world.records.leases))
    node = next(iter(world.nodes(NodeState.READY)))
    world.store.update(node.to(NodeState.DELETING, world.clock.now(), "to see another one come"))
    world.run(LONG, step=5.0)
    assert list(always(world)) == []
    world.nodes_inside.exit_status = 0
    world.broken_images.clear()
    world.run(4 * LONG, step=5.0)
    # As long as nobody knows what a node or an upload was made from, that is not removed.
    pinned = kind in {"nodes", "uploads"}
    assert [each for each in settled(world) if not (pinned and each.endswith("is deleting"))] == []
    assert world.records.leases[lease].state is LeaseState.ACTIVE
    assert {*strays[kind]} == {*world.records.garbage}
