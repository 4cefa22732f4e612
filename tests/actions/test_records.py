"""Actions that only write records: they act on what was decided on, or not at all."""

from pathlib import Path

import pytest

from nodepool_lite.actions.context import DONE
from nodepool_lite.actions.dispatch import EXECUTORS, carry_out
from nodepool_lite.model.lease import LeaseState
from nodepool_lite.model.node import NodeState
from nodepool_lite.plan import actions, image_actions
from nodepool_lite.plan.actions import Action, EndLease, FailNode, Retire
from nodepool_lite.service import leases, nodes
from nodepool_lite.service.grab import Wish, grab_now
from nodepool_lite.testing import LABEL, make_lease, make_node
from tests.actions.conftest import MakeWorld
from tests.world import World

NODE, LEASE = "0000000001", "abcd2345"


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """A pool in which nothing happens by itself."""
    return make_world({"min_ready": 0})


def test_every_action_has_an_executor() -> None:
    """And only those that can be planned."""
    kinds = {
        each
        for each in (vars(actions) | vars(image_actions)).values()
        if isinstance(each, type) and issubclass(each, Action)
    }
    assert {each for each in kinds if not each.__name__.endswith("Action")} == set(EXECUTORS)


def test_a_node_that_was_held_after_the_plan_is_not_retired(world: World) -> None:
    """The hold came a moment before."""
    node = world.store.create(make_node(NODE))
    nodes.hold(world.store, world.config, NODE, reason="look", who="bob", now=world.clock.now())
    assert carry_out(world.launcher.ctx, Retire(at=0, node=NODE, version=node.version, why="surplus")) == DONE
    assert world.records.nodes[NODE].state is NodeState.HOLD


def test_a_node_that_became_ready_after_the_plan_does_not_fail(world: World) -> None:
    """It made it in the last second."""
    node = world.store.create(make_node(NODE, state=NodeState.PREPARING))
    world.store.update(node.to(NodeState.READY, world.clock.now(), "done"))
    carry_out(world.launcher.ctx, FailNode(at=0, node=NODE, version=node.version, why="too late"))
    assert world.records.nodes[NODE].state is NodeState.READY


def test_a_lease_that_was_extended_after_the_plan_does_not_end(world: World) -> None:
    """Its user was quicker."""
    world.store.create(make_node(NODE, state=NodeState.IN_USE, lease=LEASE))
    lease = world.store.create(make_lease(LEASE, state=LeaseState.ACTIVE, nodes=(NODE,)))
    leases.extend(world.store, world.config, LEASE, 3600, who="alice", now=world.clock.now())
    carry_out(world.launcher.ctx, EndLease(at=0, lease=LEASE, version=lease.version, why="expired: over"))
    assert world.records.leases[LEASE].state is LeaseState.ACTIVE


def test_the_end_of_a_hold_ends_the_lease_that_has_nothing_else(make_world: MakeWorld) -> None:
    """With that as the reason."""
    world = make_world()
    world.run(20)
    lease = grab_now(world.store, world.config, world.clock, Wish(label=LABEL, owner="alice"))
    assert lease is not None
    nodes.hold(world.store, world.config, lease.nodes[0], reason="x", who="bob", now=world.clock.now(), seconds=60)
    world.run(70)
    assert world.records.leases[lease.id].end_reason == "its hold has ended"
    assert lease.nodes[0] not in world.records.nodes


def test_an_unforeseen_error_is_told_once_and_tried_again_later(world: World, tmp_path: Path) -> None:
    """The loop goes on."""
    world.store.create(make_node(NODE, state=NodeState.DELETING, asked=None, server_id=None))
    world.launcher.ctx.reach = None  # type: ignore[assignment, method-assign]  # a mistake of ours
    world.run(30)
    assert len(world.journal.crashes) == 1


def test_what_belongs_to_others_is_never_touched(make_world: MakeWorld) -> None:
    """Servers and images without our pool's id, whatever else they say."""
    world = make_world(config={"cleanup_interval": 60.0})
    world.run(30)
    theirs = world.cloud.add_server(world.cloud.asked[0].but(pool_id="theirs"), 1, 1024)
    (image,) = world.cloud.images().values()
    their_image = world.cloud.add_image(image.spec.but(pool_id="theirs", upload_id="x"))
    world.run(200)
    assert theirs in world.cloud.servers()
    assert their_image in world.cloud.images()


def test_the_record_of_a_primary_tells_how_many_belong_to_its_set(make_world: MakeWorld) -> None:
    """Before any of the others is recorded: whoever sees it then has to wait for them."""
    world = make_world({"subnodes": 2})
    seen: list[tuple[int, int]] = []

    def look() -> None:
        nodes = world.records.nodes.values()
        seen.extend((each.set_size, len(nodes)) for each in nodes if each.primary is None)

    with world.launcher.store.subscribe(look):
        world.run(10)
    assert seen[0] == (3, 1)
