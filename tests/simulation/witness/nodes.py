"""The lives of nodes: forward only, ready only when they are, and forgotten only when their servers are gone."""

from nodepool_lite.model.node import TRANSITIONS, Node, NodeState
from nodepool_lite.store.base import Snapshot
from tests.simulation.weather import CALL_TIMEOUT, LATEST
from tests.simulation.witness.changes import Watcher, changes

SLOWEST = 2 * (CALL_TIMEOUT + LATEST)
"""Seconds within which whatever was asked of a cloud has been seen by a list, or has not happened."""


class Nodes(Watcher):
    """Looks at the records of nodes."""

    def look(self, before: Snapshot, after: Snapshot) -> None:
        """Look at what has changed."""
        if after.nodes is before.nodes:
            return
        for node, was in changes(after.nodes, before.nodes):
            if was is None or was.state is not node.state:
                self.tell("node", was, node)
                self._entered(node, was)
        for key in before.nodes.keys() - after.nodes.keys():
            self._forgotten(before.nodes[key])

    def _entered(self, node: Node, was: Node | None) -> None:
        if was is None:
            if node.state is not NodeState.BUILDING or node.asked is not None:
                self.complain(f"node {node.id} began its life as {node.state}")
        elif node.state not in TRANSITIONS[was.state]:
            self.complain(f"node {node.id} went from {was.state} to {node.state}")
        if node.state is NodeState.READY:
            self._is_ready(node)
        if node.state is NodeState.FAILED and not node.error:
            self.complain(f"node {node.id} failed, and nobody knows why")

    def _is_ready(self, node: Node) -> None:
        """A node is ready when it knows its set and its ready-script has done its work, and not before."""
        inside = self.universe.insides.known.get(node.server_id or "")
        members = self._set_of(node)
        if inside is None or not inside.members or (members and set(inside.members) != members):
            self.complain(f"node {node.id} is ready, and was not told its set")
        elif node.script is not None and not inside.succeeded(node.script.run_id, self.now):
            self.complain(f"node {node.id} is ready, and its ready-script did not succeed")
        elif len(self._places(members)) > 1:
            self.complain(f"node {node.id} is ready, and its set is in several places")
        elif len(inside.runs) > 1 + self.universe.script_retries(node.label):
            self.complain(f"node {node.id}: its ready-script was run {len(inside.runs)} times")

    def _set_of(self, node: Node) -> set[str]:
        """Return the ids of the node's set; none if its primary is gone, and it goes next."""
        primary = self.universe.server.snapshot().nodes.get(node.set_id)
        return set() if primary is None else {primary.id, *primary.subnodes}

    def _places(self, members: set[str]) -> set[tuple[str, str]]:
        nodes = self.universe.server.snapshot().nodes
        return {(nodes[each].provider, nodes[each].pool) for each in members if each in nodes}

    def _forgotten(self, node: Node) -> None:
        """A record goes only when its server is gone."""
        self.universe.story.tell("store", f"node {node.id} is forgotten", state=node.state)
        for cloud in self.universe.all_clouds:
            for server in cloud.servers().values():
                own = (server.spec.node_id, server.spec.attempt) == (node.id, node.attempt)
                if own and node.asked is not None and server.asked < self.now - SLOWEST:
                    self.complain(f"node {node.id} was forgotten, and its server {server.id} is there")
