"""Node sets of several labels, as the planners see them: what is placed, what it takes, and when it is outdated."""

from typing import Any

import pytest

from nodepool_lite.clouds.driver import Need, Quota
from nodepool_lite.config.settings import Config, Label, NodesetMember, PoolLabel
from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.plan.actions import CreateServer, FailNode, Launch, Retire
from nodepool_lite.plan.generation import Source, sources
from nodepool_lite.plan.plan import plan
from nodepool_lite.plan.view import CloudView, View
from nodepool_lite.testing import NOW, PROVIDER, make_config, make_node, make_upload
from tests.plan.views import make_view

SIZES = {"controller": {"cores": 4, "min_ram": 4000}, "compute": {"cores": 2, "min_ram": 1000}}
SET = (NodesetMember(label="controller"), NodesetMember(label="compute", count=2))


def config(nodeset: tuple[NodesetMember, ...] = SET, sizes: dict[str, Any] | None = None, **limits: Any) -> Config:
    """A pool that is to have one set ready; a set takes 3 servers, 8 cores and 6000 MiB."""
    names = ("controller", "compute")
    labels = (*(Label(name=each) for each in names), Label(name="ha-set", min_ready=1, nodeset=nodeset))
    base = make_config(labels)
    made = tuple(PoolLabel(name=each, diskimage=each, **(sizes or SIZES)[each]) for each in names)
    pool = base.providers[0].pools[0].but(labels=(*made, PoolLabel(name="ha-set")), **limits)
    return base.but(providers=(base.providers[0].but(pools=(pool,)),))


def view(*nodes: Node, images: tuple[str, ...] = ("controller", "compute"), **fields: Any) -> View:
    """A moment of that pool, its images uploaded unless `images` says otherwise."""
    uploads = [make_upload(diskimage=each) for each in images]
    return make_view(*nodes, *uploads, **({"config": config(), "images": False} | fields))


def source(seen: View) -> Source:
    """The way to make sets."""
    (found,) = [each for each in sources(seen) if each.label.name == "ha-set"]
    return found


def launched(seen: View) -> list[tuple[str, ...]]:
    """The members of each set that is launched now."""
    found = [each for each in plan(seen, NOW) if isinstance(each, Launch) and each.at <= NOW]
    return [tuple(each.member for each in one.machines) for launch in found for one in launch.placements]


def whole_set(state: NodeState = NodeState.READY, **fields: Any) -> list[Node]:
    """The set of the configuration, all in one state."""
    ids = ("0000000002", "0000000003")
    common = {"state": state, "label": "ha-set", "since": NOW - 10} | fields
    subs = [make_node(each, primary="0000000001", member="compute", **common) for each in ids]
    return [make_node(1, subnodes=ids, member="controller", **common), *subs]


def test_a_set_is_placed_with_each_machine_made_as_its_label() -> None:
    """The primary first; from the image of its own label."""
    seen = view()
    (launch,) = [each for each in plan(seen, NOW) if isinstance(each, Launch) and each.placements]
    (placement,) = launch.placements
    assert (placement.label, placement.generation) == ("ha-set", source(seen).generation)
    assert [(each.member, each.diskimage) for each in placement.machines] == [
        ("controller", "controller"),
        ("compute", "compute"),
        ("compute", "compute"),
    ]


@pytest.mark.parametrize(
    ("limits", "fits"),
    [
        ({"max_servers": 3}, True),
        ({"max_servers": 2}, False),
        ({"max_cores": 8}, True),
        ({"max_cores": 7}, False),
        ({"max_ram": 6000}, True),
        ({"max_ram": 5999}, False),
    ],
)
def test_a_set_is_placed_where_there_is_room_for_all_of_it(limits: dict[str, int], fits: bool) -> None:
    """Each machine counts with what its own label takes."""
    assert bool(launched(view(config=config(**limits)))) is fits


def test_the_quota_of_the_cloud_counts_each_machine_in_the_words_of_the_driver() -> None:
    """8 cores in all: 4 and twice 2."""
    needs = {("main", "controller"): Need(cores=4, ram=1), ("main", "compute"): Need(cores=2, ram=1)}
    for cores, fits in ((8, True), (7, False)):
        clouds = {PROVIDER: CloudView(listed_at=NOW, quota=Quota(cores=cores), needs=needs)}
        assert bool(launched(view(clouds=clouds))) is fits


def test_machines_that_are_there_count_with_what_their_own_label_takes() -> None:
    """A set of 8 cores and 20 in all: there is room for one more, and not for two."""
    leased = whole_set(NodeState.IN_USE, lease="l")
    assert launched(view(*leased, config=config(max_cores=16)))
    assert not launched(view(*leased, config=config(max_cores=15)))


def test_nothing_is_placed_before_every_image_is_there() -> None:
    """And the one that lacks is named."""
    seen = view(images=("controller",))
    assert not launched(seen)
    assert source(seen).generation == ""
    assert source(seen).unserved == ("compute",)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(
            {"config": config(sizes=SIZES | {"compute": {"cores": 2, "min_ram": 2000}})}, id="more RAM for a compute"
        ),
        pytest.param({"config": config((*SET, NodesetMember(label="compute")))}, id="one compute more"),
        pytest.param({"config": config(SET[::-1])}, id="another primary"),
        pytest.param({"script_digests": {"ha-set": "2"}}, id="another script of the set"),
    ],
)
def test_what_shapes_one_machine_shapes_the_set(other: dict[str, Any]) -> None:
    """It is outdated as a whole."""
    assert source(view(**other)).generation != source(view()).generation


def test_a_new_image_of_one_label_outdates_the_set() -> None:
    """Of the same configuration."""
    new = view(make_upload(2, diskimage="compute"))
    assert source(new).generation != source(view()).generation
    assert source(new).fingerprint == source(view()).fingerprint


def test_what_concerns_other_nodes_of_a_label_does_not_outdate_the_set() -> None:
    """The scripts of a controller alone do not run in sets."""
    assert source(view(script_digests={"controller": "2"})).generation == source(view()).generation


def test_an_outdated_set_is_replaced_once_another_is_ready() -> None:
    """All its machines carry the generation of the set."""
    old = whole_set(generation="old")
    assert launched(view(*old)) == [("controller", "compute", "compute")]


def test_when_one_machine_has_failed_the_rest_of_the_set_goes() -> None:
    """The primary takes its sub-nodes along."""
    primary, first, second = whole_set(generation=source(view()).generation)
    failed = first.to(NodeState.FAILED, NOW, "its server is gone")
    seen = view(primary, failed, second)
    assert {each.node for each in plan(seen, NOW) if isinstance(each, Retire)} == {primary.id}


def test_the_servers_of_a_set_are_asked_for_when_all_its_records_are_there() -> None:
    """With what each takes of the quota."""
    nodes = whole_set(NodeState.BUILDING, generation=source(view()).generation)
    needs = {("main", "controller"): Need(cores=4, ram=1), ("main", "compute"): Need(cores=2, ram=1)}
    clouds = {PROVIDER: CloudView(listed_at=NOW, quota=Quota(cores=7), needs=needs)}
    actions = plan(view(*nodes, clouds=clouds), NOW)
    asked = {each.node for each in actions if isinstance(each, CreateServer)}
    failed = {each.node for each in actions if isinstance(each, FailNode) and each.at <= NOW}
    assert (asked, failed) == ({nodes[0].id, nodes[1].id}, {nodes[2].id})
    begun = nodes[0].but(subnodes=())
    assert not [each for each in plan(view(begun, clouds=clouds), NOW) if isinstance(each, CreateServer)]
