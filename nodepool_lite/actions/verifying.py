"""Whether a node still does what it is there for: its verify-script, run over SSH."""

from nodepool_lite.access.script import Verification
from nodepool_lite.actions.context import Context
from nodepool_lite.config.scripts import verify_script
from nodepool_lite.config.settings import Label
from nodepool_lite.model.errors import VerifyError
from nodepool_lite.model.node import Node, NodeState

CHECK_TRIES = 3
"""Failed checks in a row after which a node is given up."""
CHECK_PAUSE = 10.0
"""Seconds between two of them."""


def verify_node(ctx: Context, node: Node) -> str:
    """Run the verify-script that the node was given when it was prepared; return its name, empty for none.

    A ready node that was prepared before its label had the script is taken as it is: it is outdated, and will be
    replaced in its turn.

    Raises:
        VerifyError: it says that the node does not work; or it is not there, while the node is being prepared.
        AccessError: the node cannot be reached.
    """
    label = ctx.config().label(node.label)
    name = verify_script(ctx.config(), label) if label is not None else ""
    if label is None or not name:
        return ""
    call = Verification(name, node.hostname, script_environment(ctx, node, label), label.verify_timeout)
    if ctx.reach(node).verify(node, call):
        return name
    if node.state is NodeState.PREPARING:
        raise VerifyError(f"{name} is neither in `scripts-dir` nor in its image, under /opt/nodepool-scripts")
    return ""


def script_environment(ctx: Context, node: Node, label: Label | None) -> dict[str, str]:
    """What every script on a node is told: the daemon's own NODEPOOL_ variables, and which node it is on."""
    return {
        **ctx.environment,
        "NODEPOOL_NODE_ID": node.id,
        "NODEPOOL_LABEL": node.made_as,
        "NODEPOOL_NODESET": node.label if node.member else "",
        "NODEPOOL_PROVIDER": node.provider,
        "NODEPOOL_ROLE": node.role,
        "NODEPOOL_SUBNODES": "0" if label is None else str(label.size - 1),
    }
