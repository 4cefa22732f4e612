"""`nodepool-lite test-day`: one node of each label, and how to get into each."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from nodepool_lite.cli import complete
from nodepool_lite.cli.app import App
from nodepool_lite.cli.failures import note, signals_raise
from nodepool_lite.cli.lazy import Exemplary
from nodepool_lite.cli.listing import FORMATS, Column, Shape, render
from nodepool_lite.cli.options import duration, format_option, lasting
from nodepool_lite.config.settings import Config
from nodepool_lite.model.node import Node
from nodepool_lite.service.grab_each import Taken, grab_each

WAITED_IN_VAIN = 4


def columns(nodes: Mapping[str, Node]) -> Sequence[Column[Taken]]:
    """Return the columns: what was taken, and how to log in to it by our command and by plain ssh."""

    def node_of(taken: Taken) -> Node | None:
        return nodes.get(taken.lease.nodes[0]) if taken.lease is not None else None

    def by_ssh(taken: Taken) -> str:
        node = node_of(taken)
        return "" if node is None else f"ssh -p {node.port} {node.username}@{node.address}"

    return (
        Column("Label", lambda taken: taken.label),
        Column("Lease", lambda taken: taken.lease.id if taken.lease else ""),
        Column("Node", lambda taken: taken.lease.nodes[0] if taken.lease else "", rank=30),
        Column("Log-in", lambda taken: f"nodepool-lite ssh {taken.lease.id}" if taken.lease else ""),
        Column("SSH", by_ssh, rank=10),
        Column("Comment", lambda taken: taken.trouble, rank=20),
    )


@click.command(
    "test-day",
    cls=Exemplary,
    short_help="Take one node of each label, and see how to log in to each.",
    examples={
        "nodepool-lite test-day": "one of everything that the pool makes",
        "nodepool-lite test-day rdo-epoxy rdo-trunk --lifetime 8h": "one of each of these, for the day",
        "nodepool-lite leases": "afterwards: what is to be released",
    },
)
@click.argument("labels", nargs=-1, metavar="[LABEL]...", shell_complete=complete.label_names)
@click.option(
    "--lifetime", type=lasting, metavar="DURATION", help="When the leases end by themselves. [default: lease-lifetime]"
)
@click.option("--reason", default="test day", show_default=True, help="What for; shown in `leases`.")
@click.option("--wait", type=duration, help="Give up after that long on what is not there, e.g. 2h.")
@click.option(
    "--public-key",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Your own SSH public key: it opens these nodes until the leases end.",
)
@format_option(*FORMATS)
@click.pass_obj
def command(
    app: App,
    labels: tuple[str, ...],
    *,
    lifetime: float | None,
    reason: str,
    wait: float | None,
    public_key: Path | None,
    output_format: str,
) -> int:
    """Take one node of each LABEL and print a table with how to log in to each.

    Without any, of every label but those that are machines of node sets.
    All are asked for at once. What does not come within --wait is told in its line, and the exit status is 4.
    The line under Log-in finds the key of --public-key in ~/.ssh; the one under SSH is for who has the pool's.
    """
    from nodepool_lite.cli.taking import read_public_key  # noqa: PLC0415 - completion does without
    from nodepool_lite.service.grab import Wish  # noqa: PLC0415

    key = None if public_key is None else read_public_key(public_key)
    names = dict.fromkeys(labels) or _everything(app.config)
    wishes = [Wish(name, app.who, 1, lifetime, reason, wait, key) for name in names]
    with signals_raise(), app.store(watch=True) as store:
        taken = grab_each(store, app.config, app.clock, wishes, note)
        nodes = store.snapshot().nodes
    click.echo(render(taken, columns(nodes), Shape(output_format)), nl=False)
    return 0 if all(each.lease for each in taken) else WAITED_IN_VAIN


def _everything(config: Config) -> dict[str, None]:
    """Return every label that users ask for by itself."""
    parts = {member.label for label in config.labels for member in label.nodeset}
    return {label.name: None for label in config.labels if label.name not in parts}
