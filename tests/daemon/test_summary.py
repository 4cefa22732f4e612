"""The one sentence that `systemctl status` shows."""

from nodepool_lite.daemon.engine import summary
from nodepool_lite.model.node import NodeState
from nodepool_lite.plan.view import View
from nodepool_lite.store.base import Snapshot
from nodepool_lite.testing import make_config, make_node


def _view(*states: NodeState) -> View:
    nodes = [make_node(f"{number:010d}", state=state) for number, state in enumerate(states)]
    return View(records=Snapshot(nodes={node.id: node for node in nodes}), config=make_config())


def test_nodes_are_counted_by_what_users_care_about() -> None:
    """Whatever is on its way is one figure, and what there is none of is left out."""
    view = _view(NodeState.READY, NodeState.BUILDING, NodeState.PREPARING, NodeState.IN_USE)

    assert summary(view, ()) == "nodes: 1 ready, 2 on their way, 1 in use; at work: nothing"


def test_what_is_being_done_is_named() -> None:
    """A few actions are named, looking at the clouds is not worth a word, and the rest is a figure."""
    running = ["list/local", "build/debian-12", "node/4", "node/3", "node/2"]

    assert summary(_view(), running) == "nodes: none; at work: build/debian-12, node/2, node/3 and 1 more"
