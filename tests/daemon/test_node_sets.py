"""Node sets of several labels through the whole loop: made, handed out, replaced and given back as one."""

from pathlib import Path

import pytest

from nodepool_lite.config.settings import Config, Label, NodesetMember
from nodepool_lite.model.lease import LeaseState
from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.service import leases, nodes
from nodepool_lite.service.grab import Wish, grab_now
from nodepool_lite.service.status import status
from nodepool_lite.testing import make_config
from tests.world import World

READY = NodeState.READY
MEMBERS = ("controller", "controller", "controller", "compute", "compute", "compute")
HA_SET = Label(
    name="ha-set",
    min_ready=1,
    ready_script="prepare.sh",
    nodeset=(NodesetMember(label="controller", count=3), NodesetMember(label="compute", count=3)),
)


def config(tmp_path: Path, label: Label = HA_SET) -> Config:
    """A pool that makes controllers, computes and sets of them."""
    labels = (Label(name="controller"), Label(name="compute"), label)
    return make_config(labels, max_servers=13, state_dir=tmp_path)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """One that has had time to make a set."""
    world = World(config(tmp_path), tmp_path, boot_time=2, delete_time=1)
    world.run(90)
    return world


def members(world: World) -> list[Node]:
    """The machines of all sets that are ready."""
    return world.nodes(READY, label="ha-set")


def test_a_set_is_made_of_machines_of_each_of_its_labels(world: World) -> None:
    """In the order of the configuration, each of its own image and with a name that tells what it is."""
    primary, *subs = members(world)
    assert primary.subnodes == tuple(sub.id for sub in subs)
    assert tuple(node.member for node in (primary, *subs)) == MEMBERS
    assert tuple(node.diskimage for node in (primary, *subs)) == MEMBERS
    assert [node.hostname.rpartition("-")[0] for node in (primary, *subs)] == list(MEMBERS)
    specs = [server.spec for server in world.cloud.servers().values()]
    assert sorted(spec.label for spec in specs) == sorted(MEMBERS)
    assert {spec.set_id for spec in specs} == {primary.id}


def test_the_script_of_the_set_runs_on_each_machine_and_on_the_primary_last(world: World) -> None:
    """And everybody knows everybody."""
    primary, *subs = members(world)
    assert list(world.nodes_inside.runs) == [*primary.subnodes, primary.id]
    assert all(world.nodes_inside.info[node.id] == (primary.id, *primary.subnodes) for node in (primary, *subs))


def test_when_one_machine_dies_the_whole_set_is_replaced(world: World) -> None:
    """By a set of other machines."""
    before = members(world)
    world.cloud.vanish(before[4].server_id or "")
    world.run(120)
    after = members(world)
    assert tuple(node.member for node in after) == MEMBERS
    assert not {node.id for node in before} & {node.id for node in after}
    assert world.servers() == [node.id for node in after]


def test_a_set_is_grabbed_and_given_back_whole(world: World) -> None:
    """One lease with all machines; while it lasts the next set is made, and with it all machines go."""
    taken = members(world)
    lease = grab_now(world.store, world.config, world.clock, Wish("ha-set", "alice"))
    assert lease is not None
    assert lease.nodes == tuple(node.id for node in taken)
    world.run(90)
    assert len(members(world)) == 6
    leases.release(world.store, lease.id, "alice", world.clock.now())
    world.run(60)
    assert world.records.leases[lease.id].state is LeaseState.ENDED
    assert not set(lease.nodes) & set(world.records.nodes)


@pytest.mark.parametrize("which", [0, 4])
def test_deleting_one_machine_of_a_set_leads_to_another_set(world: World, which: int) -> None:
    """What is left of the first goes too, whether it was the primary or not."""
    before = members(world)
    gone = nodes.delete(world.store, before[which].id, who="bob", now=world.clock.now())
    assert set(gone) == {node.id for node in before}
    world.run(120)
    assert len(members(world)) == 6
    assert not {node.id for node in before} & set(world.records.nodes)


def test_a_new_image_of_one_label_renews_the_set(world: World) -> None:
    """One set more is made first, and then the old one goes."""
    before = members(world)
    world.recipes["compute"] = "recipe-2"
    world.run(180)
    after = members(world)
    assert tuple(node.member for node in after) == MEMBERS
    assert not {node.id for node in before} & {node.id for node in after}
    assert {node.build for node in after} == {"controller/0000000000", "compute/0000000001"}


def test_what_is_wrong_with_one_of_its_labels_is_wrong_with_the_set(tmp_path: Path) -> None:
    """Nothing is asked for, and the set says which label it is."""
    world = World(config(tmp_path), tmp_path, impossible_labels={"compute": "no flavor has 9999 MiB"})
    world.run(60)
    assert not world.nodes()
    (wrong,) = [each for each in status(world.records, world.config).labels if each.name == "ha-set"]
    assert wrong.error == "compute, of which it is made: no flavor has 9999 MiB"
    assert "launch/controller@local" not in world.records.backoffs


def test_a_quota_that_no_set_fits_into_is_told_before_anything_is_asked_for(tmp_path: Path) -> None:
    """And a set is made as soon as it is raised."""
    world = World(config(tmp_path), tmp_path, boot_time=2, max_servers=5)
    world.run(60)
    assert not world.nodes()
    (wrong,) = [each for each in status(world.records, world.config).labels if each.name == "ha-set"]
    assert wrong.error == "it needs 6 servers, and the quota of local is 5"
    world.cloud.options = world.cloud.options.but(max_servers=6)
    world.run(120)
    assert len(members(world)) == 6


def test_a_set_waits_for_the_image_of_its_last_label(tmp_path: Path) -> None:
    """And says for which."""
    world = World(config(tmp_path), tmp_path, boot_time=2)
    world.broken_images["compute"] = "no mirror answers"
    world.run(60)
    assert not world.nodes()
    (waiting,) = [each for each in status(world.records, world.config).labels if each.name == "ha-set"]
    assert waiting.error == "no mirror answers"
