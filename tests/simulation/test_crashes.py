"""SIGKILL at any instruction, on any way a node can take: the next launcher takes up what is there."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from nodepool_lite.config.settings import Config, Label, NodesetMember
from nodepool_lite.model.node import NodeState
from nodepool_lite.testing import make_config, make_lease
from tests.simulation.promises import always, settled
from tests.simulation.tripwire import Killed, Tripwire
from tests.world import World

pytestmark = pytest.mark.uncounted
Deed = Callable[[World], None]


def nothing(_world: World) -> None:
    """Only fill an empty pool."""


def delete_one(world: World) -> None:
    """A person deletes a ready node."""
    node = world.nodes(NodeState.READY)[0]
    world.store.update(node.to(NodeState.DELETING, world.clock.now(), "by a test"))


def lose_one(world: World) -> None:
    """A server vanishes."""
    world.cloud.vanish(world.nodes(NodeState.READY)[0].server_id or "")


def lease_for_a_minute(world: World) -> None:
    """A user waits for a node, gets it, and its time is soon over."""
    world.store.create(make_lease(since=world.clock.now(), order=0, lifetime=60.0))


def new_image(world: World) -> None:
    """The recipe of the image changes: built, uploaded, and every node replaced."""
    world.recipes = dict.fromkeys(world.recipes, "recipe-2")


ALONE: Mapping[str, Any] = {}
PAIR: Mapping[str, Any] = {"subnodes": 1}
SET: Mapping[str, Any] = {"nodeset": (NodesetMember(label="controller"), NodesetMember(label="compute"))}


def config(tmp_path: Path, settings: Mapping[str, Any]) -> Config:
    """One label with a ready-script, and the labels that it is made of, if it is a set of several."""
    label = Label(name="debian-12", min_ready=1, ready_script="prepare.sh", **settings)
    members = tuple(Label(name=name) for name in label.members)
    return make_config(
        labels=(*members, label), max_servers=4, state_dir=tmp_path, failed_retention=30.0, cleanup_interval=60.0
    )


WALKS: dict[str, tuple[Deed, Mapping[str, Any]]] = {
    "fill": (nothing, ALONE),
    "fill with a node set": (nothing, PAIR),
    "fill with a node set of two labels": (nothing, SET),
    "delete": (delete_one, ALONE),
    "vanish": (lose_one, ALONE),
    "vanish from a node set of two labels": (lose_one, SET),
    "lease": (lease_for_a_minute, ALONE),
    "new image": (new_image, ALONE),
}


def walk(tmp_path: Path, name: str, wire: Tripwire) -> World:
    """Go that way with a launcher that dies at the wire, and let another one settle what it left."""
    deed, settings = WALKS[name]
    world = World(config(tmp_path, settings), tmp_path / "images", quiet=True, boot_time=2, delete_time=1)
    world.nodes_inside.script_seconds = 3
    if deed is not nothing:
        world.run(20)
        world.launcher.kill()
        deed(world)
    world.launcher = world.start("doomed", wire=wire)
    with suppress(Killed):
        world.run(100)
    world.launcher.kill()
    world.launcher = world.start("heir")
    for _ in range(20):
        world.run(15)
        assert not list(always(world))
        if not list(settled(world)):
            break
    return world


@pytest.mark.parametrize("name", WALKS)
def test_a_kill_at_any_call_loses_nothing_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    """Between any two calls to the store, the cloud and the nodes."""
    rehearsal = Tripwire()
    walk(tmp_path / "rehearsal", name, rehearsal)
    assert len(rehearsal.calls) > 10
    for number in range(1, len(rehearsal.calls) + 1):
        for after in (False, True):
            world = walk(tmp_path / f"{number}-{after}", name, Tripwire(number, after=after))
            story = "\n".join(world.journal.lines)
            where = f"{'after' if after else 'before'} call {number}, {rehearsal.calls[number - 1]}"
            assert list(settled(world)) == [], f"killed {where}:\n{story}"
            assert name.startswith("vanish") or "node.failed" not in story, f"killed {where}:\n{story}"
